"""Exports every agent view, for every agent, from the warehouse into a new candidate.

warehouse.duckdb (agents.*) -> building/<id>/views/ and the draft of its catalog
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import duckdb

from serving.candidate import Candidate, discard, new_candidate
from serving.catalog import Catalog, CatalogAgent, CatalogView, Store
from serving.catalog_views import WarehouseTables, catalog_view
from serving.changes import Told, told_changes
from serving.declarations import Declarations, DeclaredAgent, DeclaredView
from serving.errors import PublishError
from serving.full_disk import telling_a_full_disk
from serving.layering import Followed, followed
from serving.layout import DRAFT_FILE, WAREHOUSE
from serving.privacy.origins import Origins
from serving.view_files import (
    PublishedFiles,
    published_files,
    relation_of,
    shape_of,
    write_filtered_view,
    write_lookup,
    write_view,
)
from serving.view_layers import follow_scope, follow_view
from serving.warehouse import read_warehouse

Progress = Callable[[str, int, int], None]
_UNPROVEN: Origins = MappingProxyType({})


@telling_a_full_disk()
def export_views(
    home: Path,
    declarations: Declarations,
    on_progress: Progress | None = None,
    *,
    is_fresh: bool = False,
    is_warm: bool = False,
    origins: Origins = _UNPROVEN,
) -> Candidate:
    """Write every view for every scope into a new candidate; ``is_fresh`` shares no file.

    Of a keyed view that tells its changes the changed rows alone are read and written, into layers.
    Layered files of an earlier day are written whole, but by publishes that are to take no time
    (``is_warm``).

    ``origins`` tell of each column where it comes from, for the catalog.

    The caller holds the warehouse's writer lock; the warehouse is open for the first step alone.
    PublishError names what is wrong and leaves the published snapshot as it is.
    """
    candidate = new_candidate(home)
    try:
        previous = None if is_fresh else published_files(home)
        day = None if is_warm else candidate.snapshot_id
        export = _Export(candidate, declarations, previous, origins, day, on_progress)
        catalog = export.catalog()
        (candidate.folder / DRAFT_FILE).write_text(catalog.model_dump_json(), encoding="utf-8")
    except BaseException:
        discard(candidate)
        raise
    return candidate


class _Export:
    """The views of one candidate, as far as they are written."""

    def __init__(
        self,
        candidate: Candidate,
        declarations: Declarations,
        previous: PublishedFiles | None,
        origins: Origins,
        day: str | None,
        on_progress: Progress | None,
    ) -> None:
        self._candidate = candidate
        self._declarations = declarations
        self._previous = previous
        self._origins = origins
        self._day = day
        self._on_progress = on_progress
        self._scopes = _scopes(declarations)
        self._done = 0
        self._views: dict[str, CatalogView] = {}
        self._stores: dict[str, Store] = {}
        self._followed: dict[str, Followed] = {}
        self._filtered: dict[str, dict[str, Store]] = {}

    def catalog(self) -> Catalog:
        """Write all files; the warehouse is open for the first step alone."""
        warehouse = self._candidate.home / WAREHOUSE
        if not warehouse.is_file():
            raise PublishError("there is no warehouse yet; run `grounded run`")
        with _connect(warehouse) as connection:
            told = told_changes(connection)
            loads = self._previous.loads if self._previous else {}
            tables = WarehouseTables(connection, loads)
            for declared in _in_order(self._declarations):
                view = catalog_view(tables, declared, self._origins)
                self._view(connection, declared, view, told.get(declared.name))
                self._tell()
        for name, store in self._stores.items():
            if name not in self._followed:
                write_lookup(self._candidate, self._views[name], store, self._previous)
        for agent, name in self._scopes:
            self._filtered.setdefault(agent.name, {})[name] = self._scope(agent, name)
            self._tell()
        return Catalog(
            snapshot_id=self._candidate.snapshot_id,
            created_at=datetime.now(UTC),
            contract_version=self._declarations.contract_version,
            views=self._views,
            agents={
                name: _catalog_agent(agent, self._stores, self._filtered.get(name, {}))
                for name, agent in sorted(self._declarations.agents.items())
            },
            stores=self._stores,
        )

    def _view(
        self,
        connection: duckdb.DuckDBPyConnection,
        declared: DeclaredView,
        view: CatalogView,
        told: Told | None,
    ) -> None:
        self._views[view.name] = view
        way = self._way(view, told)
        if self._previous and isinstance(way, Followed):
            relation = relation_of(declared)
            store = follow_view(connection, self._candidate, view, relation, self._previous, way)
            if isinstance(store, Store):
                self._stores[view.name], self._followed[view.name] = store, way
                return
            way = store
        store = write_view(connection, self._candidate, declared, view, self._previous)
        position = told.position if told else None
        self._stores[view.name] = store.model_copy(update={"because": way, "position": position})

    def _way(self, view: CatalogView, told: Told | None) -> Followed | str:
        """Say how a view can be brought up to date, or why it has to be written whole."""
        agents = self._declarations.agents.values()
        filters = {agent.name: agent.rows[view.name] for agent in agents if view.name in agent.rows}
        shapes = {name: shape_of(view, condition) for name, condition in filters.items()}
        published = self._previous.by_view.get(view.name, {}) if self._previous else {}
        shapes[""] = shape_of(view)
        return followed(view, shapes, filters, published, told, self._day)

    def _scope(self, agent: DeclaredAgent, name: str) -> Store:
        view, whole, way = self._views[name], self._stores[name], self._followed.get(name)
        if self._previous and way:
            return follow_scope(self._candidate, agent, view, whole, self._previous, way)
        store = write_filtered_view(self._candidate, agent, view, whole, self._previous)
        write_lookup(self._candidate, view, store, self._previous)
        update = {"because": whole.because, "position": whole.position}
        return store.model_copy(update=update)

    def _tell(self) -> None:
        self._done += 1
        if self._on_progress:
            total = len(self._declarations.views) + len(self._scopes)
            self._on_progress("views", self._done, total)


def _in_order(declarations: Declarations) -> list[DeclaredView]:
    return [declarations.views[name] for name in sorted(declarations.views)]


def _scopes(declarations: Declarations) -> list[tuple[DeclaredAgent, str]]:
    agents = [declarations.agents[name] for name in sorted(declarations.agents)]
    return [(agent, view) for agent in agents for view in sorted(agent.rows)]


def _catalog_agent(
    agent: DeclaredAgent, stores: dict[str, Store], filtered: dict[str, Store]
) -> CatalogAgent:
    return CatalogAgent(
        name=agent.name,
        purpose=agent.purpose,
        limits=agent.limits,
        stores={view: filtered.get(view, stores[view]) for view in agent.views},
        row_filtered=sorted(filtered),
        tells_hidden=agent.tells_hidden,
    )


def _connect(warehouse: Path) -> duckdb.DuckDBPyConnection:
    try:
        return read_warehouse(warehouse)
    except duckdb.Error as error:
        raise PublishError(
            "the warehouse is open for writing elsewhere; publish after the load has ended"
        ) from error
