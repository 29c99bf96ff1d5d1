"""Parses one statement with DuckDB's own parser, or says why it is none that may run.

sql -> json_serialize_sql in a bare, locked connection -> the syntax tree as JSON
"""

import functools
import re
import threading
from typing import Any

import duckdb
import orjson

from serving.errors import AnswerError, InvalidSql, PolicyDenied, ReadonlyViolation

MAX_SQL_BYTES = 10_000
_SERIALIZE = "select json_serialize_sql($1, skip_null := true, skip_empty := true)"
_LEADING = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|;)*", re.DOTALL)
_NEAR = re.compile(r'syntax error at or near "(.*?)"')

READ_ONLY_HINT = "This data is read-only: send one SELECT over your tables."
TOO_DEEP = (
    "The statement is nested too deeply or joins too many tables. Split it into common table "
    "expressions or into several statements."
)
_PIVOT_HINT = (
    "PIVOT needs its values spelled out: "
    "`pivot t on channel in ('web', 'store') using sum(amount)`."
)


class _Parser:
    """A connection that can parse and do nothing else; one statement at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "temp_directory": "",
                "memory_limit": "64MB",
                "threads": 1,
                "autoload_known_extensions": False,
                "autoinstall_known_extensions": False,
                "allow_community_extensions": False,
                "python_enable_replacements": False,
                "max_expression_depth": 250,
            },
        )
        # One call of one function has nothing to optimise, and planning it is half of the time.
        self._connection.execute("pragma disable_optimizer")
        # IMPORT DATABASE would read a file while it is merely taken apart.
        self._connection.execute("set enable_external_access = false")
        self._connection.execute("set disabled_filesystems = 'LocalFileSystem'")
        self._connection.execute("set lock_configuration = true")
        (self._serialize,) = self._connection.extract_statements(_SERIALIZE)

    def serialize(self, sql: str) -> dict[str, Any]:
        with self._lock:
            row = self._connection.execute(self._serialize, [sql]).fetchone()
        parsed: dict[str, Any] = orjson.loads(row[0]) if row else {}
        return parsed

    def kinds(self, sql: str) -> list[str]:
        with self._lock:
            return [found.type.name for found in self._connection.extract_statements(sql)]

    def functions(self) -> frozenset[str]:
        with self._lock:
            rows = self._connection.execute("select function_name from duckdb_functions()")
            return frozenset(str(row[0]).lower() for row in rows.fetchall())


@functools.cache
def _parser() -> _Parser:
    return _Parser()


@functools.cache
def engine_functions() -> frozenset[str]:
    """The names of all functions that the engine has, allowed or not."""
    return _parser().functions()


def parse(sql: str) -> dict[str, Any]:
    """Return the syntax tree of the one SELECT in ``sql``; AnswerError says what else it is."""
    _refuse_unreadable(sql)
    parser = _parser()
    try:
        parsed = parser.serialize(sql)
    except (duckdb.Error, RecursionError, ValueError) as error:
        raise PolicyDenied(TOO_DEEP) from error
    if parsed.get("error"):
        raise _refusal(sql, parsed)
    statements = parsed.get("statements", [])
    if not statements:
        raise InvalidSql(f"There is no statement in the text. {READ_ONLY_HINT}")
    if len(statements) > 1:
        raise PolicyDenied("Send one statement at a time; drop what follows the semicolon.")
    only: dict[str, Any] = statements[0]
    return only


def _refuse_unreadable(sql: str) -> None:
    if "\0" in sql:
        raise InvalidSql("The statement holds a NUL character; remove it.")
    try:
        size = len(sql.encode())
    except UnicodeEncodeError as error:
        raise InvalidSql("The statement is not valid Unicode text.") from error
    if size > MAX_SQL_BYTES:
        raise PolicyDenied(
            f"The statement is {size} bytes long and may be {MAX_SQL_BYTES}. "
            "Replace long value lists by a join or a condition."
        )


def _refusal(sql: str, parsed: dict[str, Any]) -> AnswerError:
    if parsed.get("error_type") == "parser":
        return _syntax_error(sql, parsed)
    first = _first_word(sql)
    try:
        kinds = _parser().kinds(sql)
    except duckdb.Error:
        kinds = ["UNKNOWN"]
    if first not in ("create", "pragma") and kinds == ["CREATE", "SELECT"]:
        return PolicyDenied(_PIVOT_HINT)
    if first == "explain":
        return PolicyDenied("EXPLAIN is not available; call execute_sql with dry_run instead.")
    if first in ("select", "with", "from", "values", "(") and set(kinds) <= {"SELECT", "UNKNOWN"}:
        return InvalidSql(
            "A part of this SELECT is not supported here. Simplify it, or write it another way."
        )
    return ReadonlyViolation(READ_ONLY_HINT)


def _first_word(sql: str) -> str:
    leading = _LEADING.match(sql)
    rest = sql[leading.end() :] if leading else sql
    word = re.match(r"\w+|\(", rest)
    return word.group().lower() if word else ""


def _syntax_error(sql: str, parsed: dict[str, Any]) -> AnswerError:
    if "expression depth" in str(parsed.get("error_message", "")):
        return PolicyDenied(TOO_DEEP)
    position = parsed.get("position")
    near = _NEAR.search(str(parsed.get("error_message", "")))
    where = f" near `{near.group(1)[:40]}`" if near and near.group(1) in sql else ""
    if position is None:
        return InvalidSql(f"Syntax error{where}. The dialect is DuckDB's.")
    at = character(sql, int(position))
    return InvalidSql(
        f"Syntax error{where} at character {at}. The dialect is DuckDB's.", position=at
    )


def character(sql: str, location: int) -> int:
    """The 1-based character at a byte offset that the parser gave."""
    return len(sql.encode()[:location].decode(errors="ignore")) + 1
