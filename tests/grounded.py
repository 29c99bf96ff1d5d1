"""The installed command, run as a user runs it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
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


def grounded(home: Path, *arguments: str, **extra: str) -> Done:
    """Run one command to its end."""
    done = subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(home, **extra),
    )
    return Done(done.returncode, done.stdout, done.stderr)
