"""The one envelope that every answer travels in, on every surface."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from serving.catalog import SourceTable
from serving.errors import ErrorCode, Refused
from serving.frozen import Frozen

if TYPE_CHECKING:
    import pandas
    import pyarrow

FreshnessStatus = Literal["fresh", "stale", "unknown"]
EmptyReason = Literal["no_match", "row_policy", "stale", "not_loaded"]
CacheUse = Literal["hit", "miss", "off"]
TruncatedBy = Literal["rows", "limit", "characters"]


class Column(Frozen):
    """One column of an answer; ``trust`` is ``untrusted`` where strangers wrote the text."""

    name: str
    type: str
    masked: bool = False
    trust: Literal["trusted", "untrusted"] = "trusted"


class Freshness(Frozen):
    """How old one view is: ``age_s`` since its watermark, against ``limit_s``."""

    table: str
    data_as_of: datetime | None
    age_s: float | None
    limit_s: float | None
    status: FreshnessStatus


class Data(Frozen):
    """Rows by column name; JSON-compatible values only."""

    columns: list[Column] = []
    rows: list[dict[str, Any]] = []
    row_count: int = 0
    truncated: bool = False
    truncated_by: TruncatedBy | None = None


class Meta(Frozen):
    """Where an answer comes from.

    ``sources`` are the raw tables behind it, each with the load that last changed it. ``cache``
    is ``off`` where nothing is kept: of rows about the data, and where a view declares so.
    """

    query_id: str
    agent: str | None = None
    snapshot_id: str | None = None
    contract_version: str | None = None
    elapsed_ms: float = 0.0
    freshness: list[Freshness] = []
    empty_reason: EmptyReason | None = None
    masked_columns: list[str] = []
    sources: list[SourceTable] = []
    cache: CacheUse | None = None
    warnings: list[str] = []


class ErrorBody(Frozen):
    """A refusal that a caller can act on."""

    code: ErrorCode
    message: str
    retryable: bool = False
    details: dict[str, Any] = {}


class Answer(Frozen):
    """Rows plus where they come from."""

    success: Literal[True] = True
    data: Data
    meta: Meta

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as JSON values."""
        return self.data.rows

    def arrow(self) -> "pyarrow.Table":
        """The rows as an Arrow table in the columns' own types."""
        from serving.frames import to_arrow

        return to_arrow(self.data)

    def df(self) -> "pandas.DataFrame":
        """The rows as a pandas frame in the columns' own types."""
        from serving.frames import to_pandas

        return to_pandas(self.data)


class Refusal(Frozen):
    """No rows, and what to change."""

    success: Literal[False] = False
    error: ErrorBody
    meta: Meta

    @property
    def rows(self) -> list[dict[str, Any]]:
        """None: raises Refused."""
        raise self._refused()

    def arrow(self) -> "pyarrow.Table":
        """None: raises Refused."""
        raise self._refused()

    def df(self) -> "pandas.DataFrame":
        """None: raises Refused."""
        raise self._refused()

    def _refused(self) -> Refused:
        return Refused(self.error.code, self.error.message)


Envelope = Annotated[Answer | Refusal, Field(discriminator="success")]
