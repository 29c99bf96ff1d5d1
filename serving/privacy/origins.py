"""What the proof tells of a published column: the source columns behind it, never a value.

Proof -> (view, column) -> ColumnOrigin -> catalog.json -> get_lineage
"""

from collections.abc import Mapping

from serving.catalog import ColumnOrigin
from serving.lineage.flows import Flow
from serving.privacy.proof import Proof

Origins = Mapping[tuple[str, str], list[ColumnOrigin]]


def column_origins(proof: Proof) -> Origins:
    """Return the origins of each agent column; another agent view is named on no way."""
    views = {column.view for column in proof.columns}
    return {
        (column.view, column.column): [
            _origin(flow, proof, views - {column.view}) for flow in column.flows
        ]
        for column in proof.columns
    }


def _origin(flow: Flow, proof: Proof, others: set[str]) -> ColumnOrigin:
    return ColumnOrigin(
        table=flow.source,
        column=flow.column,
        privacy=proof.classes.get(f"{flow.source}.{flow.column}"),
        masks=sorted({passed.function for passed in flow.passed}),
        path=[step for step in flow.path[1:] if step.partition(".")[0] not in others],
    )
