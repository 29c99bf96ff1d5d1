"""Rows as JSON texts that the engine writes itself, each value as ``values.to_json`` has it.

column types -> SQL expressions; none where a type is one that only Python writes so
"""

import re
from collections.abc import Callable, Mapping, Sequence

from serving.catalog import CatalogView
from serving.identifiers import literal, quoted
from serving.values import EXACT_DIGITS, EXACT_INTEGER, INTEGERS

Write = Callable[[str], str]

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
# Beyond it Python writes small numbers with an exponent, and a double holds no power of ten.
_MOST_SCALE = 21
# Years of four digits; no infinity.
_WRITTEN_ALIKE = "'1000-01-01' and '9999-12-31'"


def row_columns(view: CatalogView, keys: Sequence[str]) -> list[str] | None:
    """Return the expressions of these columns as keys, and of the whole row as JSON text."""
    kinds = {column.name: column.type for column in view.columns}
    told: list[str | None] = []
    for name, kind in kinds.items():
        write = _value(kind)
        told += [literal(name), write(quoted(name)) if write else None]
    found = [_KEYS[kinds[name]](quoted(name)) if kinds[name] in _KEYS else None for name in keys]
    if None in told or None in found:
        return None
    return [*filter(None, found), f"json_object({', '.join(filter(None, told))})"]


def characters_a_byte(view: CatalogView) -> int:
    """Return the most characters that cells have, as Python writes them, for a byte of their row.

    Of a number with an exponent it is 2, of a list of texts with escapes 4.
    """
    return 2 if all(_value(column.type) is not None for column in view.columns) else 4


def days_written_alike(view: CatalogView) -> str:
    """Return the condition over all rows under which days and instants are written alike."""
    asked = [
        f"coalesce(bool_and({quoted(column.name)} between {_WRITTEN_ALIKE}), true)"
        for column in view.columns
        if column.type in _OF_TIME
    ]
    return " and ".join(["count(*) >= 0", *asked])


def _value(kind: str) -> Write | None:
    decimal = _DECIMAL.fullmatch(kind)
    return _decimal(*map(int, decimal.groups())) if decimal else _VALUES.get(kind)


def _decimal(precision: int, scale: int) -> Write | None:
    if precision <= EXACT_DIGITS:
        return _number
    # The engine writes no nought before the point where there are only digits behind it.
    if scale == precision or scale > _MOST_SCALE:
        return None
    least = f"cast(1e{EXACT_DIGITS - scale} as decimal({precision}, {scale}))"

    def write(column: str) -> str:
        return _either(f"abs({column}) < {least}", _number(column), column)

    return write


def _either(condition: str, value: str, column: str) -> str:
    return f"case when {condition} then to_json({value}) else to_json({_text(column)}) end"


def _as_it_is(column: str) -> str:
    return column


def _text(column: str) -> str:
    return f"cast({column} as varchar)"


def _number(column: str) -> str:
    return f"cast({column} as double)"


def _integer(column: str) -> str:
    return _either(f"{column} between -{EXACT_INTEGER} and {EXACT_INTEGER}", column, column)


def _float(column: str) -> str:
    # The engine tells the sign of a number that is none.
    text = f"case when isnan({column}) then 'nan' else {_text(column)} end"
    return f"case when isfinite({column}) then to_json({_number(column)}) else to_json({text}) end"


def _timestamp(column: str) -> str:
    fraction = (
        f"case when epoch_us({column}) % 1000000 = 0 then '' else strftime({column}, '.%f') end"
    )
    return f"strftime({column}, '%Y-%m-%dT%H:%M:%S') || {fraction}"


def _instant(column: str) -> str:
    plain = f"({column} at time zone 'UTC')"
    return f"{_timestamp(plain)} || 'Z'"


_OF_TIME: Mapping[str, Write] = {
    "DATE": _text,
    "TIMESTAMP": _timestamp,
    "TIMESTAMP WITH TIME ZONE": _instant,
}
_WIDE = ["UBIGINT", "HUGEINT"]
_VALUES: Mapping[str, Write] = {
    **dict.fromkeys(["VARCHAR", "BOOLEAN", *(INTEGERS - {"BIGINT"})], _as_it_is),
    **dict.fromkeys(["BIGINT", *_WIDE], _integer),
    **dict.fromkeys(["FLOAT", "DOUBLE"], _float),
    "UUID": _text,
    **_OF_TIME,
}
# Texts, but for the integers that SQLite has; a number with a fraction is not written alike.
_KEYS: Mapping[str, Write] = {
    **dict.fromkeys(["VARCHAR", *INTEGERS], _as_it_is),
    **dict.fromkeys(["UUID", *_WIDE], _text),
    **_OF_TIME,
}
