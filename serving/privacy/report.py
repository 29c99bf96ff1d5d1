"""What the proof found, for a person to read: by view and column, as plain data.

Proof -> ViewReport, ColumnReport -> a table, JSON, a page
"""

from dataclasses import asdict, dataclass
from typing import Any

from serving.lineage.flows import Flow
from serving.lineage.values import PRIVACY_SCHEMA
from serving.privacy.proof import ColumnProof, Proof, Use


@dataclass(frozen=True)
class SourceReport:
    """One source column with its class, the masks that it passes and its way, model by model."""

    column: str
    privacy: str | None
    masks: list[str]
    path: list[str]


@dataclass(frozen=True)
class ColumnReport:
    """One column of an agent view; ``surfaces`` are the ways in which agents meet it."""

    view: str
    column: str
    verdict: str
    surfaces: list[str]
    sources: list[SourceReport]
    indirect: list[Use]


@dataclass(frozen=True)
class ViewReport:
    """An agent view: its columns, and the personal columns that chose its rows."""

    view: str
    columns: list[ColumnReport]
    rows: list[Use]

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON's types."""
        return asdict(self)


def reports(proof: Proof, view: str | None = None) -> list[ViewReport]:
    """Return the reports of all views, or of one."""
    return [
        ViewReport(
            name,
            [_column(proof, column) for column in proof.columns if column.view == name],
            list(rows),
        )
        for name, rows in sorted(proof.rows.items())
        if view in (None, name)
    ]


def _column(proof: Proof, column: ColumnProof) -> ColumnReport:
    return ColumnReport(
        view=column.view,
        column=column.column,
        verdict=column.verdict,
        surfaces=list(column.surfaces),
        sources=[_source(proof, flow) for flow in sorted(column.flows, key=_rank)],
        indirect=list(column.indirect),
    )


def _rank(flow: Flow) -> int:
    """What is masked goes before what a mask merely knows."""
    return max((passed.argument for passed in flow.passed), default=0)


def _source(proof: Proof, flow: Flow) -> SourceReport:
    name = f"{flow.source}.{flow.column}"
    return SourceReport(
        column=name,
        privacy=proof.classes[name],
        masks=sorted({f"{PRIVACY_SCHEMA}.{one.function}" for one in flow.passed}),
        path=list(flow.path),
    )
