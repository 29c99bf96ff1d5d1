"""What is searched: everything under the home but the warehouse, the demo and the secrets.

home -> published/, audit/, dbt/, dagster/, dlt/, logs and whatever else lies there
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.catalog import CATALOG_FILE, Catalog
from serving.layout import WAREHOUSE
from serving.snapshot_store import open_snapshot, read_catalog

# Private by their nature: raw data, the upstreams of the demo, the key itself.
PRIVATE = frozenset({WAREHOUSE, f"{WAREHOUSE}.wal", f"{WAREHOUSE}.tmp", "demo", "secrets"})

DBT = "dbt"


@dataclass(frozen=True)
class Rows:
    """Whose rows a file of a snapshot holds, and the column by which they are told."""

    view: str
    key: str


@dataclass(frozen=True)
class Target:
    """A file or a folder; ``name`` is how the report calls it.

    ``rows`` tells of each file of a snapshot, relative to ``path``, whose rows it holds.
    ``repeats_project`` is True where dbt repeats the project's own files, fixtures and all.
    """

    path: Path
    name: str
    repeats_project: bool = False
    rows: Mapping[str, Rows] = field(default_factory=dict)


def snapshot_target(
    folder: Path, catalog: Catalog | None = None, name: str | None = None
) -> Target:
    """Return a snapshot or a candidate with the keys of its views."""
    known = catalog or read_catalog(folder)
    rows: dict[str, Rows] = {}
    for view, store in known.all_stores().values():
        of_view = Rows(view, known.views[view].key)
        rows[store.duckdb] = of_view
        if store.lookup:
            rows[store.lookup] = of_view
        if known.index and store.index_table:
            rows[f"{known.index.folder}/{store.index_table}.lance"] = Rows(view, "key_text")
    return Target(folder, name or folder.name, rows=rows)


def home_targets(home: Path, snapshot_id: str | None = None) -> list[Target]:
    """Return every target of a home, or one snapshot alone."""
    if snapshot_id is not None:
        folder, catalog = open_snapshot(home, snapshot_id)
        return [snapshot_target(folder, catalog)]
    return list(_under(home))


def _under(home: Path) -> Iterator[Target]:
    for entry in sorted(home.iterdir()) if home.is_dir() else []:
        if entry.name in PRIVATE:
            continue
        if entry.name == "published":
            yield from _published(entry)
        else:
            yield Target(entry, entry.name, repeats_project=entry.name == DBT)


def _published(folder: Path) -> Iterator[Target]:
    for entry in sorted(folder.iterdir()):
        inside = sorted(entry.iterdir()) if entry.is_dir() else [entry]
        for one in inside:
            name = one.relative_to(folder.parent).as_posix()
            if (one / CATALOG_FILE).is_file():
                yield snapshot_target(one, name=name)
            else:
                yield Target(one, name)
