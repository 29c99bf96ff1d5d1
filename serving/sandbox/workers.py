"""The worker processes of one agent, which its sandboxes in all open snapshots share.

A free worker that holds another snapshot's files opens those that are asked for: to start a process
takes ten times as long.

An agent whose statements are long leaves the processor to the others: its workers have a low
priority from its first long statement on, until it has asked nothing long for a while.
"""

import contextlib
import math
import threading
import time

from serving import cancellation
from serving.catalog import Limits
from serving.errors import NoSnapshot
from serving.sandbox.process import Files, WorkerProcess

# How long after a long statement an agent's workers have a low priority.
_LOW_S = 10.0


class Workers:
    """At most ``most`` processes, whatever they hold; safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free: list[WorkerProcess] = []
        self._count = 0
        # Those that are free again in a moment: no other needs to be started meanwhile.
        self._passed_on = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._latest: tuple[Files, Limits] | None = None
        self._is_prepared = True
        self._long_at = -math.inf

    def expect(self, files: Files, limits: Limits) -> None:
        """Know that these files are asked for from now on, and others by who has pinned them."""
        with self._changed:
            self._most, self._latest = limits.concurrent, (files, limits)
            self._is_prepared = False

    def prepare(self, files: Files, limits: Limits) -> None:
        """Have the free workers hold these files, and one at least."""
        with self._changed:
            free, self._free = self._free, []
            self._passed_on += len(free)
            self._is_prepared = True
        for worker in free:
            self._pass_on(worker, files, limits)
        self.start_ahead(files, limits)

    def start_ahead(self, files: Files, limits: Limits) -> None:
        """Start a worker ahead of need where none is free; it gets ready while nobody waits."""
        with self._changed:
            if self._is_closed or self._free or self._count >= self._most:
                return
            self._count += 1
        try:
            worker = self._start(files, limits)
        except NoSnapshot:
            # The next statement meets the same error and tells it.
            return
        self._park(worker)

    def take(self, files: Files, limits: Limits) -> WorkerProcess:
        """A worker that holds these files, or is about to; NoSnapshot where they have gone."""
        while (worker := self._free_one(files)) is not None:
            try:
                if worker.passed_on(files, limits):
                    return worker
            except NoSnapshot:
                self._let_go(worker)
                raise
            self._let_go(worker)
        return self._start(files, limits)

    def make_way(self, worker: WorkerProcess, files: Files, limits: Limits) -> None:
        """Have a statement that takes long leave the processor to others.

        It may end with its worker, so that one for the next statement gets ready meanwhile.
        """
        self._long_at = time.monotonic()
        worker.step_back()
        # Not by the thread that watches the statement's memory: to start a process takes longer
        # than between two looks at it.
        arguments = files, limits
        threading.Thread(target=self._start_successor, args=arguments, daemon=True).start()

    def give_back(self, worker: WorkerProcess, files: Files, limits: Limits) -> None:
        """Keep a worker for the next statement; one that has ended is replaced at once.

        So is one of low priority, once its agent has asked nothing long for a while.
        """
        if worker.ran_long:
            self._long_at = time.monotonic()
        if worker.is_alive and (self._is_low or not worker.has_stepped_back):
            self._park(worker)
        else:
            self._let_go(worker)
            self.start_ahead(files, limits)

    def leave(self, files: Files) -> None:
        """Let no worker go on holding these files; nobody asks for them any more."""
        with self._changed:
            if self._latest is not None and self._latest[0] is files:
                self._latest = None
            latest = self._latest
            if not self._is_prepared:
                # Whoever prepares comes to them in a moment.
                return
            left = [worker for worker in self._free if worker.files is files]
            self._free = [worker for worker in self._free if worker.files is not files]
            self._passed_on += len(left) if latest is not None else 0
        for worker in left:
            if latest is None:
                self._let_go(worker)
            else:
                self._pass_on(worker, *latest)

    def close(self) -> None:
        """End all; a statement that still runs is answered first."""
        with self._changed:
            self._is_closed = True
            free, self._free = self._free, []
            self._changed.notify_all()
        for worker in free:
            worker.end()

    def _free_one(self, files: Files) -> WorkerProcess | None:
        """A free worker, one of these files if there is one; None where one may be started.

        A pin takes none from the latest snapshot while it may have one of its own.
        """
        with self._changed:
            while True:
                if self._is_closed:
                    raise NoSnapshot("This snapshot has been closed; ask again.")
                is_pin = self._latest is not None and self._latest[0] is not files
                may_start = self._count < self._most and not self._passed_on
                found = [one for one in self._free if one.files is files]
                if not found and not (is_pin and may_start):
                    found = self._free
                if found:
                    worker = found[-1]
                    self._free.remove(worker)
                    return worker
                if may_start:
                    self._count += 1
                    return None
                cancellation.current().refuse_cancelled()
                self._changed.wait(cancellation.LOOK_S)

    @property
    def _is_low(self) -> bool:
        return time.monotonic() - self._long_at < _LOW_S

    def _start(self, files: Files, limits: Limits) -> WorkerProcess:
        try:
            worker = WorkerProcess(files, limits)
            if self._is_low:
                worker.step_back()
            return worker
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            raise

    def _start_successor(self, files: Files, limits: Limits) -> None:
        # What cannot be started the next statement meets too, and tells.
        with contextlib.suppress(OSError):
            self.start_ahead(files, limits)

    def _pass_on(self, worker: WorkerProcess, files: Files, limits: Limits) -> None:
        try:
            is_passed_on = worker.passed_on(files, limits)
        except NoSnapshot:
            is_passed_on = False
        with self._changed:
            self._passed_on -= 1
        if is_passed_on:
            self._park(worker)
        else:
            self._let_go(worker)

    def _park(self, worker: WorkerProcess) -> None:
        with self._changed:
            if not self._is_closed and self._count <= self._most:
                self._free.append(worker)
                self._changed.notify()
                return
        self._let_go(worker)

    def _let_go(self, worker: WorkerProcess) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify()
        worker.end()
