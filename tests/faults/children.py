"""The parent's side of zygote.py: starts a job, follows its phases and kills it."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from tests.faults.views import Capture

ROOT = Path(__file__).parents[2]
LIMIT_S = 120.0
"""No job takes a tenth of it; beyond it the child hangs, and the test fails rather than waits."""


@dataclass
class Trial:
    """One job as it went: the phases told and when, alarms, and how it ended."""

    process: int = 0
    phases: list[tuple[str, float]] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    error: str | None = None
    status: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether the child has ended."""
        return self.status is not None

    @property
    def was_killed(self) -> bool:
        """Whether it ended by SIGKILL."""
        return self.status == -signal.SIGKILL

    @property
    def last_phase(self) -> str:
        """The phase in which it ended."""
        began = [name for name, _ in self.phases if name != "end"]
        return began[-1] if began else "begin"

    def reached(self, phase: str) -> bool:
        """Whether the phase has begun."""
        return any(name == phase for name, _ in self.phases)

    def durations(self) -> dict[str, float]:
        """The seconds of each phase that ended, repeated ones added up."""
        sums: dict[str, float] = {}
        for (name, began), (_, ended) in zip(self.phases, self.phases[1:], strict=False):
            sums[name] = sums.get(name, 0.0) + ended - began
        return sums


class Zygote:
    """A process with everything imported that forks a child a job, one at a time."""

    def __init__(self) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._left = b""
        self._trial = Trial()

    def start(
        self,
        home: Path,
        url: str,
        capture: Capture,
        *steps: str,
        die_when_merged: str = "",
        stop_at: str = "",
    ) -> Trial:
        """Begin a job; ``steps`` are load, reconcile and publish, or the model and export of that.

        A child may be told to die when it has merged a table into raw and not yet its state, or to
        stop at a phase until it is to ``go_on``.
        """
        assert self._process.stdin is not None
        self._trial = Trial()
        job = {
            "home": str(home),
            "url": url,
            "capture": capture,
            "steps": " ".join(steps),
            "die_when_merged": die_when_merged,
            "stop_at": stop_at,
        }
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        self._until(lambda: self._trial.process != 0)
        return self._trial

    def run(self, home: Path, url: str, capture: Capture, *steps: str) -> Trial:
        """Do a job to its end."""
        trial = self.start(home, url, capture, *steps)
        self.wait()
        return trial

    def wait(self, phase: str | None = None) -> None:
        """Follow the child until a phase begins, or to its end."""
        trial = self._trial
        self._until(lambda: trial.is_over or (phase is not None and trial.reached(phase)))

    def await_stop(self) -> None:
        """Follow the child until it has stopped, or to its end."""
        trial = self._trial
        child = psutil.Process(trial.process)
        self._until(lambda: trial.is_over or child.status() == psutil.STATUS_STOPPED)

    def go_on(self) -> None:
        """Let a child that has stopped go on, to its end."""
        os.kill(self._trial.process, signal.SIGCONT)
        self.wait()

    def follow(self, seconds: float) -> None:
        """Follow the child for so long, or until it says something."""
        if not self._selector.select(seconds):
            return
        data = os.read(self._out, 65536)
        if not data:
            raise RuntimeError(f"the zygote died: {self.errors()}")
        *lines, self._left = (self._left + data).split(b"\n")
        for line in lines:
            self._note(line.decode(errors="replace"))

    def kill(self) -> None:
        """Kill the child where it is and wait for its end."""
        if not self._trial.is_over:
            # It may have ended by itself a moment ago.
            with suppress(ProcessLookupError):
                os.kill(self._trial.process, signal.SIGKILL)
        self.wait()

    def errors(self) -> str:
        """The end of what all children wrote to their error stream."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-3000:]

    def close(self) -> None:
        """End the zygote, and its child."""
        if self._trial.process and not self._trial.is_over:
            self.kill()
        self._process.communicate()
        self._selector.close()
        self._errors.close()

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > deadline:
                phase = self._trial.last_phase
                self.kill()
                raise RuntimeError(f"a child hung in phase {phase}: {self.errors()}")
            self.follow(1.0)

    def _note(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "pid":
            self._trial.process = int(rest)
        elif word == "phase":
            self._trial.phases.append((rest, time.monotonic()))
        elif word == "alarm":
            self._trial.alarms.append(rest)
        elif word == "error":
            self._trial.error = rest
        elif word == "end":
            self._trial.phases.append(("end", time.monotonic()))
            self._trial.status = int(rest)
