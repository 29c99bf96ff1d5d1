"""A clock that nobody waits for, misbehaving servers, and a client as a load has it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingestion.connection import Connection
from ingestion.http.adapter import PatientAdapter
from ingestion.http.pages import Reading
from ingestion.http.timing import Timing
from ingestion.rest_api import endpoint_of, open_client
from ingestion.spec import RestApiSource, SourcesFile
from tests.hostile_api.server import Script, Server, serving

TOKEN = "a-token-that-must-not-be-told"
Rows = list[dict[str, Any]]


@dataclass
class Clock:
    """Time that passes only by sleeping, and ``tick`` seconds each time it is looked at."""

    instant: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)
    tick: float = 0.0

    def now(self) -> datetime:
        """The wall clock."""
        return self.instant

    def monotonic(self) -> float:
        """Seconds."""
        self.instant += timedelta(seconds=self.tick)
        return self.instant.timestamp()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.instant += timedelta(seconds=seconds)

    @property
    def timing(self) -> Timing:
        """This clock for a client."""
        return Timing(now=self.now, monotonic=self.monotonic, sleep=self.sleep)


def declare(table: dict[str, Any] | None = None, **source: Any) -> RestApiSource:
    """Validate a source named ``own`` with one table ``items``."""
    items = {"path": "/items", "primary_key": ["id"], **(table or {})}
    common = {"description": "Own", "owner": "team:own", "schedule": "0 * * * *"}
    declaration = {
        **common,
        "kind": "rest_api",
        "auth": {"type": "none"},
        "paginator": {"type": "single_page"},
        "tables": {"items": items},
        **source,
    }
    spec = SourcesFile.model_validate({"sources": {"own": declaration}}).sources["own"]
    assert isinstance(spec, RestApiSource)
    return spec


@dataclass
class Caller:
    """Reads the table ``items`` as a load does, and keeps what was told meanwhile."""

    home: Path
    clock: Clock = field(default_factory=Clock)
    told: list[str] = field(default_factory=list)
    adapter: PatientAdapter | None = None

    def read(self, server: Server | str, spec: RestApiSource | None = None) -> Rows:
        """Return the listing's rows."""
        spec = spec or declare()
        url = server if isinstance(server, str) else server.url
        client, self.adapter = open_client(
            spec,
            Connection(SecretStr(url), SecretStr(TOKEN)),
            "own",
            self.home,
            self.told.append,
            self.clock.timing,
        )
        endpoint = endpoint_of("items", spec.tables["items"], spec, {})
        reading = Reading(client, endpoint, lambda row: (str(row.get("id")), str(row.get("v"))))
        try:
            return [row for page in reading.pages() for row in page]
        finally:
            client.session.close()


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    """A caller with a home of its own."""
    return Caller(tmp_path)


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Server]]:
    """Start servers that end with the test."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(serving(script))
