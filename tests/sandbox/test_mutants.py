"""Statements spliced at random from honest and hostile ones: what the gate lets through is run
in an engine that does hold secrets, and none comes out."""

import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from serving.errors import AnswerError
from serving.sandbox import check
from tests.sandbox.conftest import VIEWS
from tests.sandbox.test_honest_sql import HONEST
from tests.sandbox.test_hostile_sql import HOSTILE

MUTANTS = 5_000
CANARY = "canary-51c0"
TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|\w+|[^\w\s]|\s+")
SECRETS = [
    "agent_secrets", "(from agent_secrets)", "(select email from agent_secrets)",
    "query('from agent_secrets')", "query_table('agent_secrets')", "getvariable('secret')",
    "main.agent_secrets", "memory.main.agent_secrets", "read_text('{csv}')", "'{csv}'",
    "lateral (from agent_secrets)", "(summarize agent_secrets)", "(describe agent_secrets)",
    "duckdb_variables()", "email", "agent_secrets.email", "secret_macro()", "secret_table()",
    "current_setting('threads')", "(pivot agent_secrets on email in ('x') using count(*))",
    "unnest((select list(email) from agent_secrets))", "columns('.*')", "with", "as", "select",
    "from", "join", "union all", "agent_orders", "exists", "(", ")", ",", "*",
]  # fmt: skip


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mutants") / "secret.csv"
    path.write_text(f"email\n{CANARY}\n")
    return path


@pytest.fixture(scope="module")
def open_engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine with no lock at all, so that the gate alone stands before the secrets."""
    with duckdb.connect(config={"memory_limit": "256MB", "threads": 1}) as connection:
        for name, select in VIEWS.items():
            connection.execute(f"create table {name} as {select} limit 40")
        connection.execute(f"create table agent_secrets as select 1 as id, '{CANARY}' as email")
        connection.execute(f"create macro secret_macro() as '{CANARY}'")
        connection.execute("create macro secret_table() as table from agent_secrets")
        connection.execute(f"set variable secret = '{CANARY}'")
        yield connection


def _mutants(csv: Path) -> Iterator[str]:
    dice = random.Random(20240229)
    seeds = [sql for sql in (*HONEST, *(sql for sql, _ in HOSTILE)) if len(sql) < 500]
    pieces = [secret.replace("{csv}", str(csv)) for secret in SECRETS]
    for _ in range(MUTANTS):
        tokens = TOKEN.findall(dice.choice(seeds))
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            words = [at for at, token in enumerate(tokens) if token.strip()] or [0]
            at = dice.choice(words)
            match dice.randrange(8):
                case 0 | 1 | 2 | 3:
                    tokens[at : at + 1] = [dice.choice(pieces)]
                case 4 | 5:
                    tokens[at : at + 1] = [dice.choice(TOKEN.findall(dice.choice(seeds)) or [""])]
                case 6:
                    tokens[at:at] = [dice.choice(pieces), " "]
                case _:
                    del tokens[at : at + 2]
        yield "".join(tokens)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    cursor = connection.cursor()
    alarm = threading.Timer(1, cursor.interrupt)
    alarm.start()
    try:
        return str(cursor.execute(sql).fetchmany(200))
    except (duckdb.Error, ValueError):
        return ""
    finally:
        alarm.cancel()
        cursor.close()


def test_no_mutant_that_passes_the_gate_tells_a_secret(
    csv: Path, open_engine: duckdb.DuckDBPyConnection
) -> None:
    assert CANARY in _rows(open_engine, f"from agent_secrets, '{csv}'")
    allowed = 0
    for sql in _mutants(csv):
        try:
            check(sql, VIEWS)
        except AnswerError:
            continue
        allowed += 1
        # The caller's own text is no leak.
        assert CANARY not in _rows(open_engine, sql), sql

    assert allowed > MUTANTS // 50
