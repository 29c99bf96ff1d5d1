"""An answer's rows as an Arrow table or a pandas frame, each column in the type that it tells.

rows (JSON values) + types -> DuckDB, in memory, one cast a column -> Arrow -> pandas
"""

import json
from typing import TYPE_CHECKING

import duckdb

from serving.envelope import Column, Data
from serving.identifiers import quoted

if TYPE_CHECKING:
    import pandas
    import pyarrow

_NESTED = ("STRUCT(", "MAP(", "UNION(")
# Not known to be of any type: an untyped NULL, or JSON, whose text is the value.
_AS_TEXT = frozenset({"VARCHAR", "JSON", "NULL", '"NULL"', ""})


def to_arrow(data: Data) -> "pyarrow.Table":
    """The rows as a table: decimals exact, instants in UTC, lists and structs as such."""
    names = [column.name for column in data.columns]
    rows = json.dumps([[row.get(name) for name in names] for row in data.rows])
    cells = [_cell(number, column) for number, column in enumerate(data.columns)]
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(
            f"select {', '.join(cells) or '1'} from (select unnest(cast($1 as json[])) as r)",
            [rows],
        ).to_arrow_table()


def to_pandas(data: Data) -> "pandas.DataFrame":
    """The same as a frame whose columns keep Arrow's types, so that NULL changes none of them."""
    import pandas

    frame: pandas.DataFrame = to_arrow(data).to_pandas(types_mapper=pandas.ArrowDtype)
    return frame


def _cell(number: int, column: Column) -> str:
    """The SQL of one column; its values are those of ``serving.values.to_json``."""
    return f"{_value(number, column.type.strip())} as {quoted(column.name)}"


def _value(number: int, kind: str) -> str:
    text = f"r->>{number}"
    if kind in _AS_TEXT:
        return f"({text})"
    if kind == "BLOB":
        return f"from_base64({text})"
    if kind == "INTERVAL":
        return f"to_microseconds(round(cast({text} as double) * 1e6)::bigint)"
    is_nested = kind.endswith("]") or kind.startswith(_NESTED)
    return f"cast({f'r->{number}' if is_nested else f'({text})'} as {kind})"
