"""``grounded demo up | down | traffic``: real upstreams to try Grounded on."""

from typing import Annotated

import typer

from orchestration.cli.options import AsJson, Home, home_folder
from orchestration.cli.output import console, table, write_json

app = typer.Typer(
    help="A real PostgreSQL, a helpdesk API and a folder of documents, on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("up")
def up(
    scale: Annotated[
        float, typer.Option("--scale", help="1 is 2,000 customers and 10,000 orders.", min=0.001)
    ] = 1.0,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Start what is not running; the first start fills it with invented people."""
    from ingestion.demo import up as start

    out = console()
    told = (lambda message: None) if as_json else (lambda message: out.print(message, style="dim"))
    demo = start(home_folder(home), scale=scale, on_progress=told)
    places = {
        "shop": demo.shop_url.rpartition("@")[2],
        "helpdesk": demo.helpdesk_url,
        "runbooks": str(demo.runbooks_path),
    }
    if as_json:
        write_json(places)
    else:
        out.print(table(["upstream", "at"], places.items()))
    return 0


@app.command("down")
def down(home: Home = None, as_json: AsJson = False) -> int:
    """Stop the demo's servers; their data stays for the next start."""
    from ingestion.demo import down as stop

    stopped = stop(home_folder(home))
    if as_json:
        write_json({"stopped": stopped})
    else:
        console().print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
    return 0


@app.command("traffic")
def traffic(
    changes: Annotated[
        int, typer.Option("--changes", help="How many, over all three.", min=1)
    ] = 60,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Insert, update and delete in all three upstreams, so that the next run has work."""
    from ingestion.demo import traffic as change

    report = change(home_folder(home), changes=changes)
    if as_json:
        write_json(report.model_dump())
        return 0
    named = sorted({*report.inserted, *report.updated, *report.deleted})
    rows = [
        [
            name,
            *(counts.get(name, 0) for counts in (report.inserted, report.updated, report.deleted)),
        ]
        for name in named
    ]
    console().print(table(["table", "inserted", "updated", "deleted"], rows))
    return 0
