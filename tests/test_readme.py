"""What the README says is what happens: its commands run, its transcript is true."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.demo import down
from serving.errors import ErrorCode
from tests.benchmarks.summary import ROWS
from tests.grounded import COMMAND, ROOT, environment, grounded
from tests.servers import server_folder

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFUSED = ("UNKNOWN_TABLE", "READONLY_VIOLATION")


def transcripts() -> list[tuple[str, list[str]]]:
    """Every command of the README with the lines that it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


COMMANDS = [(command, told) for command, told in transcripts() if command.startswith("grounded ")]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home after `make run` at full scale, whose rows the transcript shows."""
    with server_folder() as folder:
        done = grounded(folder, "run")
        assert done.status == 0, done.err
        yield folder
        down(folder)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize(
    "target", [c.split()[1] for c, _ in transcripts() if c.startswith("make ")]
)
def test_every_make_target_exists(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize(("command", "told"), [c for c in COMMANDS if c[1]])
def test_a_transcript_is_what_the_command_prints(home: Path, command: str, told: list[str]) -> None:
    done = grounded(home, *shlex.split(command)[1:])
    refused = told[0].startswith(REFUSED)
    assert done.status == (2 if refused else 0), done.err
    if told[0].startswith("{"):
        answer = json.loads(done.out)
        assert answer["data"]["rows"][0]["body"].endswith("in the morning.\n\nThanks, <PERSON_1>")
        sources = answer["meta"]["sources"]
        assert [source["table"] for source in sources] == [
            "helpdesk.comments",
            "helpdesk.tickets",
            "shop.customers",
        ]
        assert all(source["load_id"] for source in sources)
        return
    printed = [line.split() for line in (done.err if refused else done.out).splitlines()]
    for line in told:
        words = line.replace("...", "").split()
        assert any(got[: len(words)] == words or set(words) <= set(got) for got in printed), line


@pytest.mark.thorough
@pytest.mark.parametrize("command", [c for c, told in COMMANDS if not told and "serve" not in c])
def test_every_other_command_runs(home: Path, command: str) -> None:
    done = grounded(home, *shlex.split(command)[1:])
    assert done.status == 0, done.err


@pytest.mark.thorough
def test_the_http_example_answers(home: Path) -> None:
    token = grounded(home, "token", "support_agent").out.strip()
    curl = next(c for c, _ in transcripts() if c.startswith("curl "))
    server = subprocess.Popen(
        [COMMAND, "serve", "--port", "0"],
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = next(
            match[0]
            for line in server.stdout
            if (match := re.search(r"http://127\.0\.0\.1:\d+", line))
        )
        done = subprocess.run(
            ["bash", "-c", curl.replace("http://127.0.0.1:8787", address)],
            env={**os.environ, "TOKEN": token},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
    assert json.loads(done.stdout)["success"] is True


@pytest.mark.thorough
def test_the_python_example_runs(home: Path, tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    (tmp_path / "data").symlink_to(home)
    done = subprocess.run(
        [sys.executable, "-c", example[1]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "revenue" in done.stdout and "fresh" in done.stdout


def test_the_mcp_configuration_is_a_command_that_exists() -> None:
    example = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert example is not None
    server = json.loads(example[1])["mcpServers"]["grounded"]
    assert server["command"].endswith(".venv/bin/grounded")
    assert grounded(Path(), *server["args"][:1], "--help").status == 0


def test_the_table_of_figures_has_the_lines_that_the_suite_prints() -> None:
    table = re.search(r"\| \| Grounded \| beside \|\n\|[-| ]+\|\n((?:\|.*\n)+)", README)
    assert table is not None
    said = [line.split(" | ")[0].removeprefix("| ") for line in table[1].splitlines()]
    assert said == [row.says for row in ROWS]


@pytest.mark.parametrize("picture", re.findall(r"!\[[\w ]+\]\((.*?)\)", README))
def test_every_picture_is_there(picture: str) -> None:
    assert (ROOT / picture).read_bytes().startswith(b"\x89PNG")


def test_every_error_code_is_documented() -> None:
    documented = (ROOT / "serving" / "README.md").read_text(encoding="utf-8")
    missing = [code for code in ErrorCode.__args__ if code not in documented]
    assert missing == []
