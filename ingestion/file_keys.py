"""Which file holds which row, so that removed files take their rows and no others with them.

A key that several files hold is the row of the last path, whatever order they changed in.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from ingestion.vanished import quoted


class FileKeys:
    """The keys in raw by file, and those that this load read; files come from the last path."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, live: pa.Table, key: Sequence[str], file: str
    ) -> None:
        self._connection = connection
        self._key = list(key)
        self._live_count: int = live.num_rows
        self._live = live
        texts = ", ".join(f"{name}::varchar as {name}" for name in map(quoted, key))
        connection.register("live_rows", live)
        connection.execute(
            f"create temp table held as select {quoted(file)}::varchar as held_in, {texts} "
            "from live_rows"
        )
        connection.execute("create temp table taken as select * from held limit 0")

    @property
    def live_count(self) -> int:
        """How many live rows raw has."""
        return self._live_count

    def files(self) -> set[str]:
        """The files that raw has rows of."""
        found = self._connection.execute("select distinct held_in from held").fetchall()
        return {row[0] for row in found}

    def keep(self, path: str) -> None:
        """The rows that raw has of a file stay its rows."""
        self._connection.execute("insert into taken select * from held where held_in = ?", [path])

    def take(self, path: str, keys: pa.Table) -> pa.ChunkedArray:
        """Give rows to a file, but those of a later path; return which are its own."""
        numbered = keys.append_column("row_at", pa.array(range(keys.num_rows), pa.int64()))
        self._connection.register("read_rows", numbered)
        same = " and ".join(f"taken.{c} = r.{c}::varchar" for c in map(quoted, self._key))
        own = f"not exists (select 1 from taken where held_in > ? and {same})"
        mask = self._connection.execute(
            f"select {own} as own from read_rows as r order by row_at", [path]
        ).to_arrow_table()
        texts = ", ".join(f"r.{c}::varchar" for c in map(quoted, self._key))
        self._connection.execute(
            f"insert into taken select ?, {texts} from read_rows as r where {own}", [path, path]
        )
        self._connection.unregister("read_rows")
        return mask["own"]

    def gone(self, places: set[str]) -> pa.Table:
        """Return the live keys of these files that no file holds any more."""
        same = " and ".join(f"taken.{c} = held.{c}" for c in map(quoted, self._key))
        live = " and ".join(f"held.{c} = l.{c}::varchar" for c in map(quoted, self._key))
        names = ", ".join(f"l.{c}" for c in map(quoted, self._key))
        return self._connection.execute(
            f"select {names} from live_rows as l where exists (select 1 from held where {live} "
            f"and held_in in (select unnest(?)) "
            f"and not exists (select 1 from taken where {same}))",
            [sorted(places)],
        ).to_arrow_table()

    def among(self, gone: pa.Table, keys: pa.Table) -> pa.ChunkedArray:
        """Return which of these keys are among those gone."""
        numbered = keys.append_column("row_at", pa.array(range(keys.num_rows), pa.int64()))
        self._connection.register("gone_rows", gone)
        self._connection.register("read_rows", numbered)
        same = " and ".join(f"g.{c}::varchar = r.{c}::varchar" for c in map(quoted, self._key))
        mask = self._connection.execute(
            f"select exists (select 1 from gone_rows as g where {same}) as lost "
            "from read_rows as r order by row_at"
        ).to_arrow_table()
        return mask["lost"]
