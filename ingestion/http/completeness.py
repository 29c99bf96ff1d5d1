"""Holds the pages of one listing against what the API says of the whole.

Page, Page, ... -> Listing.take -> goes on | ended | ListingChanged

What this cannot see: a total that is itself wrong; a row deleted and another added between two
requests of a numbered or offset listing with a total, unless ``confirm`` is declared; without a
total, the same rows missing from both readings of a listing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.errors import ListingChanged
from ingestion.spec import CompletenessSpec

# A cursor may lead over pages from which everything was filtered, but not for ever.
_MAX_EMPTY_PAGES = 1000


@dataclass(frozen=True)
class Page:
    """One page: its rows' keys and versions, what it says of the whole, and the page after it."""

    rows: Sequence[tuple[str, str]]
    total: int | None = None
    has_more: bool | None = None
    next_page: str | None = None


class Listing:
    """One reading of a listing, from its first page on; ``shifts`` is of pages by position."""

    def __init__(self, declared: CompletenessSpec, *, shifts: bool, what: str) -> None:
        self._declared = declared
        self._shifts = shifts
        self._what = what
        self._keys: set[str] = set()
        self._rows: set[tuple[str, str]] = set()
        self._next_pages: set[str] = set()
        self._total: int | None = None
        self._empty_pages = 0
        self._was_full = True
        self._digest = hashlib.sha256()
        self.pages = 0

    @property
    def fingerprint(self) -> str:
        """Equal for two readings that saw the same rows in the same order."""
        return self._digest.hexdigest()

    @property
    def has_its_total(self) -> bool:
        """Whether all the rows that the API tells of were seen."""
        return self._total is not None and len(self._keys) >= self._total

    @property
    def is_sound_so_far(self) -> bool:
        """Whether nothing can be missing before the end of the last page."""
        return self._declared.page_size is not None and self._was_full

    def take(self, page: Page) -> bool:
        """Add a page; returns whether another follows. ListingChanged where it cannot fit."""
        self._watch_the_total(page)
        if self._shifts and self.has_its_total and self.pages and self._brings_nothing(page):
            return self._end()
        self._watch_the_size(page)
        self._watch_for_repeats(page)
        self.pages += 1
        self._keys.update(key for key, _ in page.rows)
        self._rows.update(page.rows)
        for row in page.rows:
            self._digest.update(repr(row).encode("utf-8", "backslashreplace"))
        return self._goes_on(page) or self._end()

    def _goes_on(self, page: Page) -> bool:
        has_next = page.next_page is not None and (bool(page.rows) or not self._shifts)
        if self._declared.has_more_path is not None:
            if page.has_more and not has_next:
                raise self._changed("says that there is more, but not where")
            return bool(page.has_more)
        if not self._shifts:
            return has_next
        if self._total is not None:
            return has_next and not (self.has_its_total and not self._was_full)
        # One empty page may be a slip of the server; two are the end.
        return page.next_page is not None and self._empty_pages < 2

    def _end(self) -> bool:
        if self._total is not None and len(self._keys) != self._total:
            raise self._changed(f"promised {self._total} rows and gave {len(self._keys)}")
        return False

    def _watch_the_total(self, page: Page) -> None:
        if self._declared.total_path is None:
            return
        if page.total is None:
            if self._total is None:
                raise self._changed(f"tells no total at {self._declared.total_path}")
            return
        if self._total is not None and page.total < self._total:
            raise self._changed(f"shrank from {self._total} to {page.total} rows while it was read")
        self._total = page.total

    def _watch_the_size(self, page: Page) -> None:
        if self._declared.has_more_path is not None and page.has_more is None:
            raise self._changed(f"tells no flag at {self._declared.has_more_path}")
        size = self._declared.page_size
        if page.rows and not self._was_full:
            raise self._changed(f"has a page of less than {size} rows in the middle")
        if page.rows and self._shifts and self._empty_pages:
            raise self._changed("has an empty page in the middle")
        self._was_full = size is None or len(page.rows) >= size
        self._empty_pages = 0 if page.rows else self._empty_pages + 1
        if self._empty_pages > _MAX_EMPTY_PAGES:
            raise self._changed(f"has more than {_MAX_EMPTY_PAGES} empty pages in a row")

    def _watch_for_repeats(self, page: Page) -> None:
        if self._brings_nothing(page) and page.rows:
            raise self._changed("gave a page again")
        if page.next_page is not None:
            if page.next_page in self._next_pages:
                raise self._changed("leads back to a page that was read")
            self._next_pages.add(page.next_page)

    def _brings_nothing(self, page: Page) -> bool:
        return all(row in self._rows for row in page.rows)

    def _changed(self, what: str) -> ListingChanged:
        return ListingChanged(f"{self._what} {what} (page {self.pages + 1})")
