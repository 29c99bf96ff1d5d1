"""An honest listing in every style of pagination, and a way to spoil its pages."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.hostile_api.server import Answer, Seen, as_json

Row = dict[str, Any]
Spoil = Callable[[int, dict[str, Any]], dict[str, Any]]

STYLES: dict[str, dict[str, Any]] = {
    "cursor": {"type": "cursor", "cursor_path": "next", "cursor_param": "after"},
    "json_link": {"type": "json_link", "next_url_path": "next"},
    "header_link": {"type": "header_link"},
    "offset": {"type": "offset", "limit": 3},
    "page_number": {"type": "page_number", "base_page": 1},
}
SIZE = 3


@dataclass
class Listing:
    """Serves ``rows`` in one style; ``before`` may change them before a page is made.

    ``spoil`` gets the number of the request and the page, and returns what is sent instead.
    """

    style: str
    rows: list[Row]
    before: Callable[[int, list[Row]], None] = lambda number, rows: None
    spoil: Spoil = lambda number, page: page
    requests: int = 0
    starts: list[int] = field(default_factory=list)

    def __call__(self, seen: Seen) -> Answer:
        self.requests += 1
        self.before(self.requests, self.rows)
        matching = [
            row for row in self.rows if row.get("changed_at", "") >= seen.query.get("since", "")
        ]
        start = self._start(seen.query, matching)
        self.starts.append(start)
        rows = matching[start : start + SIZE]
        has_more = start + SIZE < len(matching)
        page = {"data": rows, "total": len(matching), "has_more": has_more, "next": None}
        if has_more and self.style in ("cursor", "json_link", "header_link"):
            page["next"] = self._next(seen, rows[-1], start + SIZE)
        page = self.spoil(self.requests, page)
        if self.style == "header_link" and page.get("next"):
            return as_json(page, Link=f'<{page["next"]}>; rel="next"')
        return as_json(page)

    def _start(self, query: dict[str, str], rows: list[Row]) -> int:
        if self.style == "cursor":
            changed_at, _, key = query.get("after", "").partition("|")
            last = (changed_at, int(key or -1))
            return sum((row.get("changed_at", ""), row["id"]) <= last for row in rows)
        if self.style == "offset":
            return int(query["offset"])
        page = int(query.get("page", 1))
        return (page - 1) * SIZE

    def _next(self, seen: Seen, last: Row, start: int) -> str:
        if self.style == "cursor":
            return f"{last.get('changed_at', '')}|{last['id']}"
        since = f"&since={seen.query['since']}" if "since" in seen.query else ""
        return f"{seen.path}?page={start // SIZE + 1}{since}".replace("+", "%2B")
