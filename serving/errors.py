"""The errors of serving.

ServingError
├── AnswerError             told to the agent, each with a code of the envelope
│   ├── ReadonlyViolation   READONLY_VIOLATION
│   ├── PolicyDenied        POLICY_DENIED
│   ├── UnknownTable        UNKNOWN_TABLE
│   ├── InvalidSql          INVALID_SQL
│   ├── InvalidArgument     INVALID_ARGUMENT
│   ├── QueryTimeout        TIMEOUT
│   ├── BudgetExceeded      BUDGET_EXCEEDED
│   ├── RateLimited         RATE_LIMITED
│   ├── StaleData           STALE_DATA
│   ├── NoSnapshot          NO_SNAPSHOT
│   │   └── SnapshotExpired
│   ├── Unauthenticated     UNAUTHENTICATED
│   ├── Cancelled           CANCELLED
│   └── InternalError       INTERNAL
├── Refused                 rows were asked of a refusal, in Python
├── PublishError            a snapshot was not promoted; the one before it still answers
├── DeclarationError        dbt's YAML declares something that cannot be served
└── NotFollowed             the lineage of a query cannot be followed, so nothing is proven
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

ErrorCode = Literal[
    "READONLY_VIOLATION",
    "POLICY_DENIED",
    "UNKNOWN_TABLE",
    "INVALID_SQL",
    "INVALID_ARGUMENT",
    "TIMEOUT",
    "BUDGET_EXCEEDED",
    "RATE_LIMITED",
    "STALE_DATA",
    "NO_SNAPSHOT",
    "UNAUTHENTICATED",
    "CANCELLED",
    "INTERNAL",
]


class ServingError(Exception):
    """Base of every error of this package."""


class Refused(ServingError):
    """Rows were asked of an answer that is a refusal; ``code`` is the refusal's."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class PublishError(ServingError):
    """A snapshot was not promoted; the one before it still answers."""


class DeclarationError(ServingError):
    """dbt's YAML declares something that cannot be served."""


class NotFollowed(ServingError):
    """The lineage of a query cannot be followed; ``node`` is the place in its syntax tree."""

    def __init__(self, message: str, node: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        location = (node or {}).get("query_location")
        # DuckDB gives the largest number where it knows no place.
        self.location = location if isinstance(location, int) and location < 2**32 else None


class AnswerError(ServingError):
    """An answer that is a refusal: ``code``, what to change, and whether trying again can help."""

    code: ClassVar[ErrorCode] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: str | int | float | list[str]) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, str | int | float | list[str]] = details


class ReadonlyViolation(AnswerError):
    """The statement would change something."""

    code = "READONLY_VIOLATION"


class PolicyDenied(AnswerError):
    """The statement uses something that no agent may use."""

    code = "POLICY_DENIED"


class UnknownTable(AnswerError):
    """The table is not one of this agent's views; that it may exist elsewhere is not told."""

    code = "UNKNOWN_TABLE"


class InvalidSql(AnswerError):
    """The statement does not parse, bind or run."""

    code = "INVALID_SQL"


class InvalidArgument(AnswerError):
    """An argument has the wrong type, name or value."""

    code = "INVALID_ARGUMENT"


class QueryTimeout(AnswerError):
    """The statement ran longer than this agent's limit."""

    code = "TIMEOUT"
    retryable = True


class BudgetExceeded(AnswerError):
    """The statement needs more memory, or text, than this agent's limit."""

    code = "BUDGET_EXCEEDED"


class RateLimited(AnswerError):
    """This agent has used up its calls for now; ``details.retry_after_s`` tells when to return."""

    code = "RATE_LIMITED"
    retryable = True


class StaleData(AnswerError):
    """A view is older than its error limit and its policy is to refuse."""

    code = "STALE_DATA"
    retryable = True


class NoSnapshot(AnswerError):
    """Nothing is published yet, or the pinned snapshot has expired."""

    code = "NO_SNAPSHOT"
    retryable = True


class SnapshotExpired(NoSnapshot):
    """The snapshot that was asked for cannot be read; the same call never gets it."""

    retryable = False

    def __init__(self, why: str = "this snapshot has expired or never was") -> None:
        super().__init__(f"{why}; leave out snapshot_id to read the current one")


class Unauthenticated(AnswerError):
    """No agent goes by this name or token."""

    code = "UNAUTHENTICATED"


class Cancelled(AnswerError):
    """The caller gave the call up; nobody reads this, but the audit log keeps it."""

    code = "CANCELLED"
    retryable = True


class InternalError(AnswerError):
    """A fault of ours, told without its cause; the audit log names the exception's type."""

    code = "INTERNAL"
    retryable = True
