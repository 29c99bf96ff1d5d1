"""Rows about the data in place of rows of the data: what a view is, and how to ask it; pure."""

from typing import Any, Literal

from serving.catalog import CatalogAgent, CatalogView
from serving.envelope import Column, FreshnessStatus
from serving.found import Found

Detail = Literal["names", "summary", "full"]


def described(
    view: CatalogView, agent: CatalogAgent, freshness: FreshnessStatus, detail: Detail
) -> dict[str, Any]:
    """One view as its agent may know it; ``rows`` counts what this agent can read."""
    if detail == "names":
        return {"table": view.name}
    row: dict[str, Any] = {
        "table": view.name,
        "description": view.description,
        "key": view.key,
        "rows": agent.stores[view.name].rows,
        "freshness": freshness,
    }
    return row | _details(view, agent) if detail == "full" else row


def about(rows: list[dict[str, Any]], *, tables: list[str]) -> Found:
    """Such rows as what a tool found."""
    names = dict.fromkeys(name for row in rows for name in row)
    return Found(
        columns=[Column(name=name, type=_json_type(rows, name)) for name in names],
        rows=rows,
        tables=tables,
        is_about=True,
    )


def _details(view: CatalogView, agent: CatalogAgent) -> dict[str, Any]:
    search = view.search if agent.stores[view.name].index_table is not None else None
    return {
        "lookups": list(dict.fromkeys([view.key, *view.lookups])),
        "search_filters": None if search is None else search.filters,
        "is_row_filtered": view.name in agent.row_filtered,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "description": column.description,
                "mask": column.mask,
                "untrusted": column.untrusted,
            }
            for column in view.columns
        ],
    }


def _json_type(rows: list[dict[str, Any]], name: str) -> str:
    kinds = {type(row.get(name)) for row in rows} - {type(None)}
    if kinds == {bool}:
        return "BOOLEAN"
    if kinds == {int}:
        return "BIGINT"
    if kinds and kinds <= {int, float}:
        return "DOUBLE"
    return "JSON" if kinds & {dict, list} else "VARCHAR"
