"""Reads from the warehouse what a catalog says about a view: types, watermarks, loads.

declared view + warehouse (duckdb_columns, <source>._watermarks) -> CatalogView
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import duckdb

from serving.catalog import CatalogColumn, CatalogView, SourceTable
from serving.declarations import DeclaredView
from serving.errors import PublishError
from serving.identifiers import quoted
from serving.lineage.values import plain
from serving.privacy.origins import Origins

_NONE_KNOWN: Mapping[str, str] = MappingProxyType({})


class WarehouseTables:
    """What the tables of an open warehouse are like; each is asked once, for many views.

    ``loads`` are the last loads of raw tables that are known, so that older rows need no reading.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, loads: Mapping[str, str] = _NONE_KNOWN
    ) -> None:
        self._connection, self._loads = connection, loads
        self._columns: dict[str, dict[str, str]] = {}
        self._raw: dict[str, SourceTable] = {}
        for table, name, kind in connection.execute(
            "select schema_name || '.' || table_name, column_name, data_type "
            "from duckdb_columns() where database_name = current_database()"
        ).fetchall():
            self._columns.setdefault(table, {})[name] = kind

    def types(self, declared: DeclaredView) -> dict[str, str]:
        """The type of each column; PublishError where the view or a declared column is missing."""
        types = self._columns.get(declared.relation)
        if types is None:
            raise PublishError(f"{declared.name} is not in the warehouse yet; run `grounded run`")
        missing = [column.name for column in declared.columns if column.name not in types]
        if missing:
            raise PublishError(
                f"{declared.name} lacks the declared columns {', '.join(missing)}; "
                "run `grounded run`"
            )
        return types

    def raw(self, table: str) -> SourceTable:
        """How far a raw table is, and the load that changed it last."""
        if table not in self._raw:
            source, _, name = table.partition(".")
            self._raw[table] = SourceTable(
                table=table,
                watermark=self._watermark(source, name),
                load_id=self._last_load(table, f"{quoted(source)}.{quoted(name)}"),
            )
        return self._raw[table]

    def _watermark(self, source: str, name: str) -> datetime | None:
        if "watermark" not in self._columns.get(f"{source}._watermarks", {}):
            return None
        found = self._connection.execute(
            f"select max(watermark) from {quoted(source)}._watermarks where table_name = ?",
            [name],
        ).fetchone()
        return found[0].astimezone(UTC) if found and found[0] else None

    def _last_load(self, table: str, relation: str) -> str | None:
        """Of rows older than the last known load DuckDB reads no more than ranges.

        The rows of the last known one may be gone: then all are read.
        """
        if "_dlt_load_id" not in self._columns.get(table, {}):
            return None
        known = self._loads.get(table)
        last = f"select max(_dlt_load_id) from {relation}"
        since = [] if known is None else [(f"{last} where _dlt_load_id >= ?", [known])]
        for query, given in [*since, (last, [])]:
            found = self._connection.execute(query, given).fetchone()
            if found and found[0] is not None:
                return str(found[0])
        return None


def catalog_view(tables: WarehouseTables, declared: DeclaredView, origins: Origins) -> CatalogView:
    """Return one view's part of the catalog; its data is as old as its oldest source."""
    types = tables.types(declared)
    serve = declared.serve
    sources = [tables.raw(table) for table in declared.source_tables]
    watermarks = [source.watermark for source in sources]
    known = [watermark for watermark in watermarks if watermark is not None]
    warn, error = serve.freshness.warn_after, serve.freshness.error_after
    return CatalogView(
        name=declared.name,
        description=declared.description,
        columns=[
            CatalogColumn(
                name=column.name,
                type=types[column.name],
                description=column.description,
                mask=column.mask,
                untrusted=column.name in serve.untrusted,
                origins=origins.get((declared.name, plain(column.name))),
            )
            for column in declared.columns
        ],
        key=serve.key,
        lookups=serve.lookups,
        warn_after_s=warn.seconds if warn else None,
        error_after_s=error.seconds if error else None,
        on_stale=serve.on_stale,
        search=serve.search,
        min_group=serve.min_group,
        is_cached=serve.cache,
        data_as_of=min(known) if known and len(known) == len(watermarks) else None,
        sources=sources,
    )
