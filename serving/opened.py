"""The snapshots that this process has open: the current one, and those that callers pinned.

pointer file, looked at on each call -> OpenSnapshot: files opened once, closed when unused
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from serving.catalog import Catalog, CatalogAgent, CatalogView, Store
from serving.embedder import Embedder
from serving.envelope import Column
from serving.errors import NoSnapshot, ServingError
from serving.layout import pointer_path
from serving.lookup_store import LookupStore
from serving.marks import view_columns
from serving.sandbox import SqlSandbox
from serving.snapshot_store import current_id, open_snapshot

if TYPE_CHECKING:
    from serving.search import SearchIndex

# Older snapshots kept open for the conversations that are pinned to them.
KEPT_PINS = 2


class OpenSnapshot:
    """One snapshot's files, each opened at its first use; shared by threads and agents."""

    def __init__(self, folder: Path, catalog: Catalog, embedder: Callable[[], Embedder]) -> None:
        self.catalog = catalog
        self._folder = folder
        self._embedder = embedder
        self._lock = threading.Lock()
        self._closing = ExitStack()
        self._lookups: dict[str, LookupStore] = {}
        self._sandboxes: dict[str, SqlSandbox] = {}
        self._index: SearchIndex | None = None
        self._columns: dict[str, list[Column]] = {}

    def lookup(self, store: Store, view: CatalogView) -> LookupStore:
        """The lookups of one store."""
        path = store.lookup
        if path is None:
            raise ServingError(f"{view.name} has no lookup file in this snapshot")
        with self._lock:
            opened = self._lookups.get(path)
            if opened is None:
                opened = self._lookups[path] = LookupStore(self._folder / path, view)
                self._closing.callback(opened.close)
            return opened

    def columns(self, view: CatalogView) -> list[Column]:
        """The columns of a view as an answer tells them."""
        known = self._columns.get(view.name)
        if known is None:
            known = self._columns[view.name] = view_columns(view)
        return known

    def sandbox(self, agent: CatalogAgent) -> SqlSandbox:
        """The worker processes that run one agent's SQL on that agent's files alone."""
        with self._lock:
            opened = self._sandboxes.get(agent.name)
            if opened is None:
                files = {name: self._folder / store.duckdb for name, store in agent.stores.items()}
                opened = self._sandboxes[agent.name] = SqlSandbox(files, agent.limits)
                self._closing.callback(opened.close)
            return opened

    def index(self) -> "SearchIndex | None":
        """The search index, None where this snapshot has none."""
        info = self.catalog.index
        if info is None:
            return None
        # LanceDB takes a second to import, which a command that only runs SQL need not wait for.
        from serving.search import SearchIndex

        with self._lock:
            if self._index is None:
                self._index = SearchIndex(self._folder / info.folder, info, self._embedder())
            return self._index

    def close(self) -> None:
        """Close what was opened; nobody may be reading."""
        self._closing.close()


class Snapshots:
    """Gives out the current snapshot, or a pinned one, for the length of one answer."""

    def __init__(self, home: Path, embedder: Callable[[], Embedder]) -> None:
        self._home = home
        self._embedder = embedder
        self._pointer = pointer_path(home)
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._current: str | None = None
        self._open: dict[str, OpenSnapshot] = {}
        self._leases: dict[str, int] = {}
        self._pins: list[str] = []

    @contextmanager
    def lease(self, snapshot_id: str | None = None) -> Iterator[OpenSnapshot]:
        """Hold one snapshot open; NoSnapshot where nothing is published or the pin has expired."""
        with self._lock:
            wanted = self._pin(snapshot_id) if snapshot_id else self._look_up_current()
            opened = self._opened(wanted)
            self._leases[wanted] = self._leases.get(wanted, 0) + 1
        try:
            yield opened
        finally:
            with self._lock:
                self._leases[wanted] -= 1
                unused = self._unused()
            for one in unused:
                one.close()

    def close(self) -> None:
        """Close all that nobody reads."""
        with self._lock:
            self._current, self._seen = None, None
            self._pins.clear()
            unused = self._unused()
        for one in unused:
            one.close()

    def _look_up_current(self) -> str:
        try:
            stat = os.stat(self._pointer)  # noqa: PTH116
        except FileNotFoundError:
            self._seen = None
            return current_id(self._home)
        seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if self._current is None or seen != self._seen:
            self._current = current_id(self._home)
            self._seen = seen
        return self._current

    def _pin(self, snapshot_id: str) -> str:
        if snapshot_id not in self._open:
            open_snapshot(self._home, snapshot_id)
        if snapshot_id in self._pins:
            self._pins.remove(snapshot_id)
        self._pins.append(snapshot_id)
        del self._pins[:-KEPT_PINS]
        return snapshot_id

    def _opened(self, snapshot_id: str) -> OpenSnapshot:
        opened = self._open.get(snapshot_id)
        if opened is None:
            folder, catalog = open_snapshot(self._home, snapshot_id)
            opened = self._open[snapshot_id] = OpenSnapshot(folder, catalog, self._embedder)
        return opened

    def _unused(self) -> list[OpenSnapshot]:
        """Take out what is neither current, nor pinned lately, nor being read."""
        wanted = {self._current, *self._pins}
        names = [name for name in self._open if name not in wanted and not self._leases.get(name)]
        for name in names:
            self._leases.pop(name, None)
        return [self._open.pop(name) for name in names]


def refuse_changed_contract(pinned: Catalog, current: Catalog) -> None:
    """Raise NoSnapshot for a pin from before a view's columns or masks changed.

    Otherwise a pin would show what has been masked or taken away since.
    """
    if pinned.contract_version != current.contract_version:
        raise NoSnapshot(
            "this snapshot is from before the views' columns or masks changed; "
            "leave out snapshot_id to read the current one"
        )
