"""Histories that hypothesis makes up, with kills, restarts, wipes and publishes among them."""

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.faults.children import Zygote
from tests.faults.conftest import fill
from tests.faults.history import ALTERATIONS, CHANGES, History
from tests.faults.lane import Lane
from tests.faults.views import Capture
from tests.log_capture.conftest import drop_slots
from tests.servers import Postgres

EXAMPLES = 6
STEPS = 18
KILLED_IN = ["begin", "extract", "normalise", "load", "settle", "export", "index", "promote"]


class FaultyWorld(RuleBasedStateMachine):
    """A source, what is loaded from it, and what may happen to both."""

    def __init__(self, server: Postgres, zygote: Zygote, context: str) -> None:
        super().__init__()
        self._server, self._zygote, self._context = server, zygote, context
        self._folder = tempfile.TemporaryDirectory()
        self._home = Path(self._folder.name) / "home"
        self._url = fill(server)

    @initialize(capture=st.sampled_from(["log", "cursor"]), number=st.integers(0, 2**31))
    def begin(self, capture: Capture, number: int) -> None:
        self._capture: Capture = capture
        self._chance = random.Random(number)
        self._lane = Lane(self._zygote, self._url, self._home, capture, self._chance)
        self._lane.finish(self._context)

    @rule(kinds=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=8))
    def rows_change(self, kinds: list[str]) -> None:
        for kind in kinds:
            self._lane.history.change(kind)

    @rule(kind=st.sampled_from(sorted(ALTERATIONS)))
    def a_table_changes(self, kind: str) -> None:
        self._lane.history.alteration(kind)

    @rule()
    def a_transaction_begins_or_commits_late(self) -> None:
        self._lane.history.toggle_late()

    @rule(phase=st.sampled_from(KILLED_IN))
    def a_run_is_killed(self, phase: str) -> None:
        self._lane.killed(self._context, phase)

    @rule()
    def a_run_is_killed_anywhere(self) -> None:
        self._lane.killed(self._context)

    @rule()
    def a_run_ends_well(self) -> None:
        self._lane.finish(self._context)

    @rule()
    def the_working_folder_is_wiped(self) -> None:
        shutil.rmtree(self._home / "dlt", ignore_errors=True)

    @rule()
    def the_server_restarts(self) -> None:
        self._lane.history.commit_late()
        self._lane.close()
        self._server.stop()
        self._server.start()
        self._lane.history = History(self._url, self._chance)

    @rule()
    def the_slot_is_dropped(self) -> None:
        drop_slots(self._server, self._url)

    def teardown(self) -> None:
        try:
            self._lane.finish(self._context)
        finally:
            self._lane.close()
            drop_slots(self._server, self._url)
            self._folder.cleanup()


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_any_history_with_any_faults_ends_in_what_the_source_holds(
    own_server: Postgres, zygote: Zygote, request: pytest.FixtureRequest
) -> None:
    number: int = request.getfixturevalue("seed")
    make: Callable[[], Any] = lambda: FaultyWorld(own_server, zygote, f"GROUNDED_SEED={number}")  # noqa: E731
    run_state_machine_as_test(
        seed(number)(make),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            # A kill falls at another instant each time, so a failure cannot be made smaller.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
