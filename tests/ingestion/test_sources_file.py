"""sources.yaml: what is wrong is told by file, line and field."""

from pathlib import Path

import pytest

from ingestion.errors import SourcesFileError
from ingestion.sources_file import read_sources

GOOD = """\
sources:
  shop:
    kind: sql_database
    description: The shop
    owner: team:shop
    schedule: "0 * * * *"
    tables:
      customers:
        primary_key: [id]
        cursor: {column: updated_at, overlap: 10m}
"""


def told(tmp_path: Path, text: str) -> str:
    path = tmp_path / "sources.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourcesFileError) as caught:
        read_sources(path)
    return str(caught.value)


def test_the_projects_own_sources_are_valid() -> None:
    assert set(read_sources()) == {"shop", "helpdesk", "runbooks", "audit"}


def test_a_wrong_kind_names_line_field_and_the_allowed_values(tmp_path: Path) -> None:
    message = told(tmp_path, GOOD.replace("sql_database", "sql_databse"))
    assert "sources.yaml:3:" in message or "sources.yaml:2:" in message
    assert "sql_database" in message and "rest_api" in message and "files" in message


def test_a_wrong_duration_names_its_line_and_how_to_write_one(tmp_path: Path) -> None:
    message = told(tmp_path, GOOD.replace("10m", "ten minutes"))
    assert "sources.yaml:10:" in message
    assert "cursor.overlap" in message and "10m" in message


def test_an_unknown_field_is_refused_where_it_stands(tmp_path: Path) -> None:
    message = told(tmp_path, GOOD.replace("owner:", "ownr:"))
    assert "sources.yaml:5:" in message and "ownr" in message


def test_a_secret_has_no_place_in_the_file(tmp_path: Path) -> None:
    message = told(tmp_path, GOOD + "    url: postgresql://me:password@db/shop\n")
    assert "url" in message
    assert "password" not in message


def test_text_that_is_no_yaml_names_its_line(tmp_path: Path) -> None:
    assert "sources.yaml:2:" in told(tmp_path, "sources:\n  shop: : x\n")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourcesFileError, match="there is no such file"):
        read_sources(tmp_path / "none.yaml")


def test_an_endpoint_with_a_cursor_must_say_its_parameter(tmp_path: Path) -> None:
    message = told(
        tmp_path,
        """\
sources:
  desk:
    kind: rest_api
    description: The desk
    owner: team:desk
    schedule: "0 * * * *"
    paginator: {type: single_page}
    tables:
      tickets: {path: /tickets, primary_key: [id], cursor: {column: updated_at}}
""",
    )
    assert "tables.tickets.cursor.param is missing" in message
