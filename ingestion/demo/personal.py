"""Contact and payment data that looks real and belongs to nobody."""

import unicodedata
from random import Random

from ingestion.demo.words import DOMAINS, REGIONS, Region

CARD_PREFIXES = ("400000", "424242", "555555", "510510")
BANKS = {"DE": "##################", "NL": "TEST##########", "GB": "TEST##############"}


def region(rng: Random) -> Region:
    """A country, drawn by its weight."""
    return rng.choices(REGIONS, weights=[r.weight for r in REGIONS])[0]


def digits(pattern: str, rng: Random) -> str:
    """The pattern with each `#` replaced by a digit."""
    return "".join(str(rng.randrange(10)) if char == "#" else char for char in pattern)


def name(place: Region, rng: Random) -> tuple[str, str]:
    """A full name as its owner writes it (one in six decomposed), and its ASCII spelling."""
    given, given_ascii = rng.choice(place.given)
    family, family_ascii = rng.choice(place.family)
    shown = f"{family} {given}" if place.family_first else f"{given} {family}"
    if rng.random() < 1 / 6:
        shown = unicodedata.normalize("NFD", shown)
    return shown, f"{given_ascii}.{family_ascii}"


def email(local: str, number: int, rng: Random) -> str:
    """An address under a domain that is reserved for examples."""
    return f"{local}{number}@{rng.choice(DOMAINS)}"


def phone(place: Region, rng: Random) -> str:
    """A telephone number in one of the country's usual spellings."""
    return digits(rng.choice(place.phones), rng)


def card(rng: Random) -> str:
    """A 16-digit card number with a valid Luhn digit: bare, in groups of four or with dashes."""
    head = digits(rng.choice(CARD_PREFIXES) + "#########", rng)
    number = head + luhn_digit(head)
    groups = [number[i : i + 4] for i in range(0, 16, 4)]
    return rng.choice(("", " ", "-")).join(groups)


def luhn_digit(head: str) -> str:
    """The check digit that makes `head` plus itself pass the Luhn test."""
    total = 0
    for position, char in enumerate(reversed(head)):
        doubled = int(char) * 2 if position % 2 == 0 else int(char)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def iban(rng: Random) -> str:
    """An IBAN with valid check digits, bare or in groups of four."""
    code = rng.choice(sorted(BANKS))
    account = digits(BANKS[code], rng)
    number = "".join(str(int(char, 36)) for char in f"{account}{code}00")
    whole = f"{code}{98 - int(number) % 97:02d}{account}"
    if rng.random() < 0.5:
        return whole
    return " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))
