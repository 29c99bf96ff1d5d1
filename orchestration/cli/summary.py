"""What a run leaves on the screen: what was published, how fresh it is, and a first look."""

from datetime import UTC, datetime
from pathlib import Path

from rich.markup import escape

from ingestion.status import source_states
from orchestration.cli.output import cell, console, show_answer, show_hits, table, write_json
from orchestration.resources import Settings
from serving import snapshot_store
from serving.agent import Agent, connect
from serving.catalog import Catalog, CatalogView
from serving.envelope import Answer
from serving.freshness import assess, in_words


def show_summary(home: Path, *, as_json: bool) -> None:
    """Print every published view with its rows, freshness and share of the index."""
    catalog = snapshot_store.current(home)[1]
    if as_json:
        write_json({"snapshot_id": catalog.snapshot_id, "views": _view_states(catalog)})
        return
    out = console()
    chunks = sum(catalog.index.chunks.values()) if catalog.index else 0
    out.print(
        f"\npublished snapshot {catalog.snapshot_id}: {len(catalog.views)} views, "
        f"{chunks:,} chunks indexed by {catalog.index.model if catalog.index else 'nothing'}\n"
    )
    rows = [
        [state["view"], state["rows"], state["status"], state["age"], state["chunks"]]
        for state in _view_states(catalog)
    ]
    out.print(table(["view", "rows", "freshness", "age", "chunks"], rows))


def show_status(settings: Settings, *, as_json: bool) -> None:
    """Print every source's tables with their watermarks, then every view's freshness."""
    now = datetime.now(UTC)
    sources = source_states(settings.sources, settings.home)
    published = snapshot_store.list_snapshots(settings.home)
    catalog = snapshot_store.current(settings.home)[1] if published else None
    if as_json:
        for state in sources:
            write_json(state.model_dump(mode="json"))
        for view in _view_states(catalog) if catalog else []:
            write_json(view)
        return
    out = console()
    out.print(
        table(
            ["raw table", "rows", "complete up to", "age", "quarantined", "last load"],
            (
                [
                    f"{state.source}.{state.table}",
                    state.rows,
                    f"{state.watermark:%Y-%m-%d %H:%M:%S} UTC" if state.watermark else "never",
                    in_words((now - state.watermark).total_seconds()) if state.watermark else None,
                    state.quarantined,
                    state.last_failure or ("ok" if state.watermark else "not loaded"),
                ]
                for state in sources
            ),
        )
    )
    if catalog is None:
        out.print("\nnothing is published yet; type `grounded run`")
        return
    out.print(f"\nsnapshot {catalog.snapshot_id}\n")
    rows = [
        [state["view"], state["rows"], state["status"], state["age"], state["chunks"]]
        for state in _view_states(catalog)
    ]
    out.print(table(["view", "rows", "freshness", "age", "chunks"], rows))


def show_tour(home: Path) -> None:
    """Ask one SQL, one lookup and one search as the agent with the most views."""
    catalog = snapshot_store.current(home)[1]
    agent = max(catalog.agents.values(), key=lambda one: len(one.stores))
    views = [catalog.views[name] for name in agent.stores]
    searched = next((view for view in views if view.search and view.search.filters), views[0])
    with connect(home, agent.name, surface="command line") as connected:
        _sql(connected, searched)
        _lookup(connected, searched)
        _search(connected, searched)
    console().print(
        "\nnext: [bold]grounded status[/], [bold]grounded demo traffic[/] then "
        "[bold]grounded run[/], [bold]grounded serve[/], [bold]make dev[/]"
    )


def _sql(agent: Agent, view: CatalogView) -> None:
    dimension = view.search.filters[0] if view.search and view.search.filters else view.key
    statement = (
        f"select {dimension}, count(*) as number from {view.name} "
        f"group by all order by number desc limit 5"
    )
    _command(f'grounded sql --agent {agent.name} "{statement}"')
    show_answer(agent.sql(statement), as_json=False)


def _lookup(agent: Agent, view: CatalogView) -> None:
    answer = agent.sql(f"select {view.key} from {view.name} order by 1 limit 1")
    if isinstance(answer, Answer) and answer.data.rows:
        key = answer.data.rows[0][view.key]
        _command(f"grounded lookup --agent {agent.name} {view.name} {key}")
        show_answer(agent.lookup(view.name, value=key), as_json=False)


def _search(agent: Agent, view: CatalogView) -> None:
    title = view.search.title if view.search else None
    answer = agent.sql(f"select {title} from {view.name} where {title} is not null limit 1")
    if title and isinstance(answer, Answer) and answer.data.rows:
        query = cell(answer.data.rows[0][title]).replace('"', "")
        _command(f'grounded search --agent {agent.name} "{query}" --limit 3')
        show_hits(agent.search(query, limit=3), as_json=False)


def _command(line: str) -> None:
    console().print(f"\n[bold]$ {escape(line)}[/]")


def _view_states(catalog: Catalog) -> list[dict[str, str | int | None]]:
    now = datetime.now(UTC)
    states: list[dict[str, str | int | None]] = []
    for name, view in sorted(catalog.views.items()):
        freshness = assess(view, now)
        store = catalog.stores[name]
        chunks = catalog.index.chunks if catalog.index else {}
        states.append(
            {
                "view": name,
                "rows": store.rows,
                "status": freshness.status,
                "age": None if freshness.age_s is None else in_words(freshness.age_s),
                "chunks": chunks.get(store.index_table or ""),
            }
        )
    return states
