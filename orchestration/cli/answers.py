"""``grounded sql | lookup | search | tables``: an agent's questions, asked by hand."""

from typing import Annotated, Any

import typer

from orchestration.cli.filters import filters
from orchestration.cli.options import AgentName, AsJson, Home, home_folder
from orchestration.cli.output import show_answer, show_hits
from serving.caller import Caller

Limit = Annotated[int | None, typer.Option("--limit", help="At most this many rows.")]
Pin = Annotated[str | None, typer.Option("--snapshot", help="Ask this snapshot, not the newest.")]
Trace = Annotated[str | None, typer.Option("--trace", help="Recorded: whose trace it is part of.")]
Purpose = Annotated[str | None, typer.Option("--purpose", help="Recorded: what it is for.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("sql")(sql)
    app.command("lookup")(lookup)
    app.command("search")(search)
    app.command("tables")(tables)


def sql(
    agent: AgentName,
    statement: Annotated[str, typer.Argument(help="One SELECT over the agent's views.")],
    limit: Limit = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it, don't run it.")] = False,
    snapshot: Pin = None,
    trace: Trace = None,
    purpose: Purpose = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Run one SELECT as an agent.

    Example: grounded sql --agent support_agent "select count(*) from agent_orders"
    """
    arguments = {"sql": statement, "limit": limit, "dry_run": dry_run, "snapshot_id": snapshot}
    return _ask("execute_sql", arguments, Caller.of(trace, purpose), agent, home, as_json)


def lookup(
    agent: AgentName,
    view: Annotated[str, typer.Argument(metavar="VIEW", help="One of the agent's views.")],
    values: Annotated[list[str], typer.Argument(help="One or more key values.")],
    key: Annotated[
        str | None, typer.Option("--key", help="Column; default the view's key.")
    ] = None,
    limit: Limit = None,
    snapshot: Pin = None,
    trace: Trace = None,
    purpose: Purpose = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Fetch rows by key, in microseconds.

    Example: grounded lookup --agent support_agent agent_tickets 42
    """
    wanted: dict[str, Any] = {"values": values} if len(values) > 1 else {"value": values[0]}
    arguments = {"table": view, "key": key, "limit": limit, "snapshot_id": snapshot, **wanted}
    return _ask("lookup", arguments, Caller.of(trace, purpose), agent, home, as_json)


def search(
    agent: AgentName,
    query: Annotated[str, typer.Argument(help="What to find, in words.")],
    view: Annotated[str | None, typer.Option("--view", help="Search this view alone.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--filter", help="column=value; may be repeated."),
    ] = None,
    limit: Limit = None,
    snapshot: Pin = None,
    trace: Trace = None,
    purpose: Purpose = None,
    mode: Annotated[
        str | None, typer.Option("--mode", help="hybrid, vector (meaning) or text (words).")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Search by meaning and by words.

    Example: grounded search --agent support_agent "parcel never arrived" --filter status=open
    """
    arguments = {
        "query": query,
        "table": view,
        "filter": filters(home_folder(home), agent, snapshot, where) if where else None,
        "limit": limit,
        "mode": mode,
        "snapshot_id": snapshot,
    }
    return _ask("search", arguments, Caller.of(trace, purpose), agent, home, as_json)


def tables(
    agent: AgentName,
    view: Annotated[str | None, typer.Argument(metavar="[VIEW]", help="Describe this one.")] = None,
    trace: Trace = None,
    purpose: Purpose = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """List an agent's views, or describe one."""
    caller = Caller.of(trace, purpose)
    if view is not None:
        return _ask("describe_table", {"table": view}, caller, agent, home, as_json)
    return _ask("list_tables", {"detail_level": "summary"}, caller, agent, home, as_json)


def _ask(
    tool: str, arguments: dict[str, Any], caller: Caller, agent: str, home: Home, as_json: bool
) -> int:
    from serving.agent import connect

    given = {name: value for name, value in arguments.items() if value is not None}
    with connect(home_folder(home), agent, surface="command line") as connected:
        show = show_hits if tool == "search" else show_answer
        return show(connected.call(tool, given, caller=caller), as_json=as_json)
