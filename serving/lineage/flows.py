"""How source columns come into a model's columns, model by model.

ProjectLineage -> Flow: a source column, the way it takes, the privacy functions that it passes
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from serving.lineage.project import OTHERS, ProjectLineage, Table
from serving.lineage.values import Input, Passed, Value

Flows = tuple["Flow", ...]


@dataclass(frozen=True, order=True)
class Flow:
    """One way from a source column to a model's column.

    ``path`` begins at the source: ``shop.customers.email``, ``stg_shop__customers.email``, ...
    ``use`` says how the column steers where its value does not flow on, and ``used_in`` in which
    model that is.
    """

    source: str
    column: str
    path: tuple[str, ...]
    passed: frozenset[Passed] = frozenset()
    use: str = ""
    used_in: str = ""


class ColumnFlows:
    """Follows columns through a project; of ways that differ in nothing else, the shortest."""

    def __init__(self, lineage: ProjectLineage) -> None:
        self._lineage = lineage
        self._columns: dict[tuple[str, str], Flows] = {}
        self._rows: dict[str, Flows] = {}

    def column(self, table: Table, name: str) -> Flows:
        """Return the flows into one column; NotFollowed where a model between is unreadable."""
        key = (table.key, name)
        if key not in self._columns:
            step = f"{table.name}.{name}"
            if table.is_source:
                self._columns[key] = (Flow(table.name, name, (step,)),)
            else:
                self._columns[key] = self.value(_value(table, name), table, step)
        return self._columns[key]

    def rows(self, table: Table) -> Flows:
        """Return what chose, grouped and ordered the rows of a model and of all that it reads."""
        if table.key not in self._rows:
            own = self.value(table.relation.rows, table, table.name)
            below = [flow for key in table.reads for flow in self.rows(self._lineage.table(key))]
            self._rows[table.key] = _shortest([*own, *below])
        return self._rows[table.key]

    def value(self, value: Value, table: Table, step: str) -> Flows:
        """Return the flows into an expression of a model."""
        return _shortest(flow for found in value for flow in self._input(found, table, step))

    def _input(self, found: Input, table: Table, step: str) -> Iterable[Flow]:
        for flow in self.column(self._lineage.table(found.relation), found.column):
            way = replace(flow, path=(*flow.path, step))
            if flow.use:
                yield way
            else:
                yield replace(
                    way,
                    passed=flow.passed | found.passed,
                    use=found.use,
                    used_in=table.name if found.use else "",
                )


def _value(table: Table, name: str) -> Value:
    if name == OTHERS:
        return table.relation.others or frozenset()
    found = [value for column, value in table.relation.columns if column == name]
    return frozenset().union(*found)


def _shortest(flows: Iterable[Flow]) -> Flows:
    best: dict[tuple[object, ...], Flow] = {}
    for flow in flows:
        key = (flow.source, flow.column, flow.passed, flow.use, flow.used_in)
        known = best.get(key)
        if known is None or (len(flow.path), flow.path) < (len(known.path), known.path):
            best[key] = flow
    return tuple(sorted(best.values(), key=lambda flow: (flow.use, flow.path)))
