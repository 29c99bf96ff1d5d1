"""An agent in Python: ``connect(name)``, then ask; every method returns the envelope.

with connect("support_agent") as agent:
    agent.sql("select status, count(*) from agent_orders group by all").df()
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

from serving.caller import NOTHING_SAID, Caller
from serving.descriptions import Detail
from serving.envelope import Answer, Refusal
from serving.errors import NoSnapshot
from serving.fusion import Mode
from serving.gateway import Gateway
from serving.layout import pointer_path
from serving.reader import Scalar

_SHARED_LOCK = threading.Lock()
_SHARED: dict[Path, tuple[Gateway, int]] = {}


class Agent:
    """One agent on one surface; refusals are returned, never raised."""

    def __init__(
        self,
        gateway: Gateway,
        name: str,
        *,
        surface: str,
        snapshot_id: str | None = None,
        caller: Caller = NOTHING_SAID,
    ) -> None:
        self.name = name
        self._gateway = gateway
        self._surface = surface
        self._snapshot_id = snapshot_id
        self._caller = caller
        self._release: Path | None = None

    def call(
        self, tool: str, arguments: Mapping[str, Any], *, caller: Caller | None = None
    ) -> Answer | Refusal:
        """Call any tool of the registry by name; the other methods are this one.

        ``caller`` is what is said of this call in place of what ``connect`` was told.
        """
        return self._gateway.call(
            tool,
            arguments,
            agent=self.name,
            surface=self._surface,
            pin=self._snapshot_id,
            caller=self._caller if caller is None else caller,
        )

    def sql(
        self,
        sql: str,
        limit: int | None = None,
        dry_run: bool = False,
        snapshot_id: str | None = None,
    ) -> Answer | Refusal:
        """Run one SELECT over the agent's tables."""
        return self._call(
            "execute_sql",
            sql=sql,
            limit=limit,
            dry_run=dry_run,
            snapshot_id=snapshot_id,
        )

    def lookup(
        self,
        table: str,
        key: str | None = None,
        value: Scalar | None = None,
        values: Sequence[Scalar] | None = None,
        limit: int | None = None,
        snapshot_id: str | None = None,
    ) -> Answer | Refusal:
        """Rows by exact key; ``key`` is a column, by default the table's key."""
        given: dict[str, Any] = {"table": table}
        if key is not None:
            given["key"] = key
        if value is not None:
            given["value"] = value
        if values is not None:
            given["values"] = list(values)
        if limit is not None:
            given["limit"] = limit
        if snapshot_id is not None:
            given["snapshot_id"] = snapshot_id
        return self.call("lookup", given)

    def search(
        self,
        query: str,
        table: str | None = None,
        filter: Mapping[str, Scalar | list[Scalar]] | None = None,
        limit: int | None = None,
        mode: Mode = "hybrid",
        snapshot_id: str | None = None,
    ) -> Answer | Refusal:
        """Rows by meaning and words, best first; ``mode`` asks one of them alone."""
        wanted = None if filter is None else dict(filter)
        return self._call(
            "search",
            query=query,
            table=table,
            filter=wanted,
            limit=limit,
            mode=mode,
            snapshot_id=snapshot_id,
        )

    def list_tables(
        self, pattern: str | None = None, detail_level: Detail = "names"
    ) -> Answer | Refusal:
        """The tables that this agent can read."""
        return self._call("list_tables", pattern=pattern, detail_level=detail_level)

    def describe_table(self, table: str) -> Answer | Refusal:
        """One table's columns, keys and limits."""
        return self._call("describe_table", table=table)

    def check_freshness(self, table: str | None = None) -> Answer | Refusal:
        """How old the data is, by table."""
        return self._call("check_freshness", table=table)

    def get_lineage(self, table: str, column: str | None = None) -> Answer | Refusal:
        """The source tables and loads behind a table."""
        return self._call("get_lineage", table=table, column=column)

    def close(self) -> None:
        """Let go of the files that no other agent of this process uses."""
        home, self._release = self._release, None
        if home is not None:
            _release(home)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, tool: str, **arguments: Any) -> Answer | Refusal:
        given = {name: value for name, value in arguments.items() if value is not None}
        return self.call(tool, given)


@overload
def connect(
    agent: str,
    /,
    *,
    surface: str = ...,
    snapshot_id: str | None = ...,
    trace: str | None = ...,
    purpose: str | None = ...,
) -> Agent: ...


@overload
def connect(
    home: Path,
    agent: str,
    /,
    *,
    surface: str = ...,
    snapshot_id: str | None = ...,
    trace: str | None = ...,
    purpose: str | None = ...,
) -> Agent: ...


def connect(
    *home_and_agent: Path | str,
    surface: str = "python",
    snapshot_id: str | None = None,
    trace: str | None = None,
    purpose: str | None = None,
) -> Agent:
    """An agent of the data published in ``home``, optionally pinned to one snapshot.

    ``connect("support_agent")`` finds the home: the ``data`` folder, with something published in
    it, of the working folder or the nearest one above, or else of this project. The environment
    is not read. ``trace`` (such as a W3C traceparent) and ``purpose`` are recorded with every call.
    Raises Unauthenticated for an agent that is not declared, NoSnapshot before the first publish.
    """
    *home, agent = home_and_agent
    resolved = Path(home[0]).resolve() if home else _found_home()
    gateway = _acquire(resolved)
    caller = Caller.of(trace, purpose)
    connected = Agent(gateway, str(agent), surface=surface, snapshot_id=snapshot_id, caller=caller)
    connected._release = resolved
    try:
        gateway.refuse_unknown_agent(connected.name)
    except BaseException:
        connected.close()
        raise
    return connected


def _found_home() -> Path:
    here, project = Path.cwd(), Path(__file__).resolve().parents[1]
    for folder in (here, *here.parents, project):
        if pointer_path(folder / "data").is_file():
            return folder / "data"
    raise NoSnapshot(
        f"nothing is published in a folder `data` of {here}, of one above it or of {project}; "
        "name the home, as in connect(Path(...), agent), or publish by `grounded run`"
    )


def _acquire(home: Path) -> Gateway:
    """The gateway that all agents of one home in this process share."""
    with _SHARED_LOCK:
        gateway, users = _SHARED.get(home) or (Gateway(home), 0)
        _SHARED[home] = gateway, users + 1
        return gateway


def _release(home: Path) -> None:
    with _SHARED_LOCK:
        gateway, users = _SHARED[home]
        if users > 1:
            _SHARED[home] = gateway, users - 1
            return
        del _SHARED[home]
    gateway.close()
