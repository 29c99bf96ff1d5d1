"""A thousand agents at once, while snapshots are republished, beside a bare endpoint and Redis.

``python -m tests.benchmarks.load [--seconds 60] [--workers 2]``; every server is its own. The mix:
lookups, and of a hundred questions five in SQL and three searches.
"""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from ingestion.demo.state import free_ports
from serving import tokens
from serving.embedder import MiniLm, builtin_model_dir
from tests.benchmarks.load_demo import Republishing, by_following, by_runs, while_republished
from tests.benchmarks.results import Figure, median, publish
from tests.load import Load, Question, after, generate, request
from tests.load_world import ORDERS_OF_ONE, Verdicts, fill, names, sql
from tests.load_world import publish as publish_generation
from tests.serving_process import serving

AGENTS = 8
WARM_S = 3.0
SHARE_OF_SQL = 0.05
SHARE_OF_SEARCH = 0.03


def main() -> None:
    """Measure and print; the figures go to ``data/bench/load.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--per-second", type=float, default=300.0)
    parser.add_argument("--real-runs", action="store_true", help="the demo, by `grounded run` too")
    parser.add_argument(
        "--followed", action="store_true", help="the demo, by `grounded follow` too"
    )
    parser.add_argument("--out", type=Path, default=Path("data/bench/load.jsonl"))
    options = parser.parse_args()
    figures: list[Figure] = []
    say = Console().print
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        fill(home, AGENTS)
        publish_generation(home, AGENTS, 0, MiniLm(builtin_model_dir()))
        for name, rate in (
            (f"bounded to {options.per_second:.0f}/s", options.per_second),
            ("closed loop", None),
        ):
            load, verdicts = under_load(
                home,
                options.clients,
                for_seconds(options.seconds),
                workers=options.workers,
                per_second=rate,
            )
            _refuse_wrong(load, verdicts)
            figures += told(f"{options.clients} agents, {name}", "grounded", load)
            say(f"{load.answers} answers over {len(verdicts.generations)} snapshots, none wrong")
        alone, _ = under_load(home, 1, for_seconds(5.0), share_of_others=0.0, every_s=None)
        figures += told("1 agent, lookups, closed loop", "grounded", alone)
        for subject, server in (("bare Starlette", bare_starlette), ("bare Redis", bare_redis)):
            with server() as port:
                if port is None:
                    say(f"{subject} is not installed: no figure of it")
                    continue
                for clients, seconds in ((options.clients, 10.0), (1, 3.0)):
                    load = asyncio.run(generate_peer(subject, port, clients, seconds))
                    figures += told(f"{clients} agents, lookups, closed loop", subject, load)
    if options.followed:
        figures += _of_the_demo(by_following, "followed", "between snapshots", options, say)
    if options.real_runs:
        figures += _of_the_demo(by_runs, "real runs", "a whole run meanwhile", options, say)
    publish(figures, options.out)


def _of_the_demo(
    way: Republishing,
    named: str,
    metric: str,
    options: argparse.Namespace,
    say: Callable[[str], None],
) -> list[Figure]:
    load, held, took = while_republished(
        way, options.clients, options.seconds, options.workers, options.per_second
    )
    problems = [*load.broken, *held.wrong]
    if problems or not took:
        raise RuntimeError(f"{len(problems)} wrong answers, {len(took)} snapshots: {problems[:5]}")
    say(f"{load.answers} answers over {len(held.snapshots)} snapshots of the demo, none wrong")
    bench = f"{options.clients} clients, demo, {named}"
    return [*told(bench, "grounded", load), median(bench, "grounded", metric, took, "s")]


def under_load(
    home: Path,
    clients: int,
    until: Callable[[Verdicts], bool],
    *,
    agents: int = AGENTS,
    workers: int = 1,
    per_second: float | None = None,
    every_s: float | None = 5.0,
    share_of_others: float = 1.0,
) -> tuple[Load, Verdicts]:
    """Ask as so many clients at once while a snapshot is published every so often."""
    issued = {name: tokens.issue(home, name) for name in names(agents)}
    verdicts = Verdicts()
    askers = [
        _asker(name, issued[name], verdicts, share_of_others)
        for name in (f"agent_{number % agents}" for number in range(clients))
    ]
    with serving(home, "--workers", str(workers)) as port:
        # Until every process has opened what a first search waits for.
        asyncio.run(generate(port, [askers[0]] * 8, after(WARM_S), per_second=8))
        with _publishing(home, agents, every_s):
            load = asyncio.run(
                generate(port, askers, lambda: until(verdicts), per_second=per_second)
            )
    return load, verdicts


def for_seconds(seconds: float) -> Callable[[Verdicts], bool]:
    """Ask for so long."""
    is_over = after(seconds)
    return lambda _: is_over()


def _asker(
    agent: str, token: str, verdicts: Verdicts, share_of_others: float
) -> Callable[[random.Random], Question]:
    """One client: its questions, and that its answers never go back in time."""
    newest = -1
    first = int(agent.removeprefix("agent_")) * 1_000_000

    def ask(chance: random.Random) -> Question:
        kind = _kind(chance.random() / share_of_others if share_of_others else 1.0)
        key = first + chance.randrange(ORDERS_OF_ONE)
        path, arguments = {
            "lookup": ("/v1/lookup", {"table": "agent_orders", "value": key}),
            "execute_sql": ("/v1/sql", {"sql": sql(key)}),
            "search": ("/v1/search", {"query": f"the paper jam of printer {key}", "limit": 3}),
        }[kind]

        def judge(status: int, body: bytes) -> None:
            nonlocal newest
            found = verdicts.judge(agent, kind, key, status, json.loads(body))
            if -1 < found < newest:
                verdicts.wrong.append(f"{agent} {kind}: generation {found} after {newest}")
            newest = max(newest, found)

        return Question(kind, request(path, json.dumps(arguments).encode(), token), judge)

    return ask


def _kind(drawn: float) -> str:
    if drawn < SHARE_OF_SQL:
        return "execute_sql"
    return "search" if drawn < SHARE_OF_SQL + SHARE_OF_SEARCH else "lookup"


@contextmanager
def _publishing(home: Path, agents: int, every_s: float | None) -> Iterator[None]:
    """Another process that publishes, as a run does."""
    if every_s is None:
        yield
        return
    command = [sys.executable, "-m", "tests.load_world", str(home), str(agents), str(every_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
    if process.returncode:
        raise RuntimeError("the publisher failed, so the load was not that of a republished home")


def _refuse_wrong(load: Load, verdicts: Verdicts) -> None:
    problems = [*load.broken, *verdicts.wrong, *verdicts.mixed()]
    if problems:
        raise RuntimeError(f"{len(problems)} wrong answers, such as {problems[:5]}")


def told(bench: str, subject: str, load: Load) -> list[Figure]:
    """The percentiles over all answers, of each kind where there are several, and the rate."""
    kinds: list[str | None] = [None, *(load.took_ms if len(load.took_ms) > 1 else [])]
    figures = [
        Figure(
            bench,
            subject,
            f"p{share * 100:.0f}" + (f" of {kind}" if kind else ""),
            load.percentile(share, kind),
            "ms",
            1,
        )
        for kind in kinds
        for share in (0.5, 0.95, 0.99)
    ]
    rate = load.answers / load.seconds
    return [*figures, Figure(bench, subject, "throughput", rate, "answers/s", 1)]


async def generate_peer(subject: str, port: int, clients: int, seconds: float) -> Load:
    """The same generator against a peer that holds the same row."""
    row = request("/", b'{"table":"agent_orders","value":1}')

    def ask(_: random.Random) -> Question:
        return Question("lookup", row, lambda status, body: None)

    if subject == "bare Redis":
        return await generate_redis(port, clients, seconds)
    return await generate(port, [ask] * clients, after(seconds))


async def generate_redis(port: int, clients: int, seconds: float) -> Load:
    """HGETALL of one row, in Redis's own protocol."""
    load = Load(took_ms={"lookup": []})
    began = time.perf_counter()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (now := time.perf_counter()) - began < seconds:
            writer.write(b"*2\r\n$7\r\nHGETALL\r\n$7\r\norder:1\r\n")
            count = int((await reader.readline())[1:])
            for _ in range(count):
                await reader.readexactly(int((await reader.readline())[1:]) + 2)
            load.took_ms["lookup"].append((time.perf_counter() - now) * 1_000)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(clients)))
    load.seconds = time.perf_counter() - began
    return load


STARLETTE = """
import json, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
ROW = {"order_id": 1, "owner": "agent_0", "generation": 0, "customer_key": "c1", "total": 1.5}
async def lookup(request):
    await request.json()
    return JSONResponse({"data": {"rows": [ROW]}})
uvicorn.run(Starlette(routes=[Route("/", lookup, methods=["POST"])]), port=int(sys.argv[1]),
            log_level="error", access_log=False)
"""


@contextmanager
def bare_starlette() -> Iterator[int | None]:
    """A Starlette endpoint on uvicorn that reads a body and answers one row from memory."""
    (port,) = free_ports(1)
    with process([sys.executable, "-c", STARLETTE, str(port)], port):
        yield port


@contextmanager
def bare_redis() -> Iterator[int | None]:
    """A Redis that holds one row, None where none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    (port,) = free_ports(1)
    command = [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
    with process([*command, "--loglevel", "warning"], port):
        asyncio.run(_fill_redis(port))
        yield port


async def _fill_redis(port: int) -> None:
    row = ["order_id", "1", "owner", "agent_0", "generation", "0", "total", "1.5"]
    words = ["HSET", "order:1", *row]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    writer.write(f"*{len(words)}\r\n{parts}".encode())
    await reader.readline()
    writer.close()


@contextmanager
def process(command: list[str], port: int) -> Iterator[None]:
    """A server of our own, once it listens at its port."""

    async def listening() -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            asyncio.run(asyncio.wait_for(listening(), 30))
            yield
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
