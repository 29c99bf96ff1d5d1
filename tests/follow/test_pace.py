"""When the follower does what, on a clock that the test moves."""

from collections import deque
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from ingestion.errors import SourceFailed
from ingestion.spec import SourcesFile
from orchestration.follow import Follower, Status
from orchestration.resources import Settings
from orchestration.warm import Ended

SPEC = {
    "kind": "files",
    "description": "Own",
    "owner": "team:own",
    "schedule": "0 * * * *",
    "home_folder": "own",
    "follow_every": "60s",
    "tables": {"rows": {}},
}


class Script:
    """In place of the pipeline: what it was asked for, and how each run is to end."""

    snapshot_id = "1"
    has_changed = False

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.loads: deque[Ended] = deque()
        self.follows: deque[Ended] = deque()
        self.fulls: deque[Ended] = deque()

    def load(self, sources: Collection[str]) -> Ended:
        self.asked.append(("load", *sources))
        nothing = Ended([], False)
        return self.loads.popleft() if self.loads else nothing

    def follow(self, tables: Collection[str]) -> Ended:
        self.asked.append(("follow", *sorted(tables)))
        return self.follows.popleft() if self.follows else Ended([], True)

    def rest(self) -> None:
        """Nothing is held."""

    give_way = rest

    def run_in_full(self) -> Ended:
        self.asked.append(("full",))
        return self.fulls.popleft() if self.fulls else Ended([], True)


class Looks:
    """In place of a source: whether each look tells of news."""

    every_s = 1.0

    def __init__(self) -> None:
        self.answers: deque[bool | SourceFailed] = deque()

    def look(self) -> bool:
        answer = self.answers.popleft() if self.answers else False
        if isinstance(answer, SourceFailed):
            raise answer
        return answer

    def close(self) -> None:
        """Nothing is held."""


class Pace:
    """A follower, its clock and what it told."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.memory = 1000.0, 800 << 20
        self.stop = Event()
        self.told: list[Status] = []
        self.script, self.looks = Script(), Looks()
        sources = SourcesFile.model_validate({"sources": {"own": SPEC}}).sources
        monkeypatch.setattr("orchestration.follow.news_of", lambda *_: self.looks)
        self.follower = Follower(
            Settings(home, sources, None),
            self.script,  # type: ignore[arg-type]
            self._tell,
            full_every=timedelta(hours=1),
            clock=lambda: self.now,
            memory=lambda: self.memory,
        )

    def _tell(self, status: Status) -> None:
        self.told.append(status)
        self.stop.set()

    def follow(self) -> bool:
        """Go on for a cycle, or until another process has to."""
        self.stop.clear()
        self.script.asked.clear()
        return self.follower.follow(self.stop)

    def after(self, seconds: float) -> list[Any]:
        """Move the clock, do what is due and return what the pipeline was asked for."""
        self.now += seconds
        self.script.asked.clear()
        while self.follower.cycle():
            pass
        return list(self.script.asked)


@pytest.fixture
def pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """A follower after its run in full."""
    pace = Pace(tmp_path, monkeypatch)
    assert pace.after(0) == [("load", "own"), ("full",)]
    return pace


def changed() -> Ended:
    return Ended([], False, frozenset({"own/rows"}))


def test_news_are_loaded_and_what_changed_is_followed(pace: Pace) -> None:
    assert pace.after(1) == []
    pace.looks.answers.append(True)
    pace.script.loads.append(changed())
    assert pace.after(1) == [("load", "own"), ("follow", "own/rows")]


def test_the_time_from_news_to_answer_is_the_lag(pace: Pace) -> None:
    pace.looks.answers.append(True)
    pace.script.loads.append(changed())
    pace.script.follows.append(Ended(["it broke"], False))
    pace.after(1)
    assert pace.told[-1].problems == ["it broke"]
    pace.after(7)
    assert pace.told[-1].sources["own"].lag_s == 7


def test_a_change_that_cannot_be_published_is_told_with_a_lag_that_grows(pace: Pace) -> None:
    pace.looks.answers.append(True)
    pace.script.loads.append(changed())
    pace.script.follows += [Ended(["it broke"], False)] * 3
    lags = []
    for seconds in (1, 1, 2):
        pace.after(seconds)
        lags.append(pace.told[-1].sources["own"].lag_s)
    assert lags == [0, 1, 3]


def test_without_news_it_is_loaded_at_its_pace_and_nothing_is_published_for_nothing(
    pace: Pace,
) -> None:
    pace.follower._last_publish = pace.now + 59
    assert pace.after(59) == []
    assert pace.after(1) == [("load", "own")]


def test_a_quiet_source_is_published_as_fresh(pace: Pace) -> None:
    assert pace.after(61) == [("load", "own"), ("follow",)]


def test_what_could_not_be_published_is_tried_again_later_and_later(pace: Pace) -> None:
    pace.looks.answers.append(True)
    pace.script.loads.append(changed())
    pace.script.follows += [Ended(["broken"], False)] * 3
    assert pace.after(1) == [("load", "own"), ("follow", "own/rows")]
    assert pace.after(0.9) == []
    assert pace.after(0.1) == [("follow", "own/rows")]
    assert pace.after(1.9) == []
    assert pace.after(0.1) == [("follow", "own/rows")]
    assert pace.after(4) == [("follow", "own/rows")]
    assert pace.after(9) == []


def test_a_source_that_is_down_is_asked_later_and_later_and_no_later_than_each_minute(
    pace: Pace,
) -> None:
    down = Ended(["own is down"], False)
    pace.looks.answers.append(SourceFailed("own", "it is down", ""))
    waits = []
    pace.after(1)
    pace.script.loads += [down] * 9
    for _ in range(9):
        waited = 0.0
        while not pace.after(0.5):
            waited += 0.5
        waits.append(waited + 0.5)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pace.told[-1].sources["own"].problem == "own is down"
    while not pace.after(0.5):
        pass
    assert pace.told[-1].sources["own"].problem is None


def test_everything_is_built_in_full_each_hour_and_when_the_project_changes(pace: Pace) -> None:
    pace.after(1800)
    assert ("full",) in pace.after(1800)
    pace.script.has_changed = True
    pace.script.fulls.append(Ended(["it does not compile"], False))
    pace.now += 1
    assert pace.follower.cycle() and pace.told[-1].in_full
    assert not pace.follower.cycle()
    pace.script.has_changed = False
    assert pace.after(1) == [("load", "own"), ("full",)]


def test_a_process_that_has_grown_leaves_its_next_run_in_full_to_another(pace: Pace) -> None:
    most = pace.memory * 3 // 2 + (512 << 20)
    pace.memory = most + 1
    pace.looks.answers.append(True)
    pace.script.loads.append(changed())
    pace.now += 1
    assert not pace.follow()
    assert pace.script.asked == [("load", "own"), ("follow", "own/rows")]
    pace.now += 3600
    pace.memory = most
    assert not pace.follow()
    assert pace.script.asked == [("load", "own"), ("full",)]
    pace.now += 3600
    pace.memory = most + 1
    assert pace.follow()
    assert pace.script.asked == []


def test_a_process_is_not_replaced_before_its_first_run_in_full_nor_where_cycles_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = Pace(tmp_path, monkeypatch)
    pace.memory = 1 << 40
    assert not pace.follow()
    pace.memory = 1 << 42
    pace.now += 3600
    assert not pace.follower.follow(Event(), cycles=2)
    assert pace.script.asked == [("load", "own"), ("full",)] * 2
