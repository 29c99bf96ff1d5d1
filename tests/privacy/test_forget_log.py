"""Arguments of the audit log can be erased; nothing else of the chain can change unseen."""

import json
from pathlib import Path

import pytest

from serving.audit import AuditLog, Entry, Erasable, audit_folder, verify
from serving.chain import erase

SECRET = "cus_0123456789abcdef"


def entry(number: int, **arguments: str) -> Entry:
    return Entry(
        query_id=f"q{number}",
        agent="a",
        surface="python",
        tool="lookup",
        columns={"erasable": ["arguments"]},
        erasable=Erasable(arguments=arguments),
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose log has three calls, of which the second names somebody."""
    log = AuditLog(tmp_path)
    for number, value in enumerate(("x", f"é {SECRET}", "y")):
        log.append(entry(number, value=value))
    log.close()
    return tmp_path


def the_file(home: Path) -> Path:
    (path,) = audit_folder(home).glob("*.jsonl")
    return path


def test_erased_arguments_leave_no_byte_and_the_chain_intact(home: Path) -> None:
    size = the_file(home).stat().st_size
    assert erase(audit_folder(home), lambda text: SECRET in text) == 1
    assert SECRET.encode() not in the_file(home).read_bytes()
    assert the_file(home).stat().st_size == size
    report = verify(home)
    assert report.is_intact and (report.records, report.erased) == (3, 1)
    told = [json.loads(line) for line in the_file(home).read_text().splitlines()]
    kept = [line["erasable"] and line["erasable"]["arguments"] for line in told]
    assert kept == [{"value": "x"}, None, {"value": "y"}]
    assert told[1]["salt"].strip("0") == ""


def test_erasing_twice_and_appending_after_it_go_on_with_the_chain(home: Path) -> None:
    log = AuditLog(home)
    log.append(entry(3, value="before"))
    erase(audit_folder(home), lambda text: SECRET in text)
    assert erase(audit_folder(home), lambda text: SECRET in text) == 0
    log.append(entry(4, value="after"))
    log.close()
    assert verify(home).is_intact and verify(home).records == 5


def test_arguments_that_were_changed_and_not_erased_are_found(home: Path) -> None:
    path = the_file(home)
    path.write_bytes(path.read_bytes().replace(b'{"value":"x"}', b'{"value":"z"}'))
    assert not verify(home).is_intact


def test_a_torn_line_that_names_the_person_is_overwritten(home: Path) -> None:
    path = the_file(home)
    with path.open("ab") as file:
        file.write(f'{{"seq":4,"arguments":{{"value":"{SECRET}'.encode())
    assert erase(audit_folder(home), lambda text: SECRET in text) == 2
    assert SECRET.encode() not in path.read_bytes()
    log = AuditLog(home)
    log.append(entry(4, value="after"))
    log.close()
    assert verify(home).is_intact and verify(home).torn_lines == 1
