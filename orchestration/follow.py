"""``grounded follow``: looks at every source, and brings what changed to an answer within seconds.

looks -> sources with news, or due -> one run: load, models, publish -> status

What fails is tried again later and later; what is published stays until something better is.
"""

import json
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from ingestion.errors import IngestionError
from ingestion.news import News, news_of
from ingestion.spec import SourceSpec
from orchestration.resources import Settings
from orchestration.warm import Ended, Warm
from serving.following import FOLLOWING_FILE

FULL_EVERY = timedelta(hours=1)
_FIRST_RETRY_S = 1.0
_LAST_RETRY_S = 60.0
# A quiet source is fresh: its watermark moves although nothing in it does.
_QUIET_PUBLISH_S = 30.0
_REST_S = 0.05
# What a process may take beyond what it took after its first run in full: half of it and this. It
# grows by about 5 MB in 100 cycles, and the engine takes its tables into memory bit by bit.
_MAY_GROW = 512 << 20


def own_memory() -> int:
    """Return the bytes of memory that this process takes; none where the system has no /proc."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.is_file() else 0


@dataclass
class Followed:
    """One source as it is followed; times are of the monotonic clock."""

    name: str
    spec: SourceSpec
    next_look: float = 0.0
    next_load: float = 0.0
    is_new: bool = False
    new_since: float | None = None
    lag_s: float = 0.0
    failures: int = 0
    problem: str | None = None
    news: News | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Status:
    """What is told after each cycle: its seconds, its steps', and how far each source is behind.

    A source's lag is the time from the look that told of news to the answer, or to now where there
    is none yet.
    """

    cycles: int
    seconds: float
    snapshot: str | None
    sources: dict[str, Followed]
    problems: list[str]
    in_full: bool
    steps: dict[str, float]


class Follower:
    """The loop over one home."""

    def __init__(
        self,
        settings: Settings,
        warm: Warm,
        tell: Callable[[Status], None],
        *,
        sources: Iterable[str] | None = None,
        full_every: timedelta = FULL_EVERY,
        clock: Callable[[], float] = time.monotonic,
        memory: Callable[[], int] = own_memory,
    ) -> None:
        self._settings, self._warm, self._tell, self._clock = settings, warm, tell, clock
        self._memory, self._most_memory = memory, 0
        chosen = sources or settings.sources
        self.sources = {name: Followed(name, settings.source(name)) for name in chosen}
        self._full_every = full_every.total_seconds()
        self._next_full = 0.0
        self._last_publish = 0.0
        self._full_failures = 0
        # Raw tables whose changes are loaded and not published yet.
        self._pending: set[str] = set()
        self._pending_failures = 0
        self._next_retry = 0.0
        self.cycles = 0

    def follow(self, stop: Event, *, cycles: int | None = None) -> bool:
        """Go on until ``stop`` is set, or for so many cycles; a cycle that has begun is ended.

        True where a run in full is due and this process has grown too large: another has to begin
        with it, at no more cost than here. It does not end so where ``cycles`` are counted.
        """
        with ExitStack() as stack:
            stack.callback(self._close)
            while not stop.is_set() and (cycles is None or self.cycles < cycles):
                if cycles is None and self._clock() >= self._next_full and self._has_grown():
                    return True
                if self.cycle():
                    self._warm.give_way()
                else:
                    self._warm.rest()
                    stop.wait(self._rest())
        return False

    def _has_grown(self) -> bool:
        return bool(self._most_memory) and self._memory() > self._most_memory

    def cycle(self) -> bool:
        """Do what is due; False where nothing is."""
        now = self._clock()
        if now >= self._next_full or (self._warm.has_changed and not self._full_failures):
            self._in_full()
            return True
        if self._full_failures:
            return False
        problems = self._look(now)
        if problems:
            self._end(now, Ended(problems, published=False), in_full=False)
            return True
        ready = [one for one in self.sources.values() if one.next_load <= now or one.is_new]
        ready = [one for one in ready if not one.failures or one.next_load <= now]
        if not ready and not self._is_retry_due(now):
            return False
        began = self._clock()
        ended = self._bring(ready)
        if ended is not None:
            self._end(began, ended, in_full=False)
        return ended is not None

    def _bring(self, ready: list[Followed]) -> Ended | None:
        """Load each source in a run of its own, so that it fails alone; then publish for all.

        None where nothing was new, and what is published is not yet to be told as fresh again.
        """
        failures: list[str] = []
        steps: Counter[str] = Counter()
        is_loaded = False
        for one in ready:
            ended = self._warm.load([one.name])
            failures += ended.failures
            steps.update(ended.seconds)
            is_loaded |= self._loaded(one, ended)
            self._pending |= ended.changed
        is_quiet = is_loaded and self._clock() - self._last_publish >= _QUIET_PUBLISH_S
        if not self._pending and not is_quiet:
            return Ended(failures, published=False) if failures else None
        made = self._warm.follow(self._pending)
        steps.update(made.seconds)
        self._followed(made)
        return Ended([*failures, *made.failures], made.published, seconds=dict(steps))

    def _followed(self, made: Ended) -> None:
        """Note how building and publishing went: what failed is tried again, later and later."""
        now = self._clock()
        if not made.published:
            self._pending_failures += 1
            self._next_retry = now + _wait(self._pending_failures)
            return
        self._pending.clear()
        self._pending_failures = 0
        for one in self.sources.values():
            if one.new_since is not None and not one.is_new and not one.failures:
                one.lag_s = now - one.new_since
                one.new_since = None

    def _is_retry_due(self, now: float) -> bool:
        return bool(self._pending) and now >= self._next_retry

    def _loaded(self, one: Followed, ended: Ended) -> bool:
        """Note how a source's load went; True where raw holds what it has."""
        if ended.failures:
            self._failed(one, ended.failures[0])
            return False
        one.failures, one.problem, one.is_new = 0, None, False
        one.next_load = self._clock() + one.spec.follow_every.total_seconds()
        return True

    def _failed(self, one: Followed, problem: str) -> None:
        one.problem = problem
        one.failures += 1
        one.next_load = one.next_look = self._clock() + _wait(one.failures)

    def _in_full(self) -> None:
        """Load everything, then build, test and search all of it, as `grounded run` does."""
        began = self._clock()
        failures: list[str] = []
        for one in self.sources.values():
            ended = self._warm.load([one.name])
            failures += ended.failures
            self._loaded(one, ended)
        made = self._warm.run_in_full()
        if made.published:
            self._followed(made)
            self._full_failures = 0
            self._next_full = self._clock() + self._full_every
            self._most_memory = self._most_memory or self._memory() * 3 // 2 + _MAY_GROW
        else:
            self._full_failures += 1
            self._next_full = self._clock() + _wait(self._full_failures)
        ended = Ended([*failures, *made.failures], made.published, seconds=made.seconds)
        self._end(began, ended, in_full=True)

    def _end(self, began: float, ended: Ended, *, in_full: bool) -> None:
        now = self._clock()
        if ended.published:
            self._last_publish = now
        for one in self.sources.values():
            if one.new_since is not None:
                one.lag_s = now - one.new_since
        self.cycles += 1
        self._tell(
            Status(
                cycles=self.cycles,
                seconds=now - began,
                snapshot=self._warm.snapshot_id,
                sources=self.sources,
                problems=ended.failures,
                in_full=in_full,
                steps=ended.seconds,
            )
        )

    def _look(self, now: float) -> list[str]:
        problems = []
        for one in self.sources.values():
            if one.is_new or now < one.next_look:
                continue
            try:
                if one.news is None:
                    one.news = news_of(one.name, one.spec, self._settings.home)
                if one.news is None:
                    one.next_look = float("inf")
                    continue
                one.is_new = one.news.look()
            except IngestionError as error:
                self._failed(one, str(error))
                problems.append(str(error))
                continue
            one.next_look = self._clock() + one.news.every_s
            if one.is_new and one.new_since is None:
                one.new_since = self._clock()
        return problems

    def _rest(self) -> float:
        now = self._clock()
        times = [self._next_full]
        times += [min(one.next_look, one.next_load) for one in self.sources.values()]
        times += [self._next_retry] if self._pending else []
        return min(max(min(times) - now, _REST_S), 1.0)

    def _close(self) -> None:
        self._warm.rest()
        for one in self.sources.values():
            if one.news is not None:
                one.news.close()


def _wait(failures: int) -> float:
    return float(min(_FIRST_RETRY_S * 2.0 ** (failures - 1), _LAST_RETRY_S))


def keep(home: Path, status: Status) -> None:
    """Leave the status where servers of this home read it for their figures."""
    path = home / FOLLOWING_FILE
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(told(status)), encoding="utf-8")
    fresh.replace(path)


def told(status: Status, now: datetime | None = None) -> dict[str, object]:
    """The status as one JSON object."""
    return {
        "time": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "cycle": status.cycles,
        "seconds": round(status.seconds, 3),
        "in_full": status.in_full,
        "steps": {name: round(seconds, 3) for name, seconds in status.steps.items()},
        "snapshot": status.snapshot,
        "sources": {
            name: {
                "lag_s": round(one.lag_s, 3),
                "failures": one.failures,
                "problem": one.problem,
            }
            for name, one in status.sources.items()
        },
        "problems": status.problems,
    }
