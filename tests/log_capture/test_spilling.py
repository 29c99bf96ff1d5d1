"""Which changes are folded where they cannot spill to disk."""

import duckdb
import pytest

from ingestion.log_capture import fold
from ingestion.spec import SourceSpec
from tests.log_capture.conftest import Database

CREATE = "create table items (id bigint primary key, name text)"
ROWS = "insert into items select {0} + i, repeat('x', 3000) from generate_series(1, {1}) i"
EMPTIED = "truncate items; insert into items values (1, 'a')"
OUT_OF_SIGHT = "alter table items alter name set storage external"


def test_only_few_changes_are_folded_in_the_engine_that_stays(
    database: Database, captured: SourceSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []

    def kept() -> duckdb.DuckDBPyConnection:
        used.append(1)
        return duckdb.connect()

    monkeypatch.setattr(fold, "_kept_engine", kept)
    database.execute(CREATE, OUT_OF_SIGHT)
    database.load(captured)
    database.execute(ROWS.format(0, 100))
    database.load(captured)
    assert len(used) == 1
    # 12 MB of the log, of which Parquet makes less than one; an unchanged value out of the log's
    # sight; and a table that was emptied, of which all rows are read.
    for change in (ROWS.format(100, 4000), "update items set id = -id", EMPTIED):
        database.execute(change)
        assert database.load(captured).tables["items"].read
    assert len(used) == 1
