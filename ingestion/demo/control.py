"""Starts, finds and stops the demo's three upstreams.

shop       PostgreSQL    home/demo/postgres/
helpdesk   HTTP API      home/demo/helpdesk.sqlite
runbooks   files         home/demo/runbooks/
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal, get_args

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from ingestion.demo import generate, helpdesk_store, postgres, processes, runbooks, shop
from ingestion.demo.errors import DemoError, ServerStartError
from ingestion.demo.rows import World
from ingestion.demo.state import LOOPBACK, Layout, State, create, load, locked, save

Service = Literal["shop", "helpdesk", "runbooks"]
SERVICES: tuple[Service, ...] = get_args(Service)
START_SECONDS = 20
PROJECT = Path(__file__).resolve().parents[2]

Progress = Callable[[str], None]


class Demo(BaseModel):
    """Where the demo's upstreams are and how to get in."""

    model_config = ConfigDict(frozen=True)

    shop_url: str = Field(repr=False)
    helpdesk_url: str
    helpdesk_token: SecretStr
    runbooks_path: Path


def up(
    home: Path,
    *,
    scale: float = 1.0,
    seed: int = 7,
    services: Collection[str] = SERVICES,
    on_progress: Progress | None = None,
) -> Demo:
    """Start what is not up, seed what is new; returns once all of it answers. DemoError."""
    wanted = _known(services)
    if scale <= 0:
        raise DemoError(f"the scale of the demo must be above 0, not {scale}")
    layout = Layout.of(home)
    session = _Session(layout, on_progress or _silent)
    with locked(layout):
        session.state = load(layout) or create(seed, scale)
        save(layout, session.state)
        for service in wanted:
            if not _answers(layout, session.state, service):
                session.start(service)
    return _demo(layout, session.state)


def find(home: Path) -> Demo | None:
    """The demo that was started here, running or not; None if there never was one."""
    layout = Layout.of(home)
    state = load(layout)
    return _demo(layout, state) if state else None


def is_up(home: Path, service: str) -> bool:
    """Whether this upstream answers now."""
    layout = Layout.of(home)
    state = load(layout)
    return state is not None and all(_answers(layout, state, s) for s in _known([service]))


def down(home: Path, services: Collection[str] = SERVICES) -> list[str]:
    """Stop our own servers and return the names of those stopped; their data stays."""
    wanted = _known(services)
    layout = Layout.of(home)
    if load(layout) is None:
        return []
    stopped: list[str] = []
    with locked(layout):
        state = load(layout)
        if state is None:
            return []
        if "shop" in wanted:
            running = postgres.pid(layout.postgres) or state.shop_pid
            if running is not None and postgres.end(layout.postgres, running):
                stopped.append("shop")
            state = state.model_copy(update={"shop_pid": None})
        if "helpdesk" in wanted:
            if state.helpdesk_pid is not None and processes.stop(
                state.helpdesk_pid, _helpdesk_mark(layout), gently=signal.SIGTERM
            ):
                stopped.append("helpdesk")
            state = state.model_copy(update={"helpdesk_pid": None})
        save(layout, state)
    return stopped


class _Session:
    """One call of `up`: what it knows so far, and the generated rows if they were needed."""

    state: State

    def __init__(self, layout: Layout, tell: Progress) -> None:
        self._layout, self._tell = layout, tell
        self._world: World | None = None

    def start(self, service: Service) -> None:
        match service:
            case "shop":
                self._start_shop()
            case "helpdesk":
                self._start_helpdesk()
            case "runbooks":
                count = runbooks.seed(self._layout.runbooks, generate.END)
                self._tell(f"runbooks: wrote {count} documents")

    def _start_shop(self) -> None:
        process, port = postgres.start(
            self._layout.postgres, port=self.state.shop_port, password=self.state.admin_password
        )
        self._remember(shop_pid=process, shop_port=port)
        self._tell(f"shop: PostgreSQL listens on {LOOPBACK}:{port}")
        if not shop.is_seeded(self.state):
            rows = self._rows()
            shop.seed(self.state, rows)
            self._tell(f"shop: loaded {len(rows.customers)} customers, {len(rows.orders)} orders")

    def _start_helpdesk(self) -> None:
        if not self._layout.helpdesk.exists():
            rows = self._rows()
            helpdesk_store.create(self._layout.helpdesk, rows.tickets, rows.comments)
            self._tell(
                f"helpdesk: loaded {len(rows.tickets)} tickets, {len(rows.comments)} comments"
            )
        process, port = _launch_helpdesk(self._layout)
        self._remember(helpdesk_pid=process, helpdesk_port=port)
        _await_helpdesk(self._layout, self.state)
        self._tell(f"helpdesk: API listens on {LOOPBACK}:{port}")

    def _rows(self) -> World:
        if self._world is None:
            self._world = generate.world(seed=self.state.seed, scale=self.state.scale)
        return self._world

    def _remember(self, **changes: int) -> None:
        self.state = self.state.model_copy(update=changes)
        save(self._layout, self.state)


def _launch_helpdesk(layout: Layout) -> tuple[int, int]:
    command = [sys.executable, *_helpdesk_mark(layout).split(" ", 3)]
    done = subprocess.run(
        command, cwd=PROJECT, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.strip().splitlines()[-1:])
        raise ServerStartError(f"the demo helpdesk did not start: {said}")
    process, port = done.stdout.split()
    return int(process), int(port)


def _await_helpdesk(layout: Layout, state: State) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(layout, state, "helpdesk"):
        if time.monotonic() > deadline:
            raise ServerStartError(
                f"the demo helpdesk did not answer within {START_SECONDS} s; "
                f"see {layout.helpdesk_log}"
            )
        time.sleep(processes.POLL_SECONDS)


def _answers(layout: Layout, state: State, service: Service) -> bool:
    match service:
        case "shop":
            running = postgres.pid(layout.postgres) is not None
            return running and shop.is_answering(state) and shop.is_seeded(state)
        case "helpdesk":
            running = processes.is_ours(state.helpdesk_pid, _helpdesk_mark(layout))
            return running and _is_healthy(_helpdesk_url(state))
        case "runbooks":
            return layout.runbooks.is_dir()


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _helpdesk_mark(layout: Layout) -> str:
    return f"-m ingestion.demo.helpdesk --home {layout.root.parent}"


def _helpdesk_url(state: State) -> str:
    return f"http://{LOOPBACK}:{state.helpdesk_port}"


def _demo(layout: Layout, state: State) -> Demo:
    return Demo(
        shop_url=shop.reader_url(state),
        helpdesk_url=_helpdesk_url(state),
        helpdesk_token=SecretStr(state.helpdesk_token),
        runbooks_path=layout.runbooks,
    )


def _known(services: Collection[str]) -> list[Service]:
    unknown = sorted(set(services) - set(SERVICES))
    if unknown:
        raise DemoError(f"no demo service {', '.join(unknown)}; there are: {', '.join(SERVICES)}")
    return [service for service in SERVICES if service in services]


def _silent(_: str) -> None:
    """Progress that nobody watches."""
