"""One source under fire: it changes while its loads and publishes are killed, and ends up equal.

history -> job in a child -> SIGKILL at a random instant -> ... -> a job that may finish -> oracle

Half of the instants are drawn from the whole length of a job, half from one phase of it drawn
first, because a short phase would hardly ever be met otherwise.
"""

import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import NoSnapshot
from tests.faults.children import Trial, Zygote
from tests.faults.history import History
from tests.faults.oracle import assert_equal_to_source, balance
from tests.faults.views import BALANCE, Capture

PATIENCE_S = 2.0
"""A slot cannot be made while a transaction is open, so then the late one commits."""
PROBE_S = 0.004


@dataclass
class Tally:
    """What was done to one lane."""

    kills: Counter[str] = field(default_factory=Counter)
    after_wipe: int = 0
    finished: int = 0
    rounds: int = 0


class Lane:
    """A database, its home and the zygote that loads the one into the other."""

    def __init__(
        self, zygote: Zygote, url: str, home: Path, capture: Capture, chance: random.Random
    ) -> None:
        self._zygote, self._url, self.home, self._capture = zygote, url, home, capture
        self._chance = chance
        self._lengths: dict[str, float] = {}
        self.history = History(url, chance)
        self.tally = Tally()
        self._is_wiped = False

    def close(self) -> None:
        """Let go of the source."""
        self.history.__exit__(None, None, None)

    def round(self, kills: int, context: str) -> None:
        """Kill so many jobs, let one finish, and compare with the source."""
        for _ in range(kills):
            self.killed(context)
        self.finish(context)
        self.tally.rounds += 1

    def first_rounds(self, context: str) -> None:
        """Kill first loads, into nothing, then learn from a whole job how long its phases are."""
        for phase in ("begin", "extract", "normalise", "load", "settle"):
            self.killed(context, phase)
        self.finish(context)

    def finish(self, context: str) -> Trial:
        """Let a job finish and compare raw and views with the source."""
        self.history.commit_late()
        trial = self._zygote.run(self.home, self._url, self._capture, *self._steps(is_last=True))
        assert trial.status == 0, f"{trial.error} {context}"
        self._learn(trial)
        assert_equal_to_source(self._url, self.home, context=self._context(context))
        return trial

    def killed(self, context: str, phase: str | None = None) -> Trial:
        """Start a job, change the source meanwhile and kill the job, in ``phase`` where given."""
        self._between()
        trial = self._zygote.start(self.home, self._url, self._capture, *self._steps())
        if phase is None and self._chance.random() < 0.5:
            # The two that were met least: chance alone may pass a short one by.
            names = sorted(self._lengths.keys() - {"end"}, key=lambda name: self.tally.kills[name])
            phase = self._chance.choice(names[:2])
        if phase is None:
            self._await_instant(trial, self._chance.uniform(0, sum(self._lengths.values())))
        else:
            self._await_phase(trial, phase)
        self._zygote.kill()
        if trial.was_killed:
            self.tally.kills[trial.last_phase] += 1
            self.tally.after_wipe += self._is_wiped
        else:
            assert trial.status == 0, f"{trial.error} {self._context(context)}"
            self.tally.finished += 1
        self._assert_snapshot_answers(self._context(context))
        return trial

    def _between(self) -> None:
        for _ in range(self._chance.randrange(0, 6)):
            self.history.step()
        if self._chance.random() < 0.25:
            self.history.alter()
        if self._chance.random() < 0.3:
            self.history.toggle_late()
        self._is_wiped = self._chance.random() < 0.45
        if self._is_wiped:
            shutil.rmtree(self.home / "dlt", ignore_errors=True)

    def _steps(self, *, is_last: bool = False) -> list[str]:
        if self._capture == "cursor" and (is_last or self._chance.random() < 0.3):
            return ["reconcile", "publish"]
        return ["load", "publish"]

    def _await_instant(self, trial: Trial, seconds: float) -> None:
        """Follow the job for so long while the source changes."""
        end = time.monotonic() + seconds
        is_busy = self._chance.random() < 0.7
        while not trial.is_over and (left := end - time.monotonic()) > 0:
            if is_busy:
                self.history.step()
            self._zygote.follow(min(left, PROBE_S if is_busy else left))

    def _await_phase(self, trial: Trial, phase: str) -> None:
        """Follow the job until it is somewhere within a phase; the source changes before."""
        patience = time.monotonic() + PATIENCE_S
        while not trial.is_over and not trial.reached(phase):
            if self._chance.random() < 0.3:
                self.history.step()
            if time.monotonic() > patience:
                self.history.commit_late()
            self._zygote.follow(0.05)
        end = time.monotonic() + self._chance.uniform(0, self._lengths.get(phase, 0.05))
        while not trial.is_over and (left := end - time.monotonic()) > 0:
            self._zygote.follow(left)

    def _learn(self, trial: Trial) -> None:
        """Remember how long phases take, so that the next kills fall into them."""
        for phase, seconds in trial.durations().items():
            self._lengths[phase] = seconds

    def _assert_snapshot_answers(self, context: str) -> None:
        """Whatever was killed, a whole snapshot answers; the log is applied by transactions."""
        try:
            total = balance(self.home)
        except NoSnapshot:
            return
        if self._capture == "log":
            assert total == BALANCE, f"half a transaction was published {context}"

    def _context(self, context: str) -> str:
        return f"{context} ({self._capture}; last: {', '.join(self.history.done[-30:])})"
