"""The cursor of a table: up to where we have read, kept in dlt's own resource state.

A load reads again from ``overlap`` before the highest cursor seen, so that a row whose
transaction committed late is found. A cursor in the future (a wrong clock, a placeholder such as
year 9999) must not move that line beyond the source's present, or all later rows would be lost.
"""

from collections.abc import MutableMapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

Value = datetime | date | int | str


def lower_bound(state: MutableMapping[str, Any], overlap: timedelta) -> Value | None:
    """Return the cursor from which to read, inclusive; None for everything."""
    highest = state.get("highest")
    if isinstance(highest, datetime):
        return highest - overlap
    if isinstance(highest, date):
        return highest - max(overlap, timedelta(days=1))
    return highest


def advance(state: MutableMapping[str, Any], seen: Value | None, present: datetime) -> None:
    """Remember the highest cursor seen, but none beyond the source's ``present``."""
    if seen is None:
        return
    if isinstance(seen, datetime):
        present = present if seen.tzinfo else present.replace(tzinfo=None)
        seen = min(seen, present)
    elif isinstance(seen, date):
        seen = min(seen, present.date())
    highest = state.get("highest")
    state["highest"] = seen if highest is None else max(highest, seen)


def parse_instant(value: str) -> datetime:
    """Read an ISO 8601 instant; one without a zone is UTC."""
    instant = datetime.fromisoformat(value)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
