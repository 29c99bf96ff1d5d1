"""Reads one listing page by page, with dlt's client and paginators, and vouches for the whole.

RESTClient.paginate -> Listing.take -> rows of a page, until it ended or was paused -> (read again)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from dlt.sources.helpers.rest_client.paginators import (
    BasePaginator,
    HeaderLinkPaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
    OffsetPaginator,
    PageNumberPaginator,
    SinglePagePaginator,
)
from requests import Response

from ingestion.errors import HttpFault, ListingChanged
from ingestion.http.completeness import Listing, Page
from ingestion.http.retry_after import http_date
from ingestion.spec import CompletenessSpec, PaginatorSpec

Row = dict[str, Any]
Identify = Callable[[Row], tuple[str, str]]

# dlt wants an end by number where Listing decides on it.
_NO_MAXIMUM = 2**53
_BEYOND_THE_END = (400, 404, 416, 422)


@dataclass(frozen=True)
class Endpoint:
    """What is asked, how it is paged and what it says of the whole; ``what`` names it in errors."""

    what: str
    path: str
    data: str
    params: Mapping[str, str | int]
    paginator: PaginatorSpec
    completeness: CompletenessSpec

    @property
    def needs_confirming(self) -> bool:
        """Whether a listing is believed only if it is read twice the same."""
        declared = self.completeness
        if declared.confirm is not None:
            return declared.confirm
        return self.paginator.shifts and declared.total_path is None


class Reading:
    """One reading of an endpoint; ``identify`` gives a row's key and version."""

    def __init__(self, client: RESTClient, endpoint: Endpoint, identify: Identify) -> None:
        self._client = client
        self._endpoint = endpoint
        self._identify = identify
        self._paused = False
        self._listing: Listing | None = None
        self.began: datetime | None = None
        self.ended = False

    def pages(self) -> Iterator[list[Row]]:
        """Yield the rows of each page, then check the whole; HttpFault or ListingChanged."""
        self._listing = listing = self._new_listing()
        for rows, goes_on in self._walk(listing):
            self.ended = not goes_on
            yield rows
            if self._paused:
                break
        else:
            self.ended = True
        if self._endpoint.needs_confirming and listing.pages > 1:
            self._confirm(listing)

    def pause_after(self, pages: int) -> bool:
        """Stop where at least so many pages are read and none of their rows can be missing."""
        listing = self._listing
        self._paused = (
            listing is not None
            and not self.ended
            and listing.pages >= pages
            and listing.is_sound_so_far
        )
        return self._paused

    def _walk(self, listing: Listing) -> Iterator[tuple[list[Row], bool]]:
        endpoint = self._endpoint
        answers = self._client.paginate(
            endpoint.path,
            params=dict(endpoint.params),
            paginator=build_paginator(endpoint.paginator),
            data_selector=endpoint.data,
            # Without a hook of its own dlt puts an answer's body into an error's text.
            hooks={"response": []},
            accept=self._complaint,
        )
        while (answer := self._next(answers, listing)) is not None:
            rows: list[Row] = list(answer)
            before = listing.pages
            goes_on = listing.take(self._page(rows, answer))
            if listing.pages == before:
                return
            self.began = self.began or http_date(answer.response.headers.get("Date", ""))
            yield rows, goes_on
            if not goes_on:
                return

    def _next(self, answers: Iterator[PageData[Any]], listing: Listing) -> PageData[Any] | None:
        try:
            return next(answers, None)
        except HttpFault as fault:
            # Some APIs refuse to show the page after the last.
            if fault.status in _BEYOND_THE_END and listing.pages and listing.has_its_total:
                return None
            raise
        except (requests.RequestException, ValueError):
            pass
        # Raised out here so that the library's text, with its address, is not chained to it.
        raise ListingChanged(f"{self._endpoint.what} leads to a page whose address cannot be read")

    def _confirm(self, first: Listing) -> None:
        again = self._new_listing()
        for _ in self._walk(again):
            if self._paused and again.pages == first.pages:
                break
        if again.fingerprint != first.fingerprint:
            raise ListingChanged(f"{self._endpoint.what} changed while it was read")

    def _new_listing(self) -> Listing:
        endpoint = self._endpoint
        return Listing(endpoint.completeness, shifts=endpoint.paginator.shifts, what=endpoint.what)

    def _page(self, rows: list[Row], answer: PageData[Any]) -> Page:
        body = answer.response.json()
        has_next = answer.paginator.has_next_page
        declared = self._endpoint.completeness
        return Page(
            rows=[self._identify(row) for row in rows],
            total=_whole_number(_first(declared.total_path, body)),
            has_more=_flag(_first(declared.has_more_path, body)),
            next_page=_address(answer) if has_next else None,
        )

    def _complaint(self, body: Any) -> str | None:
        """What is wrong with a page's shape; it is asked for again."""
        data, paginator = self._endpoint.data, self._endpoint.paginator
        found = jsonpath.find_values(data, body)
        if not found and not jsonpath.find_values(data.removesuffix("[*]"), body):
            return f"sent an answer without {data}"
        rows = found[0] if len(found) == 1 else found
        rows = rows if isinstance(rows, list) else [] if rows is None else [rows]
        if not all(isinstance(row, dict) for row in rows):
            return f"sent rows at {data} that are no objects"
        paths = {"json_link": paginator.next_url_path, "cursor": paginator.cursor_path}
        following = _first(paths.get(paginator.type), body)
        if isinstance(following, bool) or not isinstance(following, str | int | None):
            return f"names a next page at {paths[paginator.type]} that is no text"
        return None


class _LinkPaginator(JSONLinkPaginator):
    """dlt's, for which an empty link is no link."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        self._next_reference = str(self._next_reference) if self._next_reference else None


def build_paginator(spec: PaginatorSpec) -> BasePaginator:
    """Return dlt's paginator for a declaration; where a numbered listing ends, Listing decides."""
    if spec.type == "cursor":
        return JSONResponseCursorPaginator(spec.cursor_path, cursor_param=spec.cursor_param)
    if spec.type == "json_link":
        return _LinkPaginator(spec.next_url_path)
    if spec.type == "header_link":
        return HeaderLinkPaginator(spec.links_next_key)
    if spec.type == "offset":
        return OffsetPaginator(
            limit=spec.limit or 1,
            offset_param=spec.offset_param,
            limit_param=spec.limit_param,
            total_path=None,
            maximum_offset=_NO_MAXIMUM,
            stop_after_empty_page=False,
        )
    if spec.type == "page_number":
        return PageNumberPaginator(
            base_page=spec.base_page,
            page_param=spec.page_param,
            total_path=None,
            maximum_page=_NO_MAXIMUM,
            stop_after_empty_page=False,
        )
    return SinglePagePaginator()


def _address(answer: PageData[Any]) -> str:
    """What identifies the next request of a listing."""
    params: Any = answer.request.params
    return f"{answer.request.url!r} {sorted(params.items()) if params else []!r}"


def _first(path: str | None, body: Any) -> Any:
    found = jsonpath.find_values(path, body) if path is not None else []
    return found[0] if found else None


def _whole_number(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).lower())
