"""``grounded source check | reconcile | reload`` and ``grounded quarantine list | retry``."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from orchestration.cli.options import AsJson, Home
from orchestration.cli.output import console, table, write_json

if TYPE_CHECKING:
    from ingestion.spec import SourceSpec

sources = typer.Typer(
    help="Check a source's rights and health, compare raw with it, or load it from the start.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
quarantine = typer.Typer(
    help="Rows that broke their declaration, and a second chance for them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(metavar="SOURCE", help="As in ingestion/sources.yaml.")]
MaybeName = Annotated[str | None, typer.Argument(metavar="[SOURCE]", help="Default: all.")]


@sources.command("check")
def check(name: Name, home: Home = None, as_json: AsJson = False) -> int:
    """Print the SQL that grants what is needed, prove that we cannot write, and tell the lag."""
    from ingestion.log_capture.check import check_source
    from ingestion.spec import SqlDatabaseSource
    from orchestration.errors import SettingsError
    from orchestration.resources import read_settings

    settings = read_settings(home)
    source = settings.source(name)
    if not isinstance(source, SqlDatabaseSource):
        raise SettingsError(
            f"source {name} is no database; `grounded run --source {name}` tries it"
        )
    found = check_source(name, source, settings.home)
    if as_json:
        write_json(found.model_dump(mode="json"))
        return 1 if found.faults else 0
    out = console()
    out.print(f"PostgreSQL {found.version}, wal_level {found.wal_level}, our role {found.role}")
    if found.slot is not None:
        lag = found.slot.lag_seconds
        seconds = "unknown" if lag is None else f"{lag:,.0f} s"
        out.print(
            f"slot {found.slot.slot}: {found.slot.wal_status}, {found.slot.lag_bytes:,} bytes and "
            f"{seconds} behind"
        )
    refused = (
        (write, "refused" if no else "ALLOWED") for write, no in found.writing_refused.items()
    )
    out.print(table(["writing", ""], refused))
    out.print("\nAs an administrator, once:\n", style="dim")
    for statement in found.grants:
        out.print(f"{statement.rstrip(';')};", markup=False, soft_wrap=True)
    for one in found.awaited:
        out.print(f"\nthe first load waits for {one}", markup=False, soft_wrap=True)
    for fault in found.faults:
        out.print(f"\n[red]✗[/] {fault}", soft_wrap=True)
    return 1 if found.faults else 0


@sources.command("reconcile")
def reconcile(name: Name, home: Home = None, as_json: AsJson = False) -> int:
    """Compare raw with the source now, mend what differs and delete what is gone."""
    from ingestion.reconcile import reconcile as compare
    from orchestration.reconciliation import told

    source, folder = _ready_to_load(name, home)
    out = console()
    report = compare(name, source, folder, on_progress=_progress(out, as_json))
    if as_json:
        write_json(report.model_dump(mode="json"))
        return 0
    for line in told(report) or [f"{name}: raw holds what the source holds"]:
        out.print(line, markup=False, soft_wrap=True)
    return 0


@sources.command("reload")
def reload(
    name: Name,
    table_name: Annotated[
        str | None, typer.Argument(metavar="[TABLE]", help="Default: all.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Read a source from the start, whatever its cursors and slot say; what is gone is deleted."""
    from ingestion.load import load_source
    from orchestration.errors import SettingsError

    source, folder = _ready_to_load(name, home)
    if table_name is not None and table_name not in source.tables:
        raise SettingsError(f"source {name} has no table {table_name}: {', '.join(source.tables)}")
    chosen = list(source.tables) if table_name is None else [table_name]
    out = console()
    report = load_source(
        name, source, folder, tables=chosen, anew=chosen, on_progress=_progress(out, as_json)
    )
    if as_json:
        write_json(report.model_dump(mode="json"))
        return 0
    cells = [
        [place, found.rows, found.read, found.changed, found.gone]
        for place, found in report.tables.items()
    ]
    out.print(table(["table", "rows", "read", "changed", "gone"], cells))
    for alarm in report.alarms:
        out.print(alarm, markup=False, soft_wrap=True)
    return 0


@quarantine.command("list")
def list_rows(name: MaybeName = None, home: Home = None, as_json: AsJson = False) -> int:
    """List the rows that wait, with the rule that each of them broke; never their values."""
    from ingestion.quarantine import list_quarantine
    from orchestration.resources import read_settings

    settings = read_settings(home)
    chosen = {name: settings.source(name)} if name else settings.sources
    waiting = list_quarantine(settings.home, chosen)
    if as_json:
        for source, rows in waiting.items():
            for row in rows:
                write_json({"source": source, **row.model_dump(mode="json")})
        return 0
    cells = [
        [
            f"{source}.{row.table_name}",
            row.row_key,
            row.reason,
            f"{row.quarantined_at:%Y-%m-%d %H:%M}",
        ]
        for source, rows in waiting.items()
        for row in rows
    ]
    console().print(table(["table", "key", "reason", "since"], cells) if cells else "nothing waits")
    return 0


@quarantine.command("retry")
def retry_rows(name: Name, home: Home = None, as_json: AsJson = False) -> int:
    """Read the waiting rows of a source again, after a fix there or in its declaration."""
    from ingestion.retry import retry

    source, folder = _ready_to_load(name, home)
    out = console()
    report = retry(name, source, folder, on_progress=_progress(out, as_json))
    if as_json:
        write_json(report.model_dump(mode="json"))
        return 0
    rows = [[key, count, report.waiting.get(key, 0)] for key, count in report.waited.items()]
    out.print(table(["table", "waited", "still wait"], rows) if rows else "nothing waits")
    return 0


def _ready_to_load(name: str, home: Path | None) -> "tuple[SourceSpec, Path]":
    """A source and its home; what keeps the erased out of its loads is set."""
    from orchestration.resources import prepare_environment, read_settings

    settings = read_settings(home)
    source = settings.source(name)
    prepare_environment(settings)
    return source, settings.home


def _progress(out: Console, as_json: bool) -> Callable[[str], None] | None:
    return None if as_json else lambda message: out.print(message, style="dim")
