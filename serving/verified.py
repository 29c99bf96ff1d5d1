"""A snapshot that was verified before: what another one shares with it need not be read again.

two folders -> the same file by its identity, never by its name or size
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serving.catalog import Catalog, Store

# Every change is known: the store is the same.
ALL_KNOWN = sys.maxsize


@dataclass(frozen=True)
class Verified:
    """The folder of a verified snapshot, and its catalog."""

    folder: Path
    catalog: Catalog

    def has(self, folder: Path, names: Iterable[str]) -> bool:
        """Whether each of these files, or each file of these folders, is the same as here."""
        return all(_is_same(folder / name, self.folder / name) for name in names)

    def known_up_to(self, folder: Path, store: Store) -> int | None:
        """Return up to which change a store of a folder is known; None where it is new."""
        before = self.catalog.all_stores().get(store.duckdb, ("", None))[1]
        if before is None or (before.base_rows, before.shape) != (store.base_rows, store.shape):
            return None
        base = [store.duckdb, *([store.lookup] if store.lookup else [])]
        if not self.has(folder, base):
            return None
        if store.layer == before.layer and self.has(folder, store.files):
            return ALL_KNOWN
        return before.position.seq if before.position else None


def _is_same(path: Path, own: Path) -> bool:
    if path.is_dir():
        below = [file.relative_to(path) for file in path.rglob("*") if file.is_file()]
        return all(_is_same(path / name, own / name) for name in below)
    return path.is_file() and own.is_file() and path.samefile(own)
