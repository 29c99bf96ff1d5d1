"""The ``grounded`` command as a user types it, in a process that has imported it already."""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# What `grounded` is in pyproject.toml, but for the exit.
COMMAND_LINE = "orchestration.cli:run"
# What compiles the dbt project where a home is new, or builds it.
USES_DBT = {"follow", "forget", "privacy", "run", "tests.orchestration.rotate_and_die:main"}
COMMAND = str(Path(sys.executable).with_name("grounded"))


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    status: int
    out: str
    err: str

    def envelope(self) -> dict[str, Any]:
        """The one JSON object that it printed."""
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed

    def lines(self) -> list[dict[str, Any]]:
        """The JSON objects that it printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(home: Path, **extra: str) -> dict[str, str]:
    """A user's environment: nothing of ours but the run-time folder."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "GROUNDED_HOME": str(home), **extra}


def grounded(
    home: Path, *arguments: str, die_at: tuple[str, int] | None = None, **extra: str
) -> Done:
    """Run one command to its end.

    ``die_at`` kills it as a file is about to take a name that ends so, at the n-th time.
    """
    return warm().run(arguments, environment(home, **extra), die_at)


@cache
def warm() -> "Warm":
    """The project's own, one of this process."""
    started = Warm(ROOT)
    atexit.register(started.close)
    return started


class Running:
    """A command at work in a session of its own, whose output can be read as it comes."""

    def __init__(self, warm: "Warm", process: int, out: Path, err: Path) -> None:
        self.process = process
        self.out = out.open(encoding="utf-8")
        self._err = err.open(encoding="utf-8")
        self._warm = warm
        self._status: int | None = None

    def poll(self) -> int | None:
        """How it ended, or None while it works."""
        if self._status is None:
            self._status = self._warm.ask({"wait_for": self.process, "now": True})
        return self._status

    def wait(self) -> int:
        """Read what it still prints and return how it ended; below zero is a signal."""
        if not self.out.closed:
            self.out.read()
            self.out.close()
            self._err.close()
        if self._status is None:
            self._status = self._warm.ask({"wait_for": self.process, "now": False})
            assert self._status is not None
        return self._status

    def told(self) -> str:
        """What it has printed to its standard error since this was last asked for."""
        return self._err.read()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.process, number)

    def kill(self) -> None:
        """Kill it and all that it started."""
        if self.poll() is None:
            os.killpg(self.process, signal.SIGKILL)
        self.wait()


class Warm:
    """The parent's side of warm.py: what it runs is of the project in ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "warm.py")],
            cwd=root,
            env={**environment(root), "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        arguments: Sequence[str],
        environment: dict[str, str],
        die_at: tuple[str, int] | None = None,
        *,
        entry: str = COMMAND_LINE,
    ) -> Done:
        """Run one command in a child and return what it printed.

        ``entry`` is another function, ``module:name``, that takes arguments as a command does.
        """
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "out", Path(folder) / "err"
            process = self._begin(arguments, environment, entry, out, err, die_at=die_at)
            status = self.ask({"wait_for": process, "now": False})
            assert status is not None
            return Done(status, out.read_text("utf-8"), err.read_text("utf-8"))

    def start(
        self, arguments: Sequence[str], environment: dict[str, str], *, entry: str = COMMAND_LINE
    ) -> Running:
        """Begin a command in a child of a session of its own, to be signalled or killed."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "out", Path(folder) / "err"
            os.mkfifo(out)
            process = self._begin(arguments, environment, entry, out, err, own_session=True)
            return Running(self, process, out, err)

    def _begin(
        self,
        arguments: Sequence[str],
        environment: dict[str, str],
        entry: str,
        out: Path,
        err: Path,
        *,
        die_at: tuple[str, int] | None = None,
        own_session: bool = False,
    ) -> int:
        process = self.ask(
            {
                "entry": entry,
                "arguments": list(arguments),
                "environment": environment,
                "folder": str(self._root),
                "out": str(out),
                "err": str(err),
                "die_at": die_at,
                "own_session": own_session,
                "uses_dbt": bool(USES_DBT & {entry, *arguments[:1]}),
            }
        )
        assert process is not None
        return process

    def ask(self, job: dict[str, Any]) -> int | None:
        """Send a job and return the answer to it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            answer: int | None = json.loads(self._process.stdout.readline())
            return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
