"""The process that runs statements for one agent; it holds that agent's files and nothing else.

parent -> length + JSON request -> locked DuckDB -> length + JSON reply -> parent

It is started by its path with an empty environment, and imports the standard library, duckdb,
``serving.values`` and ``serving.layers`` alone, so that a new one answers after about a tenth of a
second.
"""

import json
import math
import resource
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import duckdb

_LENGTH = struct.Struct(">I")
_FETCHED_AT_ONCE = 256
_FILES_BESIDES_VIEWS = 24
# DuckDB starts a thread for each of these; each may hold one CPU for the whole time limit.
_THREADS = 2
# The rest of what the agent declares is for this process itself and what the engine does not count.
_ENGINE_SHARE = 0.75
# memory_limit does not see what scalar functions and the planner take. Honest statements stay
# within twice the limit, and 1 GiB is what the engine needs to plan and start threads at all.
_LEAST_ADDRESS_SPACE = 1 << 30

Message = dict[str, Any]


def write_message(stream: IO[bytes], message: Message) -> None:
    """Write one message; both sides speak this form."""
    body = json.dumps(message, separators=(",", ":")).encode()
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read_message(stream: IO[bytes]) -> Message | None:
    """Read one message; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    message: Message = json.loads(stream.read(_LENGTH.unpack(head)[0]))
    return message


def open_locked(
    files: dict[str, str], memory_mb: int, layers: dict[str, list[str]] | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a connection that sees these views by their names and cannot reach anything else.

    ``layers`` has for a view the file of what changed since its own was written, and its key.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "temp_directory": "",
            "memory_limit": f"{memory_mb * _ENGINE_SHARE:.0f}MB",
            "threads": _THREADS,
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "max_expression_depth": 250,
            "pivot_limit": 1000,
        },
    )
    for number, (view, path) in enumerate(files.items()):
        connection.execute(f"attach {_text(path)} as v{number} (read_only)")
        name = _identifier(view)
        rows = f"select * from v{number}.main.{name}"
        if layers and view in layers:
            from serving.layers import layered

            layer, key = layers[view]
            connection.execute(f"attach {_text(layer)} as l{number} (read_only)")
            rows = layered(f"v{number}.main.{name}", f"l{number}.main.{name}", key)
        connection.execute(f"create view {name} as {rows}")
    connection.execute("set global TimeZone = 'UTC'")
    # What is attached stays readable; from here on nothing else can be opened.
    connection.execute("set enable_external_access = false")
    connection.execute("set disabled_filesystems = 'LocalFileSystem'")
    connection.execute("set lock_configuration = true")
    return connection


def limit_process(memory_mb: int, views: int) -> None:
    """Bound this process from now on: address space, written bytes, open files, core dumps."""
    statm = Path("/proc/self/statm")
    # macOS has neither this file nor a working limit of the address space.
    if statm.is_file():
        size = int(statm.read_text().split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, size + max(_LEAST_ADDRESS_SPACE, 2 * memory_mb << 20))
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, views + _FILES_BESIDES_VIEWS)


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _limit_cpu(seconds: float) -> None:
    """Let this statement use what its time limit allows; it ends even if the parent is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime + seconds * _THREADS) + 3
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _describe(connection: duckdb.DuckDBPyConnection, views: list[str]) -> Message:
    cursor = connection.cursor()
    return {
        view: [
            [str(row[0]), str(row[1])]
            for row in cursor.execute(f"describe {_identifier(view)}").fetchall()
        ]
        for view in views
    }


class _Alarm:
    """Interrupts a statement that is past its time; one thread for all, as starting one is slow.

    It sleeps until a statement would be late and looks then whether it still runs, so that one that
    is answered in time wakes nobody.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._until = self._sleeps_until = math.inf
        threading.Thread(target=self._watch, daemon=True).start()

    def set(self, cursor: duckdb.DuckDBPyConnection, seconds: float) -> None:
        """Interrupt this cursor after so many seconds."""
        with self._changed:
            self._cursor, self._until = cursor, time.monotonic() + seconds
            if self._until < self._sleeps_until:
                self._changed.notify()

    def stop(self) -> None:
        """Interrupt nothing until it is set again."""
        with self._changed:
            self._cursor, self._until = None, math.inf

    def _watch(self) -> None:
        with self._changed:
            while True:
                left = self._until - time.monotonic()
                if left <= 0 and self._cursor is not None:
                    self._cursor.interrupt()
                    self._cursor, self._until = None, math.inf
                    continue
                self._sleeps_until = self._until
                self._changed.wait(None if left == math.inf else left)


class _Worker:
    """Holds one agent's files; the same process may be given those of its next snapshot."""

    def __init__(self, memory_mb: int, to_json: Callable[[Any], Any]) -> None:
        self._memory_mb = memory_mb
        self._to_json = to_json
        self._alarm = _Alarm()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._cursor: duckdb.DuckDBPyConnection | None = None

    def open(self, files: dict[str, str], layers: dict[str, list[str]]) -> Message:
        """Let go of what is open and open these; the reply tells their columns, or an error."""
        for held in (self._cursor, self._connection):
            if held is not None:
                held.close()
        self._connection = self._cursor = None
        try:
            self._connection = open_locked(files, self._memory_mb, layers)
            # The client loads its time zones on first use.
            self._connection.execute("select timestamptz '2000-01-01'").fetchall()
            self._cursor = self._connection.cursor()
            return {"columns": _describe(self._connection, list(files))}
        except duckdb.Error as error:
            return {"error": type(error).__name__, "text": ""}

    def answer(self, request: Message) -> Message:
        """Run one request on a cursor that no other request has had."""
        _limit_cpu(request["seconds"])
        if request["op"] == "open":
            return self.open(request["files"], request["layers"])
        assert self._cursor is not None
        self._alarm.set(self._cursor, request["seconds"])
        try:
            if request["op"] == "explain":
                return self._explain(self._cursor, request["sql"])
            return self._run(self._cursor, request)
        except (duckdb.Error, MemoryError) as error:
            return {"error": type(error).__name__, "text": str(error)}
        except (ValueError, OverflowError, RuntimeError) as error:
            return {"error": "Unreadable", "text": type(error).__name__}
        finally:
            self._alarm.stop()

    def forget(self) -> None:
        """Leave nothing for the next request, while nobody waits for it."""
        if self._cursor is not None and self._connection is not None:
            self._cursor.close()
            self._cursor = self._connection.cursor()

    def _run(self, cursor: duckdb.DuckDBPyConnection, request: Message) -> Message:
        cursor.execute(request["sql"])
        columns = [[str(column[0]), str(column[1])] for column in cursor.description or []]
        rows: list[list[Any]] = []
        left = request["characters"]
        while len(rows) <= request["rows"]:
            wanted = min(_FETCHED_AT_ONCE, request["rows"] + 1 - len(rows))
            found = cursor.fetchmany(wanted)
            for row in found:
                values = [self._to_json(value) for value in row]
                left -= sum(map(_length, values))
                if left < 0:
                    return {"columns": columns, "rows": rows, "cut": "characters"}
                rows.append(values)
            if len(found) < wanted:
                return {"columns": columns, "rows": rows, "cut": None}
        return {"columns": columns, "rows": rows[:-1], "cut": "rows"}

    def _explain(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> Message:
        plan = cursor.execute(f"explain (format json) {sql}").fetchall()[0][1]
        return {"estimated_rows": _estimate(json.loads(plan)[0])}


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | dict):
        return len(json.dumps(value, ensure_ascii=False))
    return 0 if value is None else len(str(value))


def _estimate(node: Message) -> int | None:
    """The planner's guess for the topmost step that has one."""
    guess = (node.get("extra_info") or {}).get("Estimated Cardinality")
    if guess is not None:
        return int(guess)
    children = node.get("children") or []
    return _estimate(children[0]) if len(children) == 1 else None


def main() -> None:
    """Open what the first message names, then answer until the parent closes the pipe."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    root = str(Path(__file__).parents[2])
    if root not in sys.path:
        sys.path.append(root)
    from serving.values import to_json

    start = read_message(requests)
    if start is None:
        return
    worker = _Worker(start["memory_mb"], to_json)
    hello = worker.open(start["files"], start["layers"])
    # A deleted folder takes no files, whatever a statement may try.
    Path.cwd().rmdir()
    # A view that has no layer yet may have one in the next snapshot.
    limit_process(start["memory_mb"], 2 * len(start["files"]))
    write_message(replies, hello)
    while (request := read_message(requests)) is not None:
        write_message(replies, worker.answer(request))
        worker.forget()


if __name__ == "__main__":
    main()
