"""Several processes search what one does: nothing is lost, and a helper's end loses nothing."""

import json
import os
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from serving.leak_scan import helpers
from serving.leak_scan.report import ScanReport
from serving.leak_scan.rules import ScanRule
from serving.leak_scan.scan import scan
from serving.leak_scan.targets import Rows, Target
from serving.leak_scan.values import PersonalValues, ValueColumn

EMAIL = "zoe.quokka@example.org"
FILES = 40
ROWS = 45_000
VALUES = PersonalValues(
    (
        ValueColumn("shop.customers.email", "email", [EMAIL]),
        ValueColumn("shop.customers.full_name", "name", ["Zoë Quokkasdóttir"]),
        ValueColumn(
            "shop.customers.city",
            "address",
            ["Wombat City"],
            ScanRule(search="never", because="a city"),
        ),
    )
)
# Takes what is looked for and one file, and then its end comes.
DIES_EARLY = """
import pickle, sys
pickle.load(sys.stdin.buffer)
pickle.load(sys.stdin.buffer)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of some kinds and sizes: every third has an e-mail, one is torn."""
    for number in range(FILES):
        text = f"to {EMAIL}, sincerely" if number % 3 == 0 else "to nobody"
        (tmp_path / f"{number:02}.log").write_text("x\n" * number * 1_000 + text, encoding="utf-8")
    rows = [
        (number, "Wombat City" if number % 5_000 == 0 else "elsewhere", "x" * 90)
        if number % 4_999
        else (number, EMAIL, json.dumps({"to": EMAIL}))
        for number in range(ROWS)
    ]
    with duckdb.connect(str(tmp_path / "people.duckdb")) as connection:
        connection.execute("create table people (id integer, city varchar, body varchar)")
        connection.execute("comment on table people is 'Zoë Quokkasdóttir made it'")
        connection.append("people", pd.DataFrame(rows))
    with closing(sqlite3.connect(tmp_path / "people.sqlite")) as lookups, lookups:
        lookups.execute("create table people (id integer primary key, city text, body text)")
        lookups.executemany("insert into people values (?, ?, ?)", rows)
    (tmp_path / "torn.db").write_bytes(b"SQLite format 3\0" + b"\x01" * 900)
    return tmp_path


def searched(folder: Path) -> ScanReport:
    rows = {name: Rows("people", "id") for name in ("people.duckdb", "people.sqlite")}
    return scan(
        [Target(folder, "t", rows=rows)],
        VALUES,
        keys={"privacy key": b"0123456789abcdef-not-a-key"},
    )


def told(report: ScanReport) -> dict[str, object]:
    """What a report tells, but for how long it took."""
    whole = report.as_json()
    return {name: part for name, part in whole.items() if not name.endswith("seconds")}


@pytest.fixture
def with_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(helpers, "WORTH_A_HELPER", 1)


@pytest.fixture
def alone(folder: Path) -> ScanReport:
    """What one process finds."""
    report = searched(folder)
    assert sum(report.counts.values()) > FILES // 3
    assert report.unread == ("t/torn.db",)
    assert sum(report.effects[0].cells.values()) == 2 * (ROWS // 5_000 - 1)
    for kind in ("duckdb", "sqlite"):
        counted = {place: n for (place, _), n in report.counts.items() if kind in place}
        # Each is found by its value and by its form.
        assert counted[f"t/people.{kind}: people.city"] == 2 * (ROWS // 4_999 + 1)
        assert counted[f"t/people.{kind}: people.to"] == 2 * (ROWS // 4_999 + 1)
    return report


@pytest.mark.parametrize("all_by_helpers", [False, True])
def test_helpers_tell_what_one_process_tells(
    folder: Path,
    alone: ScanReport,
    with_helpers: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    all_by_helpers: bool,
) -> None:
    if all_by_helpers:
        monkeypatch.setattr(helpers, "_search", lambda scanner, waiting: None)
    report = searched(folder)
    assert told(report) == told(alone)
    assert not caplog.records
    assert EMAIL not in json.dumps(report.as_json())


@pytest.mark.parametrize(("ends", "least"), [("raise SystemExit(1)", 0), (DIES_EARLY, 2)])
def test_what_a_helper_that_ended_had_taken_is_searched_here(
    folder: Path,
    alone: ScanReport,
    with_helpers: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ends: str,
    least: int,
) -> None:
    search, lead = helpers._search, helpers._lead
    ended, lost = threading.Semaphore(0), []
    is_first = iter([True])

    def led(*given: Any) -> Any:
        try:
            found, taken = lead(*given)
            lost.extend(taken)
            return found, taken
        finally:
            ended.release()

    def after_both(*given: Any) -> None:
        if next(is_first, False):
            assert ended.acquire(timeout=30) and ended.acquire(timeout=30)
        search(*given)

    monkeypatch.setattr(helpers, "_COMMAND", (sys.executable, "-c", ends))
    monkeypatch.setattr(helpers, "_lead", led)
    monkeypatch.setattr(helpers, "_search", after_both)
    report = searched(folder)
    assert told(report) == told(alone)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert len(lost) >= least


def test_a_helper_knows_nothing_from_its_surroundings(
    folder: Path, with_helpers: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    show = f"import os, sys; open({str(shown)!r}, 'a').write(f'{{sys.argv}} {{dict(os.environ)}}')"
    monkeypatch.setenv("A_SECRET", "hunter22")
    monkeypatch.setattr(helpers, "_COMMAND", (sys.executable, "-I", "-c", show))
    searched(folder)
    assert "hunter22" not in shown.read_text() and EMAIL not in shown.read_text()


@pytest.mark.timeout(60)
def test_an_error_while_files_are_searched_ends_helpers_that_are_at_work(
    folder: Path, with_helpers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise MemoryError

    # It hears everything and never answers.
    at_work = "import sys; sys.stdin.buffer.read()"
    monkeypatch.setattr(helpers, "_COMMAND", (sys.executable, "-c", at_work))
    monkeypatch.setattr(helpers.Scanner, "search", failing)
    with pytest.raises(MemoryError):
        searched(folder)
