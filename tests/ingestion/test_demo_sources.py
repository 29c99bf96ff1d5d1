"""The three declared sources against the demo's real upstreams."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ingestion.connection import connect, points_at_demo
from ingestion.demo import Demo, find
from ingestion.errors import MissingSecret, SourceFailed
from ingestion.load import load_source
from ingestion.sources_file import read_sources
from ingestion.spec import SourceSpec
from tests.ingestion.conftest import raw

SOURCES = read_sources()


@pytest.fixture
def demo(upstreams: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """The demo, addressed as a user's own servers are: by secrets."""
    found = find(upstreams)
    assert found is not None
    monkeypatch.setenv("SOURCES__SHOP__URL", found.shop_url)
    monkeypatch.setenv("SOURCES__HELPDESK__URL", found.helpdesk_url)
    monkeypatch.setenv("SOURCES__HELPDESK__TOKEN", found.helpdesk_token.get_secret_value())
    monkeypatch.setenv("SOURCES__RUNBOOKS__URL", str(found.runbooks_path))
    return found


def every_ticket(demo: Demo) -> list[dict[str, object]]:
    """All tickets as a plain client reads them, page by page."""
    rows: list[dict[str, object]] = []
    cursor: str | None = None
    headers = {"Authorization": f"Bearer {demo.helpdesk_token.get_secret_value()}"}
    with httpx.Client(base_url=demo.helpdesk_url, headers=headers) as client:
        while True:
            params = {"limit": "50", **({"cursor": cursor} if cursor else {})}
            answer = client.get("/tickets", params=params)
            if answer.status_code == 429:
                continue
            page = answer.json()
            rows += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return rows


def test_an_api_arrives_whole_with_its_malformed_rows_set_aside(demo: Demo, tmp_path: Path) -> None:
    report = load_source("helpdesk", SOURCES["helpdesk"], tmp_path)
    oracle = every_ticket(demo)
    loaded = {row[0] for row in raw(tmp_path, "select id from helpdesk.tickets")}
    aside = {
        int(row[0])
        for row in raw(
            tmp_path, "select row_key from helpdesk._quarantine where table_name = 'tickets'"
        )
    }
    assert loaded | aside == {row["id"] for row in oracle}
    assert loaded & aside == set()
    assert len(loaded) == report.tables["tickets"].rows > 0


def test_the_second_load_of_an_api_reads_only_the_overlap(demo: Demo, tmp_path: Path) -> None:
    first = load_source("helpdesk", SOURCES["helpdesk"], tmp_path)
    second = load_source("helpdesk", SOURCES["helpdesk"], tmp_path)
    assert second.tables["tickets"].read < first.tables["tickets"].read / 2
    assert second.tables["tickets"].rows == first.tables["tickets"].rows


def test_a_wrong_token_is_told_without_the_token(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__HELPDESK__TOKEN", "not-the-token")
    with pytest.raises(SourceFailed, match=r"refused our credentials \(HTTP 401\)") as caught:
        load_source("helpdesk", SOURCES["helpdesk"], tmp_path)
    assert "not-the-token" not in str(caught.value)


def test_a_missing_token_names_the_variable_to_set(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__HELPDESK__TOKEN")
    with pytest.raises(SourceFailed, match="set SOURCES__HELPDESK__TOKEN"):
        load_source("helpdesk", SOURCES["helpdesk"], tmp_path)


def test_documents_are_read_again_only_when_their_content_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.md").write_text("# One", encoding="utf-8")
    (folder / "deep" / "two.md").write_text("# Two", encoding="utf-8")
    (folder / "broken.md").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("SOURCES__RUNBOOKS__URL", str(folder))

    report = load_source("runbooks", SOURCES["runbooks"], tmp_path)
    assert (report.tables["documents"].rows, report.tables["documents"].quarantined) == (2, 1)
    (folder / "one.md").touch()
    (folder / "deep" / "two.md").write_text("# Two, again", encoding="utf-8")
    load_source("runbooks", SOURCES["runbooks"], tmp_path)

    rows = raw(
        tmp_path,
        "select path, content, _loaded_at = max(_loaded_at) over () from runbooks.documents",
    )
    assert sorted(rows) == [("deep/two.md", "# Two, again", True), ("one.md", "# One", False)]


def test_a_folder_that_is_gone_fails_that_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__RUNBOOKS__URL", str(tmp_path / "gone"))
    with pytest.raises(SourceFailed, match="there is no folder"):
        load_source("runbooks", SOURCES["runbooks"], tmp_path)


def test_a_lost_working_folder_is_restored_from_the_warehouse(demo: Demo, tmp_path: Path) -> None:
    first = load_source("shop", SOURCES["shop"], tmp_path)
    (tmp_path / "dlt" / "shop").rename(tmp_path / "away")
    second = load_source("shop", SOURCES["shop"], tmp_path)
    assert second.tables["orders"].read < first.tables["orders"].read / 2
    assert second.tables["orders"].rows == first.tables["orders"].rows


def test_a_source_reads_the_demo_until_its_address_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop: SourceSpec = SOURCES["shop"]
    assert points_at_demo("shop", shop)
    with pytest.raises(MissingSecret, match="grounded demo up"):
        connect("shop", shop, tmp_path)
    monkeypatch.setenv("SOURCES__SHOP__URL", "postgresql://db.example.com/shop")
    assert not points_at_demo("shop", shop)
    assert connect("shop", shop, tmp_path).url.get_secret_value().endswith("/shop")
    assert "db.example.com" not in repr(connect("shop", shop, tmp_path))


def test_dlts_working_folder_keeps_no_secret(demo: Demo, tmp_path: Path) -> None:
    load_source("helpdesk", SOURCES["helpdesk"], tmp_path)
    token = demo.helpdesk_token.get_secret_value().encode()
    files = [path for path in (tmp_path / "dlt").rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if token in path.read_bytes()] == []


def test_one_source_runs_without_dagster(demo: Demo, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingestion", "runbooks", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tables"]["documents"]["rows"] > 0


def test_a_source_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingestion", "shopp", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "there are shop, helpdesk, runbooks" in done.stderr
