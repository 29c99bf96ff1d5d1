"""Reads chosen rows of an API one by one, each at an address of its own.

key -> row_path -> one request -> the row, or nothing where it is gone
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.client import RESTClient

from ingestion.errors import HttpFault, ListingChanged
from ingestion.spec import RestTableSpec

_GONE = (404, 410)


def single_rows(
    client: RESTClient, table: RestTableSpec, keys: Sequence[Sequence[str]]
) -> list[dict[str, Any]]:
    """Return the rows that there still are, of not too many.

    A row is gone where the API says 404 or 410; none at all may as well be a wrong address, so that
    the caller lists them then. Raises HttpFault, or ListingChanged where another row is answered.
    """
    found = (_row(client, table, key) for key in keys)
    return [row for row in found if row is not None]


def _row(client: RESTClient, table: RestTableSpec, key: Sequence[str]) -> dict[str, Any] | None:
    assert table.row_path is not None
    named = dict(zip(table.primary_key, key, strict=True))
    path = re.sub(r"\{([^{}]*)\}", lambda field: quote(named[field[1]], safe=""), table.row_path)

    def complaint(body: Any) -> str | None:
        found = jsonpath.find_values(table.row_data, body)
        is_row = len(found) == 1 and isinstance(found[0], dict)
        return None if is_row else f"sent an answer without one row at {table.row_data}"

    try:
        answer = client.get(path, accept=complaint)
    except HttpFault as fault:
        if fault.status in _GONE:
            return None
        raise
    row: dict[str, Any] = jsonpath.find_values(table.row_data, answer.json())[0]
    if any(str(row.get(column)) != text for column, text in named.items()):
        raise ListingChanged(f"{table.row_path} answers a row with another key than asked for")
    return row
