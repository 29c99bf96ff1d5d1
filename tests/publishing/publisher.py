"""Publishes in processes that can be told where to die."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Publisher:
    """Publishes in processes that can be told where to die."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("publish_and_die.py"))],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def publish(self, home: Path, die_at: int = 0) -> tuple[int, int]:
        """Return how the process ended and how often it touched a published file."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{die_at} {home}\n")
        self._server.stdin.flush()
        status, touches = self._server.stdout.readline().split()
        return int(status), int(touches)

    def close(self) -> None:
        """End the server."""
        self._server.communicate()
