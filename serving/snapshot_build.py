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
from serving.catalog_views import catalog_view
from serving.declarations import Declarations, DeclaredAgent, DeclaredView
from serving.errors import PublishError
from serving.full_disk import telling_a_full_disk
from serving.layout import DRAFT_FILE, WAREHOUSE
from serving.privacy.origins import Origins
from serving.snapshot_store import write_durably
from serving.view_files import (
    PublishedFiles,
    published_files,
    write_filtered_view,
    write_lookup,
    write_view,
)

Progress = Callable[[str, int, int], None]
_UNPROVEN: Origins = MappingProxyType({})


@telling_a_full_disk()
def export_views(
    home: Path,
    declarations: Declarations,
    on_progress: Progress | None = None,
    *,
    is_fresh: bool = False,
    origins: Origins = _UNPROVEN,
) -> Candidate:
    """Write every view for every scope into a new candidate; ``is_fresh`` shares no file.

    ``origins`` tell of each column where it comes from, for the catalog.

    The caller holds the warehouse's writer lock; the warehouse is open for the first step alone.
    PublishError names what is wrong and leaves the published snapshot as it is.
    """
    candidate = new_candidate(home)
    try:
        previous = None if is_fresh else published_files(home)
        catalog = _export(candidate, declarations, previous, origins, on_progress)
        write_durably(candidate.folder / DRAFT_FILE, catalog.model_dump_json())
    except BaseException:
        discard(candidate)
        raise
    return candidate


def _export(
    candidate: Candidate,
    declarations: Declarations,
    previous: PublishedFiles | None,
    origins: Origins,
    on_progress: Progress | None,
) -> Catalog:
    views: dict[str, CatalogView] = {}
    stores: dict[str, Store] = {}
    warehouse = candidate.home / WAREHOUSE
    if not warehouse.is_file():
        raise PublishError("there is no warehouse yet; run `grounded run`")
    scopes = _scopes(declarations)
    total = len(declarations.views) + len(scopes)
    with _connect(warehouse) as connection:
        for number, declared in enumerate(_in_order(declarations), start=1):
            view = catalog_view(connection, declared, origins)
            views[view.name] = view
            stores[view.name] = write_view(connection, candidate, declared, view, previous)
            if on_progress:
                on_progress("views", number, total)
    for name, store in stores.items():
        write_lookup(candidate, views[name], store, previous)
    filtered: dict[str, dict[str, Store]] = {}
    for number, (agent, name) in enumerate(scopes, start=len(views) + 1):
        store = write_filtered_view(candidate, agent, views[name], stores[name], previous)
        write_lookup(candidate, views[name], store, previous)
        filtered.setdefault(agent.name, {})[name] = store
        if on_progress:
            on_progress("views", number, total)
    return Catalog(
        snapshot_id=candidate.snapshot_id,
        created_at=datetime.now(UTC),
        contract_version=declarations.contract_version,
        views=views,
        agents={
            name: _catalog_agent(agent, stores, filtered.get(name, {}))
            for name, agent in sorted(declarations.agents.items())
        },
        stores=stores,
    )


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
        connection = duckdb.connect(str(warehouse), read_only=True)
    except duckdb.Error as error:
        raise PublishError(
            "the warehouse is open for writing elsewhere; publish after the load has ended"
        ) from error
    connection.execute("set timezone = 'UTC'")
    return connection
