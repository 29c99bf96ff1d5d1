"""Reads from the warehouse what a catalog says about a view: types, watermarks, loads.

declared view + warehouse (duckdb_columns, <source>._watermarks) -> CatalogView
"""

from collections.abc import Mapping
from datetime import UTC
from types import MappingProxyType

import duckdb

from serving.catalog import CatalogColumn, CatalogView, SourceTable
from serving.declarations import DeclaredView
from serving.errors import PublishError
from serving.identifiers import quoted
from serving.lineage.values import plain
from serving.privacy.origins import Origins

_NONE_KNOWN: Mapping[str, str] = MappingProxyType({})


def catalog_view(
    connection: duckdb.DuckDBPyConnection,
    declared: DeclaredView,
    origins: Origins,
    loads: Mapping[str, str] = _NONE_KNOWN,
) -> CatalogView:
    """Return one view's part of the catalog; its data is as old as its oldest source.

    ``loads`` are the last loads of raw tables that are known, so that older rows need no reading.
    """
    types = _column_types(connection, declared)
    serve = declared.serve
    sources = [
        _source_table(connection, table, loads.get(table)) for table in declared.source_tables
    ]
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


def _column_types(connection: duckdb.DuckDBPyConnection, declared: DeclaredView) -> dict[str, str]:
    schema, _, table = declared.relation.partition(".")
    found = connection.execute(
        "select column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name = ? and table_name = ?",
        [schema, table],
    ).fetchall()
    if not found:
        raise PublishError(f"{declared.name} is not in the warehouse yet; run `grounded run`")
    types = {str(name): str(kind) for name, kind in found}
    missing = [column.name for column in declared.columns if column.name not in types]
    if missing:
        raise PublishError(
            f"{declared.name} lacks the declared columns {', '.join(missing)}; run `grounded run`"
        )
    return types


def _source_table(
    connection: duckdb.DuckDBPyConnection, table: str, known: str | None
) -> SourceTable:
    source, _, name = table.partition(".")
    watermark = None
    if _has_column(connection, source, "_watermarks", "watermark"):
        found = connection.execute(
            f"select max(watermark) from {quoted(source)}._watermarks where table_name = ?",
            [name],
        ).fetchone()
        watermark = found[0] if found else None
    load_id = None
    if _has_column(connection, source, name, "_dlt_load_id"):
        load_id = _last_load(connection, f"{quoted(source)}.{quoted(name)}", known)
    return SourceTable(
        table=table,
        watermark=watermark.astimezone(UTC) if watermark else None,
        load_id=load_id,
    )


def _last_load(
    connection: duckdb.DuckDBPyConnection, relation: str, known: str | None
) -> str | None:
    """Return the last load that a table's rows name; of old rows DuckDB reads no more than ranges.

    The rows of the last known one may be gone: then all are read.
    """
    last = f"select max(_dlt_load_id) from {relation}"
    since = [] if known is None else [(f"{last} where _dlt_load_id >= ?", [known])]
    for query, given in [*since, (last, [])]:
        found = connection.execute(query, given).fetchone()
        if found and found[0] is not None:
            return str(found[0])
    return None


def _has_column(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, column: str
) -> bool:
    found = connection.execute(
        "select 1 from duckdb_columns() where database_name = current_database() "
        "and schema_name = ? and table_name = ? and column_name = ?",
        [schema, table, column],
    ).fetchone()
    return found is not None
