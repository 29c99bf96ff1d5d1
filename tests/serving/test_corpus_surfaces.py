"""The shared corpus of hostile and honest statements, on every surface: the verdicts hold."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import duckdb
import pytest
from mcp.client.client import Client
from starlette.testclient import TestClient

from orchestration.cli import run
from serving import tokens
from serving.agent import connect
from serving.catalog import Limits
from serving.declarations import Declarations, DeclaredAgent, DeclaredColumn, DeclaredView, Serve
from serving.http_server import build_app
from serving.mcp_server import build_server
from tests.serving.conftest import publish

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
SECRETS = {"agent_secrets": f"select 1 as id, '{CANARY}' as email"}
# A statement that a limit has to end need not take long to do so.
SECONDS = {"OK": 20.0, "DENY": 20.0, "BOUND": 0.5}

Ask = Callable[[str, str], dict[str, Any]]


def _cases() -> list[dict[str, Any]]:
    if not CORPUS.exists():
        return []
    return [json.loads(line) for line in CORPUS.read_text().splitlines()]


@pytest.fixture(scope="module")
def corpus_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published home of the corpus's views, an agent for each verdict, and one of the secrets."""
    home = tmp_path_factory.mktemp("corpus") / "home"
    home.mkdir()
    views = {}
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema agents")
        for name, select in {**VIEWS, **SECRETS}.items():
            connection.execute(f"create table agents.{name} as {select}")
            columns = connection.execute(f"describe agents.{name}").fetchall()
            views[name] = _view(name, [str(column[0]) for column in columns])
    agents = {
        name.lower(): DeclaredAgent(
            name=name.lower(), purpose="Asks.", views=sorted(VIEWS), limits=Limits(seconds=seconds)
        )
        for name, seconds in SECONDS.items()
    }
    other = DeclaredAgent(name="other", purpose="Has secrets.", views=["agent_secrets"])
    wanted = Declarations(
        views=views, agents={**agents, "other": other}, sources={}, contract_version="corpus"
    )
    publish(home, wanted)
    (home / "secret.csv").write_text(f"id,email\n1,{CANARY}\n")
    return home


def _view(name: str, columns: list[str]) -> DeclaredView:
    return DeclaredView(
        name=name,
        unique_id=f"model.corpus.{name}",
        relation=f"agents.{name}",
        description="Of the corpus.",
        columns=[DeclaredColumn(name=column, description=column) for column in columns],
        serve=Serve(key="id"),
        source_tables=[],
    )


@pytest.fixture(scope="module")
def python(corpus_home: Path) -> Iterator[Ask]:
    agents = {name: connect(corpus_home, name.lower()) for name in SECONDS}
    yield lambda name, sql: agents[name].sql(sql).model_dump(mode="json")
    for agent in agents.values():
        agent.close()


@pytest.fixture(scope="module")
def http(corpus_home: Path) -> Iterator[Ask]:
    headers = {
        name: {"authorization": f"Bearer {tokens.issue(corpus_home, name.lower())}"}
        for name in SECONDS
    }
    with TestClient(build_app(corpus_home), base_url="http://127.0.0.1") as client:
        yield lambda name, sql: client.post(
            "/v1/sql", json={"sql": sql}, headers=headers[name]
        ).json()


@pytest.fixture
def mcp(corpus_home: Path) -> Ask:
    async def ask(name: str, sql: str) -> dict[str, Any]:
        with connect(corpus_home, name.lower(), surface="mcp") as agent:
            async with Client(build_server(agent)) as client:
                result = await client.call_tool("execute_sql", {"sql": sql})
        assert isinstance(result.structured_content, dict)
        return result.structured_content

    return lambda name, sql: anyio.run(partial(ask, name, sql))


@pytest.fixture
def command_line(corpus_home: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    def ask(name: str, sql: str) -> dict[str, Any]:
        options = ["--agent", name.lower(), "--home", str(corpus_home), "--json"]
        run(["sql", *options, "--", sql])
        out = capsys.readouterr()
        assert out.err == ""
        told: dict[str, Any] = json.loads(out.out)
        return told

    return ask


@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not beside the repository")
@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_the_verdict_of_the_corpus_holds_on_every_surface(
    case: dict[str, Any],
    corpus_home: Path,
    python: Ask,
    http: Ask,
    mcp: Ask,
    command_line: Ask,
) -> None:
    sql = case["sql"].replace("{dir}", str(corpus_home))
    allowed = {"DENY": REFUSED, "BOUND": ENDED | {"OK"}, "OK": {"OK"}}[case["expected"]]
    verdicts = set()
    for ask in (python, http, mcp, command_line):
        envelope = ask(case["expected"], sql)
        told = json.dumps(envelope)
        verdicts.add("OK" if envelope["success"] else envelope["error"]["code"])
        assert CANARY not in told
        assert str(corpus_home) not in told
        assert "agent_secrets" not in told
    assert verdicts <= allowed
    assert len(verdicts) == 1 or case["expected"] == "BOUND"
