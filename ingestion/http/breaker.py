"""Stops asking a host that keeps failing: a circuit breaker per host, shared by all processes.

closed --5 failures in a row--> open --30 s--> half-open --a success--> closed
                                  ^-----------a failure-----'

Its state lies in a small file per host: scheduled runs are processes of their own, and a load
gives up after 3 tries, so within one process it would never open.
"""

import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ingestion.errors import HttpFault
from ingestion.http.timing import Timing

THRESHOLD = 5
PAUSE = timedelta(seconds=30)

State = Literal["closed", "open", "half-open"]


class _Memory(BaseModel):
    model_config = ConfigDict(frozen=True)

    failures: int = 0
    opened_at: datetime | None = None


class Breaker:
    """The breaker of one host."""

    def __init__(
        self, host: str, folder: Path, timing: Timing, told: Callable[[str], None]
    ) -> None:
        self._host = host
        self._file = folder / f"{re.sub(r'[^A-Za-z0-9.-]', '_', host)[:200]}.json"
        self._timing = timing
        self._told = told

    @property
    def state(self) -> State:
        """Where it stands now."""
        opened_at = self._recall().opened_at
        if opened_at is None:
            return "closed"
        # A clock that was set back must not keep it open for longer than the pause.
        return "open" if timedelta(0) <= self._timing.now() - opened_at < PAUSE else "half-open"

    def describe(self) -> str:
        """Its state in words, for a report or an error."""
        memory = self._recall()
        if self.state == "open" and memory.opened_at is not None:
            again = (memory.opened_at + PAUSE).strftime("%H:%M:%S UTC")
            return f"circuit breaker open after {memory.failures} failures in a row until {again}"
        return f"circuit breaker {self.state}, {memory.failures} of {THRESHOLD} failures in a row"

    def admit(self) -> None:
        """Return where a request may be sent; HttpFault while the breaker is open."""
        state = self.state
        if state == "open":
            raise HttpFault(f"{self._host} was not asked; {self.describe()}")
        if state == "half-open":
            self._told(f"{self._host}: circuit breaker half-open, trying one request")

    def succeeded(self) -> None:
        """The host answered as it should."""
        if self._recall() != _Memory():
            self._file.unlink(missing_ok=True)
            self._told(f"{self._host}: circuit breaker closed")

    def failed(self) -> None:
        """The host did not answer, or answered wrongly."""
        before = self._recall()
        failures = before.failures + 1
        opens = failures >= THRESHOLD
        self._remember(_Memory(failures=failures, opened_at=self._timing.now() if opens else None))
        if opens:
            self._told(f"{self._host}: {self.describe()}")

    def _recall(self) -> _Memory:
        try:
            return _Memory.model_validate_json(self._file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return _Memory()

    def _remember(self, memory: _Memory) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_suffix(f".{os.getpid()}")
        beside.write_text(memory.model_dump_json(), encoding="utf-8")
        beside.replace(self._file)
