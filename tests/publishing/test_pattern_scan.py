"""Personal data by its form: what is found, what is not, and where a snapshot is searched."""

import sqlite3
from pathlib import Path

import duckdb
import lancedb
import pytest
from lancedb.expr import col, lit
from small_warehouse import HashEmbedder, change_warehouse, declarations

from serving import snapshot
from serving.catalog import Catalog, SearchSpec
from serving.leak_scan.report import WITHHELD, Hit
from serving.leak_scan.scan import scan
from serving.leak_scan.targets import snapshot_target
from serving.leak_scan.values import of
from serving.patterns import CANDIDATE, find_patterns


def leaks(folder: Path, catalog: Catalog) -> list[Hit]:
    """What the patterns find in a snapshot, no value being known."""
    return list(scan([snapshot_target(folder, catalog, "s")], of([])).hits)


def looks_like(file: str, view: str, column: str, privacy: str, row_key: str) -> Hit:
    """A place that a pattern finds."""
    return Hit(f"s/{file}", view, column, privacy, row_key, "pattern")


EMAIL = "quokka.wombat@mail.example.org"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"write to {EMAIL}.", "email"),
        ("<Zoë.Müller+x@sub.example.co.uk>", "email"),
        ("mailto:o'neil@example.com,", "email"),
        ("call +44 20 7946 0958 now", "phone"),
        ("+1 (202) 555-0143", "phone"),
        ("+4915123456789", "phone"),
        ("0049 151 23456789", "phone"),
        ("(202) 555-0143", "phone"),
        ("202-555-0143", "phone"),
        ("1-202-555-0143.", "phone"),
        ("020 7946 0958", "phone"),
        ("01 23 45 67 89", "phone"),
        ("0123456789", "phone"),
        ("card 4111 1111 1111 1111", "card"),
        ("4111-1111-1111-1111", "card"),
        ("5500005555555559", "card"),
        ("378282246310005", "card"),
        ("IBAN GB82 WEST 1234 5698 7654 32 please", "iban"),
        ("DE89370400440532013000", "iban"),
        ("ssn 219-09-9999", "ssn"),
        ("logged in from IP address 203.0.113.77", "ip"),
        ("ip: 198.51.100.9", "ip"),
    ],
)
def test_personal_data_is_found_by_its_class(text: str, expected: str) -> None:
    assert expected in find_patterns(text)
    with duckdb.connect() as connection:
        found = connection.execute("select regexp_matches(?, ?)", [text, CANDIDATE]).fetchone()
    assert found == (True,)


@pytest.mark.parametrize(
    "text",
    [
        "order 1000000012345",
        "order #202-555-0143",
        "ORD-2026-000123456",
        "SKU-0042-12345678",
        "SKU 0000012345678",
        "2026-03-01T12:00:00.123456Z",
        "2026-03-01 12:00:00+00:00",
        "01.02.2026 10:30:15",
        "03-11-2026 10 30",
        "1772366400000",
        "1772366400000000000",
        "1.234.567.890,00 EUR",
        "12,345,678,901.50",
        "price 1999.99 2999.99 3999.99",
        "4111111111111112",
        "0.123456789012",
        "cus_00000000000000004111111111111111",
        "c-550e8400-e29b-41d4-a716-446655440000",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "GB82 WEST 1234 5698 7654 33",
        "version 10.2.3.4",
        "the pod's IP is 10.0.0.12, not 127.0.0.1",
        "<EMAIL> <PHONE> <CARD> +44 ** **** **58",
        "@mention user@host git@github.com:org/repo.git",
        "example.com",
        "node@18 and @types/node@20.1.0",
        "000-12-3456 and 123-00-4567",
        "(123) 456",
        "7 8 9 10 11 12 13 14 15 16",
        "192.168.100.200:8080 1234567",
    ],
)
def test_codes_prices_and_instants_are_not_personal_data(text: str) -> None:
    assert find_patterns(text) == set()


def test_a_clean_snapshot_has_no_leak(published: Path) -> None:
    assert leaks(*snapshot.current(published)) == []


def test_a_value_in_the_warehouse_is_found_in_every_store_by_place_and_never_told(
    home: Path,
) -> None:
    change_warehouse(
        home, f"update agents.agent_tickets set body = 'Hi, {EMAIL}' where ticket_id = 2"
    )
    candidate = snapshot.build(home, declarations(), embedder=HashEmbedder())
    found = leaks(candidate.folder, candidate.catalog())
    snapshot.discard(candidate)
    assert EMAIL not in str(found)
    assert {leak.privacy for leak in found} == {"email"}
    assert {leak.row_key for leak in found} == {"2"}
    assert {(leak.file, leak.column) for leak in found} == {
        (f"s/{file.format(scope)}", column)
        for scope in ("agent_tickets", "agent_tickets.support_agent")
        for file, column in (
            ("views/{}.duckdb", "body"),
            ("views/{}.sqlite", "body"),
            ("index/{}.lance", "text"),
            ("index/{}.lance", "terms"),
        )
    }


def test_a_leak_in_one_view_file_alone_is_found(published: Path) -> None:
    folder, catalog = snapshot.current(published)
    with duckdb.connect(str(folder / "views/agent_products.duckdb")) as connection:
        connection.execute(f"update agent_products set sku = '{EMAIL}' where product_id = 1")
    expected = Hit(
        "s/views/agent_products.duckdb", "agent_products", "sku", "email", "1", "pattern"
    )
    assert leaks(folder, catalog) == [expected]


def test_a_leak_in_one_comment_alone_is_found(published: Path) -> None:
    folder, catalog = snapshot.current(published)
    with duckdb.connect(str(folder / "views/agent_products.duckdb")) as connection:
        connection.execute(f"comment on column agent_products.sku is 'ask {EMAIL}'")
    (leak,) = leaks(folder, catalog)
    assert (leak.column, leak.privacy) == ("sku (description)", "email")


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("update rows set _row = json_set(_row, '$.sku', ?) where product_id = 1", "sku"),
        ("update rows set _row = json_set(_row, '$.x', json_array(?)) where product_id = 1", "x"),
    ],
)
def test_a_leak_in_one_lookup_row_alone_is_found(
    published: Path, statement: str, column: str
) -> None:
    folder, catalog = snapshot.current(published)
    connection = sqlite3.connect(folder / "views/agent_products.sqlite")
    connection.execute(statement, ["+1 202 555 0143"])
    connection.commit()
    connection.close()
    expected = Hit(
        "s/views/agent_products.sqlite", "agent_products", column, "phone", "1", "pattern"
    )
    assert leaks(folder, catalog) == [expected]


def test_a_leak_in_one_lookup_column_alone_is_found(published: Path) -> None:
    folder, catalog = snapshot.current(published)
    connection = sqlite3.connect(folder / "views/agent_tickets.sqlite")
    connection.execute("update rows set customer_key = ? where ticket_id = 1", [EMAIL])
    connection.commit()
    connection.close()
    expected = Hit(
        "s/views/agent_tickets.sqlite", "agent_tickets", "customer_key", "email", "1", "pattern"
    )
    assert leaks(folder, catalog) == [expected]


@pytest.mark.parametrize("column", ["title", "heading", "text", "terms", "filter_category"])
def test_a_leak_in_one_column_of_the_index_alone_is_found(published: Path, column: str) -> None:
    folder, catalog = snapshot.current(published)
    table = lancedb.connect(folder / "index").open_table("agent_knowledge")
    where = col("key_text") == lit("guides/returns.md")
    table.update(where=where, values={column: "card 4111 1111 1111 1111"})
    expected = looks_like(
        "index/agent_knowledge.lance",
        "agent_knowledge",
        column,
        "card",
        "guides/returns.md",
    )
    assert leaks(folder, catalog) == [expected]


def test_a_key_that_is_personal_itself_is_withheld(home: Path) -> None:
    change_warehouse(
        home,
        f"update agents.agent_knowledge set document_id = '{EMAIL}' where title = 'Disk pressure'",
    )
    candidate = snapshot.build(home, declarations(), embedder=HashEmbedder())
    found = leaks(candidate.folder, candidate.catalog())
    snapshot.discard(candidate)
    assert {leak.row_key for leak in found} == {WITHHELD}
    assert {leak.column for leak in found} == {"document_id", "key", "key_text"}


def test_nested_values_are_searched(home: Path) -> None:
    change_warehouse(
        home, "alter table agents.agent_products add column tags varchar[]",
        f"update agents.agent_products set tags = ['a', '{EMAIL}'] where product_id = 1",
    )  # fmt: skip
    products = declarations().views["agent_products"]
    tags = products.columns[0].model_copy(update={"name": "tags"})
    searched = products.serve.model_copy(update={"search": SearchSpec(text=["tags"])})
    tagged = products.model_copy(update={"columns": [*products.columns, tags], "serve": searched})
    declared = declarations(views={"agent_products": tagged})
    candidate = snapshot.build(home, declared, embedder=HashEmbedder())
    snapshot.verify(candidate)
    found = leaks(candidate.folder, candidate.catalog())
    snapshot.discard(candidate)
    assert {leak.file.rpartition(".")[2] for leak in found} == {"duckdb", "sqlite", "lance"}
