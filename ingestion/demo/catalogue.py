"""The shop's products: thirty that the guides speak of, then as many as the scale asks for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from ingestion.demo.rows import Product

CURRENCY = "EUR"


@dataclass(frozen=True)
class Kind:
    """A thing that comes in many colours and sizes; prices in cents."""

    noun: str
    prefix: str
    category: str
    low: int
    high: int
    sizes: tuple[str, ...]
    text: str


# slug | SKU prefix | category | price in cents | description
FIRST = """
Blue-Kettle_XL|KET|kitchen|4990|Enamelled steel kettle for 1.8 litres with a heat-safe oak handle.
cast-iron-skillet|SKI|kitchen|3950|Pre-seasoned 26 cm skillet that goes from hob to oven.
Pour_Over-Coffee-Set|COF|coffee|5490|Glass carafe, ceramic dripper and forty paper filters.
burr-grinder_PRO|GRI|coffee|12900|Conical burr grinder with 31 settings, espresso to French press.
linen-duvet-cover_Double|DUV|textiles|8900|Stone-washed linen, closes with coconut buttons.
Wool-Throw-Blanket|THR|textiles|6490|Lambswool throw, 130 by 180 cm, woven in herringbone.
Oak-Desk_Lamp|LAM|lighting|7990|Dimmable desk lamp with an oak arm and a warm LED of 480 lumens.
solar-garden-lantern|LAN|garden|2490|Lantern that charges by day and glows for eight hours.
Teak_Garden-Bench|BEN|garden|24900|Three-seat bench of certified teak, delivered flat.
trail-rain-jacket_M|JAC|clothing|11900|Waterproof three-layer jacket with taped seams and pit zips.
Merino-Hiking-Socks|SOC|clothing|1890|Cushioned merino socks, knitted without a toe seam.
leather-Walking-Boots_42|BOO|clothing|14900|Full-grain leather boots with a resoleable welt.
Two-Person_Tent|TEN|outdoor|18900|Freestanding tent of 2.1 kg with two porches.
Down-Sleeping_Bag|SLE|outdoor|15900|Comfort to minus two degrees, 700-fill responsibly sourced down.
stainless-water-bottle_1L|BOT|outdoor|2290|Insulated bottle that keeps water cold for a day.
Standing-Desk_Frame|DES|office|32900|Electric frame with two motors and four height memories.
mesh-Office-Chair|CHA|office|21900|Breathing back, adjustable lumbar support and arm rests.
Ceramic_Teapot-600ml|TEA|coffee|3490|Hand-glazed teapot with a fine steel strainer.
bread-proofing-basket|BAS|kitchen|1990|Rattan basket with linen liner for loaves of one kilogram.
Chef-Knife_20cm|KNI|kitchen|7490|Forged carbon steel blade with a pear-wood handle.
bamboo-Cutting_Board|BOA|kitchen|2990|End-grain board with a juice groove.
Compost-Bin_50L|COM|garden|4490|Rotating bin on a steel stand, ready in eight weeks.
self-watering-Planter|PLA|garden|3290|Planter with a reservoir for two weeks of holiday.
beeswax-Candle-Set|CAN|lighting|1690|Six dipped candles of pure beeswax.
Cotton_Bath-Towel|TOW|textiles|1990|Organic cotton towel of 600 grams a square metre.
Waxed-Canvas_Backpack|BAC|outdoor|9900|Roll-top backpack of 22 litres with leather straps.
wall-clock_Walnut|CLO|home|5990|Silent quartz clock in a walnut rim of 30 cm.
Cordless_Hand-Vacuum|VAC|home|8900|Hand vacuum with 20 minutes of battery and a washable filter.
air-quality-Monitor|AIR|home|9900|Shows carbon dioxide, humidity and fine dust.
Espresso_Machine-Duo|ESP|coffee|54900|Twin-boiler machine with a programmable temperature.
""".strip()

KINDS = (
    Kind("mug", "MUG", "coffee", 900, 2400, ("350ml", "500ml"), "Stoneware mug, glazed by hand."),
    Kind("saucepan", "SAU", "kitchen", 2900, 8900, ("16cm", "20cm"), "Steel pan, copper core."),
    Kind("apron", "APR", "kitchen", 1900, 4900, ("S", "M", "L"), "Cotton twill, two pockets."),
    Kind("cushion-cover", "CUS", "textiles", 1500, 3900, ("40", "50"), "Cover with a hidden zip."),
    Kind("bed-sheet", "SHE", "textiles", 3900, 9900, ("single", "double"), "Percale, 200 threads."),
    Kind("floor-lamp", "FLO", "lighting", 7900, 19900, ("", "tall"), "Lamp with a linen shade."),
    Kind("string-lights", "STR", "lighting", 1500, 3900, ("5m", "10m"), "Warm white, for outside."),
    Kind("pruning-shears", "PRU", "garden", 1900, 5900, ("", "L"), "Bypass shears, come apart."),
    Kind("watering-can", "WAT", "garden", 2400, 5400, ("3L", "9L"), "Galvanised can, brass rose."),
    Kind(
        "fleece", "FLE", "clothing", 4900, 9900, ("S", "M", "L", "XL"), "Recycled yarn, full zip."
    ),
    Kind("rain-trousers", "RAI", "clothing", 5900, 10900, ("S", "M", "L"), "Packable, side zips."),
    Kind("camping-stove", "STO", "outdoor", 3900, 8900, ("", "duo"), "Gas, with a wind shield."),
    Kind("dry-bag", "DRY", "outdoor", 1200, 3400, ("5L", "10L", "20L"), "Roll-top, welded seams."),
    Kind("monitor-stand", "MON", "office", 2900, 7900, ("", "wide"), "Ash, with a cable channel."),
    Kind("notebook", "NOT", "office", 700, 1900, ("A5", "A4"), "Thread-bound, dotted, 160 pages."),
    Kind("storage-box", "BOX", "home", 1400, 3900, ("S", "M", "L"), "Felt box that folds flat."),
    Kind("door-mat", "MAT", "home", 1900, 4400, ("", "XL"), "Coir mat with a rubber back."),
)
COLOURS = ("blue", "Forest", "sand", "Charcoal", "rust", "Ivory", "olive", "Plum", "slate", "Coral")


def products(count: int, rng: Random, end: datetime, span_days: int) -> list[Product]:
    """Products 1 to `count` and never fewer than the first thirty."""
    rows: list[Product] = []
    for key, line in enumerate(FIRST.splitlines(), start=1):
        slug, prefix, category, price, text = line.split("|")
        changed = _moment(rng, end, span_days)
        sku = f"{prefix}-{key:04d}"
        rows.append(Product(key, sku, slug, text, category, int(price), CURRENCY, changed))
    for key in range(len(rows) + 1, count + 1):
        rows.append(_generated(key, rows, rng, _moment(rng, end, span_days)))
    return rows


def title(slug: str) -> str:
    """A slug as a person would say it: `Blue-Kettle_XL` becomes `Blue Kettle XL`."""
    words = slug.strip().replace("_", "-").split("-")
    return " ".join(word[:1].upper() + word[1:] for word in words if word)


def new_product(key: int, rng: Random, now: datetime) -> Product:
    """A product that was not there before."""
    return _generated(key, [], rng, now)


def _generated(key: int, before: list[Product], rng: Random, changed: datetime) -> Product:
    kind = rng.choice(KINDS)
    words = [rng.choice(COLOURS), *kind.noun.split("-"), rng.choice(kind.sizes)]
    slug = _spelled([word for word in words if word], rng)
    if before and rng.random() < 0.03:
        twin = rng.choice(before).slug
        slug = twin.lower().replace("_", "-") if twin != twin.lower() else twin.title()
    description = None if rng.random() < 0.04 else kind.text
    if description and rng.random() < 0.1:
        description = f"  {description}\n"
    cents = rng.randrange(kind.low, kind.high, 50) - rng.choice((0, 1, 10))
    category = rng.choice((kind.category, kind.category, kind.category.title()))
    currency = rng.choice((CURRENCY, CURRENCY, CURRENCY, CURRENCY.lower()))
    sku = f"{kind.prefix}-{key:04d}"
    return Product(key, sku, slug, description, category, cents, currency, changed)


def _spelled(words: list[str], rng: Random) -> str:
    """The words as one slug, in one of the ways that people type slugs."""
    style = rng.randrange(5)
    if style == 0:
        return "-".join(words).lower()
    if style == 1:
        return "_".join(words).lower()
    if style == 2:
        return "-".join(word.capitalize() for word in words)
    if style == 3:
        return "_".join(words)
    return "-".join(words[:-1]) + "_" + words[-1].upper()


def _moment(rng: Random, end: datetime, span_days: int) -> datetime:
    return end - timedelta(seconds=rng.randrange(span_days * 86_400))
