"""What a failed load says: what, since when, what is still served and how old it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingestion.errors import SourceFailed
from ingestion.load import load_source
from ingestion.spec import SourceSpec
from ingestion.status import source_states
from tests.ingestion.conftest import StoppedClock
from tests.log_capture.conftest import Declare

FILES = {"kind": "files", "tables": {"items": {"glob": "*.md"}}}


@pytest.fixture
def spec(declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SourceSpec:
    """A source that was loaded once, a day and an hour ago, and whose folder is gone since."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.md").write_text("a")
    monkeypatch.setenv("SOURCES__OWN__URL", str(folder))
    declared = declare(FILES)
    then = datetime.now(UTC) - timedelta(hours=25, minutes=1)
    with monkeypatch.context() as earlier:
        earlier.setattr("ingestion.load.datetime", StoppedClock(then))
        load_source("own", declared, tmp_path)
    folder.rename(tmp_path / "moved")
    return declared


def fail(spec: SourceSpec, home: Path) -> str:
    """What a failing load says."""
    with pytest.raises(SourceFailed) as told:
        load_source("own", spec, home)
    return str(told.value)


def test_a_failed_load_says_since_when_and_how_old_what_is_served_is(
    spec: SourceSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with monkeypatch.context() as earlier:
        earlier.setattr("ingestion.failures.datetime", StoppedClock(first))
        assert "failing since 2026-03-01 12:00 UTC (the last load)" in fail(spec, tmp_path)
    told = fail(spec, tmp_path)
    assert "there is no folder" in told
    assert "failing since 2026-03-01 12:00 UTC (2 loads in a row)" in told
    assert "is still served, 25 h 1 min old" in told
    (state,) = source_states({"own": spec}, tmp_path)
    assert state.last_failure is not None and "2 loads in a row" in state.last_failure


def test_a_load_that_succeeds_ends_the_row_of_failures(spec: SourceSpec, tmp_path: Path) -> None:
    fail(spec, tmp_path)
    (tmp_path / "moved").rename(tmp_path / "files")
    load_source("own", spec, tmp_path)
    (state,) = source_states({"own": spec}, tmp_path)
    assert state.last_failure is None
    (tmp_path / "files").rename(tmp_path / "moved")
    assert "(the last load)" in fail(spec, tmp_path)


def test_a_note_that_was_half_written_stops_no_load(spec: SourceSpec, tmp_path: Path) -> None:
    fail(spec, tmp_path)
    note = tmp_path / "dlt" / "own.failure"
    note.write_text(note.read_text()[:20])
    assert "(the last load)" in fail(spec, tmp_path)


def test_what_nobody_foresaw_is_told_by_what_began_it_and_not_by_its_words(
    spec: SourceSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(pipeline: object) -> None:
        try:
            raise duckdb.OutOfMemoryException("could not sort 'ann@example.com'")
        except duckdb.Error as error:
            raise RuntimeError("a step failed for 'ann@example.com'") from error

    (tmp_path / "moved").rename(tmp_path / "files")
    monkeypatch.setattr("ingestion.load.dlt.Pipeline.load", run_out)
    told = fail(spec, tmp_path)
    assert "RuntimeError after OutOfMemoryException while reading" in told
    assert "ann" not in told
