"""``grounded privacy report``: where each agent column comes from, and how it is masked."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.options import AsJson, Home
from orchestration.cli.output import console, table, write_json

if TYPE_CHECKING:
    from serving.privacy.proof import Proof, Use
    from serving.privacy.report import ColumnReport, ViewReport

View = Annotated[str | None, typer.Option("--view", help="This agent view alone.")]


def report(view: View = None, home: Home = None, as_json: AsJson = False) -> int:
    """Prove that no personal column reaches an agent unmasked, and show how for each column.

    Reads the SQL of the project as it is now; needs no data. Ends with 1 if the proof fails.
    """
    from orchestration.errors import SettingsError
    from orchestration.proving import prove_project
    from orchestration.resources import prepare_environment, read_settings
    from serving.privacy.report import reports

    settings = read_settings(home)
    prepare_environment(settings)
    proof = prove_project(settings)
    if view is not None and view not in proof.rows:
        raise SettingsError(f"no agent view {view}; there are {', '.join(sorted(proof.rows))}")
    found = reports(proof, view)
    if as_json:
        _write_lines(proof, found)
    else:
        _show(proof, found)
    return 0 if proof.holds else 1


def _write_lines(proof: "Proof", found: "list[ViewReport]") -> None:
    for one in found:
        write_json(one.as_json())
    write_json(
        {
            "holds": proof.holds,
            "problems": proof.problems,
            "unneeded": proof.unneeded,
            "seconds": round(proof.seconds, 3),
        }
    )


def _show(proof: "Proof", found: "list[ViewReport]") -> None:
    out = console()
    for one in found:
        out.print(f"\n[bold]{one.view}[/]  rows steered by: {_uses(one.rows)}")
        headings = ["column", "verdict", "comes from (class)", "masks", "steered by"]
        out.print(table(headings, (_row(column) for column in one.columns)))
    for text in (*proof.problems, *proof.unneeded):
        out.print(f"\n- {text}", markup=False)
    said = "no personal column reaches an agent unmasked" if proof.holds else "NOT PROVEN"
    columns = sum(len(one.columns) for one in found)
    out.print(f"\n[bold]{said}[/]: {columns} columns, {proof.seconds * 1000:.0f} ms")


def _row(column: "ColumnReport") -> list[str]:
    sources = [f"{one.column} ({one.privacy or 'no class'})" for one in column.sources]
    shown = ", ".join(sources[:2]) + (f" and {len(sources) - 2} more" if len(sources) > 2 else "")
    masks = sorted({mask.partition(".")[2] for one in column.sources for mask in one.masks})
    steered = _uses(column.indirect) if column.indirect else ""
    return [column.column, column.verdict, shown or "no column", ", ".join(masks), steered]


def _uses(uses: "list[Use]") -> str:
    if not uses:
        return "nothing personal"
    return ", ".join(dict.fromkeys(f"{use.column} ({use.use} in {use.model})" for use in uses))
