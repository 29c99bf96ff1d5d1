"""A person is erased from a whole pipeline, killed at every step of it, and stays erased."""

import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from ingestion.demo import canary, find
from orchestration.erasure.receipts import receipts_folder
from serving import connect
from serving.audit import audit_folder, verify
from serving.envelope import Answer
from tests.grounded import Done, grounded
from tests.homes import home_of
from tests.test_end_to_end import published_cells

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(1500)]
WHO = ("forget", "shop.customers", str(canary.CUSTOMER_ID))
VALUES = [*canary.VALUES, canary.PHONE.replace(" ", "")]
STEPS = 8


@dataclass(frozen=True)
class Erased:
    """A home after an erasure, and what was known before it."""

    home: Path
    receipt: dict[str, Any]
    before: list[str]
    customer_key: str
    kills: int


def killed(home: Path, at: int) -> Done:
    """Type the erasure and die as the journal is written for the ``at``-th time; 0 is never."""
    told = ("--reason", "request 7", "--by", "officer", "--json")
    return grounded(home, *WHO, *told, die_at=("erasure/journal.json", at))


@pytest.fixture(scope="module")
def erased(first_run: Path) -> Iterator[Erased]:
    """The demo's canary is erased; each step is killed after it was done and before it was told."""
    with home_of(first_run) as home:
        before = [line["snapshot_id"] for line in grounded(home, "snapshots", "--json").lines()]
        with connect(home, "support_agent") as agent:
            answer = agent.lookup("agent_tickets", value=canary.TICKET_ID)
            assert isinstance(answer, Answer)
            customer_key = str(answer.data.rows[0]["customer_key"])
            agent.lookup("agent_customers", value=customer_key)
            agent.search(f"where is {canary.FULL_NAME}")
            assert any(c in all_bytes(home) for c in (customer_key.encode(), b"Quillfeather"))
            # What we did not make, such as somebody's export, is found and not deleted.
            (home / "export.csv").write_text(f"1,{canary.FULL_NAME.upper()}\n", encoding="utf-8")
            kills, ended = 0, killed(home, 1)
            while ended.status == -signal.SIGKILL and kills < 2 * STEPS:
                kills += 1
                ended = killed(home, 2)
            assert ended.status == 1, ended.err
            found = json.loads(ended.out.splitlines()[-1])["receipt"]
            assert not found["complete"]
            assert {hit["privacy"] for hit in found["search"]["hits"]} == {"name"}
            assert all(hit["place"].startswith("export.csv") for hit in found["search"]["hits"])
            (home / "export.csv").unlink()
            ended = killed(home, 0)
            assert ended.status == 0, ended.err
        receipt = json.loads(ended.out.splitlines()[-1])["receipt"]
        yield Erased(home, receipt, before, customer_key, kills)


def ours(home: Path) -> list[Path]:
    """Every file of the home that is not the demo's upstream."""
    files = (path for path in home.rglob("*") if path.is_file())
    return [path for path in files if path.relative_to(home).parts[0] != "demo"]


def all_bytes(home: Path) -> bytes:
    """What all of them hold."""
    return b"\n".join(path.read_bytes() for path in ours(home))


def cells(home: Path) -> Iterator[str]:
    """Every row of the warehouse and of what is published."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables"
        ).fetchall()
        assert ("shop", "customers") in tables and ("marts", "fct_tickets") in tables
        for schema, table in tables:
            for row in connection.execute(f'from "{schema}"."{table}"').fetchall():
                yield str(row)
    yield from published_cells(home)


def assert_no_trace(home: Path, *more: str) -> None:
    """None of the person's values is in any byte or cell of ours."""
    values = [*VALUES, *more]
    found = all_bytes(home).lower()
    assert [value for value in values if value.lower().encode() in found] == []
    rows = [row.lower() for row in cells(home)]
    assert len(rows) > 1_000
    assert [value for value in values if any(value.lower() in row for row in rows)] == []


def test_killed_at_every_step_the_same_command_finishes(erased: Erased) -> None:
    assert erased.kills >= STEPS
    assert erased.receipt["complete"] and erased.receipt["search"]["hits"] == []
    assert not (erased.home / "erasure" / "journal.json").exists()


def test_the_receipt_says_what_was_done_and_holds_nothing_personal(erased: Erased) -> None:
    told = erased.receipt
    assert (told["asked_by"], told["reason"]) == ("officer", "request 7")
    assert told["rows_removed"]["shop.customers"] == 1
    assert (
        told["rows_removed"]["helpdesk.tickets"] >= 1 and told["rows_removed"]["helpdesk.comments"]
    )
    assert told["rows_emptied"]["shop.orders"] >= 1
    assert set(erased.before) <= set(told["snapshots_deleted"]) and not told["snapshots_forced"]
    assert told["audit_arguments_erased"] >= 1
    assert told["warehouse"]["bytes_after"] > 0 and told["warehouse"]["seconds"] > 0
    listed = grounded(erased.home, "forget", "--list", "--json")
    assert listed.status == 0 and listed.lines()[-1] == {"intact": True, "problems": []}
    assert [line["complete"] for line in listed.lines()[:-1]] == [False, True]
    assert {line["erasure_id"] for line in listed.lines()[:-1]} == {told["erasure_id"]}


def test_no_byte_of_the_person_is_left_and_nobody_else_is_gone(erased: Erased) -> None:
    assert_no_trace(erased.home, erased.customer_key)
    with duckdb.connect(str(erased.home / "warehouse.duckdb"), read_only=True) as connection:
        customers, orders = (
            connection.execute(f"select count(*) from shop.{name}").fetchall()[0][0]
            for name in ("customers", "orders")
        )
    demo = find(erased.home)
    assert demo is not None
    with psycopg.connect(demo.shop_url) as source:
        at_source = source.execute("select count(*) from customers").fetchone()
    assert at_source is not None and customers == at_source[0] - 1 and orders > 100


def test_the_audit_log_is_intact_without_the_arguments(erased: Erased) -> None:
    report = verify(erased.home)
    assert report.is_intact and report.erased >= 1
    assert report.records > report.erased
    written = b"".join(path.read_bytes() for path in audit_folder(erased.home).glob("*.jsonl"))
    assert erased.customer_key.encode() not in written


def test_older_snapshots_are_gone_and_the_newest_answers(erased: Erased) -> None:
    left = [line["snapshot_id"] for line in grounded(erased.home, "snapshots", "--json").lines()]
    assert not set(left) & set(erased.before)
    found = grounded(
        erased.home, "lookup", "--json", "--agent", "support_agent", "agent_tickets",
        str(canary.TICKET_ID),
    ).envelope()  # fmt: skip
    assert found["data"]["rows"] == []


def test_asked_twice_it_tells_the_receipt_of_the_first(erased: Erased) -> None:
    again = grounded(erased.home, *WHO, "--reason", "again", "--json")
    assert again.status == 0
    told = again.lines()[-1]
    assert told["already_done"] and told["receipt"]["erasure_id"] == erased.receipt["erasure_id"]


def test_a_comparison_a_reload_and_a_first_load_from_nothing_do_not_bring_her_back(
    erased: Erased,
) -> None:
    compared = grounded(erased.home, "source", "reconcile", "helpdesk", "--json")
    assert compared.status == 0
    assert {name: table["missing"] for name, table in compared.lines()[-1]["tables"].items()} == {
        "tickets": 0,
        "comments": 0,
    }
    reloaded = grounded(erased.home, "source", "reload", "helpdesk", "--json")
    assert reloaded.status == 0, reloaded.err
    assert reloaded.lines()[-1]["tables"]["tickets"]["withheld"] > 0
    (erased.home / "warehouse.duckdb").unlink()
    shutil.rmtree(erased.home / "dlt")
    done = grounded(erased.home, "run")
    assert done.status == 0, done.err
    assert_no_trace(erased.home, erased.customer_key)


def test_an_edited_receipt_is_found(erased: Erased, tmp_path: Path) -> None:
    shutil.copytree(receipts_folder(erased.home), receipts_folder(tmp_path))
    (day,) = receipts_folder(tmp_path).glob("*.jsonl")
    day.write_text(day.read_text().replace('"officer"', '"nobody"'))
    listed = grounded(tmp_path, "forget", "--list")
    assert listed.status == 1 and "edited" in listed.out


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing was done yet; what a refused command compiles stays."""
    return tmp_path_factory.mktemp("empty")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["shop.customer", "1", "--reason", "x"], "no table shop.customer; people are in shop."),
        (["shop.products", "1", "--reason", "x"], "write `subject: {person: <kind>, key: id}`"),
        (["helpdesk.tickets", "1", "--reason", "x"], "grounded forget shop.customers <id>"),
        (["shop.customers", "1", "2", "--reason", "x"], "the key of shop.customers is id"),
        (["shop.customers", "1"], "--reason is missing"),
        ([], "name the person"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_changes_nothing(
    empty: Path, arguments: list[str], told: str
) -> None:
    done = grounded(empty, "forget", *arguments)
    assert done.status == 2 and told in done.err
    assert "Traceback" not in done.err and len(done.err.strip().splitlines()) == 1
    assert not (empty / "erasure").exists()


def test_without_a_privacy_key_nothing_is_erased(empty: Path) -> None:
    own = {"SOURCES__SHOP__URL": "postgresql://nowhere.invalid/x"}
    done = grounded(empty, "forget", "shop.customers", "1", "--reason", "x", **own)
    assert done.status == 2 and "GROUNDED_PRIVACY_KEY is " in done.err
    assert not (empty / "erasure").exists()


def test_a_person_who_is_not_there_is_kept_out_from_now_on(tmp_path: Path) -> None:
    done = grounded(tmp_path, "forget", "shop.customers", "4711", "--reason", "early")
    assert done.status == 0, done.err
    assert "raw held no such person; if a source sends her, she is kept out" in done.out
    assert (tmp_path / "erasure" / "marks.jsonl").stat().st_size > 0
