import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import httpx2
import numpy as np
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from serving import audit, tokens
from serving.agent import Agent, connect
from serving.errors import ServingError
from serving.http_checks import MOST_BODY_BYTES, Allowed
from serving.http_listen import Listening, serve
from serving.http_server import build_app
from serving.tools import TOOLS
from tests.serving.running import RunningServer


@pytest.fixture
def server(home: Path) -> Iterator[RunningServer]:
    with RunningServer(home) as running:
        yield running


def test_each_route_gives_the_same_rows_as_python(server: RunningServer, agent: Agent) -> None:
    sql = "select order_id, total, placed_at from agent_orders order by 1 limit 3"
    with server.client() as client:
        pairs = [
            (client.post("/v1/sql", json={"sql": sql}), agent.sql(sql)),
            (
                client.post("/v1/lookup", json={"table": "agent_orders", "values": [1, 2]}),
                agent.lookup("agent_orders", values=[1, 2]),
            ),
            (
                client.post("/v1/search", json={"query": "printer jam"}),
                agent.search("printer jam"),
            ),
            (
                client.get("/v1/tables", params={"detail_level": "summary"}),
                agent.list_tables(detail_level="summary"),
            ),
            (client.get("/v1/tables/agent_orders"), agent.describe_table("agent_orders")),
            (client.get("/v1/lineage/agent_stock"), agent.get_lineage("agent_stock")),
            (
                client.post("/v1/tools/execute_sql", json={"sql": sql}),
                agent.sql(sql),
            ),
        ]
        for response, expected in pairs:
            assert response.status_code == 200, response.text
            assert response.json()["data"] == expected.model_dump(mode="json")["data"]
            assert response.json()["meta"]["agent"] == "support_agent"
        freshness = client.get("/v1/freshness", params={"table": "agent_orders"}).json()
        assert freshness["data"]["rows"][0]["status"] == "fresh"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_real_mcp_client_gets_the_rows_of_its_token_s_agent(
    server: RunningServer, agent: Agent, mode: str
) -> None:
    sql = "select * from agent_orders order by 1 limit 5"

    async def ask(name: str) -> tuple[list[str], dict]:
        headers = {"authorization": f"Bearer {tokens.issue(server.home, name)}"}
        async with httpx2.AsyncClient(headers=headers) as http:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                tools = [tool.name for tool in (await client.list_tools()).tools]
                result = await client.call_tool("execute_sql", {"sql": sql})
                return tools, result.structured_content

    tools, answer = anyio.run(ask, "support_agent")
    assert tools == list(TOOLS)
    assert answer["data"] == agent.sql(sql).model_dump(mode="json")["data"]
    _, refused = anyio.run(ask, "catalog_agent")
    assert refused["error"]["code"] == "UNKNOWN_TABLE"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer gnd_wrong"},
        {"authorization": "Basic c3VwcG9ydA=="},
        {"authorization": "Bearer"},
    ],
)
def test_without_a_valid_token_there_is_no_answer(
    server: RunningServer, headers: dict[str, str]
) -> None:
    with httpx.Client(base_url=server.url, headers=headers) as client:
        responses = [
            client.post("/v1/sql", json={"sql": "select 1"}),
            client.post("/v1/sql", content=b"not json"),
            client.get("/v1/tables"),
            client.get("/v1/tools"),
            client.post("/v1/tools/lookup", json={}),
            client.post("/v1/embeddings", json={"input": "x"}),
            client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
            client.get("/mcp"),
        ]
    for response in responses:
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["error"]["code"] == "UNAUTHENTICATED"


def test_a_token_of_an_agent_that_is_not_declared_is_refused(server: RunningServer) -> None:
    with server.client("nobody") as client:
        assert client.get("/v1/tables").status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/sql", {"sql": "drop table agent_orders"}, 403, "READONLY_VIOLATION"),
        ("/v1/sql", {"sql": "select getenv('x')"}, 403, "POLICY_DENIED"),
        ("/v1/sql", {"sql": "select * from nothing"}, 404, "UNKNOWN_TABLE"),
        ("/v1/sql", {"sql": "selec"}, 400, "INVALID_SQL"),
        ("/v1/sql", {"query": "select 1"}, 400, "INVALID_ARGUMENT"),
        ("/v1/sql", {"sql": "select * from agent_prices"}, 409, "STALE_DATA"),
        ("/v1/tools/nothing", {}, 400, "INVALID_ARGUMENT"),
        ("/v1/embeddings", {"input": [[1, 2]]}, 400, "INVALID_ARGUMENT"),
        ("/v1/embeddings", {"input": "x", "model": "gpt"}, 400, "INVALID_ARGUMENT"),
    ],
)
def test_a_refusal_has_its_status(
    server: RunningServer, path: str, body: dict, status: int, code: str
) -> None:
    with server.client() as client:
        response = client.post(path, json=body)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"sql": NaN}', 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b" " * (MOST_BODY_BYTES + 1), 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    server: RunningServer, content: bytes, status: int
) -> None:
    with server.client() as client:
        response = client.post("/v1/sql", content=content)
    assert response.status_code == status
    assert response.json()["error"]["code"] == "INVALID_ARGUMENT"


def test_a_body_without_a_length_is_cut_off_too(server: RunningServer) -> None:
    with server.client() as client:
        parts = (b" " * 100_000 for _ in range(20))
        response = client.post("/v1/sql", content=parts)
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example.com"}, 421),
        ({"host": "127.0.0.1.evil.example.com:80"}, 421),
        ({"host": "localhost:1234"}, 200),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/v1/tables", "/health"])
def test_a_page_from_elsewhere_cannot_call(
    server: RunningServer, headers: dict[str, str], status: int, path: str
) -> None:
    with server.client(**headers) as client:
        assert client.get(path).status_code == status


def test_mcp_checks_host_and_origin_too(server: RunningServer) -> None:
    with server.client(origin="https://evil.example.com") as client:
        assert client.post("/mcp", json={}).status_code == 403


def test_an_allowed_host_is_served_and_every_interface_needs_one(home: Path) -> None:
    allowed = Allowed.of(["data.example.com"])
    assert allowed.permits_host("data.example.com:8443")
    assert not allowed.permits_host("example.com")
    assert not allowed.permits_host(None)
    with pytest.raises(ServingError, match="allowed host"):
        serve(home, Listening(host="0.0.0.0"))


def test_too_many_calls_are_told_when_to_return(server: RunningServer) -> None:
    with server.client("hasty_agent") as client:
        statuses = [client.get("/v1/tables").status_code for _ in range(4)]
        refused = client.get("/v1/tables")
        embedded = client.post("/v1/embeddings", json={"input": "x"})
    assert statuses == [200, 200, 200, 429]
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert embedded.status_code == 429


def test_embeddings_are_those_of_the_index_in_openai_s_format(server: RunningServer) -> None:
    with server.client() as client:
        body = {"input": ["a broken printer", "shoes"]}
        plain = client.post("/v1/embeddings", json=body).json()
        packed = client.post("/v1/embeddings", json={**body, "encoding_format": "base64"}).json()
    assert plain["object"] == "list"
    assert [entry["index"] for entry in plain["data"]] == [0, 1]
    first = np.array(plain["data"][0]["embedding"])
    assert first.shape == (384,)
    unpacked = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), dtype="<f4")
    assert np.allclose(first, unpacked, atol=1e-6)


def test_texts_that_are_embedded_are_not_kept(server: RunningServer) -> None:
    with server.client() as client:
        client.post("/v1/embeddings", json={"input": "canary of a person"})
    (path,) = audit.audit_folder(server.home).glob("*.jsonl")
    record = json.loads(path.read_text())
    assert record["tool"] == "embeddings"
    assert "canary" not in path.read_text()


def test_the_caller_s_trace_and_purpose_are_recorded(server: RunningServer) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    said = {"traceparent": trace, "x-grounded-purpose": "monthly report"}

    async def ask() -> None:
        headers = {"authorization": f"Bearer {tokens.issue(server.home, 'support_agent')}"}
        async with httpx2.AsyncClient(headers={**headers, **said}) as http:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            async with Client(transport) as client:
                await client.call_tool("list_tables")
                await client.call_tool("list_tables", meta={"grounded/purpose": "another"})

    with server.client(**said) as client:
        client.post("/v1/lookup", json={"table": "agent_orders", "value": 1})
        client.post("/v1/lookup", content=b"no json")
    anyio.run(ask)
    recorded = [call["erasable"] for call in audit.calls(server.home)]
    assert [record["trace"] for record in recorded] == [trace] * 4
    assert [record["purpose"] for record in recorded] == ["monthly report"] * 3 + ["another"]


def test_health_readiness_and_metrics_need_no_token(server: RunningServer) -> None:
    with server.client() as client:
        client.get("/v1/tables")
        client.post("/v1/tools/jane.roe", json={})
    with server.client(None) as client:
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/ready").json() == {"status": "ready"}
        figures = client.get("/metrics").text
    line = 'grounded_calls_total{tool="list_tables",agent="support_agent",verdict="answered"} 1'
    assert line in figures
    assert "grounded_snapshot_age_seconds" in figures
    assert 'grounded_call_seconds_bucket{tool="list_tables",le="+Inf"} 1' in figures
    assert "jane" not in figures


def test_without_a_snapshot_the_server_is_not_ready_and_says_so(tmp_path: Path) -> None:
    home = tmp_path / "empty"
    home.mkdir()
    with RunningServer(home) as server, server.client() as client:
        assert client.get("/ready").status_code == 503
        response = client.get("/v1/tables")
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "NO_SNAPSHOT"


def test_an_unknown_route_and_a_wrong_method_get_an_envelope(server: RunningServer) -> None:
    with server.client() as client:
        for response, status in [
            (client.get("/nothing"), 404),
            (client.get("/v1/sql"), 405),
            (client.get("/../secrets/tokens.json"), 404),
        ]:
            assert response.status_code == status
            assert response.json()["success"] is False


def test_the_openapi_page_describes_every_route(server: RunningServer) -> None:
    with server.client(None) as client:
        page = client.get("/openapi.json").json()
    assert page["openapi"] == "3.1.0"
    routes = {route.path for route in build_app(server.home).routes}
    described = set(page["paths"]) | {"/v1/tools/{name}", "/mcp"}
    assert routes <= described
    assert set(page["paths"]) - {f"/v1/tools/{name}" for name in TOOLS} <= routes
    references = json.dumps(page).count("#/components/schemas/")
    assert references > 0
    for name in ("Answer", "Refusal", "Meta", "Data"):
        assert name in page["components"]["schemas"]


def test_the_tools_are_given_as_openai_functions(server: RunningServer) -> None:
    with server.client() as client:
        functions = client.get("/v1/tools").json()
    assert [entry["function"]["name"] for entry in functions] == list(TOOLS)


def test_a_publish_shows_in_the_next_answer(server: RunningServer, world: SimpleNamespace) -> None:
    body = {"table": "agent_products", "value": 1}
    with server.client() as client:
        before = client.post("/v1/lookup", json=body).json()
        world.change(server.home, "update agents.agent_products set title = 'Inkjet'")
        published = world.publish(server.home)
        after = client.post("/v1/lookup", json=body).json()
    assert before["data"]["rows"][0]["title"] == "Laser printer"
    assert after["data"]["rows"][0]["title"] == "Inkjet"
    assert after["meta"]["snapshot_id"] == published


def test_all_surfaces_record_in_one_chain(server: RunningServer) -> None:
    with server.client() as client, connect(server.home, "support_agent") as agent:
        for _ in range(5):
            client.get("/v1/tables")
            agent.list_tables()
        client.post("/v1/sql", json={"sql": "drop table x"})
    with server.client(None) as client:
        client.get("/v1/tables")
    report = audit.verify(server.home)
    assert report.is_intact
    assert report.records == 12


def test_many_clients_at_once_get_their_own_answers(server: RunningServer) -> None:
    wrong: list[object] = []

    def ask(name: str, table: str, key: str) -> None:
        with server.client(name) as client:
            for value in (1, 2, 3) * 10:
                body = {"table": table, "value": value}
                answer = client.post("/v1/lookup", json=body).json()
                row = answer["data"]["rows"][0]
                if row[key] != value or answer["meta"]["agent"] != name:
                    wrong.append(answer)

    threads = [
        threading.Thread(target=ask, args=args)
        for args in [
            ("support_agent", "agent_orders", "order_id"),
            ("small_agent", "agent_orders", "order_id"),
            ("catalog_agent", "agent_products", "product_id"),
        ]
        * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
