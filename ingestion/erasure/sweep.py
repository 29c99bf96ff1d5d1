"""Removes from raw what is marked, and marks what refers to it in turn.

rules in order + marks -> rows deleted or columns emptied -> marks of the keys of those rows
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb

from ingestion.batch import QUARANTINE
from ingestion.erasure.marks import Marks
from ingestion.erasure.normal import mark_sql, normal_sql, set_pads
from ingestion.erasure.relations import Link, TableRule
from ingestion.values import key_parts
from ingestion.vanished import quoted

STRUCK = "struck_rows"
EMPTIED = "emptied_rows"


@dataclass
class Swept:
    """Rows by ``source.table``: deleted, emptied of personal columns, let go from quarantine."""

    deleted: Counter[str] = field(default_factory=Counter)
    emptied: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)


def sweep_tables(
    connection: duckdb.DuckDBPyConnection, rules: list[TableRule], marks: Marks
) -> Swept:
    """Delete and empty in one transaction of the caller's; ``marks`` grows by what was found."""
    swept = Swept()
    for rule in rules:
        with judged(connection, rule, marks) as is_there:
            if is_there:
                _remove(connection, rule, marks, swept)
        _let_go(connection, rule, marks, swept)
    return swept


@contextmanager
def judged(connection: duckdb.DuckDBPyConnection, rule: TableRule, marks: Marks) -> Iterator[bool]:
    """Hold the row ids of a table that are struck, or to be emptied, in two temporary tables."""
    there = columns_of(connection, rule)
    if not there:
        yield False
        return
    for name in (STRUCK, EMPTIED):
        connection.execute(f"create or replace temp table {name} (id bigint)")
    by_row = [rule.own, *(rule.links if rule.effect == "row" else [])]
    by_column = rule.links if rule.effect == "columns" else []
    _collect(connection, rule, marks, by_row, there, STRUCK)
    _collect(connection, rule, marks, by_column, there, EMPTIED)
    connection.execute(f"delete from {EMPTIED} where id in (from {STRUCK})")
    _learn(connection, rule, marks)
    try:
        yield True
    finally:
        for name in (STRUCK, EMPTIED):
            connection.execute(f"drop table {name}")


def relation(rule: TableRule) -> str:
    """The raw table in SQL."""
    return f"{quoted(rule.source)}.{quoted(rule.table)}"


def columns_of(connection: duckdb.DuckDBPyConnection, rule: TableRule) -> set[str]:
    """The columns that raw has of a table; none where it has no such table."""
    found = connection.execute(
        "select column_name from duckdb_columns() where schema_name = ? and table_name = ? "
        "and database_name = current_database()",
        [rule.source, rule.table],
    ).fetchall()
    return {row[0] for row in found}


def _collect(
    connection: duckdb.DuckDBPyConnection,
    rule: TableRule,
    marks: Marks,
    links: list[Link],
    there: set[str],
    target: str,
) -> None:
    for link in links:
        if not set(link.columns) <= there:
            continue
        for key_id, known in marks.of(link.domain).items():
            set_pads(connection, marks.keys[key_id])
            connection.execute(
                f"insert into {target} select rowid from {relation(rule)} "
                f"where {mark_sql(link)} in (select unnest(?)) and rowid not in (from {target})",
                [sorted(known)],
            )


def _learn(connection: duckdb.DuckDBPyConnection, rule: TableRule, marks: Marks) -> None:
    """Mark the keys of what was found, and what other tables refer to."""
    set_pads(connection, marks.present)
    for link in [rule.own, *rule.exports]:
        marks.add(link.domain, _marks_of(connection, rule, link, STRUCK))
    blanked = _of(rule.own, rule.blanked_domain)
    marks.add(blanked.domain, _marks_of(connection, rule, blanked, EMPTIED))


def _marks_of(
    connection: duckdb.DuckDBPyConnection, rule: TableRule, link: Link, among: str
) -> set[str]:
    """Marks of values that the rows found have and no other row of the table has."""
    names = [f"found.{quoted(name)}" for name in link.columns]
    same = " and ".join(
        f"{normal_sql(f'other.{quoted(name)}', kind)} = {normal_sql(f'found.{quoted(name)}', kind)}"
        for name, kind in zip(link.columns, link.kinds, strict=True)
    )
    # A raw key is unique; an e-mail that two customers share is no mark of one of them.
    alone = (
        ""
        if link.columns == rule.key
        else f"and not exists (from {relation(rule)} as other where {same} "
        f"and other.rowid not in (from {among}))"
    )
    found = connection.execute(
        f"select distinct {mark_sql(link, columns=names)} from {relation(rule)} as found "
        f"where found.rowid in (from {among}) {alone}"
    ).fetchall()
    return {row[0] for row in found if row[0] is not None}


def _remove(
    connection: duckdb.DuckDBPyConnection, rule: TableRule, marks: Marks, swept: Swept
) -> None:
    table = relation(rule)
    there = columns_of(connection, rule)
    deleted = _count(connection, f"select count(*) from {STRUCK}")
    connection.execute(f"delete from {table} where rowid in (from {STRUCK})")
    swept.deleted[rule.name] += deleted
    blanked = [f"{quoted(name)} = null" for name in rule.blanked if name in there]
    if blanked:
        swept.emptied[rule.name] += _count(connection, f"select count(*) from {EMPTIED}")
        connection.execute(
            f"update {table} set {', '.join(blanked)} where rowid in (from {EMPTIED})"
        )
    for column in set(rule.classes) & there:
        mention = _of(rule.own, rule.mention_domain(column))
        for key_id, known in marks.of(mention.domain).items():
            set_pads(connection, marks.keys[key_id])
            swept.emptied[rule.name] += _count(
                connection,
                f"update {table} set {quoted(column)} = null "
                f"where {quoted(column)} is not null and {mark_sql(mention)} in (select unnest(?))",
                [sorted(known)],
            )


def _let_go(
    connection: duckdb.DuckDBPyConnection, rule: TableRule, marks: Marks, swept: Swept
) -> None:
    """Remove quarantined rows by key: they hold no value, but a key may tell who it was."""
    there = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = ? and table_name = ? "
        "and database_name = current_database()",
        [rule.source, QUARANTINE],
    ).fetchone()
    if there == (0,) or not marks.of(rule.own_domain):
        return
    aside = f"{quoted(rule.source)}.{quoted(QUARANTINE)}"
    waiting = connection.execute(
        f"select row_key from {aside} where table_name = ?", [rule.table]
    ).fetchall()
    gone = [key for (key,) in waiting if _is_marked(rule, marks, key)]
    connection.execute(
        f"delete from {aside} where table_name = ? and row_key in (select unnest(?))",
        [rule.table, gone],
    )
    swept.quarantined[rule.name] += len(gone)


def _is_marked(rule: TableRule, marks: Marks, row_key: str) -> bool:
    try:
        parts = key_parts(row_key, len(rule.key))
    except json.JSONDecodeError:
        # The row had no key, or is a whole file.
        return False
    return len(parts) == len(rule.key) and marks.has(
        rule.own_domain, [part.strip() for part in parts]
    )


def _of(link: Link, domain: str) -> Link:
    return link.model_copy(update={"domain": domain})


def _count(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: list[list[str]] | None = None
) -> int:
    row = connection.execute(query, parameters or []).fetchone()
    return int(row[0]) if row else 0
