"""What is searched: everything under the home but the warehouse, the demo and the secrets.

home -> published/, audit/, dbt/, dagster/, dlt/, logs and whatever else lies there
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from serving.catalog import CATALOG_FILE, Catalog, CatalogView, Store
from serving.layout import WAREHOUSE
from serving.lookup_layer import changed_keys
from serving.snapshot_store import open_snapshot, read_catalog
from serving.verified import Verified

# Private by their nature: raw data, the upstreams of the demo, the key itself.
PRIVATE = frozenset({WAREHOUSE, f"{WAREHOUSE}.wal", f"{WAREHOUSE}.tmp", "demo", "secrets"})

DBT = "dbt"


@dataclass(frozen=True)
class Rows:
    """Whose rows a file of a snapshot holds, and the column by which they are told.

    Of a layer's entries those after the change ``since`` are searched, of a table of the index the
    rows with ``only`` these keys; without either, all. Of a large file, which nobody changes, each
    of some processes searches one of ``parts``.
    """

    view: str
    key: str
    since: int | None = None
    only: tuple[str, ...] | None = None
    part: int = 0
    parts: int = 1


@dataclass(frozen=True)
class Target:
    """A file or a folder; ``name`` is how the report calls it.

    ``rows`` tells of each file of a snapshot, relative to ``path``, whose rows it holds.
    ``repeats_project`` is True where dbt repeats the project's own files, fixtures and all.
    ``searched`` is a folder that was searched before: what is the same there is left out.
    """

    path: Path
    name: str
    repeats_project: bool = False
    rows: Mapping[str, Rows] = field(default_factory=dict)
    searched: Path | None = None


def snapshot_target(
    folder: Path,
    catalog: Catalog | None = None,
    name: str | None = None,
    *,
    searched: Verified | None = None,
) -> Target:
    """Return a snapshot or a candidate with the keys of its views.

    Beside one that was ``searched``, by the same values, what has changed since is left.
    """
    known = catalog or read_catalog(folder)
    rows: dict[str, Rows] = {}
    for view, store in known.all_stores().values():
        of_view = Rows(view, known.views[view].key)
        since = searched.known_up_to(folder, store) if searched else None
        rows |= {file: replace(of_view, since=since) for file in store.files}
        table = store.index_table
        if known.index and table:
            build = known.index.builds.get(table)
            is_new = since is None or build is None or build.written_in == known.snapshot_id
            only = None if is_new else _changed(folder, known.views[view], store, since)
            rows[f"{known.index.folder}/{table}.lance"] = Rows(view, "key_text", only=only)
    beside = searched.folder if searched else None
    return Target(folder, name or folder.name, rows=rows, searched=beside)


def _changed(folder: Path, view: CatalogView, store: Store, since: int | None) -> tuple[str, ...]:
    if store.layer is None or since is None:
        return ()
    return tuple(map(str, changed_keys(folder / store.layer.lookup, view, since)))


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
