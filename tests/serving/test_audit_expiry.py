"""Old days can go, and what is left still proves that nothing else did."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serving.audit import AuditLog, Entry, audit_folder, calls, expire, verify
from serving.errors import ServingError

TODAY = datetime.now(UTC).date().isoformat()
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


def append(home: Path, count: int) -> None:
    log = AuditLog(home)
    for number in range(count):
        log.append(Entry(query_id=f"q{number}", agent="a", surface="python", tool="lookup"))
    log.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A log of three old days with two calls each, and one of today with three."""
    head = audit_folder(tmp_path) / "head"
    for day in DAYS:
        append(tmp_path, 2)
        today = audit_folder(tmp_path) / f"{TODAY}.jsonl"
        today.rename(today.with_stem(day))
        head.write_bytes(head.read_bytes().replace(TODAY.encode(), day.encode()))
    append(tmp_path, 3)
    return tmp_path


def days(home: Path) -> list[str]:
    return sorted(path.stem for path in audit_folder(home).glob("*.jsonl"))


def keep_from(day: str) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(day).replace(tzinfo=UTC)


def test_older_days_go_and_the_rest_stays_proven(home: Path) -> None:
    assert expire(home, keep_from("2026-01-03")) == ["2026-01-01", "2026-01-02"]
    assert days(home) == ["2026-01-03", TODAY]
    report = verify(home)
    assert report.is_intact
    assert (report.expired, report.records) == (4, 2 + 3 + 1)
    append(home, 1)
    assert expire(home, timedelta(days=1)) == ["2026-01-03"]
    assert verify(home).is_intact
    assert verify(home).expired == 6
    assert len(list(calls(home))) == 4


def test_nothing_old_leaves_the_log_untouched(home: Path) -> None:
    before = verify(home)
    assert expire(home, timedelta(days=10_000)) == []
    assert verify(home) == before


def test_today_never_goes(home: Path) -> None:
    expire(home, timedelta(days=-5))
    assert days(home) == [TODAY]
    assert verify(home).is_intact


def test_a_log_that_was_idle_for_long_can_expire_as_a_whole(home: Path) -> None:
    (audit_folder(home) / f"{TODAY}.jsonl").rename(audit_folder(home) / "2026-01-04.jsonl")
    head = audit_folder(home) / "head"
    head.write_bytes(head.read_bytes().replace(TODAY.encode(), b"2026-01-04"))
    assert len(expire(home, timedelta(days=1))) == 4
    report = verify(home)
    assert (report.is_intact, report.expired, report.records) == (True, 9, 1)


@pytest.mark.parametrize("gone", [("2026-01-01",), ("2026-01-01", "2026-01-02"), ("2026-01-02",)])
def test_a_day_that_was_removed_by_hand_is_found(home: Path, gone: tuple[str, ...]) -> None:
    for day in gone:
        (audit_folder(home) / f"{day}.jsonl").unlink()
    assert not verify(home).is_intact


def test_a_day_that_was_removed_after_an_expiry_is_found_too(home: Path) -> None:
    expire(home, keep_from("2026-01-02"))
    (audit_folder(home) / "2026-01-02.jsonl").unlink()
    assert "no checkpoint" in verify(home).problems[0]


def test_a_checkpoint_that_was_made_up_breaks_the_chain(home: Path) -> None:
    expire(home, keep_from("2026-01-02"))
    path = audit_folder(home) / f"{TODAY}.jsonl"
    lines = path.read_text().splitlines()
    checkpoint = json.loads(lines[-1])["checkpoint"]
    (audit_folder(home) / "2026-01-02.jsonl").unlink()
    path.write_text("\n".join(lines).replace('"2026-01-01"', '"2026-01-02"') + "\n")
    assert list(checkpoint) == ["2026-01-01"]
    assert not verify(home).is_intact


@pytest.mark.parametrize("left", [1, 2, 3])
def test_killed_between_the_checkpoint_and_the_last_removal_it_is_finished_later(
    home: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    removals, unlink = [], Path.unlink

    def dies(path: Path, missing_ok: bool = False) -> None:
        if len(removals) == 3 - left:
            raise KeyboardInterrupt
        removals.append(path)
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", dies)
        expire(home, timedelta(days=1))
    assert len(days(home)) == left + 1
    assert verify(home).is_intact
    append(home, 1)
    expire(home, timedelta(days=1))
    assert days(home) == [TODAY]
    assert verify(home).is_intact


def test_a_log_that_was_tampered_with_keeps_its_evidence(home: Path) -> None:
    path = audit_folder(home) / "2026-01-01.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"agent":"a"', b'"agent":"b"'))
    with pytest.raises(ServingError, match="not intact"):
        expire(home, timedelta(days=1))
    assert days(home) == [*DAYS, TODAY]


def test_an_end_that_was_noted_proves_that_the_log_was_not_written_anew(home: Path) -> None:
    noted = verify(home).anchor
    append(home, 2)
    assert verify(home, noted).is_intact
    for path in audit_folder(home).iterdir():
        path.unlink()
    append(home, 20)
    assert verify(home).is_intact
    assert "as it was noted" in verify(home, noted).problems[0]


def test_an_end_that_has_expired_since_is_known_by_its_checkpoint(tmp_path: Path) -> None:
    append(tmp_path, 2)
    noted = verify(tmp_path).anchor
    today = audit_folder(tmp_path) / f"{TODAY}.jsonl"
    today.rename(today.with_stem("2026-01-01"))
    expire(tmp_path, timedelta(days=1))
    assert verify(tmp_path, noted).is_intact


def test_a_log_without_its_head_goes_on_after_what_is_there(home: Path) -> None:
    expire(home, keep_from("2026-01-02"))
    (audit_folder(home) / "head").unlink()
    append(home, 1)
    report = verify(home)
    assert report.is_intact
    assert report.last_seq == 2 + 2 + 2 + 3 + 1 + 1
