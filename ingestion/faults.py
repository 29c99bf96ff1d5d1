"""Says in one line why a source failed, without a word of a driver's text.

Drivers and dlt quote rows, statements and addresses with passwords in their messages, and the
orchestrator stores what an exception says. So a fault is told by its kind and the place alone.
"""

import errno
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import adbc_driver_manager as adbc
import duckdb
import psycopg
import requests
import sqlalchemy.exc as sa_exc
from dlt.common.schema.exceptions import DataValidationError
from pydantic import SecretStr

from ingestion.errors import IngestionError, SourceFailed

_UNREACHABLE = (sa_exc.OperationalError, psycopg.OperationalError, adbc.OperationalError)


def explain(source: str, url: SecretStr, error: BaseException, served: str) -> SourceFailed:
    """Turn whatever a load raised into a SourceFailed that is safe to store and show.

    ``served`` says what of this source agents read meanwhile.
    """
    address = url.get_secret_value()
    place = _place(address)
    if any(map(_is_full_disk, _chain(error))):
        # Whatever else then failed for it comes first in the chain.
        return SourceFailed(source, "the disk is full", served)
    first = error
    for cause in _chain(error):
        told = _known(cause, place, is_folder=_is_folder(address))
        if told is not None:
            return SourceFailed(source, told, served)
        first = cause
    kinds = dict.fromkeys([type(error).__name__, type(first).__name__])
    return SourceFailed(source, f"{' after '.join(kinds)} while reading {place}", served)


def _known(cause: BaseException, place: str, *, is_folder: bool) -> str | None:
    if isinstance(cause, IngestionError):
        return str(cause)
    if isinstance(cause, requests.HTTPError) and cause.response is not None:
        return _http(cause.response.status_code, place)
    if isinstance(cause, requests.Timeout | TimeoutError):
        return f"{place} did not answer in time"
    if isinstance(cause, requests.ConnectionError | ConnectionError):
        return f"{place} cannot be reached"
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return f"the database at {place} does not let our role read what is declared"
    if isinstance(cause, _UNREACHABLE):
        return f"the database at {place} cannot be reached, or refused the login"
    if isinstance(cause, sa_exc.NoSuchTableError):
        return f"the database at {place} has no table {cause.args[0]}, or we may not read it"
    if isinstance(cause, DataValidationError):
        return (
            f"column {cause.table_name}.{cause.column_name} changed its type; the table is as it "
            f"was. Change the column back, or drop the raw table and load it again"
        )
    if isinstance(cause, NotADirectoryError | FileNotFoundError) and is_folder:
        return f"there is no folder {place}"
    return None


def _is_full_disk(cause: BaseException) -> bool:
    """Whether it says so; the texts of DuckDB's other errors quote values."""
    if isinstance(cause, duckdb.OperationalError):
        return os.strerror(errno.ENOSPC) in str(cause)
    return isinstance(cause, OSError) and cause.errno == errno.ENOSPC


def _http(status: int, place: str) -> str:
    if status in (401, 403):
        return f"{place} refused our credentials (HTTP {status})"
    return f"{place} answered HTTP {status}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _is_folder(url: str) -> bool:
    return urlsplit(url).scheme in ("", "file")


def _place(url: str) -> str:
    parts = urlsplit(url)
    if _is_folder(url):
        return url
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or 'localhost'}{port}"
