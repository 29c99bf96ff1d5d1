"""Many agents at once, over several processes, while snapshots are republished under them."""

from pathlib import Path

import pytest

from serving.embedder import MiniLm, builtin_model_dir
from tests.benchmarks.load import under_load
from tests.load_world import Verdicts, fill, publish

AGENTS = 2
KINDS = {"lookup", "execute_sql", "search"}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published home of several agents."""
    home = tmp_path_factory.mktemp("crowded") / "home"
    fill(home, AGENTS)
    publish(home, AGENTS, 0, MiniLm(builtin_model_dir()))
    return home


@pytest.mark.thorough
def test_no_answer_is_wrong_while_snapshots_are_republished(crowded: Path) -> None:
    def is_enough(verdicts: Verdicts) -> bool:
        return bool(verdicts.wrong) or (
            len(verdicts.generations) > 2 and verdicts.kinds == KINDS and verdicts.answered > 300
        )

    load, verdicts = under_load(
        crowded, 100, is_enough, agents=AGENTS, workers=2, per_second=150, every_s=1.0
    )
    assert load.broken == []
    assert verdicts.wrong == []
    assert verdicts.mixed() == []


@pytest.mark.parametrize(
    ("kind", "rows", "told"),
    [
        ("lookup", [{"order_id": 2, "owner": "agent_0", "generation": 1}], "not the row"),
        ("lookup", [{"order_id": 1, "owner": "agent_1", "generation": 1}], "another agent"),
        ("search", [{"key": "agent_0/1", "title": "agent_1 3"}], "another agent"),
        (
            "search",
            [
                {"key": "agent_0/1", "title": "agent_0 3"},
                {"key": "agent_0/2", "title": "agent_0 4"},
            ],
            "several snapshots",
        ),
    ],
)
def test_a_wrong_answer_would_be_seen(kind: str, rows: list[dict], told: str) -> None:
    verdicts = Verdicts()
    meta = {"snapshot_id": "s", "agent": "agent_0"}
    body = {"success": True, "meta": meta, "data": {"rows": rows}}
    assert verdicts.judge("agent_0", kind, 1, 200, body) == -1
    assert told in verdicts.wrong[0]
