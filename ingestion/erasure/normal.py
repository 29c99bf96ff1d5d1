"""The one form in which a value is marked, in SQL: what types and spellings may not matter to."""

import re
from collections.abc import Sequence

import duckdb

from ingestion.erasure.keys import MARK_LENGTH, SEPARATOR, ErasureKey
from ingestion.erasure.relations import Kind, Link
from ingestion.vanished import quoted


def set_pads(connection: duckdb.DuckDBPyConnection, key: ErasureKey) -> None:
    """Hand a connection the key that ``mark_sql`` uses; the SQL never holds it."""
    inner, outer = key.pads
    connection.execute("set variable erasure_ipad = ?", [inner])
    connection.execute("set variable erasure_opad = ?", [outer])


def normal_sql(column: str, kind: Kind) -> str:
    """The normal form of a column as text; NULL for nothing."""
    text = f"trim({column}::varchar, ' \t\n\r')"
    if kind == "email":
        return f"nullif(lower(nfc_normalize({text})), '')"
    if kind == "phone":
        return f"nullif(regexp_replace({text}, '[^0-9]', '', 'g'), '')"
    # An integer may be a floating number in one source and a text in another.
    return f"nullif(regexp_replace({text}, '^(-?[0-9]+)\\.0+$', '\\1'), '')"


def mark_sql(link: Link, prefix: str = "", columns: Sequence[str] | None = None) -> str:
    """The mark of a link's columns; NULL where one of them is."""
    names = columns or [prefix + quoted(name) for name in link.columns]
    parts = [normal_sql(name, kind) for name, kind in zip(names, link.kinds, strict=True)]
    domain = link.domain.replace("'", "''")
    joined = f" || chr({ord(SEPARATOR)}) || ".join([f"'{domain}'", *parts])
    return (
        f"left(sha256(getvariable('erasure_opad') || unhex(sha256("
        f"getvariable('erasure_ipad') || encode({joined})))), {MARK_LENGTH})"
    )


def normal_key(parts: Sequence[str]) -> list[str]:
    """A key that came as texts, in the form that ``normal_sql`` gives its columns."""
    return [re.sub(r"^(-?[0-9]+)\.0+$", r"\1", part.strip(" \t\n\r")) for part in parts]
