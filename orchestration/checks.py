"""What must hold before a candidate is promoted; pure but for reading the warehouse.

declarations + warehouse + candidate -> Finding, one a check
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ingestion.names import DELETED_AT, OUR_COLUMNS
from ingestion.warehouse import reading
from serving.catalog import Catalog
from serving.declarations import Declarations, DeclaredSource
from serving.freshness import assess, too_old
from serving.index_recall import LOWEST_RECALL
from serving.leak_scan.report import ScanReport
from serving.privacy.proof import Proof

MAX_NAMED = 20
NAMED_ROWS = 3
# A source's own column may begin with an underscore too; it needs a class like any other.
ADDED_COLUMNS = OUR_COLUMNS | {"_dlt_id"}


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; ``problems`` say what and where, never a value.

    ``blocks`` says whether its failure stops the promotion.
    """

    problems: list[str] = field(default_factory=list)
    facts: dict[str, int | str] = field(default_factory=dict)
    blocks: bool = True

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


# By asset (a view, or ``snapshot``) and check.
Findings = dict[tuple[str, str], Finding]


def unclassified_columns(
    raw: dict[str, list[str]], sources: Iterable[DeclaredSource], classes: frozenset[str]
) -> Finding:
    """Find raw columns with none of the ``classes``; ``raw`` maps source.table to its columns."""
    problems = []
    for source in sources:
        table = f"{source.source}.{source.table}"
        for column in raw.get(table, []):
            declared = source.columns.get(column)
            privacy = declared.privacy if declared else None
            if privacy in classes:
                continue
            unknown = f" ({privacy!r} is no class)" if privacy else ""
            problems.append(
                f"{table}.{column} has no privacy class{unknown}; add to "
                f"dbt_project/{source.file}: `- name: {column}` with `config: {{meta: {{privacy: "
                f"{' | '.join(sorted(classes))}}}}}`"
            )
    return Finding(problems, {"raw columns": sum(len(columns) for columns in raw.values())})


def unproven(proof: Proof) -> Finding:
    """Tell each personal column that may reach an agent, and what cannot be followed."""
    return Finding(
        list(proof.problems),
        {
            "agent columns": len(proof.columns),
            "masked": sum(column.verdict == "masked" for column in proof.columns),
            "milliseconds": round(proof.seconds * 1000),
        },
    )


def rows_differ(view: str, rows_from: str, raw_rows: int, view_rows: int) -> Finding:
    """Compare the live rows of a raw table with the rows of the view that is made of it."""
    facts: dict[str, int | str] = {f"rows of {rows_from}": raw_rows, f"rows of {view}": view_rows}
    if raw_rows == view_rows:
        return Finding([], facts)
    return Finding(
        [
            f"{view} has {view_rows:,} rows, but {rows_from} has {raw_rows:,} live ones; "
            f"look at the models between them for a join or filter that drops or doubles rows"
        ],
        facts,
    )


def too_stale(catalog: Catalog, view: str, now: datetime) -> Finding:
    """Compare a view's age with its limits.

    Past ``error_after`` it blocks where the view declares ``on_stale: refuse``. A view that
    declares ``warn`` is published with its age: holding it back would hold back the fresh ones.
    """
    served = catalog.views[view]
    freshness = assess(served, now)
    if freshness.status == "fresh":
        return Finding()
    age = "has no watermark" if freshness.age_s is None else f"is {freshness.age_s:,.0f} s old"
    blocks = served.on_stale == "refuse" and too_old(served, freshness)
    return Finding([f"{view} {age}; its limit is {freshness.limit_s} s"], blocks=blocks)


def recall_low(catalog: Catalog) -> Finding:
    """Tell each table whose vector index finds too little of what an exact search finds."""
    if catalog.index is None:
        return Finding()
    facts: dict[str, int | str] = {}
    problems = []
    for table, build in sorted(catalog.index.builds.items()):
        kind = catalog.index.kinds[table]
        facts[table] = f"{kind}, recall@10 {build.recall:.3f}"
        if build.recall < LOWEST_RECALL:
            problems.append(
                f"{table}: its {kind} index finds {build.recall:.2f} of the ten nearest, less than "
                f"{LOWEST_RECALL}; raise EXACT_UP_TO in serving/index_table.py above "
                f"{catalog.index.chunks[table]:,} to search it exactly"
            )
    return Finding(problems, facts)


def leaks_found(report: ScanReport) -> Finding:
    """Tell each place that holds a personal value or what looks like one, and the rows."""
    problems = []
    for (place, privacy), count in sorted(report.counts.items()):
        rows = [hit.row_key for hit in report.hits if (hit.place, hit.privacy) == (place, privacy)]
        named = ", ".join(row for row in rows[:NAMED_ROWS] if row)
        more = f" and {count - NAMED_ROWS:,} more" if count > NAMED_ROWS else ""
        problems.append(f"{place} holds {privacy} in {named or 'its description'}{more}")
    hidden = len(problems) - MAX_NAMED
    if hidden > 0:
        problems = [*problems[:MAX_NAMED], f"and {hidden:,} more places"]
    problems += [f"{file} does not open, so its cells were not searched" for file in report.unread]
    facts: dict[str, int | str] = {
        "personal values": report.values,
        "searched": report.searched,
        "cells": report.cells,
        "bytes": report.cell_bytes + report.raw_bytes,
        "hits": sum(report.counts.values()),
        "also public": sum(report.public.values()),
        "seconds": f"{report.seconds:.1f}",
    }
    return Finding(problems, facts)


def raw_columns(warehouse: Path, declarations: Declarations) -> dict[str, list[str]]:
    """Return the columns of every declared raw table that exists, those that we add left out."""
    with reading(warehouse) as connection:
        found = connection.execute(
            "select table_schema || '.' || table_name, column_name "
            "from information_schema.columns order by ordinal_position"
        ).fetchall()
    raw: dict[str, list[str]] = {}
    for table, column in found:
        if table in declarations.sources and column not in ADDED_COLUMNS:
            raw.setdefault(table, []).append(column)
    return raw


def live_rows(warehouse: Path, tables: Iterable[str]) -> dict[str, int]:
    """Count the rows of raw tables that their sources have not deleted."""
    counts = {}
    with reading(warehouse) as connection:
        for table in sorted(set(tables)):
            source, name = table.split(".", 1)
            counted = connection.execute(
                f'select count(*) from "{source}"."{name}" where {DELETED_AT} is null'
            ).fetchone()
            counts[table] = int(counted[0]) if counted else 0
    return counts
