"""Tells a full disk by its name, whichever library met it and whatever became of its error."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from serving.errors import PublishError

_TOLD = os.strerror(errno.ENOSPC)


@contextmanager
def telling_a_full_disk() -> Iterator[None]:
    """Raise PublishError in place of an error that a full disk is behind; others pass."""
    try:
        yield
    except (PublishError, OSError, RuntimeError, duckdb.Error, sqlite3.Error) as error:
        if not _is_behind(error):
            raise
        raise PublishError(
            "the disk is full; the snapshot before it still answers: make room and publish again"
        ) from None


def _is_behind(error: BaseException | None) -> bool:
    while error is not None:
        if _is_full_disk(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_full_disk(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOSPC
    # The texts of DuckDB's other errors quote values, which may be any words.
    is_ours = isinstance(error, OSError | RuntimeError | duckdb.OperationalError)
    return is_ours and _TOLD in str(error)
