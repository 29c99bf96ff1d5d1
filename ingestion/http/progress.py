"""How far a table of an API was read: its cursor, and a listing that is not yet at its end.

A long listing whose rows come in the order of the cursor is kept in parts. Until its end the next
part begins where the last one was whole, with no overlap; after it the overlap counts from when its
first part began, because a row could commit late ever since.
"""

from collections.abc import MutableMapping, Sequence
from datetime import datetime
from typing import Any

from ingestion.cursor import Value, advance, lower_bound
from ingestion.errors import ListingChanged
from ingestion.spec import RestTableSpec

_UNFINISHED = "unfinished"


class Progress:
    """The progress of one table in one load, over the state that dlt commits with the rows."""

    def __init__(
        self, table: RestTableSpec, state: MutableMapping[str, Any], started_at: datetime
    ) -> None:
        self._table = table
        self._state = state
        self._started_at = started_at
        self._start: Value | None = None
        self._top: Any = None
        self._settled: Any = None
        self._present: datetime | None = None

    def since(self) -> dict[str, str]:
        """The parameter that asks for what changed; empty for everything."""
        cursor = self._table.cursor
        if cursor is None or cursor.param is None:
            return {}
        unfinished = self._unfinished()
        self._start = unfinished["from"] if unfinished else lower_bound(self._state, cursor.overlap)
        if self._start is None:
            return {}
        start = self._start
        return {cursor.param: start.isoformat() if isinstance(start, datetime) else str(start)}

    def saw(self, rows: Sequence[dict[str, Any]], present: datetime | None) -> None:
        """Remember a page's rows; ListingChanged where they break the declared order.

        ``present`` is the source's own clock when the listing began, where it tells it.
        """
        self._present = self._present or present
        if self._table.cursor is None:
            return
        for row in rows:
            self._saw_value(row.get(self._table.cursor.column))

    @property
    def can_pause(self) -> bool:
        """Whether what was read so far is worth keeping: the next part would begin later."""
        if not self._table.ordered or self._settled is None:
            return False
        return self._start is None or bool(self._settled > self._start)

    def pause(self) -> None:
        """Let the next part begin where this one was whole.

        That is at the highest value but one: rows that tie with the highest may follow, and an API
        may mean its parameter inclusively or not.
        """
        unfinished = self._unfinished()
        self._state[_UNFINISHED] = {
            "from": self._settled,
            "present": unfinished["present"] if unfinished else self._present or self._started_at,
            "started_at": unfinished["started_at"] if unfinished else self._started_at,
        }

    def end(self) -> datetime:
        """Move the cursor; returns the instant up to which all changes are held."""
        unfinished = self._unfinished()
        present = unfinished["present"] if unfinished else self._present or self._started_at
        advance(self._state, self._top, present)
        self._state.pop(_UNFINISHED, None)
        return unfinished["started_at"] if unfinished else self._started_at

    def _unfinished(self) -> Any:
        return self._state.get(_UNFINISHED)

    def _saw_value(self, value: Any) -> None:
        if self._table.cursor is None or value is None or value == self._top:
            return
        if self._top is None or value > self._top:
            self._settled, self._top = self._top, value
        elif self._table.ordered:
            raise ListingChanged(
                f"the listing at {self._table.path} is not in the order of "
                f"{self._table.cursor.column}, as it is declared to be"
            )
