"""The search that ends an erasure finds what is left, in the warehouse too."""

from pathlib import Path

import duckdb
import pytest

from ingestion.erasure.person import Value
from orchestration.erasure.residue import Needles, find_residue

VALUES = [
    Value("name", "Quenby Harrow"),
    Value("email", "quenby@harrow.example"),
    Value("phone", "+1 202 555 0142"),
    Value("address", "77 Harrow Lane"),
]
KEY = "cus_0123456789abcdef0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose warehouse compresses 50,000 rows of others."""
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema shop")
        connection.execute(
            "create table shop.notes as select 'note of ' || i as text from range(50000) r(i)"
        )
    return tmp_path


def left(home: Path) -> set[str]:
    """The classes of what is found."""
    return {privacy for _, privacy in find_residue(home, Needles(VALUES, [KEY])).counts}


def test_nothing_is_found_where_nothing_is(home: Path) -> None:
    assert left(home) == set()


@pytest.mark.parametrize(
    ("text", "privacy"),
    [
        ("I met quenby  HARROW there", "name"),
        ("mail Quenby@Harrow.Example, please", "email"),
        ("call +1 (202) 555-0142", "phone"),
        ("at 77 harrow lane since May", "address"),
        (f"lookup of {KEY}", "pseudonym"),
    ],
)
def test_what_is_left_is_found_in_a_cell_and_in_a_file(home: Path, text: str, privacy: str) -> None:
    (home / "left.log").write_text(text, encoding="utf-8")
    assert privacy in left(home)
    (home / "left.log").unlink()
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("update shop.notes set text = ? where text = 'note of 31000'", [text])
    assert privacy in left(home)
    assert privacy in Needles(VALUES, [KEY]).in_text(text)
