"""``--filter column=value``: what was typed, in the type of the column that it filters."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from serving.catalog import Catalog

Value = str | bool | int | float
Filters = dict[str, Value | list[Value]]


def split(where: Sequence[str]) -> list[tuple[str, str]]:
    """The column and the text of each; typer.BadParameter where one has no ``=``."""
    pairs = []
    for item in where:
        column, separator, text = item.partition("=")
        if not separator:
            raise typer.BadParameter(f"write --filter column=value, not {item!r}")
        pairs.append((column, text))
    return pairs


def filters(home: Path, agent: str, snapshot: str | None, where: Sequence[str]) -> Filters:
    """The filters of a search: a column that is given several times may have any of its values.

    Columns that the agent has no filter by keep their text: the search tells which there are.
    """
    from serving.errors import NoSnapshot
    from serving.snapshot_store import current, open_snapshot

    try:
        _, catalog = open_snapshot(home, snapshot) if snapshot else current(home)
        kinds = _kinds(catalog, agent)
    except NoSnapshot:
        # The search will say so, and is recorded.
        kinds = {}
    found: dict[str, list[Value]] = {}
    for column, text in split(where):
        found.setdefault(column, []).append(_typed(kinds.get(column, set()), text))
    return {column: values[0] if len(values) == 1 else values for column, values in found.items()}


def _kinds(catalog: "Catalog", agent: str) -> dict[str, set[str]]:
    """The kinds in which each column that an agent may filter by is kept."""
    from serving.documents import filter_kind

    def kinds() -> Iterator[tuple[str, str]]:
        for name in catalog.agents[agent].stores if agent in catalog.agents else ():
            view = catalog.views[name]
            for column in view.columns:
                if view.search is not None and column.name in view.search.filters:
                    yield column.name, str(filter_kind(column.type))

    found: dict[str, set[str]] = {}
    for column, kind in kinds():
        found.setdefault(column, set()).add(kind)
    return found


def _typed(kinds: set[str], text: str) -> Value:
    """The value that was written; text that is none of its kind stays, and the search refuses it.

    A column that is text in one view and a number in another is asked by its text.
    """
    read = _READ.get(next(iter(kinds))) if len(kinds) == 1 else None
    try:
        return text if read is None else read(text)
    except ValueError:
        return text


def _boolean(text: str) -> bool:
    known: Mapping[str, bool] = {"true": True, "false": False}
    if text.lower() not in known:
        raise ValueError(text)
    return known[text.lower()]


def _number(text: str) -> int | float:
    number: object = json.loads(text)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(text)
    return number


_READ: Mapping[str, Callable[[str], Value]] = {
    "bool": _boolean,
    "int64": _number,
    "double": _number,
}
