"""The whole walk: live upstreams to masked, searchable answers, as a user and an agent see it.

upstreams -> grounded run -> traffic -> grounded run -> answers on every surface
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import duckdb
import lancedb
import psycopg
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from ingestion.demo import canary, find
from ingestion.demo.shop import as_owner
from ingestion.demo.state import Layout
from ingestion.demo.state import load as load_state
from tests.grounded import COMMAND, ROOT, environment, grounded, warm
from tests.homes import home_of

pytestmark = pytest.mark.timeout(600)
CANARIES = [value.encode() for value in canary.VALUES]
PRIVATE = {"warehouse.duckdb", "demo"}


@pytest.fixture(scope="module")
def home(first_run: Path) -> Iterator[Path]:
    """A home after its first run, with demo upstreams of its own."""
    with home_of(first_run) as folder:
        yield folder


def ask(home: Path, statement: str, agent: str = "support_agent") -> list[dict[str, Any]]:
    """The rows of one SQL answer."""
    envelope = grounded(home, "sql", "--json", "--agent", agent, statement).envelope()
    assert envelope["success"], envelope
    rows: list[dict[str, Any]] = envelope["data"]["rows"]
    return rows


def test_the_support_agent_gets_masked_rows(home: Path) -> None:
    customer = ask(home, "select * from agent_customers order by created_at limit 1")[0]
    assert customer["customer_key"].startswith("cus_")
    assert customer["email_domain"].endswith(("example.com", "example.org", "example.net"))
    assert set(customer) & {"full_name", "email", "phone", "street", "birth_date"} == set()


def test_an_agent_cannot_name_a_view_that_is_not_its_own(home: Path) -> None:
    done = grounded(home, "sql", "--agent", "catalog_agent", "select * from agent_customers")
    assert done.status == 2
    assert done.err.startswith("UNKNOWN_TABLE: ")
    assert "agent_orders" not in done.err and "Traceback" not in done.err


def test_the_row_filter_of_an_agent_holds_everywhere(home: Path) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        spam = connection.execute(
            "select ticket_id from agents.agent_tickets where status = 'spam' limit 1"
        ).fetchone()
    assert spam is not None
    assert ask(home, "select count(*) as n from agent_tickets where status = 'spam'")[0]["n"] == 0
    found = grounded(
        home, "lookup", "--json", "--agent", "support_agent", "agent_tickets", str(spam[0])
    ).envelope()
    assert found["data"]["rows"] == []


def test_a_canary_is_found_in_no_published_cell_byte_log_or_metadata(home: Path) -> None:
    files = [
        path
        for path in home.rglob("*")
        if path.is_file() and not PRIVATE & {path.name, path.relative_to(home).parts[0]}
    ]
    assert {"published", "dagster", "dbt", "audit"} <= {
        path.relative_to(home).parts[0] for path in files
    }
    assert [path for path in files if any(c in path.read_bytes() for c in CANARIES)] == []
    cells = list(published_cells(home))
    assert len(cells) > 3_000
    assert [text for text in cells if any(c.decode() in text for c in CANARIES)] == []


def test_the_scan_for_canaries_finds_them_where_they_are(home: Path) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        bodies = connection.execute("select body from helpdesk.tickets").fetchall()
    assert any(canary.EMAIL in (body or "") for (body,) in bodies)


def published_cells(home: Path) -> Iterator[str]:
    """Every text of every store of every snapshot: compression hides values from bytes."""
    for file in (home / "published" / "snapshots").rglob("views/*.duckdb"):
        with duckdb.connect(str(file), read_only=True) as connection:
            for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
                for row in connection.execute(f'from "{table}"').fetchall():
                    yield from (str(value) for value in row)
            yield from (str(row) for row in connection.execute("from duckdb_columns()").fetchall())
    for file in (home / "published" / "snapshots").rglob("views/*.sqlite"):
        with sqlite3.connect(f"file:{file}?immutable=1", uri=True) as store:
            names = store.execute("select name from sqlite_master where type = 'table'").fetchall()
            for (table,) in names:
                yield from (str(row) for row in store.execute(f'select * from "{table}"'))
        store.close()
    for folder in (home / "published" / "snapshots").glob("*/index"):
        index = lancedb.connect(folder)
        for name in index.list_tables().tables:
            rows = index.open_table(name).to_arrow()
            if "vector" in rows.column_names:
                rows = rows.drop_columns(["vector"])
            for batch in rows.to_pylist():
                yield str(batch)


def test_the_second_run_brings_what_changed_into_answers_views_and_index_and_tells_what_it_did(
    home: Path,
) -> None:
    assert grounded(home, "demo", "traffic", "--changes", "30").status == 0
    demo = find(home)
    assert demo is not None
    with psycopg.connect(demo.shop_url) as connection:
        newest = connection.execute(
            "select id, status from orders where jsonb_typeof(items) = 'array' "
            "order by updated_at desc limit 1"
        ).fetchone()
    assert newest is not None
    state = load_state(Layout.of(home))
    assert state is not None
    with as_owner(state) as connection:
        gone = connection.execute(
            "delete from orders where id = (select max(id) from orders where status ilike 'paid%%' "
            "and jsonb_typeof(items) = 'array' and id <> %s) returning id",
            [newest[0]],
        ).fetchone()
    assert gone is not None
    unwanted = demo.runbooks_path / "runbooks" / "disk-pressure.md"
    unwanted.unlink()
    guide = demo.runbooks_path / "guides" / "news-quokka.md"
    guide.write_text("# Quokka kettle\n\nThe quokka kettle whistles in B flat.", encoding="utf-8")

    done = grounded(home, "run", "--tour")
    assert done.status == 0, done.err
    for asset in ("shop/customers", "marts/fct_orders", "agents/agent_tickets", "serving/snapshot"):
        assert f"✓ {asset}" in done.out
    assert "published snapshot" in done.out
    assert "$ grounded sql --agent support_agent" in done.out
    assert "$ grounded lookup --agent support_agent" in done.out
    assert "$ grounded search --agent support_agent" in done.out

    with psycopg.connect(demo.shop_url) as connection:
        source = connection.execute(
            "select count(*) from orders where jsonb_typeof(items) = 'array'"
        ).fetchone()
    assert source is not None
    assert ask(home, "select count(*) as n from agent_orders")[0]["n"] == source[0]
    order = grounded(
        home, "lookup", "--json", "--agent", "support_agent", "agent_orders", str(newest[0])
    ).envelope()["data"]["rows"][0]
    assert order["status"] == newest[1].strip().lower()
    hits = grounded(
        home, "search", "--json", "--agent", "catalog_agent", "whistling quokka kettle"
    ).envelope()["data"]["rows"]
    assert hits[0]["key"] == "guides/news-quokka.md"
    deleted = f"select count(*) as n from agent_orders where order_id = {gone[0]}"
    assert ask(home, deleted)[0]["n"] == 0
    documents = "select count(*) as n from agent_knowledge where document_id like '%disk-pressure%'"
    assert ask(home, documents)[0]["n"] == 0
    hits = grounded(
        home, "search", "--json", "--agent", "catalog_agent", "node disk pressure", "--limit", "20"
    ).envelope()["data"]["rows"]
    assert hits and "runbooks/disk-pressure.md" not in {hit["key"] for hit in hits}


def test_a_real_mcp_client_gets_the_rows_of_the_command_line(home: Path) -> None:
    statement = "select ticket_id, subject, body from agent_tickets order by ticket_id limit 20"
    parameters = StdioServerParameters(
        command=COMMAND,
        args=["mcp", "--agent", "support_agent", "--home", str(home)],
        env=environment(home),
        cwd=ROOT,
    )

    async def over_mcp() -> tuple[set[str], list[dict[str, Any]]]:
        async with Client(stdio_client(parameters)) as client:
            listed = await client.list_tools()
            answer = await client.call_tool("execute_sql", {"sql": statement})
            assert answer.structured_content is not None
            return {tool.name for tool in listed.tools}, answer.structured_content["data"]["rows"]

    names, rows = anyio.run(over_mcp)
    assert names == {
        "list_tables",
        "describe_table",
        "execute_sql",
        "lookup",
        "search",
        "check_freshness",
        "get_lineage",
    }
    assert rows == ask(home, statement)


def test_a_source_that_is_down_fails_alone_and_the_rest_is_published(home: Path) -> None:
    before = grounded(home, "snapshots", "--json").lines()[0]["snapshot_id"]
    done = grounded(
        home,
        "run",
        SOURCES__HELPDESK__URL="http://127.0.0.1:9",
        SOURCES__HELPDESK__TOKEN="none",
        GROUNDED_PRIVACY_KEY=(home / "secrets" / "privacy_key").read_text(encoding="ascii"),
    )
    assert done.status == 1
    told = [line for line in done.err.splitlines() if line.startswith("failed: ")]
    assert told == [told[0]]
    assert told[0].startswith("failed: source helpdesk: 127.0.0.1:9")
    assert "what was loaded up to 20" in told[0] and "is still served, " in told[0]
    assert grounded(home, "snapshots", "--json").lines()[0]["snapshot_id"] != before
    ages = {
        row["table"]: row["age_s"]
        for row in grounded(
            home,
            "sql",
            "--json",
            "--agent",
            "support_agent",
            "select (select count(*) from agent_tickets), (select count(*) from agent_orders)",
        ).envelope()["meta"]["freshness"]
    }
    assert ages["agent_tickets"] > ages["agent_orders"]
    status = grounded(home, "status")
    assert "127.0.0.1:9" in status.out


@pytest.mark.thorough
def test_killed_while_publishing_the_old_snapshot_answers_and_the_next_run_publishes(
    home: Path,
) -> None:
    before = grounded(home, "snapshots", "--json").lines()[0]["snapshot_id"]
    assert grounded(home, "demo", "traffic").status == 0
    building = home / "published" / "building"
    run = warm().start(["run"], environment(home))
    while run.poll() is None and not any(building.rglob("*.duckdb")):
        pass
    assert run.poll() is None, "the run ended before it could be killed"
    run.kill()

    assert grounded(home, "snapshots", "--json").lines()[0]["snapshot_id"] == before
    assert ask(home, "select count(*) as n from agent_orders")[0]["n"] > 0
    assert grounded(home, "run").status == 0
    assert grounded(home, "snapshots", "--json").lines()[0]["snapshot_id"] != before
    assert list(building.iterdir()) == []


def test_a_rollback_answers_from_the_older_snapshot(home: Path) -> None:
    listed = [line["snapshot_id"] for line in grounded(home, "snapshots", "--json").lines()]
    rolled = grounded(home, "rollback", "--json").lines()[0]["snapshot_id"]
    assert rolled == listed[1]
    meta = grounded(
        home, "sql", "--json", "--agent", "catalog_agent", "select 1 as one from agent_products"
    ).envelope()["meta"]
    assert meta["snapshot_id"] == rolled


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sql", "--agent", "nobody", "select 1"], "declare it as an exposure"),
        (["sql", "--agent", "support_agent"], "Missing argument"),
        (
            ["lookup", "--agent", "support_agent", "agent_orders", "x", "--key", "colour"],
            "use order_id",
        ),
        (["search", "--agent", "support_agent", "x", "--filter", "status"], "column=value"),
        (["rollback", "20200101T000000Z-000000"], "grounded snapshots"),
        (["run", "--source", "shopp"], "there are shop, helpdesk, runbooks"),
        (["token", "nobody"], "nobody"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_status_2(
    home: Path, arguments: list[str], told: str
) -> None:
    done = grounded(home, *arguments)
    assert done.status == 2
    assert told in done.err
    assert "Traceback" not in done.err and len(done.err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", [["sql", "--agent", "a", "select 1"], ["snapshots"], ["serve"]])
def test_before_the_first_run_every_command_says_what_to_type(
    tmp_path: Path, command: list[str]
) -> None:
    done = grounded(tmp_path, *command)
    assert done.status == 2
    assert "grounded run" in done.err and "Traceback" not in done.err
