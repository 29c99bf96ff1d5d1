"""`grounded privacy redact`: a file in, the same lines with `redacted` out, with nothing set up."""

import json
from pathlib import Path

import pytest

from orchestration.cli import run

LINE = {"id": 7, "text": "Ana Silva, jane@example.com, é"}


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return path


def test_each_line_keeps_its_fields_and_gets_its_text_redacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "in.jsonl", LINE, {"text": ""})
    assert run(["privacy", "redact", str(file), "-o", "out.jsonl"]) == 0
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert written == [
        LINE | {"redacted": "Ana Silva, <EMAIL>, é"},
        {"text": "", "redacted": ""},
    ]
    assert run(["privacy", "redact", str(file)]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == written


def test_known_people_are_hidden_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "in.jsonl", LINE)
    people = write(tmp_path / "people.jsonl", {"name": "Ana Silva", "phone": None}, {"email": "x"})
    assert run(["privacy", "redact", str(file), "--known", str(people)]) == 0
    assert json.loads(capsys.readouterr().out)["redacted"] == "<PERSON_1>, <EMAIL>, é"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"text": "a"}\n{"body": "jane@example.com"}\n', "Line 2 of {} has no string `text`."),
        (b'{"text": "a"}\n\n{"text": jane\n', "Line 3 of {} is not JSON (character 10)."),
        (b'["jane"]\n', "Line 1 of {} is no JSON object."),
        (b'{"text": 7}\n', "Line 1 of {} has no string `text`."),
        (b'{"text": "\\ud800"}\n', "Line 1 of {} has half a surrogate pair in `text`."),
        (b'{"text": "\xff"}\n', "{} is not UTF-8"),
    ],
)
def test_a_line_that_cannot_be_redacted_is_told_by_its_number_and_not_quoted(
    content: bytes, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(content)
    assert run(["privacy", "redact", str(file), "-o", str(tmp_path / "out.jsonl")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(told.format(file))
    assert "jane" not in error


def test_a_file_is_not_written_over_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "in.jsonl", LINE)
    assert run(["privacy", "redact", str(file), "-o", str(file)]) == 2
    assert "another file" in capsys.readouterr().err
    assert json.loads(file.read_text()) == LINE


def test_a_file_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["privacy", "redact", str(tmp_path / "none.jsonl")]) == 2
    assert "cannot be read" in capsys.readouterr().err
