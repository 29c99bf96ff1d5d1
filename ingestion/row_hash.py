"""The hash of a row, computed alike in a source database and in the warehouse.

Only columns whose text both sides write alike take part: each is of one of the kinds below.
A range is all rows whose key's hash begins with the same digits, so it needs no common order of
keys: databases collate text differently.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ingestion.names import raw_name
from ingestion.vanished import quoted

Kind = Literal["integer", "text", "boolean", "decimal", "date", "instant"]
# 60 bits a row: a sum of hashes stays exact in every engine's integers.
HASH_DIGITS = 15
ROWS_A_RANGE = 256
NULL, SEPARATOR = "\x1e", "\x1f"


@dataclass(frozen=True)
class HashedColumn:
    """A column that takes part in the comparison."""

    name: str
    kind: Kind

    @property
    def raw(self) -> str:
        """Its name in the warehouse, quoted."""
        return quoted(raw_name(self.name))


def kind_of(source: sa.types.TypeEngine[Any], raw: str) -> Kind | None:
    """The kind that a column has on both sides; None where their texts may differ."""
    if isinstance(source, sa.Boolean):
        return "boolean" if raw == "BOOLEAN" else None
    if isinstance(source, sa.Integer):
        return "integer" if raw in ("BIGINT", "INTEGER", "SMALLINT", "HUGEINT") else None
    if isinstance(source, sa.DateTime):
        return "instant" if raw.startswith("TIMESTAMP") else None
    if isinstance(source, sa.Date):
        return "date" if raw == "DATE" else None
    if isinstance(source, sa.Float | sa.CHAR | sa.JSON):
        return None
    if isinstance(source, sa.Numeric):
        same = raw == f"DECIMAL({source.precision},{source.scale})"
        return "decimal" if same else None
    if isinstance(source, sa.String | sa.Uuid):
        return "text" if raw == "VARCHAR" else None
    return None


def range_digits(rows: int) -> int:
    """How many hexadecimal digits of the key's hash name a range of about ROWS_A_RANGE rows."""
    digits = 1
    while rows > ROWS_A_RANGE * 16**digits and digits < 6:
        digits += 1
    return digits


def in_duckdb(columns: Sequence[HashedColumn]) -> str:
    """The text of a row's columns, as DuckDB SQL."""
    texts = [f"coalesce({_duckdb_text(column)}, chr({ord(NULL)}))" for column in columns]
    return f" || chr({ord(SEPARATOR)}) || ".join(texts)


def hash_in_duckdb(text: str) -> str:
    """The first HASH_DIGITS of a text's MD5 as a number, as DuckDB SQL."""
    return f"('0x' || substr(md5({text}), 1, {HASH_DIGITS}))::bigint"


def in_source(dialect: str, columns: Sequence[HashedColumn]) -> str:
    """The text of a row's columns, as SQL of PostgreSQL or MySQL."""
    if dialect == "postgresql":
        texts = [
            f"coalesce({source_text(dialect, column)}, chr({ord(NULL)}))" for column in columns
        ]
        return f" || chr({ord(SEPARATOR)}) || ".join(texts)
    null, separator = (f"char({ord(letter)} using utf8mb4)" for letter in (NULL, SEPARATOR))
    texts = [f"coalesce({source_text(dialect, column)}, {null})" for column in columns]
    return f"concat_ws({separator}, {', '.join(texts)})"


def hash_in_source(dialect: str, text: str) -> str:
    """The first HASH_DIGITS of a text's MD5 as a number, as SQL of the source."""
    digits = f"substr(md5({text}), 1, {HASH_DIGITS})"
    if dialect == "postgresql":
        return f"cast(cast('x' || {digits} as bit({HASH_DIGITS * 4})) as bigint)"
    return f"cast(conv({digits}, 16, 10) as decimal(38))"


def source_name(dialect: str, name: str) -> str:
    """A name as the source's SQL has it."""
    mark = '"' if dialect == "postgresql" else "`"
    return mark + name.replace(mark, mark * 2) + mark


def source_text(dialect: str, column: HashedColumn) -> str:
    """One column's text, as SQL of the source."""
    name = source_name(dialect, column.name)
    if column.kind == "boolean":
        return f"case when {name} then '1' when not {name} then '0' end"
    if dialect != "postgresql":
        return {
            "instant": f"cast(timestampdiff(microsecond, '1970-01-01', {name}) as char)",
            "date": f"cast(datediff({name}, '1970-01-01') as char)",
        }.get(column.kind, f"convert({name} using utf8mb4)")
    if column.kind == "instant":
        micros = f"cast(cast(extract(epoch from {name}) * 1000000 as bigint) as text)"
        return f"case when isfinite({name}) then {micros} end"
    if column.kind == "date":
        return f"case when isfinite({name}) then cast({name} - date '1970-01-01' as text) end"
    return f"cast({name} as text)"


def _duckdb_text(column: HashedColumn) -> str:
    if column.kind == "boolean":
        return f"case {column.raw} when true then '1' when false then '0' end"
    if column.kind == "instant":
        return f"epoch_us({column.raw})::varchar"
    if column.kind == "date":
        return f"({column.raw} - date '1970-01-01')::varchar"
    return f"{column.raw}::varchar"
