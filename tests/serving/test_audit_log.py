import json
import resource
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from serving import chain
from serving.audit import AuditLog, Entry, Erasable, audit_folder, verify

APPEND = """
import sys
from pathlib import Path
from serving.audit import AuditLog, Entry, Erasable
log = AuditLog(Path(sys.argv[1]))
if sys.argv[3] == "together":
    print("ready", flush=True)
    sys.stdin.readline()
for number in range(int(sys.argv[2])):
    log.append(Entry(query_id=f"q{number}", agent="a", surface="python", tool="sql",
                     erasable=Erasable(arguments={"pad": "x" * 200})))
    if sys.argv[3] == "tell":
        print(number, flush=True)
"""
FORK = """
import os, sys
from pathlib import Path
from serving.audit import AuditLog, Entry
log = AuditLog(Path(sys.argv[1]))
entry = Entry(query_id="q", agent="a", surface="python", tool="sql")
log.append(entry)
child = os.fork()
for number in range(1500):
    log.append(entry)
if child == 0:
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


def entry(query_id: str = "q") -> Entry:
    return Entry(
        query_id=query_id,
        agent="support_agent",
        surface="python",
        tool="lookup",
        tables=["agent_orders"],
        rows=1,
        elapsed_ms=0.1,
        snapshot_id="20260102T030405Z-1a2b3c",
        freshness="fresh",
        erasable=Erasable(arguments={"table": "agent_orders"}),
    )


def written(home: Path, count: int) -> Path:
    log = AuditLog(home)
    for number in range(count):
        log.append(entry(f"q{number}"))
    log.close()
    return the_file(home)


def the_file(home: Path) -> Path:
    (path,) = audit_folder(home).glob("*.jsonl")
    return path


def test_an_untouched_log_is_intact(tmp_path: Path) -> None:
    written(tmp_path, 5)
    report = verify(tmp_path)
    assert report.is_intact
    assert (report.records, report.torn_lines) == (5, 0)


def test_no_log_at_all_is_intact_and_empty(tmp_path: Path) -> None:
    assert verify(tmp_path).records == 0


def test_a_reopened_log_goes_on_with_its_chain(tmp_path: Path) -> None:
    written(tmp_path, 2)
    written(tmp_path, 2)
    report = verify(tmp_path)
    assert report.is_intact
    assert report.records == 4


def edit(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b"support_agent", b"another_agent"), *lines[2:]]


def forge(lines: list[bytes]) -> list[bytes]:
    import hashlib

    body = lines[1].replace(b"support_agent", b"another_agent")[: -len(',"hash":""}') - 64]
    digest = hashlib.sha256(body).hexdigest().encode()
    return [lines[0], body + b',"hash":"' + digest + b'"}', *lines[2:]]


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(edit, id="edited"),
        pytest.param(forge, id="edited and hashed again"),
        pytest.param(lambda lines: [lines[0], *lines[2:]], id="removed"),
        pytest.param(lambda lines: lines[1:], id="first removed"),
        pytest.param(lambda lines: lines[:-1], id="last removed"),
        pytest.param(lambda lines: [], id="all removed"),
        pytest.param(lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], id="reordered"),
        pytest.param(lambda lines: [*lines[:2], *lines[1:]], id="doubled"),
        pytest.param(lambda lines: [*lines[:-1], lines[-1][:40]], id="last torn by hand"),
        pytest.param(lambda lines: [lines[0], b"", b"garbage", *lines[1:]], id="added"),
    ],
)
def test_tampering_is_found(tmp_path: Path, tamper: object) -> None:
    path = written(tmp_path, 6)
    lines = path.read_bytes().splitlines()
    changed = tamper(lines)  # type: ignore[operator]
    path.write_bytes(b"".join(line + b"\n" for line in changed))
    assert not verify(tmp_path).is_intact


def test_a_removed_day_is_found(tmp_path: Path) -> None:
    written(tmp_path, 3).unlink()
    assert not verify(tmp_path).is_intact


def test_a_missing_head_is_told(tmp_path: Path) -> None:
    written(tmp_path, 3)
    (audit_folder(tmp_path) / "head").unlink()
    assert "head" in verify(tmp_path).problems[0]


def test_an_append_after_tampering_does_not_hide_it(tmp_path: Path) -> None:
    path = written(tmp_path, 4)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"".join(line + b"\n" for line in lines[:-1]))
    written(tmp_path, 1)
    assert not verify(tmp_path).is_intact


def test_a_torn_line_is_tolerated_told_and_closed_off(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    with path.open("ab") as stream:
        stream.write(b'{"seq":4,"time":"2026')
    assert verify(tmp_path).is_intact
    assert verify(tmp_path).torn_lines == 1
    written(tmp_path, 2)
    report = verify(tmp_path)
    assert report.is_intact
    assert (report.records, report.torn_lines) == (5, 1)


def test_two_kills_in_a_row_leave_a_chain_that_goes_on(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    with path.open("ab") as stream:
        stream.write(b'{"seq":4,"ti\n{"seq":4,"time":"20')
    written(tmp_path, 1)
    report = verify(tmp_path)
    assert report.is_intact
    assert (report.records, report.torn_lines) == (4, 2)


def test_a_kill_between_line_and_head_loses_no_record(tmp_path: Path) -> None:
    written(tmp_path, 3)
    head = (audit_folder(tmp_path) / "head").read_bytes()
    written(tmp_path, 1)
    (audit_folder(tmp_path) / "head").write_bytes(head)
    assert verify(tmp_path).is_intact
    written(tmp_path, 1)
    report = verify(tmp_path)
    assert report.is_intact
    assert report.records == 5


def test_a_chain_goes_on_over_midnight_and_over_a_clock_set_back(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    head = audit_folder(tmp_path) / "head"
    for day in ("2020-01-01", "2999-12-31"):
        renamed = path.with_name(f"{day}.jsonl")
        path.rename(renamed)
        head.write_bytes(head.read_bytes().replace(path.stem.encode(), day.encode()))
        path = renamed
        written_again = AuditLog(tmp_path)
        written_again.append(entry())
        written_again.close()
        assert verify(tmp_path).is_intact
        path = sorted(audit_folder(tmp_path).glob("*.jsonl"))[-1]
    assert path.stem == "2999-12-31"
    assert verify(tmp_path).records == 5


def test_a_torn_end_of_yesterday_is_told_today(tmp_path: Path) -> None:
    path = written(tmp_path, 2)
    yesterday = path.with_name("2020-01-01.jsonl")
    path.rename(yesterday)
    head = audit_folder(tmp_path) / "head"
    head.write_bytes(head.read_bytes().replace(path.stem.encode(), b"2020-01-01"))
    with yesterday.open("ab") as stream:
        stream.write(b'{"seq":3,')
    log = AuditLog(tmp_path)
    log.append(entry())
    log.close()
    report = verify(tmp_path)
    assert report.is_intact
    assert (report.records, report.torn_lines, report.files) == (3, 1, 2)


def test_threads_and_processes_append_to_one_chain(tmp_path: Path) -> None:
    command = [sys.executable, "-c", APPEND, str(tmp_path), "2000", "together"]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe) for _ in range(3)]
    log = AuditLog(tmp_path)
    threads = [
        threading.Thread(target=lambda: [log.append(entry()) for _ in range(200)]) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    log.close()
    report = verify(tmp_path)
    assert report.is_intact
    assert report.records == 3 * 2_000 + 4 * 200


def test_a_killed_process_keeps_every_call_that_it_had_answered(tmp_path: Path) -> None:
    told = 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", APPEND, str(tmp_path), "100000", "tell"],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        told += 20 + len(process.stdout.read().splitlines())
        process.stdout.close()
        process.wait()
    written(tmp_path, 1)
    report = verify(tmp_path)
    assert report.is_intact
    assert report.records >= told + 1


def test_a_disk_that_is_full_in_the_middle_of_a_line_leaves_a_chain_that_goes_on(
    tmp_path: Path,
) -> None:
    size = written(tmp_path, 2).stat().st_size
    log = AuditLog(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(OSError):
            log.append(entry("never answered"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert the_file(tmp_path).stat().st_size == size + 100
    log.append(entry("answered"))
    log.close()
    report = verify(tmp_path)
    assert report.is_intact
    assert (report.records, report.torn_lines) == (3, 1)


def test_a_forked_child_does_not_share_its_parents_lock(tmp_path: Path) -> None:
    # In a process of its own: this one has threads, which a fork would break.
    subprocess.run([sys.executable, "-c", FORK, str(tmp_path)], check=True)
    report = verify(tmp_path)
    assert report.is_intact
    assert report.records == 3_001


def test_the_log_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = written(tmp_path, 1)
    assert path.stat().st_mode & 0o077 == 0
    assert audit_folder(tmp_path).stat().st_mode & 0o077 == 0
    record = json.loads(path.read_text())
    assert record["tool"] == "lookup"


def test_a_process_that_was_set_back_goes_on_in_the_later_day_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind, ahead = AuditLog(tmp_path), AuditLog(tmp_path)
    behind.append(entry("first"))

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(days=1)

    with monkeypatch.context() as patched:
        patched.setattr(chain, "datetime", Tomorrow)
        ahead.append(entry("second"))
    behind.append(entry("third"))
    ahead.append(entry("fourth"))
    for log in (behind, ahead):
        log.close()
    report = verify(tmp_path)
    assert report.is_intact
    assert (report.records, report.files) == (4, 2)
