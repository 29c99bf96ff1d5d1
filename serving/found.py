"""What a tool found, before it becomes an answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.catalog import SourceTable
from serving.envelope import Column, TruncatedBy
from serving.row_bytes import Packed


@dataclass(eq=False, kw_only=True)
class Found:
    """Rows, the views that they come from, and the columns of each view that were read."""

    columns: list[Column]
    rows: list[dict[str, Any]]
    # The rows as JSON, where that is what was found.
    packed: Packed | None = None
    # The names of the masked ones among the columns, where they are known beforehand.
    masked_columns: list[str] | None = None
    # The raw tables behind the views, where they are known beforehand.
    sources: list[SourceTable] | None = None
    tables: list[str] = field(default_factory=list)
    columns_read: dict[str, list[str]] = field(default_factory=dict)
    truncated: bool = False
    truncated_by: TruncatedBy | None = None
    warnings: list[str] = field(default_factory=list)
    # Values of a lookup whose rows exist and are kept from the agent; None where that is not known.
    hidden: int | None = None
    # Rows about the data (names, ages) and no rows of the data.
    is_about: bool = False
    # The same call may find something else, although the data is the same.
    is_volatile: bool = False

    def with_rows(self, rows: list[dict[str, Any]]) -> "Found":
        """The same of other rows; ``dataclasses.replace`` takes six times as long."""
        other = object.__new__(Found)
        other.__dict__.update(self.__dict__, rows=rows)
        return other


def within(
    rows: Sequence[dict[str, Any]],
    *,
    limit: int | None,
    most: int,
    characters: int,
    at_most: int | None = None,
) -> tuple[list[dict[str, Any]], TruncatedBy | None]:
    """The rows that an answer may hold, and what cut the rest.

    ``limit`` is the caller's own, ``most`` and ``characters`` (of all cells) the agent's. Cells are
    not counted where they are known to have ``at_most`` so many characters as the agent may have.
    """
    cut: TruncatedBy | None = None
    kept = min(most, limit or most)
    if len(rows) > kept:
        cut = "limit" if limit is not None and limit <= most else "rows"
    if at_most is not None and at_most <= characters:
        return list(rows[:kept]), cut
    left = characters
    answer: list[dict[str, Any]] = []
    for row in rows[:kept]:
        left -= sum(len(c) if isinstance(c, str) else len(str(c)) for c in row.values())
        if left < 0:
            return answer, "characters"
        answer.append(row)
    return answer, cut
