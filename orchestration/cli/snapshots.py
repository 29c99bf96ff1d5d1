"""``grounded snapshots | rollback``: what is published, and going back."""

from typing import Annotated

import typer

from orchestration.cli.options import AsJson, Home, home_folder
from orchestration.cli.output import console, table, write_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("snapshots")(snapshots)
    app.command("rollback")(rollback)


def snapshots(home: Home = None, as_json: AsJson = False) -> int:
    """List every published snapshot, newest first; the current one answers."""
    from serving.snapshot_store import current_id, list_snapshots

    folder = home_folder(home)
    current_id(folder)
    found = list_snapshots(folder)
    if as_json:
        for one in found:
            write_json(vars(one))
        return 0
    rows = [
        [
            one.snapshot_id,
            "current" if one.is_current else "",
            f"{one.created_at:%Y-%m-%d %H:%M:%S} UTC",
            one.rows,
            one.chunks,
            f"{one.size_bytes / 1e6:,.1f} MB",
        ]
        for one in found
    ]
    console().print(table(["snapshot", "", "created", "rows", "chunks", "size"], rows))
    return 0


def rollback(
    snapshot_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Default: the one before.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Let an older snapshot answer from now on; the next run publishes a new one."""
    from serving.snapshot_store import rollback as roll_back

    chosen = roll_back(home_folder(home), snapshot_id)
    if as_json:
        write_json({"snapshot_id": chosen})
    else:
        console().print(f"snapshot {chosen} answers now; `grounded run` publishes a new one")
    return 0
