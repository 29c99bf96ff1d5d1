"""An agent's private SQL engine: checked statements, run in processes of their own.

sql -> gate -> a waiting worker -> rows, or a refusal that names nothing of ours
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from serving import cancellation
from serving.catalog import Limits
from serving.envelope import TruncatedBy
from serving.errors import AnswerError, BudgetExceeded, InvalidArgument, NoSnapshot, QueryTimeout
from serving.sandbox.gate import Checked, check
from serving.sandbox.messages import DIED, MEMORY, TIMEOUT, Statement, explain
from serving.sandbox.process import (
    WorkerDiedError,
    WorkerProcess,
    WorkerTimeoutError,
    WorkerTooLargeError,
)

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

    Up to ``max_workers`` statements run at once, further ones wait. A worker that was ended is
    replaced at once. ``before`` is the sandbox of the same agent in the snapshot before, whose
    workers are taken over as they become free.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        limits: Limits,
        *,
        max_workers: int = 2,
        before: "SqlSandbox | None" = None,
    ) -> None:
        self._files = dict(files)
        self._limits = limits
        self._max_workers = max_workers
        self._idle: list[WorkerProcess] = []
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()
        self._columns: dict[str, list[tuple[str, str]]] | None = None
        self._heir: SqlSandbox | None = None
        if before is not None:
            before._pass_on_to(self)
        if not self._count:
            self._add_idle()

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

    def close(self) -> None:
        """End all workers; a statement that still runs is answered first."""
        with self._changed:
            self._closed = True
            ended, self._idle = self._idle, []
            self._changed.notify_all()
        for worker in ended:
            worker.end()

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
                    reply = worker.ask(request, self._limits.seconds)
            except WorkerTimeoutError as error:
                raise self._timeout() from error
            except WorkerTooLargeError as error:
                raise BudgetExceeded(MEMORY, memory_mb=self._limits.memory_mb) from error
            except WorkerDiedError as error:
                raise (self._timeout() if error.by_cpu else BudgetExceeded(DIED)) from error
            if reply.get("error") in _SPOILING or worker.has_stepped_back:
                # Its memory stays full or in pieces, or its priority low: a new one is cheaper.
                worker.end()
        if "error" in reply:
            raise self._refusal(reply, str(request["sql"]), checked)
        return reply

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
        worker = self._take()
        try:
            yield worker
        finally:
            self._give_back(worker)

    def _take(self) -> WorkerProcess:
        with self._changed:
            while True:
                if self._closed:
                    raise NoSnapshot("This snapshot has been closed; ask again.")
                while self._idle:
                    worker = self._idle.pop()
                    if worker.is_alive:
                        return worker
                    worker.end()
                    self._count -= 1
                if self._count < self._max_workers:
                    self._count += 1
                    break
                cancellation.current().refuse_cancelled()
                self._changed.wait(cancellation.LOOK_S)
        return self._start()

    def _start(self) -> WorkerProcess:
        try:
            return WorkerProcess(self._files, self._limits)
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            raise

    def _give_back(self, worker: WorkerProcess) -> None:
        heir = self._heir
        if heir is not None and worker.is_alive and heir._take_over(worker):
            with self._changed:
                self._count -= 1
                self._changed.notify()
        elif not self._park(worker):
            self._add_idle()

    def _pass_on_to(self, heir: "SqlSandbox") -> None:
        with self._changed:
            self._heir = heir
            idle, self._idle = self._idle, []
            self._count -= len(idle)
        for worker in idle:
            if not heir._take_over(worker):
                worker.end()

    def _take_over(self, worker: WorkerProcess) -> bool:
        """Take a free worker of the snapshot before; False where it is not needed or cannot be."""
        with self._changed:
            if self._closed or self._count >= self._max_workers:
                return False
            self._count += 1
        try:
            is_mine = worker.passed_on(self._files, self._limits)
        except NoSnapshot:
            is_mine = False
        with self._changed:
            if is_mine and not self._closed:
                self._idle.append(worker)
            else:
                self._count -= 1
                is_mine = False
            self._changed.notify()
        return is_mine

    def _park(self, worker: WorkerProcess) -> bool:
        """Keep a worker for the next statement; False if it has ended or is not needed."""
        with self._changed:
            is_kept = worker.is_alive and not self._closed
            if is_kept:
                self._idle.append(worker)
            else:
                self._count -= 1
            self._changed.notify()
        if not is_kept:
            worker.end()
        return is_kept

    def _add_idle(self) -> None:
        """Start a worker ahead of need; it gets ready while nobody waits for it."""
        with self._changed:
            if self._closed or self._count >= self._max_workers:
                return
            self._count += 1
        try:
            worker = self._start()
        except NoSnapshot:
            # The next statement meets the same error and tells it.
            return
        self._park(worker)


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
