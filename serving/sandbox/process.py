"""One worker process as its parent sees it: started, asked within a time, ended.

The worker is never trusted: its replies are bounded in size and in time.
"""

import contextlib
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.catalog import Limits
from serving.errors import InternalError, NoSnapshot
from serving.sandbox import worker

# What follows the time limit before the worker is killed.
GRACE_S = 1.0
_START_S = 30.0
_REPLY_BYTES = 64 << 20
_READ_BYTES = 1 << 20
# How often a running statement's memory is looked at: it can grow by about 2 GB a second.
_LOOK_S = 0.01
_GROWN_BETWEEN_LOOKS = 24 << 20
# From then on a statement is long.
_LONG_S = 0.3
_STEPS_BACK = 12
_PAGE = resource.getpagesize()
_LENGTH = struct.Struct(">I")


class WorkerTimeoutError(Exception):
    """The worker did not reply in time; it has been killed."""


class WorkerTooLargeError(Exception):
    """The worker took more memory than its agent declares; it has been killed."""


class WorkerDiedError(Exception):
    """The worker ended in the middle; ``by_cpu`` if the system ended it for its CPU time."""

    def __init__(self, *, by_cpu: bool) -> None:
        super().__init__("the worker ended")
        self.by_cpu = by_cpu


@dataclass(frozen=True, eq=False)
class Files:
    """One agent's views in one snapshot: a file for each.

    ``layers`` has for a view the file of what changed since its own was written, and its key.
    """

    views: Mapping[str, Path]
    layers: Mapping[str, tuple[Path, str]] = field(default_factory=dict)

    def message(self) -> dict[str, Any]:
        """The same for a worker, which has another working folder."""
        return {
            "files": {view: str(path.resolve()) for view, path in self.views.items()},
            "layers": {
                view: [str(path.resolve()), key] for view, (path, key) in self.layers.items()
            },
        }

    def identities(self) -> dict[str, list[tuple[int, int]]]:
        """Which files these are, whatever their names: snapshots share those that did not change.

        A worker holds them open, so that no other file can become one of them meanwhile.
        NoSnapshot where one has gone.
        """
        found: dict[str, list[tuple[int, int]]] = {}
        missing = []
        layers = ((view, path) for view, (path, _) in self.layers.items())
        for view, path in (*self.views.items(), *layers):
            try:
                stat = path.stat()
            except FileNotFoundError:
                missing.append(view)
            else:
                found.setdefault(view, []).append((stat.st_dev, stat.st_ino))
        if missing:
            raise NoSnapshot(
                "This snapshot has expired; ask again without a snapshot_id.", tables=missing
            )
        return found


class WorkerProcess:
    """A worker that has been started, perhaps not yet ready; used by one thread at a time."""

    def __init__(self, files: Files, limits: Limits) -> None:
        self.files = files
        self._holds = files.identities()
        self._folder = Path(tempfile.mkdtemp(prefix="grounded-"))
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(Path(worker.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=self._folder,
            env={},
        )
        self.has_stepped_back = False
        # Whether its last statement was long.
        self.ran_long = False
        self._columns: dict[str, list[tuple[str, str]]] = {}
        # How often it will yet tell the columns of what it was told to open.
        self._openings = 1
        self._most_views = len(files.views)
        self._limits = limits
        self._most_memory = (limits.memory_mb << 20) - _GROWN_BETWEEN_LOOKS
        self._send({**files.message(), "memory_mb": limits.memory_mb})

    @property
    def pid(self) -> int:
        """The process id, for tests and metrics; it is never told to an agent."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def passed_on(self, files: Files, limits: Limits) -> bool:
        """Let it hold the same agent's files of another snapshot; False where it cannot.

        Files that are the same ones need nothing; others it opens while nobody waits for it.
        NoSnapshot where they have gone.
        """
        if not self.is_alive:
            return False
        if files is self.files:
            return True
        # What bounds a process can be lowered and not raised.
        if limits != self._limits or len(files.views) > self._most_views:
            return False
        wanted = files.identities()
        self.files = files
        if wanted != self._holds:
            self._holds = wanted
            self._openings += 1
            try:
                self._send({"op": "open", **files.message(), "seconds": _START_S})
            except WorkerDiedError:
                return False
        return True

    def columns(self) -> dict[str, list[tuple[str, str]]]:
        """Name and type of each view's columns; waits until the worker is ready."""
        while self._openings:
            try:
                hello = self._receive(time.monotonic() + _START_S)
            except (WorkerTimeoutError, WorkerTooLargeError, WorkerDiedError) as error:
                self.end()
                raise InternalError("The sandbox did not start; try again.") from error
            self._openings -= 1
            # Of several openings only the last one counts: files of the others may have gone.
            if "columns" not in hello and not self._openings:
                self.end()
                raise InternalError("The sandbox could not open its tables; try again.")
            self._columns = {
                view: [(name, kind) for name, kind in columns]
                for view, columns in hello.get("columns", {}).items()
            }
        return self._columns

    def ask(
        self,
        request: Mapping[str, Any],
        seconds: float,
        on_long: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Send a request and return its reply; ``on_long`` is told once that it takes long.

        Kills the worker once its grace is over, or when it holds more memory than declared.
        """
        self.columns()
        self.ran_long = False
        self._send({**request, "seconds": seconds})
        began = time.monotonic()
        deadline = began + seconds + GRACE_S
        if not self._has_said_more(min(began + _LONG_S, deadline)):
            self.ran_long = True
            on_long()
        return self._receive(deadline)

    def step_back(self) -> None:
        """Leave the processor to others for good: only root could raise a priority again."""
        if self.has_stepped_back:
            return
        self.has_stepped_back = True
        for task in Path("/proc").glob(f"{self.pid}/task/*"):
            # A thread may have ended meanwhile.
            with contextlib.suppress(OSError):
                now = os.getpriority(os.PRIO_PROCESS, int(task.name))
                os.setpriority(os.PRIO_PROCESS, int(task.name), min(now + _STEPS_BACK, 19))

    def kill(self) -> None:
        """End the process under another thread's request, which meets WorkerDiedError."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process and forget it; more than once does no harm."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        with contextlib.suppress(FileNotFoundError):
            self._folder.rmdir()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            worker.write_message(self._process.stdin, dict(message))
        except BrokenPipeError as error:
            raise self._died() from error

    def _receive(self, deadline: float) -> dict[str, Any]:
        size = _LENGTH.unpack(self._read(_LENGTH.size, deadline))[0]
        if size > _REPLY_BYTES:
            raise self._died()
        reply: dict[str, Any] = json.loads(self._read(size, deadline))
        return reply

    def _read(self, size: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < size:
            if not self._has_said_more(deadline):
                self.end()
                raise WorkerTimeoutError
            part = os.read(self._replies(), min(size - len(found), _READ_BYTES))
            if not part:
                raise self._died()
            found += part
        return bytes(found)

    def _has_said_more(self, until: float) -> bool:
        """Wait until there is something to read, or that time has come."""
        poll = select.poll()
        poll.register(self._replies(), select.POLLIN | select.POLLHUP)
        while (left := until - time.monotonic()) > 0:
            if poll.poll(1_000 * min(left, _LOOK_S)):
                return True
            self._refuse_too_large()
        return False

    def _replies(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def _refuse_too_large(self) -> None:
        try:
            resident = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            # It has just ended, which the next read tells; or this system has no /proc.
            return
        if resident > self._most_memory:
            self.end()
            raise WorkerTooLargeError

    def _died(self) -> WorkerDiedError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE_S)
        self.end()
        return WorkerDiedError(by_cpu=self._process.returncode == -signal.SIGXCPU)
