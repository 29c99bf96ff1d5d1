"""The errors of ingestion.

IngestionError
├── SourcesFileError    sources.yaml says something that is not understood
├── MissingSecret       a source's address or credential is not set
├── SourceFailed        one source could not be loaded; its raw tables are as they were
├── UnloadableTable     a table has a shape that raw cannot hold
├── RawTableLost        a raw table was dropped by hand; the load brings it back by itself
├── ShrinkRefused       a table lost more rows than its declaration allows; nothing was deleted
├── MissingDriver       no Python package for this kind of database is installed
├── HttpFault           an API did not answer, or answered what cannot be used
├── ListingChanged      an API's pages do not add up to the whole that it declares
├── MissingErasureKey   people were erased under a key that is not known; nothing may be loaded
├── RewriteFailed       the warehouse could not be copied into a new file; it is as it was
├── CaptureRefused      a database is not set up for the capture of changes from its log
├── WarehouseBusy       another process has been writing to the warehouse for too long
└── WarehouseDamaged    what stands in the warehouse's place is no DuckDB file
"""

from pathlib import Path


class IngestionError(Exception):
    """Base of every error of this package."""


class SourcesFileError(IngestionError):
    """sources.yaml is wrong; the message names file, line, field and what is allowed."""


class MissingSecret(IngestionError):
    """A source's address or credential is not set; the message names the variable to set."""


class SourceFailed(IngestionError):
    """One source could not be loaded; its raw tables are as they were before the load.

    The message is built from the kind of the fault and the place, never from a driver's text:
    drivers quote rows and addresses with passwords.
    """

    def __init__(self, source: str, reason: str, remedy: str) -> None:
        super().__init__(f"source {source}: {reason}; {remedy}")
        self.source = source
        self.reason = reason
        self._remedy = remedy

    def lasting(self, duration: str) -> "SourceFailed":
        """The same error, with a word on how long that has been so."""
        return SourceFailed(self.source, self.reason, f"{duration}; {self._remedy}")


class UnloadableTable(IngestionError):
    """A table has a shape that raw cannot hold or compare; the message says how to change it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; rename it at the source, or load a view that does")


class RawTableLost(IngestionError):
    """Raw tables were dropped while their cursor stayed; caught where they are loaded anew."""

    def __init__(self, source: str, tables: list[str]) -> None:
        super().__init__(f"raw has lost {', '.join(tables)} of {source}; load the source again")
        self.tables = tables


class ShrinkRefused(IngestionError):
    """More of a table's rows vanished than its declaration allows; nothing was deleted."""


class MissingDriver(IngestionError):
    """No Python package for this kind of database is installed; the message has the command."""


class HttpFault(IngestionError):
    """An API did not answer, or answered what cannot be used: host, what and how often tried.

    ``status`` is the HTTP status where there was one.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ListingChanged(IngestionError):
    """An API's pages do not add up to the whole that it declares; reading it again may help."""


class CaptureRefused(IngestionError):
    """A database is not set up for the capture of its log; the message has the SQL to run."""


class MissingErasureKey(IngestionError):
    """People were erased under a key that is not known here; loading would bring them back."""


class RewriteFailed(IngestionError):
    """The warehouse could not be copied into a new file; it is as it was."""


class WarehouseBusy(IngestionError):
    """Another process has been writing to the warehouse for longer than the wait allows."""


class WarehouseDamaged(IngestionError):
    """The warehouse's file cannot be opened by anybody; the message says what to do."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.name} is damaged: it does not begin as a DuckDB file does. Put a copy of it "
            "back, or move it away: the next `grounded run` reads every source anew, and agents "
            "are answered from the last snapshot meanwhile"
        )
