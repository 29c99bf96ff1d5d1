"""The lineage graph as Dagster loads it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import httpx
import pytest

from orchestration.automation import post_failure
from orchestration.definitions import build_definitions
from orchestration.errors import SettingsError
from orchestration.resources import prepare_environment, read_settings

AUDIT_MARTS = ("call_denials", "fct_calls", "slow_calls", "view_usage")


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GROUNDED_HOME", "DAGSTER_HOME", "DBT_ENV_SECRET_PRIVACY_KEY"):
            patch.setenv(name, "")
        yield build_definitions(read_settings(tmp_path_factory.mktemp("home")))


def test_every_layer_is_in_one_graph_with_no_loose_ends(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    assert {key.path[0] for key in graph.get_all_asset_keys()} == {
        "shop",
        "helpdesk",
        "runbooks",
        "audit",
        "staging",
        "marts",
        "agents",
        "serving",
    }
    ends = {key for key in graph.get_all_asset_keys() if not graph.get(key).child_keys}
    assert ends == {
        dg.AssetKey(["agents", "support_agent"]),
        dg.AssetKey(["agents", "catalog_agent"]),
        dg.AssetKey(["agents", "sales_agent"]),
        # What is known of the calls is for people.
        *(dg.AssetKey(["marts", name]) for name in AUDIT_MARTS),
    }
    roots = {key.path[0] for key in graph.get_all_asset_keys() if not graph.get(key).parent_keys}
    assert roots == {"shop", "helpdesk", "runbooks", "audit"}


def test_every_asset_has_a_description_an_owner_a_group_and_a_kind(
    definitions: dg.Definitions,
) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.owners, spec.key
        assert spec.group_name and spec.group_name != "default", spec.key
        assert spec.kinds, spec.key


def test_every_view_has_blocking_checks_before_the_snapshot(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    ours = {key for key in graph.asset_check_keys if key.asset_key.path[0] == "serving"}
    assert {key.name for key in ours} == {
        "index_recall_is_high_enough",
        "every_raw_column_is_classified",
        "no_personal_column_reaches_an_agent_unmasked",
        "no_personal_data_in_published_text",
        "rows_reconcile_with_raw",
        "within_its_freshness_limit",
    }
    assert all(graph.get_check_spec(key).blocking for key in ours)


def test_what_agents_do_is_checked_in_the_log_and_in_its_marts(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    found = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}
    assert {
        ("audit/calls", "audit_chain_is_intact"),
        ("marts/call_denials", "agents_are_seldom_refused"),
        ("marts/view_usage", "every_view_is_used"),
        ("marts/view_usage", "no_agent_reads_stale_data"),
    } <= found


def test_each_source_has_a_schedule_of_its_own(definitions: dg.Definitions) -> None:
    schedules = {schedule.name for schedule in definitions.schedules or []}
    loads = {f"load_{name}" for name in ("shop", "helpdesk", "runbooks", "audit")}
    assert schedules == {*loads, "reconcile_helpdesk_0", "compare_models"}


def test_a_raw_load_is_retried_with_backoff(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    node = graph.get(dg.AssetKey(["shop", "orders"]))
    policy = node.assets_def.op.retry_policy
    assert policy is not None
    assert policy.max_retries > 0 and policy.backoff is dg.Backoff.EXPONENTIAL


def test_the_webhook_receives_what_failed() -> None:
    received: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        post_failure(f"http://127.0.0.1:{server.server_port}/", {"run_id": "1"})
        answering.join()
    assert received == [{"run_id": "1"}]


def test_a_webhook_that_refuses_is_an_error_and_not_silence() -> None:
    with pytest.raises(httpx.HTTPError):
        post_failure("http://127.0.0.1:9/", {"run_id": "1"})


def test_outside_the_demo_a_missing_key_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__SHOP__URL", "postgresql://db.example.com/shop")
    monkeypatch.delenv("GROUNDED_PRIVACY_KEY", raising=False)
    with pytest.raises(SettingsError, match="openssl rand -hex 32"):
        prepare_environment(read_settings(tmp_path))


def test_a_short_key_stops_the_start_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDED_PRIVACY_KEY", "changeme")
    with pytest.raises(SettingsError) as caught:
        prepare_environment(read_settings(tmp_path))
    assert "changeme" not in str(caught.value)
