"""Turns what the engine said into what an agent may read.

The engine's texts hold paths, hidden names and values of cells. None of it is passed on: a
message is a sentence of ours, filled with names that stand in the caller's own statement or
among the columns of its own views.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from serving.errors import (
    AnswerError,
    BudgetExceeded,
    InternalError,
    InvalidSql,
    QueryTimeout,
    UnknownTable,
)
from serving.sandbox.functions import TYPES

_POSITION = re.compile(r"^LINE \d+: (.*)\n( *)\^", re.MULTILINE)
# Only names of types: any other capital word in the engine's text may be a value.
_TYPE = re.compile(
    rf"(?:{'|'.join(sorted(map(re.escape, TYPES), reverse=True))}|integer_literal|string_literal)"
    r"(?:\(\d+(?:, ?\d+)?\))?(?:\[\d*\])*",
    re.IGNORECASE,
)
_NAME = r'"([^"\n]{1,200})"'

_ENGINE_TYPES = {
    "BOOL": "BOOLEAN", "INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INTEGER",
    "INT64": "BIGINT", "INT128": "HUGEINT", "UINT8": "UTINYINT", "UINT16": "USMALLINT",
    "UINT32": "UINTEGER", "UINT64": "UBIGINT",
}  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """What a message may be filled with: the caller's text, and the columns it may know."""

    sql: str
    columns: list[str]

    def own(self, name: str) -> str | None:
        """``name`` if the caller wrote it or may know it, else None."""
        written = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.sql, re.IGNORECASE)
        known = name.lower() in {column.lower() for column in self.columns}
        return name if written or known else None

    def quoted(self, name: str) -> str:
        """The name between backticks with a space before it, or nothing."""
        found = self.own(name)
        return f" `{found}`" if found else ""

    def near(self, name: str) -> str:
        """A sentence that names the caller's columns that look like ``name``."""
        folded = {column.lower(): column for column in self.columns}
        close = difflib.get_close_matches(name.lower(), list(folded), n=3, cutoff=0.6)
        if close:
            return f" Did you mean {', '.join(folded[one] for one in close)}?"
        if folded and len(folded) <= 40:
            return f" The columns are: {', '.join(folded.values())}."
        return ""


def explain(kind: str, text: str, statement: Statement) -> AnswerError:
    """Return the AnswerError for an engine's error of class ``kind`` that said ``text``."""
    position = _position(text, statement.sql)
    where = {} if position is None else {"position": position}
    at = "" if position is None else f" (character {position})"
    if kind in ("InterruptException",):
        return QueryTimeout(TIMEOUT)
    if kind in ("OutOfMemoryException", "MemoryError"):
        return BudgetExceeded(MEMORY)
    if kind == "CatalogException" and re.search(r"\bTable with name\b|View with name", text):
        return UnknownTable(f"There is no such table among yours{at}.", **where)
    if kind in ("InternalException", "FatalException", "IOException"):
        return InternalError("The engine failed on this statement; write it another way.")
    sentence = _known(text, statement) or _BY_KIND.get(kind, _OTHERWISE)
    return InvalidSql(f"{sentence.removesuffix('.')}{at}." if at else sentence, **where)


TIMEOUT = (
    "The statement ran longer than this agent's time limit. Filter earlier, join on keys, "
    "aggregate before joining, or read fewer rows."
)
MEMORY = (
    "The statement needed more memory than this agent's limit. Filter earlier, select fewer "
    "columns, or aggregate in steps."
)
DIED = (
    "The statement used up its share of memory or CPU and was ended. Filter earlier, select "
    "fewer columns, and keep texts and lists short."
)

_OTHERWISE = "The statement cannot be run as it is written. Simplify it, or write it another way."
_BY_KIND = {
    "BinderException": "A name or a type in the statement does not fit. Check columns with "
    "describe_table, and cast where types differ.",
    "CatalogException": "The statement names something that does not exist.",
    "ParserException": "The statement has a syntax error. The dialect is DuckDB's.",
    "ConversionException": "A value cannot be converted to the type that is asked for. Use "
    "try_cast(), which gives NULL for such a value.",
    "InvalidInputException": "A value does not fit what a function expects. Use try_cast(), "
    "try_strptime() or try(), or filter such rows out.",
    "OutOfRangeException": "A number is out of range. Cast to a wider type such as HUGEINT or "
    "DOUBLE, or filter such rows out.",
    "NotImplementedException": "The engine does not support this. Write it another way.",
    "Unreadable": "A value of the result cannot be shown. Cast its column to VARCHAR.",
}


def _no_column(match: re.Match[str], statement: Statement) -> str:
    name = match.group(1).split(".")[-1].strip('"')
    return f"There is no column{statement.quoted(name)}.{statement.near(name)}"


def _ungrouped(match: re.Match[str], statement: Statement) -> str:
    column = statement.quoted(match.group(1))
    return f"The column{column} must be in GROUP BY or inside an aggregate such as any_value()."


def _ambiguous(match: re.Match[str], statement: Statement) -> str:
    column = statement.quoted(match.group(1))
    return f"The column{column} is in several tables; write the table's alias before it."


def _arguments(match: re.Match[str], statement: Statement) -> str:
    name, types = match.group(1), [part.strip() for part in _split_types(match.group(2))]
    call = statement.quoted(name)
    if not call or not types or not all(_TYPE.fullmatch(one) for one in types):
        return f"The function{call} does not take arguments of these types; cast them."
    shown = ", ".join(one.removesuffix("_LITERAL") for one in types)
    return f"The function{call} does not take ({shown}); cast its arguments."


def _split_types(text: str) -> Iterable[str]:
    return re.split(r",\s*(?![^()]*\))", text) if text else []


def _conversion(match: re.Match[str], statement: Statement) -> str:
    target = _ENGINE_TYPES.get(match.group(1), match.group(1))
    column = re.search(r"source column (\w+)", match.string)
    source = statement.quoted(column.group(1)) if column else ""
    of = f" of{source}" if source else ""
    shown = f" to {target}" if _TYPE.fullmatch(target) else ""
    return f"A value{of} cannot be converted{shown}. Use try_cast(), which gives NULL for it."


def _compared(match: re.Match[str], statement: Statement) -> str:
    left, right = match.group(1), match.group(2)
    if not (_TYPE.fullmatch(left) and _TYPE.fullmatch(right)):
        return "Values of these two types cannot be compared; cast one of them."
    return f"Cannot compare {left} with {right}; cast one of them."


def _cast(match: re.Match[str], statement: Statement) -> str:
    source, target = match.group(1), match.group(2)
    if not (_TYPE.fullmatch(source) and _TYPE.fullmatch(target)):
        return "One of these types cannot be converted to the other."
    return f"{source} cannot be converted to {target}."


def _says(sentence: str) -> Callable[[re.Match[str], Statement], str]:
    return lambda match, statement: sentence


_PATTERNS: list[tuple[re.Pattern[str], Callable[[re.Match[str], Statement], str]]] = [
    (re.compile(pattern), template)
    for pattern, template in [
        (rf"Referenced column {_NAME} (?:was )?not found", _no_column),
        (rf"does not have a column named {_NAME}", _no_column),
        (rf"[Cc]olumn {_NAME} (?:in EXCLUDE|in REPLACE|in RENAME|in USING)", _no_column),
        (rf"Column {_NAME} does not exist", _no_column),
        (
            rf"Referenced table {_NAME} not found",
            _says("A column is written with a table or alias that is not in FROM."),
        ),
        (rf"column {_NAME} must appear in the GROUP BY", _ungrouped),
        (rf"Ambiguous reference to column name {_NAME}", _ambiguous),
        (r"No function matches the given name and argument types '(\w+)\((.*?)\)'\.", _arguments),
        (
            r"No function matches the given name",
            _says("An operator or function does not take values of these types; cast them."),
        ),
        (r"Cannot compare values of type (.+?) and (?:values of )?type (.+?) -", _compared),
        (r"type for cast \((.+?) -> (.+?)\)", _cast),
        (r"Could not convert .* to '?(\w+)'?", _conversion),
        (r"destination type (\w+)", _conversion),
        (
            r"WHERE clause cannot contain aggregates",
            _says("WHERE cannot hold an aggregate; use HAVING."),
        ),
        (
            r"WHERE clause cannot contain window",
            _says("WHERE cannot hold a window function; use QUALIFY."),
        ),
        (
            r"aggregate function calls cannot (?:be nested|contain)",
            _says("An aggregate cannot hold another aggregate or window; use a subquery."),
        ),
        (r"(?:ORDER|GROUP BY) term out of range", _says("A position in ORDER BY or GROUP BY "
            "is higher than the number of columns.")),
        (
            r"same number of result columns",
            _says("Both sides of a set operation need the same number of columns."),
        ),
        (
            r"More than one row returned by a subquery",
            _says("A subquery used as a value returned more than one row; add an aggregate "
                  "or limit 1."),
        ),
        (r"Subquery returns \d+ columns", _says("A subquery used as a value has to return "
            "one column.")),
        (r"Malformed JSON", _says("A text is no valid JSON; filter with json_valid().")),
        (r"[Ss]pecifier .* not recognized", _says("This part of a date is not known; use "
            "year, quarter, month, week, day, hour, minute or second.")),
        (r"Overflow in", _says("A number is out of range; cast to HUGEINT or DOUBLE first.")),
        (r"[Mm]ax(?:imum)? expression depth", _says("The statement is nested too deeply.")),
        (r"UNNEST|[Uu]nnest", _says("unnest() takes a list and stands in SELECT or FROM.")),
        (r"PIVOT|[Pp]ivot", _says("The PIVOT does not fit: check its columns, and keep its "
            "IN list below 1,000 values.")),
    ]
]  # fmt: skip


def _known(text: str, statement: Statement) -> str | None:
    for pattern, template in _PATTERNS:
        match = pattern.search(text)
        if match:
            return template(match, statement)
    return None


def _position(text: str, sql: str) -> int | None:
    """The 1-based character that the engine points at, if the line it shows is the caller's."""
    match = _POSITION.search(text)
    if match is None:
        return None
    shown, prefix = match.group(1), len("LINE 1: ")
    column = len(match.group(2)) - prefix
    lead = 3 if shown.startswith("...") else 0
    body = shown[lead:].removesuffix("...")
    start = sql.find(body)
    if not body or start < 0 or column < lead or start + column - lead > len(sql):
        return None
    return start + column - lead + 1
