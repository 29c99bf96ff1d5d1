"""The snapshots that this process has open: the current one, and those that callers pinned.

pointer file, looked at on each call -> OpenSnapshot: files opened once, closed when unused
"""

import fcntl
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from serving.catalog import (
    CATALOG_FILE,
    Catalog,
    CatalogAgent,
    CatalogView,
    EmbedderSpec,
    Store,
)
from serving.embedder import Embedder
from serving.errors import NoSnapshot, ServingError, SnapshotExpired
from serving.found import Found
from serving.held_pointer import HeldPointer
from serving.layout import pointer_path
from serving.lookup_store import LookupStore
from serving.marks import view_columns
from serving.row_json import characters_a_byte
from serving.sandbox import SqlSandbox, Workers
from serving.snapshot_store import current_id, open_snapshot

if TYPE_CHECKING:
    from serving.search import SearchIndex

logger = logging.getLogger(__name__)

# Older snapshots kept open for the conversations that are pinned to them.
KEPT_PINS = 2
# An unused pin is let go after this, so that retention is not held up for ever.
PIN_S = 900.0
# How soon an idle process lets go of a snapshot that is to be deleted; a look costs microseconds.
WATCH_S = 1.0


class ServedView(NamedTuple):
    """What every lookup of one view needs, made once; nobody changes it.

    A model's attributes take three times as long to read as these. ``found`` has no rows yet.
    """

    view: CatalogView
    key: str
    found: Found
    refuses_stale: bool
    characters_a_byte: int

    @classmethod
    def of(cls, view: CatalogView) -> "ServedView":
        """The view as its lookups tell it."""
        columns = view_columns(view)
        found = Found(
            columns=columns,
            masked_columns=[column.name for column in columns if column.masked],
            rows=[],
            tables=[view.name],
            columns_read={view.name: [column.name for column in columns]},
            sources=view.sources,
            hidden=0,
        )
        return cls(view, view.key, found, view.on_stale == "refuse", characters_a_byte(view))


class AgentWorkers:
    """The worker processes of each agent of this process, kept from one snapshot to the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: dict[str, Workers] = {}

    def of(self, agent: CatalogAgent) -> Workers:
        """The workers of one agent; there are none before it asks."""
        with self._lock:
            if agent.name not in self._workers:
                self._workers[agent.name] = Workers(agent.limits.concurrent)
            return self._workers[agent.name]

    def names(self) -> list[str]:
        """The agents that have any."""
        with self._lock:
            return list(self._workers)

    def close(self) -> None:
        """End all; agents that ask again have new ones."""
        with self._lock:
            ended, self._workers = list(self._workers.values()), {}
        for workers in ended:
            workers.close()


class OpenSnapshot:
    """One snapshot's files, each opened at its first use; shared by threads and agents."""

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        embedder: Callable[[EmbedderSpec], Embedder],
        on_close: Callable[[str], None],
        workers: "AgentWorkers",
    ) -> None:
        self.catalog = catalog
        self._folder = folder
        self._embedder = embedder
        self._lock = threading.Lock()
        self._closing = ExitStack()
        self._closing.callback(os.close, _held(folder))
        # Before the snapshot is let go: its rows are gone from here when it may be deleted.
        self._closing.callback(on_close, catalog.snapshot_id)
        self._lookups: dict[str, LookupStore] = {}
        self._workers = workers
        # One of its own: a process takes longer to start than a lookup may wait.
        self._sandbox_lock = threading.Lock()
        self._sandboxes: dict[tuple[str, ...], SqlSandbox] = {}
        self._index: SearchIndex | None = None
        self._served: dict[str, ServedView] = {}

    def lookup(self, store: Store, view: CatalogView) -> LookupStore:
        """The lookups of one store."""
        path = store.lookup
        if path is None:
            raise ServingError(f"{view.name} has no lookup file in this snapshot")
        known = self._lookups.get(path)
        return known or self._open_lookup(path, store, view)

    def _open_lookup(self, path: str, store: Store, view: CatalogView) -> LookupStore:
        with self._lock:
            opened = self._lookups.get(path)
            if opened is None:
                layer = self._folder / store.layer.lookup if store.layer else None
                opened = self._lookups[path] = LookupStore(self._folder / path, view, layer)
                self._closing.callback(opened.close)
            return opened

    def served(self, table: str) -> ServedView:
        """One view as its lookups tell it."""
        known = self._served.get(table)
        if known is None:
            known = self._served[table] = ServedView.of(self.catalog.views[table])
        return known

    def sandbox(self, agent: CatalogAgent) -> SqlSandbox:
        """The worker processes that run one agent's SQL on that agent's files alone."""
        # An agent whose pin shows it less than this snapshot holds for it has files of its own.
        key = agent.name, *sorted(agent.stores)
        with self._sandbox_lock:
            opened = self._sandboxes.get(key)
            if opened is None:
                files = {name: self._folder / store.duckdb for name, store in agent.stores.items()}
                layers = {
                    name: (self._folder / store.layer.duckdb, self.catalog.views[name].key)
                    for name, store in agent.stores.items()
                    if store.layer is not None
                }
                workers = self._workers.of(agent)
                opened = SqlSandbox(files, agent.limits, layers=layers, workers=workers)
                self._sandboxes[key] = opened
                self._closing.callback(opened.close)
            return opened

    def succeed(self) -> list[SqlSandbox]:
        """Be what agents ask from now on; the sandboxes of those that ask in SQL."""
        agents = map(self.catalog.agents.get, self._workers.names())
        sandboxes = [self.sandbox(agent) for agent in agents if agent is not None]
        for sandbox in sandboxes:
            sandbox.expect()
        return sandboxes

    def index(self) -> "SearchIndex | None":
        """The search index, None where this snapshot has none."""
        info = self.catalog.index
        if info is None:
            return None
        # LanceDB takes a second to import, which a command that only runs SQL need not wait for.
        from serving.search import SearchIndex

        with self._lock:
            if self._index is None:
                embedder = self._embedder(info.embedder)
                self._index = SearchIndex(self._folder / info.folder, info, embedder)
            return self._index

    @property
    def is_withdrawn(self) -> bool:
        """Whether the snapshot was deleted although it may be open."""
        return not (self._folder / CATALOG_FILE).is_file()

    def close(self) -> None:
        """Close what was opened; nobody may be reading."""
        self._closing.close()


def _held(folder: Path) -> int:
    """Hold a snapshot against its deletion; return the descriptor that does, until it is closed.

    The system closes it when this process dies, so that no lease outlives its reader.
    """
    path = folder / CATALOG_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise SnapshotExpired from error
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    # It may have been deleted between the opening and the lock.
    if not path.is_file():
        os.close(descriptor)
        raise SnapshotExpired
    return descriptor


class Snapshots:
    """Gives out the current snapshot, or a pinned one, for the length of one answer."""

    def __init__(
        self,
        home: Path,
        embedder: Callable[[EmbedderSpec], Embedder],
        on_close: Callable[[str], None] = lambda snapshot_id: None,
    ) -> None:
        self._home = home
        self._embedder = embedder
        self._on_close = on_close
        self._pointer = HeldPointer(pointer_path(home))
        self._lock = threading.Lock()
        self._current: str | None = None
        self._workers = AgentWorkers()
        self._open: dict[str, OpenSnapshot] = {}
        self._leases: dict[str, int] = {}
        self._pins: dict[str, float] = {}
        self._watching: threading.Event | None = None

    def lease(self, snapshot_id: str | None = None) -> "_Lease":
        """Hold one snapshot open; NoSnapshot where nothing is published or the pin has expired."""
        return _Lease(self, snapshot_id)

    def _take(self, snapshot_id: str | None) -> tuple[str, OpenSnapshot]:
        with self._lock:
            if self._watching is None:
                self._watch()
            wanted = self._pin(snapshot_id) if snapshot_id else self._look_up_current()
            opened = self._open.get(wanted)
            if opened is None:
                wanted, opened = self._newly_opened(wanted, is_pin=snapshot_id is not None)
            self._leases[wanted] = self._leases.get(wanted, 0) + 1
        return wanted, opened

    def _newly_opened(self, wanted: str, *, is_pin: bool) -> tuple[str, OpenSnapshot]:
        try:
            return wanted, self._opened(wanted)
        except NoSnapshot:
            if is_pin:
                raise
            # Withdrawn between the look at the pointer and now: another answers already.
            self._pointer.let_go()
            wanted = self._look_up_current()
            return wanted, self._opened(wanted)

    def _give_back(self, snapshot_id: str) -> None:
        with self._lock:
            self._leases[snapshot_id] -= 1
            if len(self._open) == 1 and snapshot_id == self._current:
                return
            unused = self._unused()
        for one in unused:
            one.close()

    def close(self) -> None:
        """Close all that nobody reads."""
        with self._lock:
            if self._watching is not None:
                self._watching.set()
            self._watching = None
            self._current = None
            self._pointer.let_go()
            self._pins.clear()
            unused = self._unused()
        for one in unused:
            one.close()
        if not self._open:
            self._workers.close()

    def let_go(self) -> None:
        """Close what was withdrawn, and what is no longer current, as soon as nobody reads it."""
        with self._lock:
            if self._current is not None:
                try:
                    # Opened before what it follows is closed, whose workers go on with it.
                    self._opened(self._look_up_current())
                except NoSnapshot:
                    self._current = None
                except ServingError as error:
                    # Whoever asks next is told.
                    logger.warning("the snapshot does not open: %s", type(error).__name__)
            oldest = time.monotonic() - PIN_S
            self._pins = {
                name: used
                for name, used in self._pins.items()
                if used >= oldest and not self._is_withdrawn(name)
            }
            unused = self._unused()
        for one in unused:
            one.close()

    def _watch(self) -> None:
        """Let go of withdrawn snapshots also while nobody asks: an erasure waits for it."""
        self._watching = threading.Event()
        arguments = (weakref.ref(self), self._watching)
        threading.Thread(target=_watch, args=arguments, daemon=True).start()

    def _is_withdrawn(self, snapshot_id: str) -> bool:
        opened = self._open.get(snapshot_id)
        return opened is None or opened.is_withdrawn

    def _look_up_current(self) -> str:
        if self._current is None or not self._pointer.is_still_it():
            with suppress(FileNotFoundError):
                self._pointer.hold()
            try:
                self._current = current_id(self._home)
            except BaseException:
                # Whoever asks next is told the same, and not what was before.
                self._pointer.let_go()
                raise
        return self._current

    def _pin(self, snapshot_id: str) -> str:
        # Looked at on each call: one that was withdrawn may be open still, and answers nobody.
        if self._is_withdrawn(snapshot_id):
            open_snapshot(self._home, snapshot_id)
        self._pins.pop(snapshot_id, None)
        self._pins[snapshot_id] = time.monotonic()
        for name in list(self._pins)[:-KEPT_PINS]:
            del self._pins[name]
        return snapshot_id

    def _opened(self, snapshot_id: str) -> OpenSnapshot:
        opened = self._open.get(snapshot_id)
        if opened is None:
            folder, catalog = open_snapshot(self._home, snapshot_id)
            opened = OpenSnapshot(folder, catalog, self._embedder, self._on_close, self._workers)
            self._open[snapshot_id] = opened
            if snapshot_id == self._current and (sandboxes := opened.succeed()):
                self._leases[snapshot_id] = self._leases.get(snapshot_id, 0) + 1
                arguments = snapshot_id, sandboxes
                threading.Thread(target=self._prepare, args=arguments, daemon=True).start()
        return opened

    def _prepare(self, snapshot_id: str, sandboxes: Sequence[SqlSandbox]) -> None:
        """Hand the workers on, so that the first statement does not wait for that."""
        try:
            for sandbox in sandboxes:
                sandbox.prepare()
        except OSError as error:
            # A statement starts a worker of its own, and tells what is wrong.
            logger.warning("no worker is ready yet: %s", type(error).__name__)
        finally:
            self._give_back(snapshot_id)

    def _unused(self) -> list[OpenSnapshot]:
        """Take out what is neither current, nor pinned lately, nor being read."""
        wanted = {self._current, *self._pins}
        names = [name for name in self._open if name not in wanted and not self._leases.get(name)]
        for name in names:
            self._leases.pop(name, None)
        return [self._open.pop(name) for name in names]


class _Lease:
    """A snapshot for the length of one answer; a generator's frame would take twice the time."""

    __slots__ = ("_held", "_snapshots", "_wanted")

    def __init__(self, snapshots: Snapshots, wanted: str | None) -> None:
        self._snapshots, self._wanted = snapshots, wanted

    def __enter__(self) -> OpenSnapshot:
        self._held, opened = self._snapshots._take(self._wanted)
        return opened

    def __exit__(self, *error: object) -> None:
        self._snapshots._give_back(self._held)


def _watch(snapshots: "weakref.ref[Snapshots]", closed: threading.Event) -> None:
    while not closed.wait(WATCH_S):
        watched = snapshots()
        if watched is None:
            return
        watched.let_go()
        del watched


def refuse_changed_contract(pinned: Catalog, current: Catalog) -> None:
    """Raise SnapshotExpired for a pin from before a view's columns or masks changed.

    Otherwise a pin would show what has been masked or taken away since.
    """
    if pinned.contract_version != current.contract_version:
        raise SnapshotExpired("this snapshot is from before the views' columns or masks changed")
