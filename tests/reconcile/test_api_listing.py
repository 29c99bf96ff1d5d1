"""An API that tells no deletes is listed anew, where its declaration says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion.load import load_source
from ingestion.reconcile import reconcile
from ingestion.spec import SourceSpec
from tests.ingestion.conftest import declare, raw
from tests.quarantine.small_api import API, api

__all__ = ["declare"]
Declare = Callable[[dict[str, Any]], SourceSpec]
LIVE = "select id, price from own.items where _deleted_at is null order by id"


def page(**prices: int) -> str:
    """A page of rows whose ids are the digits of the names."""
    rows = (f'{{"id": {name[1:]}, "price": {price}, "at": "2026-01-02T12:00:00Z"}}'
            for name, price in prices.items())  # fmt: skip
    return f'{{"data": [{", ".join(rows)}]}}'


def following(**reconciled: float) -> dict[str, Any]:
    """The declaration of an endpoint that follows a cursor."""
    table = API["tables"]["items"]
    cursor = {"column": "at", "param": "since", "overlap": "1m"}
    row = {**table["row"], "at": {"type": "timestamp"}}
    return {**API, "tables": {"items": {**table, "row": row, "cursor": cursor,
                                        "reconcile": reconciled}}}  # fmt: skip


def test_rows_that_a_cursor_could_not_see_are_found_by_listing_everything(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [page(r1=1, r2=2, r3=3), page(r3=3), page(r1=1, r3=30, r4=4)]
    with api(pages) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        spec = declare(following(max_delete_share=0.5))
        load_source("own", spec, tmp_path)
        load_source("own", spec, tmp_path)
        assert raw(tmp_path, LIVE) == [(1, 1), (2, 2), (3, 3)]
        found = reconcile("own", spec, tmp_path).tables["items"]
    assert (found.missing, found.extra, found.deleted) == (1, 1, 1)
    assert raw(tmp_path, LIVE) == [(1, 1), (3, 30), (4, 4)]


def test_a_listing_that_would_delete_too_much_deletes_nothing_and_says_so(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with api([page(r1=1, r2=2, r3=3), page(r3=30)]) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        spec = declare(following(max_delete_share=0.5))
        load_source("own", spec, tmp_path)
        found = reconcile("own", spec, tmp_path).tables["items"]
    assert (found.extra, found.deleted) == (2, 0)
    assert found.refused is not None and "max_delete_share" in found.refused
    assert raw(tmp_path, LIVE) == [(1, 1), (2, 2), (3, 30)]


def test_an_endpoint_that_does_not_declare_it_is_not_listed_anew(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with api([page(r1=1)]) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        assert reconcile("own", declare(API), tmp_path).tables == {}


def test_a_row_that_is_set_aside_is_not_missing(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    malformed = page(r1=1, r2=2).replace('"price": 2', '"price": "two"')
    with api([page(r1=1), malformed]) as url:
        monkeypatch.setenv("SOURCES__OWN__URL", url)
        spec = declare(following(max_delete_share=0.5))
        load_source("own", spec, tmp_path)
        found = reconcile("own", spec, tmp_path).tables["items"]
    assert (found.missing, found.extra) == (0, 0)
    assert raw(tmp_path, LIVE) == [(1, 1)]
