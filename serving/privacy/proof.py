"""Proves from compiled SQL that no personal column reaches an agent without a mask for its class.

dbt's manifest -> column lineage -> flows -> Proof: a verdict a column, and what is wrong

Each way of a column counts on its own: one masked way does not excuse an unmasked one.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.declarations import Declarations, DeclaredColumn, DeclaredView, IndirectUse
from serving.errors import NotFollowed
from serving.lineage.flows import ColumnFlows, Flow
from serving.lineage.guards import statements_beside_models
from serving.lineage.project import ProjectLineage, Table, column_names, is_named
from serving.lineage.values import plain
from serving.privacy import wording
from serving.privacy.judgement import Judge, Verdict
from serving.privacy.row_filters import filtered_columns


@dataclass(frozen=True)
class Use:
    """A personal source column that steers a model: how, and the reason for which it may."""

    model: str
    column: str
    privacy: str | None
    use: str
    reason: str | None = None


@dataclass(frozen=True)
class ColumnProof:
    """What one column of an agent view is made of; ``surfaces`` name where agents meet it."""

    view: str
    column: str
    flows: tuple[Flow, ...]
    verdict: Verdict
    indirect: tuple[Use, ...]
    surfaces: tuple[str, ...]


@dataclass(frozen=True)
class Proof:
    """The verdicts; nothing may be published unless ``problems`` is empty.

    ``rows`` tells for each view which personal columns chose its rows. ``unneeded`` are permissions
    for indirect use that nothing needs.
    """

    columns: tuple[ColumnProof, ...]
    rows: dict[str, tuple[Use, ...]]
    problems: tuple[str, ...]
    unneeded: tuple[str, ...]
    seconds: float
    classes: dict[str, str | None] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether no personal column can reach an agent."""
        return not self.problems


def prove(
    manifest: Mapping[str, Any], declarations: Declarations, *, technical: Collection[str]
) -> Proof:
    """Prove a compiled project; ``technical`` are the columns that ingestion adds to raw tables."""
    began = time.monotonic()
    proving = _Proving(manifest, declarations, frozenset(plain(name) for name in technical))
    return proving.run(began)


class _Proving:
    def __init__(
        self, manifest: Mapping[str, Any], declarations: Declarations, technical: frozenset[str]
    ) -> None:
        self._manifest = manifest
        self._declarations = declarations
        self._judge = Judge(declarations, technical)
        self._lineage = ProjectLineage(
            manifest, functions=frozenset(declarations.masks), technical=technical
        )
        self._flows = ColumnFlows(self._lineage)
        self._columns: list[ColumnProof] = []
        self._rows: dict[str, tuple[Use, ...]] = {}
        self._problems: list[str] = []
        self._needed: set[tuple[str, int]] = set()

    def run(self, began: float) -> Proof:
        """Return the proof over every agent view and row filter."""
        self._problems += statements_beside_models(self._manifest)
        for name, view in sorted(self._declarations.views.items()):
            try:
                self._view(view, self._lineage.model(view.unique_id))
            except NotFollowed:
                self._rows[name] = ()
        self._problems += [wording.unfollowed(one) for one in self._lineage.unfollowed.values()]
        self._problems += self._row_filters()
        self._problems += wording.unallowed(self._unallowed(), self._manifest)
        classes = {
            f"{flow.source}.{flow.column}": self._judge.privacy(flow)
            for column in self._columns
            for flow in column.flows
        }
        return Proof(
            columns=tuple(self._columns),
            rows=self._rows,
            problems=tuple(dict.fromkeys(self._problems)),
            unneeded=tuple(self._unneeded()),
            seconds=time.monotonic() - began,
            classes=classes,
        )

    def _view(self, view: DeclaredView, table: Table) -> None:
        declared = {plain(column.name): column for column in view.columns}
        for name in column_names(table):
            flows = self._flows.column(table, name)
            direct = tuple(flow for flow in flows if not flow.use)
            column = ColumnProof(
                view=view.name,
                column=name,
                flows=direct,
                verdict=self._judge.worst(direct),
                indirect=self._uses(flows),
                surfaces=_surfaces(view, name),
            )
            self._columns.append(column)
            self._problems += self._wrong(column, declared.get(name))
        self._rows[view.name] = self._uses(self._flows.rows(table))

    def _wrong(self, column: ColumnProof, declared: DeclaredColumn | None) -> list[str]:
        judge = self._judge
        unmasked = [flow for flow in column.flows if judge.verdict(flow) == "unmasked"]
        found = [wording.unmasked(column.view, column.column, flow, judge) for flow in unmasked]
        if not is_named(column.column) or declared is None or unmasked:
            return found
        masks = {passed.function for flow in column.flows for passed in judge.hiding(flow)}
        methods = {self._declarations.masks[mask].method for mask in masks}
        if declared.mask is None and not methods or declared.mask in methods:
            return found
        return [*found, wording.wrongly_declared(column.view, declared, methods)]

    def _uses(self, flows: Collection[Flow]) -> tuple[Use, ...]:
        """Return the indirect uses of personal columns, each with its reason."""
        found = set()
        for flow in flows:
            if flow.use and self._judge.verdict(flow) == "unmasked":
                column = f"{flow.source}.{flow.column}"
                reason = self._reason(flow.used_in, column, flow.use)
                privacy = self._judge.privacy(flow)
                found.add(Use(flow.used_in, column, privacy, flow.use, reason))
        return tuple(sorted(found, key=lambda use: (use.model, use.column, use.use)))

    def _reason(self, model: str, column: str, use: str) -> str | None:
        for number, allowed in enumerate(self._declarations.indirect.get(model, [])):
            if column in allowed.columns and use in allowed.uses:
                self._needed.add((model, number))
                return allowed.reason
        return None

    def _unallowed(self) -> list[Use]:
        all_uses = [use for column in self._columns for use in column.indirect]
        all_uses += [use for uses in self._rows.values() for use in uses]
        return list(dict.fromkeys(use for use in all_uses if use.reason is None))

    def _unneeded(self) -> list[str]:
        allowed: list[tuple[str, int, IndirectUse]] = [
            (model, number, use)
            for model, uses in self._declarations.indirect.items()
            for number, use in enumerate(uses)
        ]
        return [
            f"model {model}: nothing needs meta.privacy.indirect for {', '.join(use.columns)} in "
            f"{', '.join(use.uses)}; remove it"
            for model, number, use in allowed
            if (model, number) not in self._needed
        ]

    def _row_filters(self) -> list[str]:
        found = []
        proven = {(column.view, column.column): column for column in self._columns}
        for agent in self._declarations.agents.values():
            for view, condition in agent.rows.items():
                columns = [name for of_view, name in proven if of_view == view]
                if not columns:
                    continue
                try:
                    read = filtered_columns(view, columns, condition)
                except NotFollowed as error:
                    found.append(wording.unfollowed_filter(agent.name, view, error.message))
                    continue
                found += [
                    wording.unmasked_filter(agent.name, view, name)
                    for name in read
                    if proven[view, name].verdict == "unmasked"
                ]
        return found


def _surfaces(view: DeclaredView, name: str) -> tuple[str, ...]:
    search = view.serve.search
    places = {"key": [view.serve.key], "lookup": view.serve.lookups}
    if search is not None:
        title = [search.title] if search.title else []
        places |= {"search text": search.text, "search title": title}
        places |= {"search filter": search.filters}
    met = [place for place, names in places.items() if name in {plain(one) for one in names}]
    return tuple(["column", *met])
