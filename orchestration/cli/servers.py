"""``grounded serve | mcp | agents``: the surfaces that agents use."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.options import AgentName, AsJson, Home, home_folder
from orchestration.cli.output import console, table, write_json

if TYPE_CHECKING:
    from serving.catalog import Limits


class Log(Enum):
    """How a server's log is written."""

    text = "text"
    json = "json"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve")(serve)
    app.command("mcp")(mcp)
    app.command("agents")(agents)


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to bind.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", help="0 takes a free one.", min=0, max=65535)
    ] = 8787,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A name under which callers come; may be repeated."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option("--allow-origin", help="A web page's origin that may call; may be repeated."),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", help="Processes that answer; one a core.", min=1, max=64)
    ] = 1,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="PEM file: serve HTTPS by TLS 1.3 alone.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="The certificate's key.")] = None,
    log: Annotated[Log, typer.Option("--log", help="How the log on stderr is written.")] = Log.text,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="Log a line a request, without its values.")
    ] = False,
    home: Home = None,
) -> int:
    """Answer all agents over HTTP, and over MCP at /mcp; each call needs an agent's token.

    /docs describes the routes. With several workers an agent's calls a minute count for each
    worker alone.

    Example: grounded serve --workers 2 --certificate cert.pem --key key.pem --log json
    """
    from serving.http_listen import Listening
    from serving.http_listen import serve as run_server
    from serving.snapshot_store import current_id

    folder = home_folder(home)
    current_id(folder)
    run_server(
        folder,
        Listening(
            host=host,
            port=port,
            allowed_hosts=allow_host or [],
            allowed_origins=allow_origin or [],
            workers=workers,
            certificate=certificate,
            key=key,
            log_format=log.value,
            log_requests=log_requests,
        ),
        on_listening=lambda address: console().print(
            f"answering at {address}, MCP at {address}/mcp; tokens: `grounded token AGENT`"
        ),
    )
    return 0


def mcp(agent: AgentName, home: Home = None) -> int:
    """Answer one agent over MCP on stdin and stdout, as desktop clients start it."""
    import anyio

    from serving.agent import connect
    from serving.mcp_server import run_stdio

    with connect(home_folder(home), agent, surface="mcp") as connected:
        anyio.run(run_stdio, connected)
    return 0


def agents(home: Home = None, as_json: AsJson = False) -> int:
    """List the agents, what each of them can reach, and how much it may ask."""
    from serving.snapshot_store import current

    catalog = current(home_folder(home))[1]
    if as_json:
        for one in catalog.agents.values():
            write_json(
                {
                    "agent": one.name,
                    "purpose": one.purpose,
                    "views": {view: store.rows for view, store in one.stores.items()},
                    "row_filtered": one.row_filtered,
                    "limits": one.limits.model_dump(),
                }
            )
        return 0
    rows = [
        [one.name, view, store.rows, "filtered" if view in one.row_filtered else ""]
        for one in catalog.agents.values()
        for view, store in sorted(one.stores.items())
    ]
    console().print(table(["agent", "view", "rows", ""], rows))
    limits = [
        [one.name, *(f"{value:g}" for value in _shown(one.limits))]
        for one in catalog.agents.values()
    ]
    columns = ["agent", "rows", "seconds", "at once", "calls a minute", "seconds a minute"]
    console().print(table(columns, limits))
    return 0


def _shown(limits: "Limits") -> tuple[float, ...]:
    return (
        limits.rows,
        limits.seconds,
        limits.concurrent,
        limits.calls_per_minute,
        limits.seconds_per_minute,
    )
