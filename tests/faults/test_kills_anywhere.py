"""Hundreds of SIGKILLs, from extraction to publishing: what is served is what the source holds."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.children import Zygote
from tests.faults.conftest import MakeSource, table_of_kills
from tests.faults.lane import Lane, Tally
from tests.faults.views import Capture

KILLS: dict[Capture, int] = {"log": 122, "cursor": 84}
A_ROUND = (6, 16)
LEAST_A_PHASE = 3
OF_BOTH = {"begin", "extract", "normalise", "load", "settle", "model", "export", "index", "promote"}
OF_ONE = {"log": {"advance"}, "cursor": {"compare"}}


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_two_hundred_kills_from_extraction_to_publishing_lose_and_double_nothing(
    zygotes: tuple[Zygote, Zygote],
    make_source: MakeSource,
    tmp_path: Path,
    seed: int,
    tell: Callable[[str], None],
) -> None:
    sources: dict[Capture, tuple[Zygote, str]] = {
        "log": (zygotes[0], make_source()),
        "cursor": (zygotes[1], make_source()),
    }
    with ThreadPoolExecutor(len(sources)) as threads:
        futures = {
            capture: threads.submit(under_fire, zygote, url, tmp_path / capture, capture, seed)
            for capture, (zygote, url) in sources.items()
        }
    tallies = {capture: future.result() for capture, future in futures.items()}
    for line in table_of_kills({name: tally.kills for name, tally in tallies.items()}):
        tell(line)
    after_wipe = sum(tally.after_wipe for tally in tallies.values())
    rounds = sum(tally.rounds for tally in tallies.values())
    tell(f"{after_wipe} of them with dlt's folder wiped; {rounds} comparisons with the source")
    assert sum(tally.kills.total() for tally in tallies.values()) >= 200
    assert after_wipe >= 60
    for capture, tally in tallies.items():
        for phase in OF_BOTH | OF_ONE[capture]:
            assert tally.kills[phase] >= LEAST_A_PHASE, f"{capture}: {phase} was hardly met"


def under_fire(zygote: Zygote, url: str, home: Path, capture: Capture, seed: int) -> Tally:
    """Kill the jobs of one lane, round by round."""
    chance = random.Random(f"{seed} {capture}")
    context = f"GROUNDED_SEED={seed}"
    lane = Lane(zygote, url, home, capture, chance)
    try:
        lane.first_rounds(context)
        while lane.tally.kills.total() < KILLS[capture]:
            lane.round(chance.randrange(*A_ROUND), context)
        return lane.tally
    finally:
        lane.close()
