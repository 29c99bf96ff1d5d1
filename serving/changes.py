"""What the warehouse tells of the changes of keyed models; read, never written.

changes.models + changes.<model> -> how far each model is, and its rows whose keys have changed
"""

from collections.abc import Collection
from dataclasses import dataclass

import duckdb

from serving.catalog import CatalogView, Position
from serving.identifiers import quoted
from serving.layers import LIVE

SCHEMA = "changes"
# The rows that follow_store takes over: the view's columns, and whether the row is there now.
DELTA = "temp.delta"
# From some thousands on almost every vector of a table holds one of them.
_TOLD_TO_A_SCAN = 2_000


@dataclass(frozen=True)
class Told:
    """How far a model is; changes before ``first_seq`` are no longer told.

    ``columns`` are those by which they are told.
    """

    position: Position
    first_seq: int
    columns: Collection[str]


def told_changes(connection: duckdb.DuckDBPyConnection) -> dict[str, Told]:
    """Return each model that tells its changes; none where the warehouse has no such schema."""
    columns: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "select table_name, column_name from duckdb_columns() "
        "where database_name = current_database() and schema_name = ?",
        [SCHEMA],
    ).fetchall():
        columns.setdefault(table, set()).add(column)
    if "models" not in columns:
        return {}
    models = connection.execute(
        f"select name, generation, first_seq, last_seq from {SCHEMA}.models"
    ).fetchall()
    return {
        name: Told(Position(generation=generation, seq=last), first, columns[name])
        for name, generation, first, last in models
        if name in columns
    }


def take_changed(
    connection: duckdb.DuckDBPyConnection, view: CatalogView, relation: str, since: int
) -> int:
    """Fill ``DELTA`` with the rows of all keys that changed after ``since``; return their number.

    Of a key that is gone the other columns are NULL.
    """
    key = quoted(view.key)
    columns = ", ".join(quoted(column.name) for column in view.columns)
    told = connection.execute(
        f"create or replace temp table changed_keys as select distinct {key} "
        f"from {SCHEMA}.{quoted(view.name)} where seq > ? and {key} is not null",
        [since],
    ).fetchone()
    assert told is not None
    # What changed was written a moment ago, and stands at the table's end.
    connection.execute(
        f"create or replace temp table delta as select {columns}, true as {LIVE} "
        f"from {relation} where rowid >= {_written(connection, relation) - told[0]} "
        f"and {key} in (from temp.changed_keys)"
    )
    # A join reads all columns of all rows; by its number a row is found without those beside it, if
    # the numbers are few enough for the scan to be told them: 0.11 s for 0.27 of 10,000,000 rows.
    connection.execute(f"set global dynamic_or_filter_threshold = {_TOLD_TO_A_SCAN}")
    connection.execute(
        f"insert into {DELTA} select {columns}, true as {LIVE} from {relation} where rowid in "
        f"(select rowid from {relation} where {key} in "
        f"(from temp.changed_keys except select {key} from {DELTA}))"
    )
    return take_gone(connection, view, "temp.changed_keys")


def take_gone(connection: duckdb.DuckDBPyConnection, view: CatalogView, keys: str) -> int:
    """Add to ``DELTA`` each of these keys that has no row in it; return the number of all."""
    key = quoted(view.key)
    connection.execute(
        f"insert into {DELTA} by name select {key}, false as {LIVE} "
        f"from {keys} anti join {DELTA} using ({key})"
    )
    found = connection.execute(f"select count(*) from {DELTA}").fetchone()
    assert found is not None
    return int(found[0])


def _written(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """How many rows a table has, with those that were deleted and keep their numbers still."""
    tables = connection.execute(
        "select schema_name, table_name, estimated_size from duckdb_tables() "
        "where database_name = current_database()"
    ).fetchall()
    return next(
        int(rows)
        for schema, table, rows in tables
        if f"{quoted(schema)}.{quoted(table)}" == relation
    )
