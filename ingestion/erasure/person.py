"""Finds what raw holds of one person: her rows by declared relations, and who else tells of her.

key -> marks -> rows of every table in turn -> her own values -> texts of others that name her
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import duckdb

from ingestion.erasure.marks import Marks
from ingestion.erasure.normal import mark_sql, set_pads
from ingestion.erasure.relations import Relations, TableRule
from ingestion.erasure.sweep import EMPTIED, STRUCK, columns_of, judged, relation
from ingestion.vanished import quoted

FREE_TEXT = "free_text"


@dataclass(frozen=True)
class Value:
    """One personal value of the person; never shown, stored only sealed."""

    privacy: str
    text: str = field(repr=False)


@dataclass
class Person:
    """What was found; counts are by ``source.table``, and ``values`` can be searched for.

    ``unsearchable`` counts by privacy class the values too short or too ordinary to be told from
    anything else, ``shared`` those that another person has too.
    """

    rows: dict[str, int] = field(default_factory=dict)
    emptied: dict[str, int] = field(default_factory=dict)
    mentions: dict[str, int] = field(default_factory=dict)
    kept_mentions: dict[str, int] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)
    unsearchable: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)


def find_person(
    connection: duckdb.DuckDBPyConnection, relations: Relations, person: str, marks: Marks
) -> Person:
    """Return what the marked person has in raw; ``marks`` grows by all that must not return.

    Changes nothing; the connection may be read-only.
    """
    found = Person()
    concerned = [rule for rule in relations.tables if rule.person == person]
    for rule in concerned:
        with judged(connection, rule, marks) as is_there:
            if is_there:
                found.rows[rule.name] = _count(connection, STRUCK)
                found.emptied[rule.name] = _count(connection, EMPTIED)
                if rule.is_person:
                    _take_values(connection, rule, found)
    for rule in relations.tables:
        with judged(connection, rule, marks) as is_there:
            if is_there and found.values:
                _find_mentions(connection, rule, marks, found)
    return found


def is_searchable(privacy: str, text: str) -> bool:
    """Whether a value stands for itself: found elsewhere, it is this person's."""
    if privacy == "email":
        return "@" in text and len(text) >= 6
    if privacy == "name":
        return len(text.split()) >= 2 and sum(map(str.isalpha, text)) >= 6
    if privacy == "phone":
        return len(re.sub(r"\D", "", text)) >= 7
    if privacy == "address":
        has_number = any(map(str.isdigit, text))
        return len(text) >= 8 and has_number and len(text.split()) >= 2
    return privacy in ("identifier", "secret") and len(text) >= 8 and not text.isdigit()


def pattern_of(value: Value) -> str:
    """The expression, for RE2, that finds a value in lower-case text without accents."""
    if value.privacy == "phone":
        # The national part: with or without the country's code, and with any signs between.
        digits = re.sub(r"\D", "", value.text)[-9:]
        return r"[ ().\-/]*".join(digits)
    words = r"\s+".join(re.escape(word) for word in value.text.split())
    return rf"(?:^|[^\pL\pN])(?:{words})(?:$|[^\pL\pN])"


def _take_values(connection: duckdb.DuckDBPyConnection, rule: TableRule, found: Person) -> None:
    for column, privacy in _personal(connection, rule):
        if privacy == FREE_TEXT:
            continue
        text, other = (
            f"strip_accents(lower(trim({alias}.{quoted(column)}::varchar)))"
            for alias in ("mine", "other")
        )
        rows = connection.execute(
            f"select any_value(trim(mine.{quoted(column)}::varchar)), bool_or(exists(from "
            f"{relation(rule)} as other where other.rowid not in (from {STRUCK}) "
            f"and {other} = {text})) from {relation(rule)} as mine "
            f"where mine.rowid in (from {STRUCK}) and {text} <> '' group by {text}"
        ).fetchall()
        for value, is_shared in rows:
            if is_shared:
                found.shared[privacy] = found.shared.get(privacy, 0) + 1
            elif is_searchable(privacy, value):
                found.values.append(Value(privacy, value))
            else:
                found.unsearchable[privacy] = found.unsearchable.get(privacy, 0) + 1


def _find_mentions(
    connection: duckdb.DuckDBPyConnection, rule: TableRule, marks: Marks, found: Person
) -> None:
    """Mark the cells of other rows that hold a value of hers: whole, or within a text."""
    count = 0
    set_pads(connection, marks.present)
    for column, _ in _personal(connection, rule):
        if column in rule.key:
            continue
        text = f"strip_accents(lower({quoted(column)}::varchar))"
        held = " or ".join(f"regexp_matches({text}, ?)" for _ in found.values)
        own = rule.own.model_copy(update={"domain": rule.mention_domain(column)})
        patterns = _patterns(connection, found.values)
        hits = connection.execute(
            f"select {mark_sql(own)} from {relation(rule)} where ({held}) "
            f"and rowid not in (from {STRUCK} union all from {EMPTIED})",
            patterns,
        ).fetchall()
        count += len(hits)
        if not rule.keeps_mentions:
            marks.add(own.domain, {row[0] for row in hits if row[0] is not None})
    if count:
        told = found.kept_mentions if rule.keeps_mentions else found.mentions
        told[rule.name] = count


def _patterns(connection: duckdb.DuckDBPyConnection, values: list[Value]) -> list[str]:
    plain = connection.execute(
        "select strip_accents(lower(text)) from (select unnest(?) as text)",
        [[value.text for value in values]],
    ).fetchall()
    return [
        pattern_of(Value(value.privacy, text)) for value, (text,) in zip(values, plain, strict=True)
    ]


def _personal(connection: duckdb.DuckDBPyConnection, rule: TableRule) -> Iterator[tuple[str, str]]:
    there = columns_of(connection, rule)
    return ((name, privacy) for name, privacy in rule.classes.items() if name in there)


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0
