"""A thousand clients of the demo's agents, while the real pipeline republishes it.

traffic -> demo upstreams -> ``grounded run``, or ``grounded follow`` -> snapshot, again and again
clients -> ``grounded serve`` -> answers

What an answer must be is not known beforehand here. So it is held against the others: the same
question of the same agent on the same snapshot has the same rows, and no client goes back in time.
"""

import asyncio
import hashlib
import json
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from serving import tokens
from tests.grounded import ROOT, Warm, environment
from tests.load import Load, Question, after, generate, request
from tests.serving_process import serving

# What is measured is the machine, not what an agent is allowed.
LIMITS = (
    "{rows: 1000, seconds: 60, calls_per_minute: 10000000, seconds_per_minute: 1000000, "
    "wait_seconds: 120, identical_calls: 10000000}"
)
EXPOSURES = "dbt_project/models/agents/_agents__exposures.yml"
DECLARED = "{rows: 1000, seconds: 10, calls_per_minute: 600}"
NOT_COPIED = shutil.ignore_patterns(".*", "data", "__pycache__", "target", "logs")
FEWEST = 2
# How often the upstreams change where they are followed.
EVERY_S = 5.0
SHARE_OF_SQL, SHARE_OF_SEARCH = 0.05, 0.03
ORDERS, PRODUCTS = 2_000, 40
AGENTS = {
    "support_agent": ("agent_orders", "order_id", ORDERS, "a parcel that never arrived"),
    "catalog_agent": ("agent_products", "product_id", PRODUCTS, "a pod that is not ready"),
}


@dataclass
class Held:
    """What was answered, held against what was answered before."""

    rows: dict[tuple[str, str, str], str] = field(default_factory=dict)
    snapshots: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def judge(self, agent: str, asked: str, status: int, body: bytes) -> str:
        """Take one answer in and return its snapshot, an empty text where it is wrong."""
        told = json.loads(body)
        if status != 200 or told["meta"]["agent"] != agent:
            self.wrong.append(f"{agent} {asked}: {status} {told.get('error', {}).get('code')}")
            return ""
        snapshot: str = told["meta"]["snapshot_id"]
        rows = hashlib.sha256(json.dumps(told["data"]["rows"]).encode()).hexdigest()
        if self.rows.setdefault((agent, asked, snapshot), rows) != rows:
            self.wrong.append(f"{agent} {asked} of {snapshot}: other rows than before")
        self.snapshots.add(snapshot)
        return snapshot


@dataclass
class Published:
    """The seconds between the publications, and why the last one failed."""

    took: list[float] = field(default_factory=list)
    failed: RuntimeError | None = None

    def are_enough(self) -> bool:
        """Whether some have come, or none will."""
        return len(self.took) >= FEWEST or self.failed is not None

    def refuse_failed(self) -> None:
        """Raise what went wrong."""
        if self.failed is not None:
            raise self.failed


Republishing = Callable[[Warm, Path], AbstractContextManager[Published]]


def while_republished(
    way: Republishing, clients: int, seconds: float, workers: int, per_second: float
) -> tuple[Load, Held, list[float]]:
    """Ask while snapshots follow each other; also the seconds between them."""
    with tempfile.TemporaryDirectory(prefix="grounded-") as folder:
        home = Path(folder) / "home"
        grounded = _project(Path(folder) / "project")
        try:
            _done(grounded, home, "run")
            issued = {name: tokens.issue(home, name) for name in AGENTS}
            held = Held()
            names = list(AGENTS)
            askers = [
                _asker(names[number % len(names)], issued[names[number % len(names)]], held)
                for number in range(clients)
            ]
            with serving(home, "--workers", str(workers)) as port:
                asyncio.run(generate(port, askers[:8], after(3.0), per_second=8))
                with way(grounded, home) as published:
                    is_over = after(seconds)
                    load = asyncio.run(
                        generate(
                            port,
                            askers,
                            # One may take longer than was asked for where the machine is busy.
                            lambda: is_over() and published.are_enough(),
                            per_second=per_second,
                        )
                    )
            return load, held, published.took
        finally:
            grounded.run(["demo", "down"], environment(home))
            grounded.close()


def _project(folder: Path) -> Warm:
    """The project once more, with agents that may ask as much as they can."""
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    declared = folder / EXPOSURES
    text = declared.read_text(encoding="utf-8")
    if text.count(DECLARED) < len(AGENTS):
        raise RuntimeError(f"{EXPOSURES} declares other limits than this benchmark replaces")
    declared.write_text(text.replace(DECLARED, LIMITS), encoding="utf-8")
    return Warm(folder)


def _done(grounded: Warm, home: Path, *arguments: str) -> None:
    done = grounded.run(list(arguments), environment(home))
    if done.status:
        raise RuntimeError(f"grounded {' '.join(arguments)} ended with {done.status}: {done.err}")


@contextmanager
def by_runs(grounded: Warm, home: Path) -> Iterator[Published]:
    """Change the upstreams and run the pipeline, again and again, until the end of the block."""

    def run(over: threading.Event, published: Published) -> None:
        while not over.is_set():
            _done(grounded, home, "demo", "traffic")
            began = time.perf_counter()
            _done(grounded, home, "run")
            published.took.append(time.perf_counter() - began)

    with _meanwhile(run) as published:
        yield published


@contextmanager
def by_following(grounded: Warm, home: Path) -> Iterator[Published]:
    """Change the upstreams every few seconds, and let one process follow them."""
    following = grounded.start(["follow", "--json"], environment(home))
    # Its first run is in full.
    following.out.readline()

    def change(over: threading.Event, published: Published) -> None:
        took = 0.0
        while not over.wait(max(0.0, EVERY_S - took)):
            began = time.perf_counter()
            _done(grounded, home, "demo", "traffic")
            took = time.perf_counter() - began

    def read(over: threading.Event, published: Published) -> None:
        last, since = "", time.perf_counter()
        while not over.is_set() and (line := following.out.readline()):
            status = json.loads(line)
            if status["problems"]:
                raise RuntimeError(f"a cycle failed: {status['problems'][0]}")
            if status["snapshot"] != last:
                now = time.perf_counter()
                published.took.append(now - since)
                last, since = status["snapshot"], now

    try:
        with _meanwhile(change, read) as published:
            try:
                yield published
            finally:
                following.signal(signal.SIGTERM)
    finally:
        following.kill()


@contextmanager
def _meanwhile(*jobs: Callable[[threading.Event, Published], None]) -> Iterator[Published]:
    over, published = threading.Event(), Published()

    def work(job: Callable[[threading.Event, Published], None]) -> None:
        try:
            job(over, published)
        except RuntimeError as error:
            published.failed = error

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield published
    finally:
        over.set()
        for thread in threads:
            thread.join()
    published.refuse_failed()


def _asker(agent: str, token: str, held: Held) -> Callable[[random.Random], Question]:
    table, key, most, about = AGENTS[agent]
    newest = ""

    def ask(chance: random.Random) -> Question:
        drawn, value = chance.random(), chance.randrange(1, most)
        kind, path, arguments = "lookup", "/v1/lookup", {"table": table, "value": value}
        if drawn < SHARE_OF_SQL:
            sql = f"select count(*) as n, min({key}) as first from {table} where {key} >= {value}"
            kind, path, arguments = "execute_sql", "/v1/sql", {"sql": sql}
        elif drawn < SHARE_OF_SQL + SHARE_OF_SEARCH:
            kind, path, arguments = "search", "/v1/search", {"query": about, "limit": 3}
        body = json.dumps(arguments)

        def judge(status: int, answer: bytes) -> None:
            nonlocal newest
            found = held.judge(agent, body, status, answer)
            if found and found < newest:
                held.wrong.append(f"{agent} {kind}: {found} after {newest}")
            newest = max(newest, found)

        return Question(kind, request(path, body.encode(), token), judge)

    return ask
