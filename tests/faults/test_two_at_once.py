"""Two runs of the same source and home, started at once."""

import random
from pathlib import Path

import pytest

from tests.faults.children import Zygote
from tests.faults.history import History
from tests.faults.oracle import assert_equal_to_source
from tests.faults.views import Capture

TIMES = 4
OVERTAKEN = "a newer snapshot was promoted meanwhile"


@pytest.mark.parametrize("capture", ["log", "cursor"])
def test_two_runs_started_at_once_both_end_well_and_double_nothing(
    zygotes: tuple[Zygote, Zygote], source: str, home: Path, capture: Capture, seed: int
) -> None:
    load = "load" if capture == "log" else "reconcile"
    with History(source, random.Random(seed)) as history:
        for _ in range(TIMES):
            trials = [zygote.start(home, source, capture, load, "publish") for zygote in zygotes]
            while not all(trial.is_over for trial in trials):
                history.step()
                for zygote in zygotes:
                    zygote.follow(0.01)
            for trial in trials:
                assert trial.status == 0 or OVERTAKEN in str(trial.error), trial.error
    trial = zygotes[0].run(home, source, capture, load, "publish")
    assert trial.status == 0, trial.error
    assert_equal_to_source(source, home, context=f"GROUNDED_SEED={seed}")
