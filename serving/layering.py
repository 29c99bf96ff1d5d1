"""Decides how a view gets its files: linked or with a layer, or why it is written whole; pure.

published stores + what the warehouse tells of changes -> Followed, or a reason
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

from serving.catalog import CatalogView, Position, Store
from serving.changes import Told
from serving.layers import IN_BASE, LIVE, SEQ
from serving.sandbox.volatile import is_volatile

# A smaller view is written whole in the time that a layer takes.
SMALLEST_BASE = 1_000
# Copying a layer at each publish costs as its entries, writing a base whole as its rows: the sum
# is least where the entries grow as the root of the rows. 128,000 for 1,000,000 rows: the base took
# 60 s, and an entry 2 us of each publish of 250 changes.
_ENTRIES_A_ROOT = 128
# The digits of a snapshot's id that tell the day.
_DAY = 8


@dataclass(frozen=True)
class Followed:
    """The published stores of a view, whole and by agent, and where they are to be brought to."""

    whole: Store
    scopes: Mapping[str, Store]
    since: Position
    until: Position

    @property
    def most_entries(self) -> int:
        """More entries than these make a layer dearer than a new base."""
        return _ENTRIES_A_ROOT * isqrt(self.whole.base_rows)


def followed(
    view: CatalogView,
    shapes: Mapping[str, str],
    filters: Mapping[str, str],
    published: Mapping[str, Store],
    told: Told | None,
    day: str | None,
) -> Followed | str:
    """Return what can be followed, or why the view has to be written whole.

    ``shapes`` and ``published`` are by agent, the view before any filter under an empty name;
    ``day`` is the candidate's id, where layers of an earlier day are to end.
    """
    if told is None:
        return "its model does not tell its changes"
    if view.key not in told.columns:
        return "its model tells its changes by another key"
    whole = published.get("")
    if whole is None or published.keys() < shapes.keys():
        return "it is the first"
    if {name: published[name].shape for name in shapes} != dict(shapes):
        return "its columns, texts or filters changed"
    if {SEQ, LIVE, IN_BASE} & {column.name.lower() for column in view.columns}:
        return "it has a column of a name that layers need"
    return _from(whole, {name: published[name] for name in filters}, filters, told, day)


def _from(
    whole: Store,
    scopes: Mapping[str, Store],
    filters: Mapping[str, str],
    told: Told,
    day: str | None,
) -> Followed | str:
    since = whole.position
    if since is None or since.generation != told.position.generation:
        return "its model was built whole"
    if any(store.position != since for store in scopes.values()):
        return "its agents' files are of another state"
    layered = [store for store in (whole, *scopes.values()) if store.layer is not None]
    if day and any(store.written_in[:_DAY] != day[:_DAY] for store in layered):
        return "it is a new day"
    if since == told.position:
        return Followed(whole, scopes, since, told.position)
    if told.first_seq > since.seq + 1 or told.position.seq < since.seq:
        return "its changes are no longer told back to the last publish"
    if whole.base_rows < SMALLEST_BASE:
        return "it is small"
    if any(is_volatile(condition) for condition in filters.values()):
        return "a row filter depends on the clock or on chance"
    return Followed(whole, scopes, since, told.position)
