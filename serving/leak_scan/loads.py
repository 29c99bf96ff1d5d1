"""Which loads of the sources were read already, so that the rows of later ones alone are read.

<source>._dlt_loads, _dlt_load_id of each row -> a condition for the rows that are new
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from serving.identifiers import literal, quoted

LOAD_ID = "_dlt_load_id"
_LOADS = "_dlt_loads"

Columns = Mapping[str, Mapping[str, str]]


@dataclass
class Loads:
    """The loads that were read, by source, and the last one of each table.

    A load's name is the time of its beginning. One that was interrupted may end after a later one:
    it is told by the list of those that have ended.
    """

    ended: dict[str, set[str]] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    _new: dict[str, set[str]] = field(default_factory=dict)

    def begin(self) -> None:
        """Look again at what has ended, for another reading of all tables."""
        for source, new in self._new.items():
            self.ended.setdefault(source, set()).update(new)
        self._new = {}

    def unread(
        self, connection: duckdb.DuckDBPyConnection, table: str, columns: Columns
    ) -> str | None:
        """Return the condition for rows that were not read before, and take them as read.

        None where there is no such row. A table whose rows do not name their load is read as a
        whole each time.
        """
        if LOAD_ID not in columns.get(table, {}):
            return ""
        new = self._ended_since(connection, table.partition(".")[0], columns)
        last = self.last.get(table)
        later = "" if last is None else f" where {LOAD_ID} > {literal(last)}"
        found = connection.execute(
            f"select max({LOAD_ID}) from {relation(table)}{later}"
        ).fetchone()
        if found and found[0] is not None:
            self.last[table] = found[0]
        if last is None:
            return ""
        ids = ", ".join(map(literal, sorted(new)))
        late = f" or {LOAD_ID} in ({ids})" if ids else ""
        # By the first condition alone DuckDB leaves out what holds older rows, unread.
        since = literal(min([last, *new]))
        condition = f" and {LOAD_ID} >= {since} and ({LOAD_ID} > {literal(last)}{late})"
        there = f"select 1 from {relation(table)} where true{condition} limit 1"
        return condition if connection.execute(there).fetchone() else None

    def _ended_since(
        self, connection: duckdb.DuckDBPyConnection, source: str, columns: Columns
    ) -> set[str]:
        if source not in self._new:
            found: list[tuple[str]] = []
            if f"{source}.{_LOADS}" in columns:
                query = f"select load_id from {quoted(source)}.{_LOADS}"
                found = connection.execute(query).fetchall()
            self._new[source] = {name for (name,) in found} - self.ended.get(source, set())
        return self._new[source]


def relation(table: str) -> str:
    """Return ``source.table`` as SQL."""
    schema, _, name = table.partition(".")
    return f"{quoted(schema)}.{quoted(name)}"
