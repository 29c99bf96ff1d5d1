"""What one agent can ask of one snapshot at one instant: the seven questions behind the tools."""

import difflib
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from serving import freshness
from serving.catalog import CatalogAgent, CatalogView, Limits, SourceTable
from serving.column_lineage import lineage
from serving.descriptions import Detail, about, described
from serving.envelope import Column, Freshness
from serving.errors import InvalidArgument, StaleData, UnknownTable
from serving.found import Found, within
from serving.fusion import Mode
from serving.marks import answer_columns, trust_of
from serving.opened import OpenSnapshot, ServedView
from serving.provenance import output_origins
from serving.row_bytes import unpacked
from serving.sandbox import check
from serving.sandbox.volatile import is_volatile
from serving.values import to_json

Scalar = str | int | float | bool


class Reader:
    """One agent's views in one snapshot; every method raises AnswerError to refuse."""

    def __init__(
        self,
        agent: CatalogAgent,
        limits: Limits,
        opened: OpenSnapshot,
        now: datetime | None = None,
    ) -> None:
        self.agent, self.limits, self.opened = agent, limits, opened
        self._stores = agent.stores
        self.now = now or datetime.now(UTC)
        self._ages: dict[str, Freshness] = {}

    @cached_property
    def views(self) -> dict[str, CatalogView]:
        """The agent's views by name; nothing else exists for it."""
        known = self.opened.catalog.views
        return {name: known[name] for name in sorted(self.agent.stores)}

    def freshness(self, tables: Iterable[str]) -> list[Freshness]:
        """The age of each of these views."""
        known = self._ages
        return [known.get(name) or self._age(self.view(name)) for name in tables]

    def sources(self, tables: Sequence[str]) -> list[SourceTable]:
        """The raw tables behind these views, with the load that each was last changed by."""
        if len(tables) == 1:
            return self.view(tables[0]).sources
        views = [self.view(name) for name in tables]
        found = {source.table: source for view in views for source in view.sources}
        return [found[table] for table in sorted(found)]

    def sql(self, sql: str, limit: int | None, dry_run: bool) -> Found:
        """Run one SELECT over the agent's views in a worker process."""
        names = {
            name: [column.name for column in view.columns] for name, view in self.views.items()
        }
        checked = check(sql, names)
        self.refuse_stale(checked.tables)
        sandbox = self.opened.sandbox(self.agent)
        if dry_run:
            plan = sandbox.dry_run(sql, checked=checked)
            return about(
                [
                    {
                        "tables": list(plan.tables),
                        "columns": {name: list(names) for name, names in plan.columns.items()},
                        "estimated_rows": plan.estimated_rows,
                        "freshness": {
                            age.table: age.status for age in self.freshness(checked.tables)
                        },
                        "verdict": "allowed",
                    }
                ],
                tables=list(checked.tables),
            )
        result = sandbox.run(sql, limit=limit, checked=checked)
        views = {name: self.views[name] for name in checked.tables}
        reachable = frozenset(
            (view, column) for view, columns in checked.columns.items() for column in columns
        )
        outputs = output_origins(checked.tree["node"], names)
        return Found(
            columns=answer_columns(result.columns, outputs, reachable, views),
            rows=result.rows,
            tables=list(checked.tables),
            columns_read=checked.columns,
            truncated=result.truncated,
            truncated_by=result.truncated_by,
            is_volatile=is_volatile(sql),
        )

    def lookup(
        self, table: str, key: str | None, values: Sequence[Scalar], limit: int | None
    ) -> Found:
        """The rows whose ``key`` column has one of the values, in the order of the values."""
        served = self._served(table)
        view = served.view
        if served.refuses_stale:
            freshness.enforce(view, self._age(view))
        column = key or served.key
        most = self.limits.rows
        # One more than may be told, so that what is cut is known exactly.
        wanted = min(most, limit or most) + 1
        found = self.opened.lookup(self._stores[table], view).find(column, values, wanted)
        kept, cut = within(
            unpacked(found),
            limit=limit,
            most=most,
            characters=self.limits.characters,
            at_most=served.characters_a_byte * sum(map(len, found)),
        )
        answer = served.found.with_rows(kept)
        answer.packed = tuple(found[: len(kept)])
        if cut is not None:
            answer.truncated, answer.truncated_by = True, cut
        elif not (kept and len(values) == 1):
            missing = _missing(column, values, kept)
            answer.hidden = self._hidden(view, column, missing) if missing else 0
            answer.warnings = _told_misses(missing, values, answer.hidden) if missing else []
        return answer

    def search(
        self,
        query: str,
        table: str | None,
        filters: Mapping[str, Scalar | list[Scalar]],
        limit: int | None,
        mode: Mode = "hybrid",
    ) -> Found:
        """The rows that say what the query means, or contain its words; best first."""
        names, warnings = self._searchable(table)
        index = self.opened.index()
        if index is None:
            raise InvalidArgument("this snapshot has no search index; use execute_sql")
        tables = {
            store.index_table: self.views[name]
            for name in names
            if (store := self.agent.stores[name]).index_table is not None
        }
        most = min(self.limits.rows, limit or 10)
        hits = index.search(tables, query, filters=filters, limit=most + 1, mode=mode)
        rows = [
            {
                "table": hit.table,
                "key": hit.key,
                "title": hit.title,
                "heading": hit.heading,
                "snippet": hit.snippet,
                "highlights": hit.highlights,
                "score": hit.score,
                "confidence": hit.confidence,
                "also": hit.also,
            }
            for hit in hits
        ]
        kept, cut = within(
            rows,
            limit=limit or 10,
            most=self.limits.rows,
            characters=self.limits.characters,
        )
        return Found(
            columns=self._hit_columns(names),
            rows=kept,
            tables=names,
            columns_read={name: _searched(self.views[name]) for name in names},
            truncated=cut is not None,
            truncated_by=cut,
            warnings=warnings,
            # What was left out is told with its age.
            is_volatile=bool(warnings),
        )

    def list_tables(self, pattern: str | None, detail: Detail) -> Found:
        """The agent's views whose names match, with as much detail as asked for."""
        wanted = pattern.lower() if pattern else "*"
        if not any(mark in wanted for mark in "*?["):
            wanted = f"*{wanted}*"
        names = [name for name in self.views if fnmatch.fnmatchcase(name.lower(), wanted)]
        rows = [self._described(name, detail) for name in names]
        return about(rows, tables=[] if detail == "names" else names)

    def describe_table(self, table: str) -> Found:
        """One view in full."""
        self.view(table)
        return about([self._described(table, "full")], tables=[table])

    def check_freshness(self, table: str | None) -> Found:
        """How old each view is, against which limit, and which sources hold it back."""
        names = [self.view(table).name] if table else list(self.views)
        rows = []
        for name in names:
            view = self.views[name]
            found = self._age(view)
            watermarks = {source.table: to_json(source.watermark) for source in view.sources}
            told = found.model_dump(mode="json")
            rows.append({**told, "on_stale": view.on_stale, "watermarks": watermarks})
        return about(rows, tables=names)

    def get_lineage(self, table: str, column: str | None) -> Found:
        """The raw columns behind each column of a view: masks, way, load and watermark of each."""
        view = self.view(table)
        names = {one.name: one for one in view.columns}
        if column is not None and column not in names:
            raise InvalidArgument(
                f"{table} has no such column{_nearest(column, names)}",
                allowed=list(names),
            )
        asked = [names[column]] if column else view.columns
        return about([row for one in asked for row in lineage(view, one)], tables=[table])

    def view(self, table: str) -> CatalogView:
        """One of the agent's views; UnknownTable names only what this agent has."""
        return self._served(table).view

    def _served(self, table: str) -> ServedView:
        if table not in self._stores:
            raise UnknownTable(
                f"no such table{_nearest(table, self.views)}; list_tables tells what there is",
                tables=list(self.views),
            )
        return self.opened.served(table)

    def _described(self, name: str, detail: Detail) -> dict[str, Any]:
        status = self._age(self.view(name)).status
        return described(self.view(name), self.agent, status, detail)

    def refuse_stale(self, tables: Iterable[str]) -> None:
        """Raise StaleData where one of these views is too old for its policy."""
        for name in tables:
            view = self.view(name)
            freshness.enforce(view, self._age(view))

    def tells_hidden(self, table: str) -> bool:
        """Whether the agent may know that rows of this view are kept from it."""
        return self.agent.tells_hidden and table in self.agent.row_filtered

    def is_allowed(self, tables: Iterable[str]) -> bool:
        """Whether none of these views is too old for its policy."""
        try:
            self.refuse_stale(tables)
        except StaleData:
            return False
        return True

    def _hidden(self, view: CatalogView, column: str, missing: Sequence[Scalar]) -> int | None:
        """How many of these values have rows that the agent may not see, if it may know that."""
        whole = self.opened.catalog.stores.get(view.name)
        if whole is None or not self.tells_hidden(view.name):
            return None
        store = self.opened.lookup(whole, view)
        return sum(bool(store.get(column, [value], 1)) for value in missing)

    def _age(self, view: CatalogView) -> Freshness:
        age = self._ages.get(view.name)
        if age is None:
            age = self._ages[view.name] = freshness.assess(view, self.now)
        return age

    def _searchable(self, table: str | None) -> tuple[list[str], list[str]]:
        """The views to search; without a ``table`` those that are too old are left out and told."""
        searchable = [name for name, view in self.views.items() if view.search is not None]
        if table is not None:
            if self.view(table).search is None:
                raise InvalidArgument(
                    f"{table} is not searchable; use {_listed(searchable)}, or execute_sql",
                    allowed=searchable,
                )
            self.refuse_stale([table])
            return [table], []
        if not searchable:
            raise InvalidArgument("none of the tables is searchable; use execute_sql")
        names, refusals = [], []
        for name in searchable:
            try:
                self.refuse_stale([name])
            except StaleData as refusal:
                refusals.append(refusal)
            else:
                names.append(name)
        if not names:
            raise refusals[0]
        return names, [f"not searched: {refusal.message}" for refusal in refusals]

    def _hit_columns(self, names: Iterable[str]) -> list[Column]:
        searched = [
            column
            for name in names
            for column in self.views[name].columns
            if column.name in _searched(self.views[name])
        ]
        strangers = any(column.untrusted for column in searched)
        masked = any(column.mask is not None for column in searched)
        keys = [
            column
            for name in names
            for column in self.views[name].columns
            if column.name == self.views[name].key
        ]
        trust = trust_of(strangers)
        key_type = keys[0].type if len({key.type for key in keys}) == 1 else "JSON"
        return [
            Column(name="table", type="VARCHAR"),
            Column(name="key", type=key_type, masked=any(key.mask for key in keys)),
            *(
                Column(name=name, type="VARCHAR", masked=masked, trust=trust)
                for name in ("title", "heading", "snippet")
            ),
            Column(name="highlights", type="VARCHAR[]", masked=masked, trust=trust),
            Column(name="score", type="DOUBLE"),
            Column(name="confidence", type="DOUBLE"),
            Column(name="also", type=f"{key_type}[]", masked=any(key.mask for key in keys)),
        ]


def _searched(view: CatalogView) -> list[str]:
    if view.search is None:
        return []
    title = [view.search.title] if view.search.title else []
    return list(dict.fromkeys([*title, *view.search.text]))


def _missing(column: str, values: Sequence[Scalar], rows: list[dict[str, Any]]) -> list[Scalar]:
    """The values that found nothing, each once."""
    found = {str(row[column]) for row in rows}
    return [value for value in dict.fromkeys(values) if str(value) not in found]


def _told_misses(
    missing: Sequence[Scalar], values: Sequence[Scalar], hidden: int | None
) -> list[str]:
    """Tells how many of several values found nothing; the rows tell which."""
    asked = len(set(values))
    if asked < 2:
        return []
    kept = f", of which {hidden} have rows that you may not see" if hidden else ""
    return [f"{len(missing)} of {asked} values matched no row{kept}"]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=2, cutoff=0.6)
    return f"; did you mean {_listed(near)}?" if near else ""


def _listed(names: Sequence[str]) -> str:
    return " or ".join(names)
