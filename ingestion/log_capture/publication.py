"""The publication: which tables the log tells us about, and whether it tells enough of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from ingestion.errors import CaptureRefused
from ingestion.log_capture.slot import Live
from ingestion.postgres_types import PgColumn
from ingestion.spec import SqlDatabaseSource, SqlTableSpec


@dataclass(frozen=True)
class Captured:
    """A table as the source has it now, with the columns that the log tells of.

    ``shape`` names for each column what changes whenever its definition does: a definition can
    change every row without one change in the log.
    """

    name: str
    schema: str
    table: str
    key: list[str]
    origin: str
    columns: list[PgColumn]
    shape: Mapping[str, str]
    row_filter: str | None


def ensure_publication(live: Live, publication: str, spec: SqlDatabaseSource) -> list[Captured]:
    """Return every declared table, after the publication tells all of their changes."""
    schema = schema_of(live, spec)
    oids = {
        name: identified(live, schema, table.source_table or name, table)
        for name, table in spec.tables.items()
    }
    for statement in missing_sql(live, publication, spec):
        _as_owner(live, statement)
    for name, table in spec.tables.items():
        refuse_held_back(live, publication, schema, name, table)
    return [
        _captured(live, publication, schema, name, table, oids[name])
        for name, table in spec.tables.items()
    ]


def missing_sql(live: Live, publication: str, spec: SqlDatabaseSource) -> list[str]:
    """Return what the tables' owner must run before the publication tells all that we need."""
    schema = schema_of(live, spec)
    declared = [table.source_table or name for name, table in spec.tables.items()]
    found = live.execute(
        "select pubinsert and pubupdate and pubdelete and pubtruncate "
        "from pg_publication where pubname = %s",
        [publication],
    ).fetchone()
    quoted = sql.Identifier(publication).as_string(live)
    if found is None:
        return [
            f"create publication {quoted} for table {_listed(live, schema, declared)} "
            "with (publish_via_partition_root = true)"
        ]
    there = live.execute(
        "select tablename from pg_publication_tables where pubname = %s and schemaname = %s",
        [publication, schema],
    ).fetchall()
    missing = [table for table in declared if (table,) not in there]
    statements = []
    if not found[0]:
        statements.append(
            f"alter publication {quoted} set (publish = 'insert, update, delete, truncate')"
        )
    if missing:
        statements.append(f"alter publication {quoted} add table {_listed(live, schema, missing)}")
    return statements


def refuse_held_back(
    live: Live, publication: str, schema: str, name: str, declared: SqlTableSpec
) -> None:
    """Refuse a publication that holds rows or columns back, where that is not declared.

    Its filter is not quoted: it may hold a value of a row.
    """
    table = declared.source_table or name
    row = live.execute(
        """
        select rowfilter is not null, attnames @> %s::name[], array(
            select attname::text from pg_attribute
            where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
                and attgenerated = '' and attname <> all (attnames) order by attnum)
        from pg_publication_tables where pubname = %s and schemaname = %s and tablename = %s
        """,
        [
            declared.primary_key,
            sql.Identifier(schema, table).as_string(live),
            publication,
            schema,
            table,
        ],
    ).fetchone()
    if row is None:
        return
    is_filtered, has_key, hidden = row
    if has_key and declared.partial or not (is_filtered or hidden):
        return
    assert isinstance(hidden, list)
    what = "the rows that its filter lets pass" if is_filtered else "some of its columns"
    lacking = f" (not {', '.join(hidden)})" if hidden else ""
    plain, whole = sql.Identifier(publication), sql.Identifier(schema, table)
    remedy = [
        sql.SQL(statement).format(plain, whole).as_string(live)
        for statement in ("alter publication {} drop table {}", "alter publication {} add table {}")
    ]
    raise CaptureRefused(
        f"publication {publication} tells of {schema}.{table} only {what}{lacking}, so raw would "
        f"lack the rest; run as its owner: {'; '.join(remedy)}; or, where that is meant and the "
        f"key is among the columns, declare `partial: true` for {name} in sources.yaml"
    )


def schema_of(live: Live, spec: SqlDatabaseSource) -> str:
    """The schema of the declared tables."""
    return spec.db_schema or str(_one(live, "select current_schema()", []))


def identified(live: Live, schema: str, table: str, declared: SqlTableSpec) -> int:
    """Return the table's oid; refuse one whose deletes would not say which row is gone."""
    name = sql.Identifier(schema, table).as_string(live)
    row = live.execute(
        "select oid::bigint, relreplident::text from pg_class "
        "where oid = to_regclass(%s) and relkind in ('r', 'p')",
        [name],
    ).fetchone()
    if row is None:
        raise CaptureRefused(f"the database has no table {name}, or we may not see it")
    oid, identity = int(str(row[0])), str(row[1])
    keys = live.execute(
        """
        select attname from pg_index join pg_attribute on attrelid = indrelid
            and attnum = any(indkey[0:indnkeyatts - 1])
        where indrelid = %s::oid and case %s::text
            when 'd' then indisprimary when 'i' then indisreplident else false end
        """,
        [oid, identity],
    ).fetchall()
    known = {str(key[0]) for key in keys}
    if identity != "f" and not set(declared.primary_key) <= known:
        lacking = ", ".join(declared.primary_key)
        raise CaptureRefused(
            f"the log does not say which row of {name} was changed or deleted, because its primary "
            f"key is not ({lacking}); run as its owner: alter table {name} add primary key "
            f"({lacking}), or: alter table {name} replica identity full"
        )
    return oid


def _as_owner(live: Live, statement: str) -> None:
    try:
        live.execute(statement.encode())
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        # The backend of a killed process has done it meanwhile; what is still lacking is refused
        # by whoever reads the publication next.
        return
    except psycopg.errors.InsufficientPrivilege:
        raise CaptureRefused(
            "the publication does not tell all changes of the declared tables, and our role may "
            f"not change it; run as the owner of the tables: {statement}"
        ) from None


def _captured(
    live: Live, publication: str, schema: str, name: str, table: SqlTableSpec, oid: int
) -> Captured:
    source_table = table.source_table or name
    row = live.execute(
        "select attnames, rowfilter from pg_publication_tables "
        "where pubname = %s and schemaname = %s and tablename = %s",
        [publication, schema, source_table],
    ).fetchone()
    if row is None:
        raise CaptureRefused(
            f"publication {publication} does not tell the changes of {schema}.{source_table} "
            "under its own name; set (publish_via_partition_root = true) on it"
        )
    attributes = live.execute(
        "select attname, atttypid::bigint, atttypmod, format_type(atttypid, atttypmod), "
        "attnum || ':' || xmin::text from pg_attribute "
        "where attrelid = %s::oid and attnum > 0 and not attisdropped "
        "and attname = any(%s::text[]) order by attnum",
        [oid, row[0]],
    ).fetchall()
    origin = _one(
        live,
        """
        select concat_ws('/', system_identifier, (select oid from pg_database
            where datname = current_database()), %s::text, (select oid from pg_publication
            where pubname = %s), (select member.oid from pg_publication_rel as member
            join pg_publication as whole on whole.oid = prpubid
            where pubname = %s and prrelid = %s::oid))
        from pg_control_system()
        """,
        [oid, publication, publication, oid],
    )
    columns = [
        PgColumn(str(name), int(str(kind)), int(str(modifier)), str(printed))
        for name, kind, modifier, printed, _ in attributes
    ]
    return Captured(
        name=name,
        schema=schema,
        table=source_table,
        key=table.primary_key,
        origin=str(origin),
        columns=columns,
        shape={str(attribute[0]): str(attribute[4]) for attribute in attributes},
        row_filter=None if row[1] is None else str(row[1]),
    )


def _listed(live: Live, schema: str, tables: list[str]) -> str:
    names = sql.SQL(", ").join(sql.Identifier(schema, table) for table in tables)
    return names.as_string(live)


def _one(live: Live, query: str, parameters: list[object]) -> object:
    row = live.execute(query.encode(), parameters).fetchone()
    return row[0] if row else None
