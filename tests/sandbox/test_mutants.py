"""Statements made from a grammar, and spliced from honest and hostile ones, against two walls.

The gate alone: what it lets through runs in an engine that does hold secrets, and none comes out.
The files alone: everything runs, past the gate, where only the agent's own files are.
``pytest tests/sandbox/test_mutants.py --mutants 300000`` takes about ten minutes.
"""

import random
import re
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from serving.catalog import Limits
from serving.errors import AnswerError
from serving.sandbox import check
from serving.sandbox.process import (
    Files,
    WorkerDiedError,
    WorkerProcess,
    WorkerTimeoutError,
    WorkerTooLargeError,
)
from tests.sandbox.conftest import VIEWS, write_views
from tests.sandbox.grammar import HIDDEN, SECRET_VALUES, Grammar
from tests.sandbox.test_honest_sql import HONEST
from tests.sandbox.test_hostile_sql import HOSTILE

CANARY = "canary-51c0"
TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|\w+|[^\w\s]|\s+")
GLUE = [
    "email", "columns('.*')", "with", "as", "select", "from", "join", "union all", "agent_orders",
    "exists", "lateral", "(", ")", ",", "*", "(from agent_secrets)", "(summarize agent_secrets)",
    "(select email from agent_secrets)", "unnest((select list(email) from agent_secrets))",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies beside the agent's files: a text and another agent's view, with a canary each."""
    folder = tmp_path_factory.mktemp("mutants")
    (folder / "secret.csv").write_text(f"email\n{CANARY}\n")
    write_views(folder, {**VIEWS, "agent_secrets": f"select 1 as id, '{CANARY}' as email"})
    return folder


@pytest.fixture(scope="module")
def bounded_memory() -> Iterator[None]:
    """What the gate lets through may still be too large, and here no worker bounds it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (2 << 30), hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture(scope="module")
def open_engine(bounded_memory: None) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine with no lock at all, so that the gate alone stands before the secrets."""
    with duckdb.connect(config={"memory_limit": "256MB", "threads": 1}) as connection:
        for name, select in VIEWS.items():
            connection.execute(f"create table {name} as {select} limit 40")
        connection.execute(f"create table agent_secrets as select 1 as id, '{CANARY}' as email")
        connection.execute(f"create macro secret_macro() as '{CANARY}'")
        connection.execute("create macro secret_table() as table from agent_secrets")
        yield connection


class Mutants:
    """Statements in the order of one dice: made, spliced, or made and then spliced."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._dice = random.Random(seed)
        self._grammar = Grammar(self._dice)
        self._folder = folder
        self._seeds = [sql for sql in (*HONEST, *(sql for sql, _ in HOSTILE)) if len(sql) < 500]
        self._pieces = [*GLUE, *HIDDEN, *SECRET_VALUES]

    def made(self) -> str:
        return self._placed(self._grammar.statement())

    def spliced(self) -> str:
        base = self._dice.choice(self._seeds)
        return self._placed(self._splice(base))

    def any(self) -> str:
        made = self._grammar.statement() if self._dice.random() < 0.5 else None
        if made is None:
            return self.spliced()
        return self._placed(made if self._dice.random() < 0.5 else self._splice(made))

    def _splice(self, sql: str) -> str:
        tokens = TOKEN.findall(sql)
        for _ in range(self._dice.choice((1, 1, 1, 2, 3))):
            at = self._dice.choice([n for n, one in enumerate(tokens) if one.strip()] or [0])
            other = TOKEN.findall(self._dice.choice(self._seeds)) or [""]
            match self._dice.randrange(8):
                case 0 | 1 | 2 | 3:
                    tokens[at : at + 1] = [self._dice.choice(self._pieces)]
                case 4 | 5:
                    tokens[at : at + 1] = [self._dice.choice(other)]
                case 6:
                    tokens[at:at] = [self._dice.choice(self._pieces), " "]
                case _:
                    del tokens[at : at + 2]
        return "".join(tokens)

    def _placed(self, sql: str) -> str:
        text = sql.replace("{csv}", str(self._folder / "secret.csv"))
        return text.replace("{folder}", str(self._folder))


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    cursor = connection.cursor()
    # A variable is a connection's own.
    cursor.execute(f"set variable secret = '{CANARY}'")
    alarm = threading.Timer(1, cursor.interrupt)
    alarm.start()
    try:
        return str(cursor.execute(sql).fetchmany(200))
    except (duckdb.Error, ValueError, MemoryError):
        return ""
    finally:
        alarm.cancel()
        cursor.close()


@pytest.mark.timeout(7_200)
def test_no_mutant_that_passes_the_gate_tells_a_secret(
    folder: Path, open_engine: duckdb.DuckDBPyConnection, mutants: int
) -> None:
    assert CANARY in _rows(open_engine, f"from agent_secrets, '{folder}/secret.csv'")
    assert CANARY in _rows(open_engine, "select secret_macro() || getvariable('secret')")
    statements = Mutants(folder, 20240229)
    allowed, reached = 0, 0
    for _ in range(mutants):
        sql = statements.any()
        try:
            check(sql, VIEWS)
        except AnswerError as refused:
            assert CANARY not in refused.message
            reached += "agent_secrets" in sql
            continue
        allowed += 1
        # The caller's own text is no leak.
        assert CANARY not in _rows(open_engine, sql), sql

    assert allowed > mutants // 50
    assert reached > mutants // 10


@pytest.mark.timeout(7_200)
def test_with_the_gate_off_the_files_alone_tell_no_secret(folder: Path, mutants: int) -> None:
    files = {name: folder / f"{name}.duckdb" for name in VIEWS}
    before = {path: path.read_bytes() for path in folder.iterdir()}
    statements = Mutants(folder, 20240301)
    worker = WorkerProcess(Files(files), Limits())
    answered = 0
    for _ in range(mutants // 4):
        # The grammar alone: what is spliced holds bombs, which have tests of their own.
        request = {"op": "run", "sql": statements.made(), "rows": 200, "characters": 9_999}
        try:
            reply = worker.ask(request, 1)
        except (WorkerTimeoutError, WorkerDiedError, WorkerTooLargeError):
            worker = WorkerProcess(Files(files), Limits())
            continue
        answered += "rows" in reply
        assert CANARY not in str(reply), request["sql"]
    worker.end()

    assert answered > mutants // 100
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
