"""Turns what a tool found, or why it refused, into the one envelope; pure."""

from collections.abc import Mapping
from typing import Any

from serving import freshness as ages
from serving.catalog import Catalog
from serving.envelope import (
    Answer,
    CacheUse,
    Data,
    EmptyReason,
    ErrorBody,
    Freshness,
    Meta,
    Refusal,
)
from serving.errors import AnswerError
from serving.found import Found
from serving.reader import Reader


def answer(
    found: Found, reader: Reader, *, query_id: str, elapsed_ms: float, cache: CacheUse
) -> Answer:
    """The envelope of rows: where they come from, how old they are, and why there may be none."""
    catalog = reader.opened.catalog
    freshness = reader.freshness(found.tables)
    warnings = list(found.warnings)
    for age in freshness:
        if age.status != "fresh" and (told := ages.warning(reader.view(age.table), age)):
            warnings.append(told)
    masked = found.masked_columns
    if masked is None:
        masked = [column.name for column in found.columns if column.masked]
    sources = reader.sources(found.tables) if found.sources is None else found.sources
    rows = found.rows
    data = Data.unchecked(
        {
            # Lists of this answer's own: whoever gets it may change them.
            "columns": list(found.columns),
            "rows": rows,
            "row_count": len(rows),
            "truncated": found.truncated,
            "truncated_by": found.truncated_by,
        }
    )
    meta = Meta.unchecked(
        {
            "query_id": query_id,
            "agent": reader.agent.name,
            "snapshot_id": catalog.snapshot_id,
            "contract_version": catalog.contract_version,
            "elapsed_ms": elapsed_ms,
            "freshness": freshness,
            "empty_reason": None if rows else empty_reason(found, reader, freshness),
            "masked_columns": list(masked),
            "sources": list(sources),
            "cache": cache,
            "warnings": warnings,
        }
    )
    return Answer.unchecked({"success": True, "data": data, "meta": meta})


def refusal(
    error: AnswerError,
    *,
    query_id: str,
    agent: str | None,
    catalog: Catalog | None,
    elapsed_ms: float,
) -> Refusal:
    """The envelope of a refusal: the code, what to change, and whether to try again."""
    details: Mapping[str, Any] = error.details
    return Refusal(
        error=ErrorBody(
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            details=dict(details),
        ),
        meta=Meta(
            query_id=query_id,
            agent=agent,
            snapshot_id=catalog.snapshot_id if catalog else None,
            contract_version=catalog.contract_version if catalog else None,
            elapsed_ms=elapsed_ms,
        ),
    )


def empty_reason(found: Found, reader: Reader, freshness: list[Freshness]) -> EmptyReason:
    """Why there are no rows; that a policy may hide some is told where the agent may know."""
    if found.is_about or not found.tables:
        return "no_match"
    if any(_is_not_loaded(reader, name) for name in found.tables):
        return "not_loaded"
    if found.hidden != 0 and any(reader.tells_hidden(name) for name in found.tables):
        return "row_policy"
    if ages.stale_tables(freshness):
        return "stale"
    return "no_match"


def _is_not_loaded(reader: Reader, table: str) -> bool:
    """An empty view of unknown age was never loaded; a filtered one may have been."""
    is_empty = reader.agent.stores[table].rows == 0
    is_filtered = table in reader.agent.row_filtered
    return is_empty and not is_filtered and reader.view(table).data_as_of is None
