"""The source that the faults happen to, and one agent view over it, made without dbt.

own.items, own.accounts -> agents.agent_items, agents.agent_accounts -> snapshot
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

import duckdb

from ingestion.spec import SourcesFile, SourceSpec
from ingestion.warehouse import writing
from serving import snapshot
from serving.catalog import SearchSpec
from serving.declarations import Declarations, DeclaredAgent, DeclaredColumn, DeclaredView, Serve
from tests.publishing.small_warehouse import HashEmbedder

Capture = Literal["log", "cursor"]

CREATE = """
create table items (
    id bigint primary key, name text, body text, amount numeric(12, 2),
    changed_at timestamptz not null default clock_timestamp());
alter table items alter body set storage external;
create table accounts (
    id bigint primary key, balance bigint not null,
    changed_at timestamptz not null default clock_timestamp());
insert into items select i, 'first', repeat(md5(i::text), 100), i from generate_series(1, 150) i;
insert into accounts select i, 100 from generate_series(1, 20) i
"""
BALANCE = 2_000
VIEWS = {
    "agent_items": "select id, name, body, amount, changed_at from own.items",
    "agent_accounts": "select id, balance from own.accounts",
}
_COLUMNS = {
    "agent_items": ["id", "name", "body", "amount", "changed_at"],
    "agent_accounts": ["id", "balance"],
}


def declared(capture: Capture, overlap: str = "2s") -> SourceSpec:
    """The source ``own``; what a cursor does not see, its comparison may mend without a brake."""
    table = {
        "primary_key": ["id"],
        "max_shrink_share": 1.0,
        "cursor": {"column": "changed_at", "overlap": overlap},
        "reconcile": {"max_delete_share": 1.0},
    }
    own = {
        "description": "Own",
        "owner": "team:own",
        "schedule": "0 * * * *",
        "kind": "sql_database",
        "db_schema": "public",
        "capture": capture,
        "tables": {"items": table, "accounts": table},
    }
    return SourcesFile.model_validate({"sources": {"own": own}}).sources["own"]


def declarations() -> Declarations:
    """One agent that may read both views."""
    views = {name: _view(name) for name in VIEWS}
    agent = DeclaredAgent(name="agent", purpose="Watches faults.", views=sorted(views), rows={})
    return Declarations(views=views, agents={"agent": agent}, sources={}, contract_version="faults")


def _view(name: str) -> DeclaredView:
    searched = SearchSpec(text=["name"], title=None, filters=[]) if name == "agent_items" else None
    return DeclaredView(
        name=name,
        unique_id=f"model.faults.{name}",
        relation=f"agents.{name}",
        description="What the source holds, one row each.",
        columns=[DeclaredColumn(name=column, description=column) for column in _COLUMNS[name]],
        serve=Serve(key="id", search=searched),
        source_tables=[f"own.{name.removeprefix('agent_')}"],
    )


def make_views(warehouse: Path) -> None:
    """Make the agent views, as dbt would; the writer's lock is held."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema if not exists agents")
        for name, query in VIEWS.items():
            connection.execute(
                f"create or replace table agents.{name} as {query} where _deleted_at is null"
            )


def publish(
    home: Path, told: Callable[[str], None] = lambda phase: None, *, makes_views: bool = True
) -> str:
    """Make the views and publish them, telling each phase; return the snapshot's id."""
    with writing(home) as warehouse:
        if makes_views:
            told("model")
            make_views(warehouse)
        told("export")
        candidate = snapshot.export_views(home, declarations())
    try:
        told("index")
        snapshot.build_index(candidate, declarations(), HashEmbedder())
        told("verify")
        snapshot.verify(candidate)
        told("promote")
        promoted = snapshot.promote(home, candidate)
    except BaseException:
        snapshot.discard(candidate)
        raise
    told("expire")
    snapshot.expire(home, keep=2, minimum_age=timedelta(0))
    return promoted
