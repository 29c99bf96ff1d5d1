"""The ``grounded`` command as a user types it, in a process that has imported it already."""

import atexit
import json
import os
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
    return _warm(ROOT).run(arguments, environment(home, **extra), die_at)


@cache
def _warm(root: Path) -> "Warm":
    warm = Warm(root)
    atexit.register(warm.close)
    return warm


class Warm:
    """The parent's side of warm.py: one command at a time, of the project in ``root``."""

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
    ) -> Done:
        """Run one command in a child and return what it printed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._lock, tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "out", Path(folder) / "err"
            job = {
                "arguments": list(arguments),
                "environment": environment,
                "folder": str(self._root),
                "out": str(out),
                "err": str(err),
                "die_at": die_at,
            }
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            return Done(status, out.read_text("utf-8"), err.read_text("utf-8"))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
