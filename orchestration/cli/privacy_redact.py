"""``grounded privacy redact``: anyone's texts through the redaction of the agent views.

FILE.jsonl -> text of each line -> privacy.redact -> the line with its redacted text
"""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.progress import Progress

from orchestration.errors import SettingsError

_BATCH = 1_000
_CLASSES = {"name": "names", "email": "emails", "phone": "phones", "address": "addresses"}

Line = dict[str, Any]


def redact(
    file: Annotated[Path, typer.Argument(help="JSON Lines, each with a `text`; `-` is stdin.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; stdout without it.")
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(
            "--known",
            help="People to hide by name: JSON Lines of name, email, phone, address.",
        ),
    ] = None,
) -> None:
    """Hide personal data in the `text` of each line as agent views hide it; writes `redacted`."""
    from orchestration.redaction import NOBODY, KnownPeople, Redactor

    project = Path(__file__).resolve().parents[2] / "dbt_project"
    people = KnownPeople(**_known_values(known)) if known else NOBODY
    if output and output.resolve() == file.resolve():
        raise SettingsError("The output is the input: write to another file with -o.")
    with ExitStack() as stack:
        lines = _lines(_opened(file, stack), file)
        target = stack.enter_context(output.open("w", encoding="utf-8")) if output else sys.stdout
        redactor = stack.enter_context(Redactor(project))
        progress = stack.enter_context(Progress(transient=True, disable=not sys.stderr.isatty()))
        task = progress.add_task("texts redacted", total=None)
        while batch := list(islice(lines, _BATCH)):
            texts = redactor.redact([line["text"] for line in batch], people)
            for line, text in zip(batch, texts, strict=True):
                target.write(json.dumps(line | {"redacted": text}, ensure_ascii=False) + "\n")
            progress.update(task, advance=len(batch))


def _opened(file: Path, stack: ExitStack) -> TextIO:
    if str(file) == "-":
        return sys.stdin
    try:
        return stack.enter_context(file.open(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from error


def _lines(opened: TextIO, file: Path) -> Iterator[Line]:
    """Yield each line's object; raises SettingsError with the number of a line that has no text."""
    for number, written in enumerate(_decoded(opened, file), start=1):
        if not written.strip():
            continue
        line = _object(written, f"Line {number} of {file}")
        if not isinstance(line.get("text"), str):
            raise SettingsError(f"Line {number} of {file} has no string `text`.")
        if any("\ud800" <= sign <= "\udfff" for sign in line["text"]):
            raise SettingsError(f"Line {number} of {file} has half a surrogate pair in `text`.")
        yield line


def _decoded(opened: TextIO, file: Path) -> Iterator[str]:
    try:
        yield from opened
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not UTF-8: byte {error.start} of a line.") from error


def _object(written: str, where: str) -> Line:
    try:
        line = json.loads(written)
    except json.JSONDecodeError as error:
        # Not chained: the error quotes the line.
        raise SettingsError(f"{where} is not JSON (character {error.colno}).") from None
    if not isinstance(line, dict):
        raise SettingsError(f"{where} is no JSON object.")
    return line


def _known_values(file: Path) -> dict[str, list[str]]:
    """Return the values of a file of people by class; raises SettingsError."""
    values: dict[str, list[str]] = {field: [] for field in _CLASSES.values()}
    with ExitStack() as stack:
        for number, written in enumerate(_decoded(_opened(file, stack), file), start=1):
            person = _object(written, f"Line {number} of {file}") if written.strip() else {}
            unknown = sorted(set(person) - set(_CLASSES))
            if unknown:
                raise SettingsError(
                    f"Line {number} of {file} has unknown fields; known are {', '.join(_CLASSES)}."
                )
            for name, field in _CLASSES.items():
                if isinstance(person.get(name), str):
                    values[field].append(person[name])
    return values
