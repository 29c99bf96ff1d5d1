"""Dagster walks the audit log's chain, and removes what is older than is to be kept."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from orchestration.audit_log import CALLS, CHAIN, audit_checks, audit_schedules
from orchestration.errors import SettingsError
from orchestration.resources import Settings, read_settings
from serving.audit import AuditLog, Entry, audit_folder, verify

TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home whose log has two calls of an old day and one of today; 90 days are kept."""
    log = AuditLog(tmp_path)
    for _ in range(2):
        log.append(Entry(query_id="q", agent="a", surface="python", tool="lookup"))
    old = audit_folder(tmp_path) / f"{TODAY}.jsonl"
    old.rename(old.with_stem("2026-01-01"))
    head = audit_folder(tmp_path) / "head"
    head.write_bytes(head.read_bytes().replace(TODAY.encode(), b"2026-01-01"))
    log.close()
    log.append(Entry(query_id="q", agent="a", surface="python", tool="lookup"))
    log.close()
    return Settings(home=tmp_path, sources={}, webhook_url=None, audit_days=90)


def checked(settings: Settings) -> dg.AssetCheckEvaluation:
    @dg.asset(key=CALLS)
    def calls() -> None:
        """Calls. One row per call."""

    definitions = dg.Definitions(assets=[calls], asset_checks=audit_checks(settings))
    job = definitions.resolve_implicit_global_asset_job_def()
    (evaluation,) = job.execute_in_process().get_asset_check_evaluations()
    assert evaluation.check_name == CHAIN
    return evaluation


def test_an_untouched_log_passes_with_its_end_told(settings: Settings) -> None:
    evaluation = checked(settings)
    assert evaluation.passed
    assert evaluation.metadata["end"].value == verify(settings.home).anchor


def test_an_edited_log_fails_and_names_the_line(settings: Settings) -> None:
    path = audit_folder(settings.home) / "2026-01-01.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"agent":"a"', b'"agent":"b"', 1))
    evaluation = checked(settings)
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert "2026-01-01.jsonl:1" in str(evaluation.metadata["problems"].value)


def test_the_daily_expiry_removes_what_is_older_and_the_rest_stays_proven(
    settings: Settings,
) -> None:
    (schedule,) = audit_schedules(settings)
    assert schedule.job.execute_in_process().success
    assert [path.stem for path in audit_folder(settings.home).glob("*.jsonl")] == [TODAY]
    assert verify(settings.home).is_intact


def test_everything_is_kept_unless_the_environment_says_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROUNDED_AUDIT_DAYS", raising=False)
    assert audit_schedules(read_settings(tmp_path)) == []
    monkeypatch.setenv("GROUNDED_AUDIT_DAYS", "30")
    assert read_settings(tmp_path).audit_days == 30
    for wrong in ("0", "a month", "-1"):
        monkeypatch.setenv("GROUNDED_AUDIT_DAYS", wrong)
        with pytest.raises(SettingsError, match="GROUNDED_AUDIT_DAYS"):
            read_settings(tmp_path)
