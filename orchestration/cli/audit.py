"""``grounded audit``: what agents asked and were told; whether the log is whole; a call again."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from orchestration.cli.options import AsJson, Home, home_folder
from orchestration.cli.output import console, table, write_json

app = typer.Typer(
    help="What agents asked and were told; proof that the log is whole; a call run again.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
_COLUMNS = ["time", "agent", "surface", "tool", "verdict", "rows", "ms", "read", "id"]


@app.callback()
def last(
    context: typer.Context,
    agent: Annotated[str | None, typer.Option("--agent", help="Of this agent alone.")] = None,
    tool: Annotated[str | None, typer.Option("--tool", help="Of this tool alone.")] = None,
    view: Annotated[str | None, typer.Option("--view", help="That read this view.")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Refusals alone.")] = False,
    slow: Annotated[
        float | None, typer.Option("--slow", help="At least so many milliseconds.", min=0)
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="The last 90s, 10m, 2h or 7d.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="The last so many.", min=1)] = 20,
    home: Home = None,
    as_json: AsJson = False,
) -> int | None:
    """List the last calls, oldest first; --json tells all that is kept of each.

    Example: grounded audit --agent support_agent --refused --since 2h
    """
    if context.invoked_subcommand is not None:
        return None
    from serving.audit import latest

    earliest = None if since is None else datetime.now(UTC) - _duration(since)

    def is_wanted(call: dict[str, Any]) -> bool:
        return all(
            (
                agent is None or call["agent"] == agent,
                tool is None or call["tool"] == tool,
                view is None or view in call["tables"],
                not refused or call["verdict"] == "refused",
                slow is None or call["elapsed_ms"] >= slow,
                earliest is None or datetime.fromisoformat(call["time"]) >= earliest,
            )
        )

    _list(latest(home_folder(home), limit, is_wanted), as_json)
    return 0


@app.command("verify")
def verify(
    anchor: Annotated[
        str | None,
        typer.Option("--anchor", metavar="SEQ:HASH", help="An end noted earlier: still there?"),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Prove that no record was edited, removed or moved; exit status 1 where one was.

    It prints the chain's end. Noted elsewhere, such as in a ticket, and given as --anchor later on,
    it proves that not even the whole log was written anew.
    """
    from serving.audit import verify as walk

    report = walk(home_folder(home), anchor)
    if as_json:
        write_json({**vars(report), "is_intact": report.is_intact, "anchor": report.anchor})
        return 0 if report.is_intact else 1
    out = console()
    for problem in report.problems:
        out.print(f"[red]✗[/] {problem}", soft_wrap=True)
    parts = [
        f"{report.records:,} records of {report.files:,} {'day' if report.files == 1 else 'days'}",
        f"{report.expired:,} expired" if report.expired else "",
        f"{report.erased:,} with their arguments erased" if report.erased else "",
        f"{report.torn_lines:,} torn by a kill" if report.torn_lines else "",
    ]
    out.print(", ".join(part for part in parts if part))
    out.print("intact" if report.is_intact else "NOT INTACT: keep the files, see who wrote to them")
    out.print(f"end {report.anchor}", markup=False, soft_wrap=True)
    return 0 if report.is_intact else 1


@app.command("replay")
def replay(
    query_id: Annotated[str, typer.Argument(metavar="ID", help="As it is listed.")],
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Run a call again on the snapshot that it read and compare; status 1 unless it is the same.

    The replay is a call of that agent, and recorded as one.
    """
    from serving.replay import replay as run_again

    done = run_again(home_folder(home), query_id)
    if as_json:
        outcome = done.outcome and done.outcome.model_dump(mode="json")
        write_json({**vars(done), "outcome": outcome})
    else:
        out = console()
        out.print({"same": "the same rows", "differs": "differs"}.get(done.verdict, "impossible"))
        for difference in done.differences:
            out.print(difference, markup=False, soft_wrap=True)
    return 0 if done.verdict == "same" else 1


@app.command("expire")
def expire(
    keep: Annotated[str, typer.Option("--keep", help="What stays: 90d, at least 1d.")],
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Remove older days; a checkpoint in the log keeps the rest provable."""
    from serving.audit import expire as remove

    kept = _duration(keep)
    if kept.days < 1:
        raise typer.BadParameter(
            "--keep is at least 1d: a day is removed whole, after it has ended"
        )
    removed = remove(home_folder(home), kept)
    if as_json:
        write_json({"removed": removed})
    else:
        console().print(f"removed {', '.join(removed)}" if removed else "nothing is that old")
    return 0


def _list(calls: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        for call in calls:
            write_json(call)
        return
    if not calls:
        console().print("no such call")
        return
    rows = [
        [
            call["time"][:19].replace("T", " "),
            call["agent"],
            call["surface"],
            call["tool"],
            call["code"] or call["verdict"],
            call["rows"],
            call["elapsed_ms"],
            ", ".join(call["tables"]) or None,
            call["query_id"][:12],
        ]
        for call in calls
    ]
    console().print(table(_COLUMNS, rows))


def _duration(text: str) -> timedelta:
    from ingestion.spec import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
