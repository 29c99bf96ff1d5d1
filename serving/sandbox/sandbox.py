"""An agent's private SQL engine: checked statements, run in processes of their own.

sql -> gate -> a waiting worker -> rows, or a refusal that names nothing of ours
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from serving import cancellation
from serving.catalog import Limits
from serving.envelope import TruncatedBy
from serving.errors import AnswerError, BudgetExceeded, InvalidArgument, QueryTimeout
from serving.sandbox.gate import Checked, check
from serving.sandbox.messages import DIED, MEMORY, TIMEOUT, Statement, explain
from serving.sandbox.process import (
    Files,
    WorkerDiedError,
    WorkerProcess,
    WorkerTimeoutError,
    WorkerTooLargeError,
)
from serving.sandbox.workers import Workers

_SPOILING = frozenset(
    {"InterruptException", "OutOfMemoryException", "MemoryError", "InternalException"}
    | {"FatalException", "IOException"}
)


@dataclass(frozen=True)
class SqlResult:
    """Rows as an answer shows them; ``columns`` are names with DuckDB types."""

    columns: list[tuple[str, str]]
    rows: list[dict[str, Any]]
    truncated: bool
    truncated_by: TruncatedBy | None
    checked: Checked


@dataclass(frozen=True)
class DryRun:
    """What a statement would read; ``estimated_rows`` is the planner's guess, where it has one."""

    tables: list[str]
    columns: dict[str, list[str]]
    estimated_rows: int | None


class SqlSandbox:
    """Answers one agent's statements from its view files; safe to share between threads.

    ``workers`` are the agent's own, which outlive this sandbox; without them it has its own, of
    which ``max_workers`` run at once. Further statements wait. A worker that was ended is replaced
    at once.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        limits: Limits,
        *,
        layers: Mapping[str, tuple[Path, str]] | None = None,
        max_workers: int = 2,
        workers: Workers | None = None,
    ) -> None:
        self._files = Files(dict(files), dict(layers or {}))
        self._limits = limits
        self._columns: dict[str, list[tuple[str, str]]] | None = None
        self._owns_workers = workers is None
        self._workers = workers or Workers(max_workers)
        if self._owns_workers:
            self._workers.start_ahead(self._files, limits)

    def run(
        self, sql: str, *, limit: int | None = None, checked: Checked | None = None
    ) -> SqlResult:
        """Check and run one statement; AnswerError tells why there are no rows.

        ``checked`` is what the check of this very statement gave, if it was made already.
        """
        if limit is not None and limit < 0:
            raise InvalidArgument("limit counts rows; give 0 or more.")
        most = self._limits.rows if limit is None else min(limit, self._limits.rows)
        checked = checked or check(sql, self._names())
        request = {"op": "run", "sql": sql, "rows": most, "characters": self._limits.characters}
        reply = self._ask(request, checked)
        columns = _unique([(name, kind) for name, kind in reply["columns"]])
        names = [name for name, _ in columns]
        if reply["cut"] == "characters" and not reply["rows"]:
            raise BudgetExceeded(
                f"One row alone is longer than the {self._limits.characters} characters of an "
                "answer. Select fewer columns, or use left(column, 1000).",
                characters=self._limits.characters,
            )
        by: TruncatedBy | None = reply["cut"]
        if by == "rows" and limit is not None and limit <= self._limits.rows:
            by = "limit"
        rows = [dict(zip(names, row, strict=True)) for row in reply["rows"]]
        return SqlResult(columns, rows, by is not None, by, checked)

    def dry_run(self, sql: str, *, checked: Checked | None = None) -> DryRun:
        """Tell what a statement would read, without running it."""
        checked = checked or check(sql, self._names())
        reply = self._ask({"op": "explain", "sql": sql}, checked)
        return DryRun(checked.tables, checked.columns, reply["estimated_rows"])

    @property
    def columns(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Name and DuckDB type of every view's columns, as the files have them."""
        if self._columns is None:
            with self._worker() as worker:
                self._columns = worker.columns()
        return self._columns

    def expect(self) -> None:
        """Know that statements ask these files from now on."""
        self._workers.expect(self._files, self._limits)

    def prepare(self) -> None:
        """Have the agent's free workers hold these files before anybody asks for them."""
        self._workers.prepare(self._files, self._limits)

    def close(self) -> None:
        """Let go of the files; a statement that still runs is answered first."""
        if self._owns_workers:
            self._workers.close()
        else:
            self._workers.leave(self._files)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _names(self) -> dict[str, list[str]]:
        return {view: [name for name, _ in found] for view, found in self.columns.items()}

    def _ask(self, request: Mapping[str, Any], checked: Checked) -> dict[str, Any]:
        with self._worker() as worker:
            try:
                with _may_be_given_up(worker):
                    reply = worker.ask(request, self._limits.seconds, self._makes_way(worker))
            except WorkerTimeoutError as error:
                raise self._timeout() from error
            except WorkerTooLargeError as error:
                raise BudgetExceeded(MEMORY, memory_mb=self._limits.memory_mb) from error
            except WorkerDiedError as error:
                raise (self._timeout() if error.by_cpu else BudgetExceeded(DIED)) from error
            if reply.get("error") in _SPOILING:
                # Its memory stays full or in pieces: a new one is cheaper.
                worker.end()
        if "error" in reply:
            raise self._refusal(reply, str(request["sql"]), checked)
        return reply

    def _makes_way(self, worker: WorkerProcess) -> Callable[[], None]:
        return partial(self._workers.make_way, worker, self._files, self._limits)

    def _refusal(self, reply: Mapping[str, Any], sql: str, checked: Checked) -> AnswerError:
        names = self._names()
        known = [name for table in checked.tables for name in names[table]]
        statement = Statement(sql, list(dict.fromkeys(known)))
        if reply["error"] == "InterruptException":
            return self._timeout()
        return explain(reply["error"], str(reply["text"]), statement)

    def _timeout(self) -> QueryTimeout:
        return QueryTimeout(TIMEOUT, limit_s=self._limits.seconds)

    @contextmanager
    def _worker(self) -> Iterator[WorkerProcess]:
        worker = self._workers.take(self._files, self._limits)
        try:
            yield worker
        finally:
            self._workers.give_back(worker, self._files, self._limits)


@contextmanager
def _may_be_given_up(worker: WorkerProcess) -> Iterator[None]:
    given_up = cancellation.current()
    try:
        with given_up.waiting(worker.kill):
            yield
    except BaseException:
        # Whatever broke in, a reply may still come, and it would be the next statement's.
        worker.end()
        given_up.refuse_cancelled()
        raise


def _unique(columns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    taken = {name for name, _ in columns}
    seen: set[str] = set()
    result = []
    for name, kind in columns:
        shown, number = name, 0
        while shown in seen or (number and shown in taken):
            number += 1
            shown = f"{name}_{number}"
        seen.add(shown)
        result.append((shown, kind))
    return result
