"""Lookups and SQL in process, envelope and audit included, beside bare stores and Redis.

``python -m tests.benchmarks.serving [--rows 200000] [--part lookup]``; Redis is Debian's
redis-server on loopback, LMDB the package ``lmdb``, installed for the time of the run: each is left
out, and told, where it is not to be had. Redis is asked by its bare protocol, without the time that
a client library takes, and as a Python program asks it: by ``redis`` with its parser in C.
"""

import argparse
import importlib.util
import itertools
import json
import os
import random
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from serving.agent import Agent, connect
from serving.catalog import Limits
from serving.declarations import Declarations, DeclaredAgent, DeclaredColumn, DeclaredView, Serve
from serving.envelope import Answer
from serving.gateway import Gateway
from tests.benchmarks.results import Figure, median, publish
from tests.serving.conftest import publish as publish_home

COLUMNS = {
    "order_id": "bigint", "customer_key": "varchar", "status": "varchar",
    "total": "decimal(18,2)", "placed_at": "timestamptz",
}  # fmt: skip
UNBOUNDED = Limits(
    calls_per_minute=10**9, seconds_per_minute=10**6, identical_calls=10**9, seconds=30
)
CALLS = 20_000
BATCH = 1_000
INSTALL_S = 120
SQL = (
    "select status, count(*) as n, sum(total) from agent_orders where order_id % 100 = {} "
    "group by all"
)
_ALL = "agent_orders a, agent_orders b, agent_orders c"
# What the gate lets pass: only their length makes them bombs.
BOMBS = (
    f"select count(*) from {_ALL} where (a.order_id * b.order_id) % 7 = c.order_id % 5",
    f"select max(sha256(a.order_id || b.status || c.order_id)) from {_ALL}",
    f"select sum(sin(a.order_id) * cos(b.order_id) + ln(c.order_id + 1)) from {_ALL}",
    "select count(*) from agent_orders a join agent_orders b on a.total * b.total > b.order_id "
    "join agent_orders c on a.total + b.total <> c.total",
    "select max(md5(md5(a.status || b.customer_key))) from agent_orders a, agent_orders b",
    f"select a.order_id, b.order_id, c.total from {_ALL} order by a.total + b.total - c.total",
)
DROPPED = 2 * len(BOMBS)
ENDED_BY_A_LIMIT = {"TIMEOUT", "BUDGET_EXCEEDED"}


def main() -> None:
    """Measure and print; the figures go to ``data/bench/latest.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--part", choices=list(PARTS), help="this part alone")
    parser.add_argument("--out", type=Path, default=Path("data/bench/latest.jsonl"))
    options = parser.parse_args()
    parts = [PARTS[options.part]] if options.part else list(PARTS.values())
    with tempfile.TemporaryDirectory(prefix="grounded-") as folder:
        home = Path(folder)
        write(home, options.rows)
        figures = [figure for part in parts for figure in part(home, options.rows)]
    publish(figures, options.out)


def write(home: Path, rows: int) -> None:
    """Publish orders for three agents, of which one has little time."""
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema agents")
        connection.execute(
            "create table agents.agent_orders as select i as order_id, 'cus_' || md5((i // 10)"
            "::varchar) as customer_key, ['paid', 'open', 'sent'][i % 3 + 1] as status, "
            "(i % 9999 / 7)::decimal(18,2) as total, timestamptz '2026-01-01 00:00:00+00' + "
            f"to_seconds(i) as placed_at from range({rows}) t(i)"
        )
    view = DeclaredView(
        name="agent_orders",
        unique_id="model.bench.agent_orders",
        relation="agents.agent_orders",
        description="One row for each order.",
        columns=[DeclaredColumn(name=name, description=name) for name in COLUMNS],
        serve=Serve(key="order_id", lookups=["customer_key"]),
        source_tables=[],
    )
    limits = {"one": UNBOUNDED, "two": UNBOUNDED}
    limits["bomber"] = UNBOUNDED.model_copy(update={"seconds": 2.0, "memory_mb": 256})
    agents = {
        name: DeclaredAgent(name=name, purpose="Asks.", views=["agent_orders"], limits=limit)
        for name, limit in limits.items()
    }
    publish_home(
        home,
        Declarations(
            views={"agent_orders": view}, agents=agents, sources={}, contract_version="bench"
        ),
    )


def lookups(home: Path, rows: int) -> list[Figure]:
    """One row by key, at random, and a thousand in one call."""
    with connect(home, "one") as agent:
        return _lookups(agent, home, rows)


def _lookups(agent: Agent, home: Path, rows: int) -> list[Figure]:
    dice = random.Random(1)
    keys = [dice.randrange(rows) for _ in range(CALLS)]

    def ours(key: int) -> None:
        assert agent.lookup("agent_orders", value=key).success

    def batch(key: int) -> None:
        values = [(key + 7 * n) % rows for n in range(BATCH)]
        outcome = agent.lookup("agent_orders", values=values)
        assert isinstance(outcome, Answer) and outcome.data.row_count == BATCH

    figures = timed("one row by key", "grounded", ours, keys)
    figures += timed(f"{BATCH:,} rows by key in one call", "grounded", batch, keys[:50])
    figures += timed("one row by key", "bare SQLite", *_sqlite(home, keys))
    figures += _lmdb(home, rows, keys)
    figures += _redis(home, rows, keys)
    return figures


def statements(home: Path, rows: int) -> list[Figure]:
    """The same statement through the sandbox and in a bare engine; none comes from the cache."""
    (path,) = (home / "published").glob("*/**/agent_orders*.duckdb")
    numbers = list(range(100))
    with connect(home, "one") as agent, duckdb.connect(str(path), read_only=True) as bare:

        def ours(number: int) -> None:
            assert agent.sql(SQL.format(number)).success

        figures = timed("a grouped statement", "grounded", ours, numbers)
        figures += timed(
            "a grouped statement",
            "bare DuckDB",
            lambda number: bare.cursor().execute(SQL.format(number)).fetchall(),
            numbers,
        )
    extra = figures[0].value - figures[2].value
    return [
        *figures,
        median("a grouped statement", "grounded", "more than bare p50", [extra], "us"),
    ]


def neighbours(home: Path, rows: int) -> list[Figure]:
    """An agent's statements alone and beside an agent that drops bombs; a bomber's next one."""
    gateway = Gateway(home)
    one, bomber = (Agent(gateway, name, surface="python") for name in ("two", "bomber"))
    numbers = itertools.count()

    def honest(agent: Agent) -> float:
        began = time.perf_counter()
        assert agent.sql(SQL.format(next(numbers) % 100) + f" -- {next(numbers)}").success
        return 1e3 * (time.perf_counter() - began)

    stop, ended, after = threading.Event(), [], []

    def bombs() -> None:
        try:
            for bomb in itertools.islice(itertools.cycle(BOMBS), DROPPED):
                outcome = bomber.sql(bomb)
                ended.append("an answer" if outcome.success else outcome.error.code)
                after.append(honest(bomber))
        finally:
            stop.set()

    honest(one)
    alone = [honest(one) for _ in range(1_000)]
    thread = threading.Thread(target=bombs)
    thread.start()
    beside = []
    while not stop.is_set():
        beside.append(honest(one))
    thread.join()
    gateway.close()
    # A bomb that is refused on sight disturbs nobody, and would measure nothing.
    assert set(ended) <= ENDED_BY_A_LIMIT and len(ended) == DROPPED, Counter(ended)
    bench = "beside an agent that drops bombs"
    return [
        Figure(bench, "alone", "p95", _at(alone, 0.95), "ms", len(alone)),
        Figure(bench, "beside bombs", "p95", _at(beside, 0.95), "ms", len(beside)),
        Figure(bench, "the bomber's next statement", "slowest", max(after), "ms", len(after)),
    ]


PARTS: Mapping[str, Callable[[Path, int], list[Figure]]] = {
    "lookup": lookups,
    "sql": statements,
    "neighbours": neighbours,
}


def timed(bench: str, subject: str, ask: Callable[[int], object], keys: list[int]) -> list[Figure]:
    """p50 and p99 in microseconds of one call for each key, after some to get warm."""
    for key in keys[: len(keys) // 10]:
        ask(key)
    took = []
    for key in keys:
        began = time.perf_counter()
        ask(key)
        took.append(1e6 * (time.perf_counter() - began))
    return [
        Figure(bench, subject, name, _at(took, share), "us", len(took))
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def _at(took: list[float], share: float) -> float:
    return statistics.quantiles(took, n=1_000)[round(share * 1_000) - 1]


def _sqlite(home: Path, keys: list[int]) -> tuple[Callable[[int], object], list[int]]:
    (path,) = (home / "published").glob("*/**/agent_orders*.sqlite")
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    statement = "select _row from rows where order_id = ?"
    return lambda key: json.loads(connection.execute(statement, (key,)).fetchone()[0]), keys


def _lmdb(home: Path, rows: int, keys: list[int]) -> list[Figure]:
    lmdb = _peer_package("lmdb", "lmdb", home)
    if lmdb is None:
        return _absent("LMDB", "the package lmdb")
    with lmdb.open(str(home / "lmdb"), map_size=1 << 32) as store:
        with store.begin(write=True) as write_all:
            for key in range(rows):
                write_all.put(b"%d" % key, json.dumps(_row(key)).encode())
        with store.begin() as read:
            return timed(
                "one row by key", "LMDB", lambda key: json.loads(read.get(b"%d" % key)), keys
            )


def _peer_package(name: str, wanted: str, folder: Path) -> Any:
    """A package that is here, or is installed into a folder that is thrown away; None without."""
    target = str(folder / "peers")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", target, wanted]
    try:
        if importlib.util.find_spec(name) is None:
            subprocess.run(install, check=True, timeout=INSTALL_S)
            sys.path.append(target)
        return importlib.import_module(name)
    except (ImportError, subprocess.SubprocessError):
        return None


def _redis(home: Path, rows: int, keys: list[int]) -> list[Figure]:
    program = shutil.which("redis-server")
    if program is None:
        return _absent("Redis", "redis-server")
    port = _free_port()
    command = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(home),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            connection = _connected(port)
            for key in range(rows):
                pairs = [part for pair in _row(key).items() for part in map(str, pair)]
                _command(connection, "HSET", f"o:{key}", *pairs)

            ways = {"Redis HGETALL": lambda key: _command(connection, "HGETALL", f"o:{key}")}
            if (client := _redis_client(home, port)) is not None:
                ways["redis-py HGETALL"] = lambda key: client.hgetall(f"o:{key}")
            figures = []
            for name, ask in ways.items():
                figures += timed("one row by key", f"{name}, as it comes", ask, keys)
            with _awake(server.pid):
                for name, ask in ways.items():
                    figures += timed("one row by key", f"{name}, core awake", ask, keys)
            return figures
        finally:
            server.terminate()


def _redis_client(home: Path, port: int) -> Any:
    package = _peer_package("redis", "redis[hiredis]", home)
    if package is None:
        _absent("redis-py", "the package redis")
        return None
    return package.Redis(port=port)


@contextmanager
def _awake(server: int) -> Iterator[None]:
    """Put client and server on one core that something idle keeps from sleeping."""
    before, core = os.sched_getaffinity(0), {min(os.sched_getaffinity(0))}
    spinning = (
        "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile 1: pass"
    )
    with subprocess.Popen([sys.executable, "-c", spinning]) as spinner:
        try:
            for process in (0, server, spinner.pid):
                os.sched_setaffinity(process, core)
            yield
        finally:
            os.sched_setaffinity(0, before)
            spinner.kill()


def _row(key: int) -> dict[str, object]:
    return {
        "order_id": key, "customer_key": f"cus_{key // 10:032x}", "status": "paid",
        "total": key % 9_999 / 7, "placed_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def _connected(port: int) -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _command(connection: socket.socket, *parts: str) -> bytes:
    words = [part.encode() for part in parts]
    sent = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    connection.sendall(b"*%d\r\n%s" % (len(words), sent))
    return connection.recv(65_536)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _absent(subject: str, what: str) -> list[Figure]:
    sys.stderr.write(f"{subject} is left out: {what} is not installed\n")
    return []


if __name__ == "__main__":
    main()
