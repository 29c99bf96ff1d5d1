"""The generated rows: the same each time, untidy on purpose, and the canary among them."""

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from ingestion.demo import canary, catalogue, generate, personal, runbooks, templates
from ingestion.demo.plan import SHARES, plan
from ingestion.demo.rows import World

EMAIL = re.compile(r"[\w.-]+@example\.(com|org|net)", re.IGNORECASE)
CARD = re.compile(r"\b\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}\b")
IBAN = re.compile(r"\b(?:DE|NL|GB)\d\d[A-Z0-9 ]{14,30}\b")


@pytest.fixture(scope="module")
def world() -> World:
    return generate.world(seed=7, scale=1.0)


def test_the_same_seed_and_scale_give_the_same_rows() -> None:
    assert generate.world(seed=3, scale=0.02) == generate.world(seed=3, scale=0.02)


def test_another_seed_gives_other_rows() -> None:
    one, other = generate.world(seed=3, scale=0.02), generate.world(seed=4, scale=0.02)
    assert one.customers[1:] != other.customers[1:]
    assert one.tickets[1:] != other.tickets[1:]


def test_scale_one_has_the_promised_size(world: World) -> None:
    assert len(world.customers) == 2_000
    assert len(world.orders) == 10_000
    assert len(world.products) == 200
    assert 400 <= len(world.inventory) <= 600
    assert len(world.tickets) == 3_000
    assert len(world.comments) == 4_500


@pytest.mark.parametrize("scale", [0.001, 0.05, 0.3])
def test_the_canary_exists_at_every_scale(scale: float) -> None:
    small = generate.world(seed=11, scale=scale)
    person, ticket = small.customers[0], small.tickets[0]
    assert (person.id, person.full_name) == (canary.CUSTOMER_ID, canary.FULL_NAME)
    assert (person.email, person.phone) == (canary.EMAIL, canary.PHONE)
    assert person.street == canary.STREET
    assert (ticket["id"], ticket["customer_id"]) == (canary.TICKET_ID, canary.CUSTOMER_ID)
    assert all(v in str(ticket["body"]) for v in (canary.EMAIL, canary.PHONE, canary.FULL_NAME))


def test_nobody_else_shares_the_canarys_values(world: World) -> None:
    others = [str(row) for row in (*world.customers[1:], *world.tickets[1:])]
    assert not [row for row in others if canary.EMAIL in row or canary.PHONE in row]


def test_keys_are_unique(world: World) -> None:
    for rows in (world.customers, world.products, world.orders):
        assert len({row.id for row in rows}) == len(rows)
    assert len({(r.product_id, r.warehouse) for r in world.inventory}) == len(world.inventory)
    assert len({product.sku for product in world.products}) == len(world.products)


def test_customers_are_untidy_in_every_promised_way(world: World) -> None:
    people = world.customers
    assert any(p.phone is None for p in people)
    assert any(p.birth_date is None for p in people)
    assert any(p.city is None for p in people)
    assert any(p.full_name != p.full_name.strip() for p in people)
    assert any(p.email != p.email.lower() for p in people)
    assert any(not unicodedata.is_normalized("NFC", p.full_name) for p in people)
    assert any(unicodedata.bidirectional(p.full_name.strip()[0]) in "R AL" for p in people)
    assert any("\u4e00" <= p.full_name.strip()[0] <= "\u9fff" for p in people)
    assert {"Germany", "GERMANY", "germany", "DE", "de"} <= {p.country for p in people}


def test_addresses_use_domains_that_nobody_owns(world: World) -> None:
    assert all(EMAIL.fullmatch(person.email.strip()) for person in world.customers)


def test_products_and_stock_are_untidy_in_every_promised_way(world: World) -> None:
    slugs = [product.slug for product in world.products]
    same = Counter(slug.lower().replace("_", "-") for slug in slugs)
    assert "Blue-Kettle_XL" in slugs
    assert any(count > 1 for count in same.values())
    assert any(product.description is None for product in world.products)
    assert any(row.quantity < 0 for row in world.inventory)


def test_orders_hold_malformed_items_and_customers_who_are_gone(world: World) -> None:
    shapes = Counter(type(json.loads(order.items)) for order in world.orders)
    known = {person.id for person in world.customers}
    assert 0 < shapes[dict] < 20
    assert 0 < sum(order.customer_id not in known for order in world.orders) < 300
    assert {"delivered", "Delivered", "DELIVERED"} <= {order.status for order in world.orders}


def test_every_kind_of_malformed_ticket_is_there(world: World) -> None:
    tickets = world.tickets
    assert any(ticket["customer_id"] == "n/a" for ticket in tickets)
    assert any("subject" not in ticket for ticket in tickets)
    assert any(ticket.get("subject", "") is None for ticket in tickets)
    assert any(isinstance(ticket["priority"], list) for ticket in tickets)
    assert any(str(ticket["status"]).lower() == "spam" for ticket in tickets)
    assert any(ticket["customer_id"] is None for ticket in tickets)


def test_a_requester_is_the_customer_of_the_ticket(world: World) -> None:
    people = {person.id: person for person in world.customers}
    for ticket in world.tickets:
        key = ticket["customer_id"]
        if isinstance(key, int):
            assert ticket["requester_name"] == people[key].full_name
            assert ticket["requester_email"] == people[key].email


def test_about_a_third_of_the_tickets_hold_personal_data(world: World) -> None:
    holding = 0
    for ticket in world.tickets:
        body, name = str(ticket["body"]), " ".join(str(ticket["requester_name"]).split())
        patterns = (EMAIL, CARD, IBAN, re.compile(r"(reach|number is|Call) .*\d"))
        holding += name in body or any(pattern.search(body) for pattern in patterns)
    assert 0.25 < holding / len(world.tickets) < 0.45


def test_ticket_texts_vary_and_have_the_length_of_real_ones(world: World) -> None:
    assert len(templates.TICKETS) >= 30
    assert all(20 <= len(text.split()) <= 60 for _, text in templates.TICKETS)
    assert len({str(ticket["body"]) for ticket in world.tickets}) > 2_500


def test_no_comment_is_older_than_its_ticket(world: World) -> None:
    created = {ticket["id"]: str(ticket["created_at"]) for ticket in world.tickets}
    assert all(str(c["created_at"]) >= created[c["ticket_id"]] for c in world.comments)


def test_seeded_rows_end_at_the_fixed_date(world: World) -> None:
    assert max(order.updated_at for order in world.orders) <= generate.END
    assert max(str(ticket["updated_at"]) for ticket in world.tickets) < "2026-01-01T00:00:01"


@pytest.mark.parametrize("seed", range(40))
def test_cards_pass_the_luhn_test(seed: int) -> None:
    number = re.sub(r"\D", "", personal.card(Random(seed)))
    assert len(number) == 16
    assert personal.luhn_digit(number[:-1]) == number[-1]


def test_the_luhn_digit_of_a_known_number_is_right() -> None:
    assert personal.luhn_digit("7992739871") == "3"


@pytest.mark.parametrize("seed", range(40))
def test_ibans_pass_the_mod_97_test(seed: int) -> None:
    whole = personal.iban(Random(seed)).replace(" ", "")
    moved = whole[4:] + whole[:4]
    assert int("".join(str(int(char, 36)) for char in moved)) % 97 == 1
    assert len(whole) == {"DE": 22, "NL": 18, "GB": 22}[whole[:2]]


def test_a_slug_is_said_as_a_title() -> None:
    assert catalogue.title("Blue-Kettle_XL") == "Blue Kettle XL"
    assert catalogue.title(" cast-iron--skillet ") == "Cast Iron Skillet"


def test_guides_name_only_products_of_the_catalogue() -> None:
    known = {
        row.sku: catalogue.title(row.slug) for row in generate.world(seed=7, scale=0.001).products
    }
    named: set[str] = set()
    for path in (runbooks.SOURCE / "guides").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        for title, sku in re.findall(r"([A-Z][\w ]+?) \(([A-Z]{3}-\d{4})\)", text):
            assert title.endswith(known[sku]), (path.name, title, sku)
            named.add(sku)
    assert len(named) > 15


@pytest.mark.parametrize(
    "path", sorted((runbooks.SOURCE / "runbooks").glob("*.md")), ids=lambda path: path.stem
)
def test_a_runbook_has_the_four_headings_and_some_substance(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert 120 <= len(text.split()) <= 300


@pytest.mark.parametrize("changes", [1, 3, 19, 60, 777])
def test_a_plan_hands_out_exactly_the_changes_asked_for(changes: int) -> None:
    assert sum(plan(changes).values()) == changes


def test_three_changes_reach_all_three_upstreams() -> None:
    assert {table.split(".")[0] for table, _ in plan(3)} == {"shop", "helpdesk", "runbooks"}
    assert set(plan(len(SHARES))) == set(SHARES)
