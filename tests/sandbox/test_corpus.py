"""The shared corpus of hostile and honest statements: every verdict holds, nothing leaks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.catalog import Limits
from serving.errors import AnswerError
from serving.sandbox import SqlSandbox
from tests.sandbox.conftest import write_views

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "sql_corpus.jsonl"
CANARY = "canary-7f3d@example.com"
VIEWS = {
    "agent_orders": "select i as id, i % 2000 as customer_id, (i % 500) / 3.0 as amount, "
    "['web', 'store', 'app'][i % 3 + 1] as channel, date '2024-01-01' + (i % 700)::int as d "
    "from range(20000) t(i)",
    "agent_customers": "select i as id, md5(i::varchar) as pseud, ['DE', 'FR'][i % 2 + 1] "
    "as country from range(2000) t(i)",
    "agent_notes": "select i as id, repeat('refund AB-12 please ', (i % 100)::int) as body "
    "from range(500) t(i)",
}
REFUSED = {"READONLY_VIOLATION", "POLICY_DENIED", "UNKNOWN_TABLE", "INVALID_SQL"}
ENDED = {"TIMEOUT", "BUDGET_EXCEEDED"}


def _cases() -> list[dict[str, Any]]:
    if not CORPUS.exists():
        return []
    return [json.loads(line) for line in CORPUS.read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "secret.csv").write_text(f"id,email\n1,{CANARY}\n")
    write_views(folder, {**VIEWS, "agent_secrets": f"select 1 as id, '{CANARY}' as email"})
    return folder


@pytest.fixture(scope="module")
def sandbox(folder: Path) -> Iterator[SqlSandbox]:
    files = {name: folder / f"{name}.duckdb" for name in VIEWS}
    with SqlSandbox(files, Limits(seconds=4)) as opened:
        yield opened


@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not beside the repository")
@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_the_verdict_of_the_corpus_holds(
    case: dict[str, Any], folder: Path, sandbox: SqlSandbox
) -> None:
    try:
        result = sandbox.run(case["sql"].replace("{dir}", str(folder)))
        verdict, told = "OK", json.dumps([result.columns, result.rows])
    except AnswerError as error:
        verdict, told = error.code, f"{error.message} {json.dumps(dict(error.details))}"

    allowed = {"DENY": REFUSED, "BOUND": ENDED | {"OK"}, "OK": {"OK"}}[case["expected"]]
    assert verdict in allowed, told[:300]
    assert CANARY not in told
    assert str(folder) not in told
    assert "agent_secrets" not in told
    assert len(sandbox.run("select id from agent_orders where id < 3").rows) == 3
