"""Where the demo lives under `home/demo/`, and what it remembers between calls."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.demo.errors import StateError

LOOPBACK = "127.0.0.1"
LOCK_SECONDS = 120


class State(BaseModel):
    """The contents of `state.json`: how the demo was seeded, its ports, processes and secrets."""

    model_config = ConfigDict(frozen=True)

    seed: int
    scale: float
    shop_port: int
    helpdesk_port: int
    shop_pid: int | None = None
    helpdesk_pid: int | None = None
    traffic_rounds: int = 0
    admin_password: str = Field(repr=False)
    owner_password: str = Field(repr=False)
    reader_password: str = Field(repr=False)
    helpdesk_token: str = Field(repr=False)


class Layout(BaseModel):
    """The demo's files, all below one folder."""

    model_config = ConfigDict(frozen=True)

    root: Path

    @classmethod
    def of(cls, home: Path) -> "Layout":
        """The layout for a run-time folder, made absolute: servers have their own cwd."""
        return cls(root=home.resolve() / "demo")

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def helpdesk(self) -> Path:
        return self.root / "helpdesk.sqlite"

    @property
    def helpdesk_log(self) -> Path:
        return self.root / "helpdesk.log"

    @property
    def runbooks(self) -> Path:
        return self.root / "runbooks"


def load(layout: Layout) -> State | None:
    """What was saved, or None when the demo never ran here."""
    try:
        return State.model_validate_json(layout.state.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, e["loc"])) or "file" for e in error.errors())
        raise StateError(
            f"{layout.state} is damaged ({fields}); remove the folder {layout.root} to seed afresh"
        ) from None


def save(layout: Layout, state: State) -> None:
    """Replace the state file in one step; only its owner may read it."""
    partial = layout.state.with_suffix(".new")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(state.model_dump_json(indent=2), encoding="utf-8")
    partial.replace(layout.state)


def create(seed: int, scale: float) -> State:
    """A first state with free ports and new secrets."""
    shop_port, helpdesk_port = free_ports(2)
    return State(
        seed=seed,
        scale=scale,
        shop_port=shop_port,
        helpdesk_port=helpdesk_port,
        admin_password=secrets.token_urlsafe(18),
        owner_password=secrets.token_urlsafe(18),
        reader_password=secrets.token_urlsafe(18),
        helpdesk_token=secrets.token_urlsafe(24),
    )


def free_ports(count: int) -> list[int]:
    """Different free ports on loopback."""
    with ExitStack() as stack:
        return [stack.enter_context(listener(0)).getsockname()[1] for _ in range(count)]


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    try:
        listener(port).close()
    except OSError:
        return False
    return True


def listener(port: int) -> socket.socket:
    """A bound loopback socket; 0 means any port."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the demo's lock: one process at a time starts, stops or changes it."""
    layout.root.mkdir(parents=True, exist_ok=True)
    path = layout.root / ".lock"
    try:
        with FileLock(path, timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise StateError(
            f"another process has held {path} for {LOCK_SECONDS} s; "
            "wait for it or end it, then retry"
        ) from None
