"""Spares a table's first load the staging copy that a merge makes.

no raw table yet + a key that the source keeps unique -> loaded straight, in half of the time

A first load that was killed leaves a raw table, so the next one merges into what is there.
"""

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from dlt.extract import DltResource

from ingestion.databases import open_engine
from ingestion.spec import SourceSpec, SqlDatabaseSource

_UNIQUE = sa.text("""
    select 1 from pg_index where indrelid = to_regclass(:name) and indisunique and indisvalid
        and indpred is null and indexprs is null
        and (select array_agg(attname::text) from pg_attribute
            where attrelid = indrelid and attnum = any(indkey[0:indnkeyatts - 1])
        ) <@ cast(:key as text[])
""")


def fresh_tables(spec: SourceSpec, url: str, known: Collection[str]) -> set[str]:
    """Return the tables that raw has not and whose declared key is unique at the source.

    ``known`` are those that dlt knows.
    """
    if not isinstance(spec, SqlDatabaseSource):
        return set()
    missing = [name for name in spec.tables if name not in known]
    if not missing:
        return set()
    engine = open_engine(url)
    if engine.dialect.name != "postgresql":
        return set()
    quote = engine.dialect.identifier_preparer.quote_identifier
    fresh = set()
    with engine.connect() as live:
        for name in missing:
            table = spec.tables[name]
            parts = [part for part in (spec.db_schema, table.source_table or name) if part]
            found = live.execute(
                _UNIQUE, {"name": ".".join(map(quote, parts)), "key": table.primary_key}
            )
            if found.first() is not None:
                fresh.add(name)
    return fresh


def load_straight(resources: Iterable[DltResource], fresh: set[str]) -> None:
    """Let the rows of fresh tables replace what is there, which is nothing."""
    for resource in resources:
        if resource.table_name in fresh:
            resource.apply_hints(write_disposition="replace")
