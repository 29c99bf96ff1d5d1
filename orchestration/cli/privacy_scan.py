"""``grounded privacy scan``: no artefact holds a person's data, or it says where."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.options import AsJson, Home
from orchestration.cli.output import console, table, write_json

if TYPE_CHECKING:
    from serving.leak_scan.report import ScanReport


def scan(
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", metavar="ID", help="Search this one alone.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> int:
    """Search every artefact for the sources' personal values, keys and what looks like either.

    Exit status 1 where something was found; the report names places and rows, never a value.
    """
    from orchestration.leak_scan import scan_home
    from orchestration.resources import read_settings

    report = scan_home(read_settings(home), snapshot)
    if as_json:
        write_json(report.as_json())
    else:
        _show(report)
    return 0 if report.is_clean else 1


def _show(report: "ScanReport") -> None:
    out = console()
    files = sum(report.files.values())
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.files.items()))
    size = report.cell_bytes + report.raw_bytes
    out.print(
        f"searched {files:,} files ({kinds}): {report.cells:,} cells and {size / 1e6:,.1f} MB "
        f"for {report.searched:,} of {report.values:,} personal values in {report.seconds:.1f} s "
        f"({report.cpu_seconds:.1f} s of processor)",
        soft_wrap=True,
    )
    out.print("\nrules, and what they leave out")
    rules = [
        [one.rule, one.origin, one.values, one.search, sum(one.cells.values())]
        for one in report.effects
    ]
    out.print(table(["rule", "values of", "values", "searched as", "cells let pass"], rules))
    for title, counts in (("also public", report.public), ("in the project", report.project)):
        if counts:
            out.print(f"\nnot counted: {title}")
            rows = [[place, privacy, count] for (place, privacy), count in sorted(counts.items())]
            out.print(table(["place", "class", "count"], rows))
    for file in report.unread:
        out.print(f"[yellow]![/] {file} does not open; its bytes alone were searched")
    if report.is_clean:
        out.print("\n[green]✓[/] no personal value, key or pattern was found")
        return
    out.print("\nfound")
    rows = [
        [place, privacy, count, _rows(report, place, privacy)]
        for (place, privacy), count in sorted(report.counts.items())
    ]
    out.print(table(["place", "class", "count", "rows"], rows))


def _rows(report: "ScanReport", place: str, privacy: str) -> str:
    found = [hit.row_key for hit in report.hits if (hit.place, hit.privacy) == (place, privacy)]
    return ", ".join(found[:5])
