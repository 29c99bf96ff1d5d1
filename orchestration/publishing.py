"""Publishes one snapshot: export, index, check, promote; no Dagster in here.

warehouse -> candidate -> findings -> promoted, or discarded with its reasons
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.warehouse import writing
from orchestration.checks import (
    Finding,
    leaks_found,
    live_rows,
    raw_columns,
    rows_differ,
    too_stale,
    unclassified_columns,
)
from serving import snapshot
from serving.catalog import Catalog
from serving.declarations import Declarations
from serving.embedder import Embedder
from serving.errors import PublishError
from serving.pattern_scan import scan_snapshot

KEEP_SNAPSHOTS = 5
Progress = Callable[[str, int, int], None]
CLASSIFIED = "every_raw_column_is_classified"
NO_PERSONAL_DATA = "no_personal_data_in_published_text"
RECONCILED = "rows_reconcile_with_raw"
FRESH = "within_its_freshness_limit"


@dataclass(frozen=True)
class Publication:
    """The outcome: the catalog of what was built, each finding, and whether it was promoted.

    Findings are keyed by asset (a view, or ``snapshot``) and check.
    """

    catalog: Catalog
    folder: Path
    findings: dict[tuple[str, str], Finding]
    missing: list[str]
    expired: list[str]

    @property
    def blocking(self) -> list[str]:
        """The problems that stopped the promotion; none where it was promoted."""
        return [
            problem
            for finding in self.findings.values()
            if finding.blocks
            for problem in finding.problems
        ]


def publish(
    home: Path,
    declarations: Declarations,
    embedder: Embedder,
    *,
    on_progress: Progress | None = None,
    on_wait: Callable[[str], None] | None = None,
    is_fresh: bool = False,
) -> Publication:
    """Build a candidate, check it and promote it when nothing blocks.

    ``is_fresh`` shares no file with an earlier snapshot, because those are to be deleted. The
    warehouse is held only while the views are copied out of it. PublishError when the
    candidate is not sound in itself.
    """
    with writing(home, on_wait=on_wait) as warehouse:
        available = declarations.only(_built(warehouse, declarations))
        if not available.views:
            raise PublishError("no agent view has been built yet; type `grounded run`")
        candidate = snapshot.export_views(home, available, on_progress, is_fresh=is_fresh)
        classified = unclassified_columns(
            raw_columns(warehouse, declarations), declarations.sources.values()
        )
        raw = live_rows(
            warehouse, (v.serve.rows_from for v in available.views.values() if v.serve.rows_from)
        )
    try:
        snapshot.build_index(candidate, available, embedder, on_progress, is_fresh=is_fresh)
        snapshot.verify(candidate)
        catalog, folder = candidate.catalog(), candidate.folder
        findings = {("snapshot", CLASSIFIED): classified}
        findings |= _of_views(catalog, available, raw)
        leaks = scan_snapshot(folder, catalog)
        findings["snapshot", NO_PERSONAL_DATA] = leaks_found(leaks, len(catalog.views))
        missing = sorted(set(declarations.views) - set(available.views))
        publication = Publication(catalog, folder, findings, missing, [])
        if publication.blocking:
            snapshot.discard(candidate)
            return publication
        snapshot.promote(home, candidate)
    except BaseException:
        snapshot.discard(candidate)
        raise
    expired = snapshot.expire(home, KEEP_SNAPSHOTS)
    folder = snapshot.open_snapshot(home, catalog.snapshot_id)[0]
    return Publication(catalog, folder, findings, missing, expired)


def _of_views(
    catalog: Catalog, declarations: Declarations, raw: dict[str, int]
) -> dict[tuple[str, str], Finding]:
    now = datetime.now(UTC)
    findings: dict[tuple[str, str], Finding] = {}
    for name, view in declarations.views.items():
        findings[name, FRESH] = too_stale(catalog, name, now)
        if view.serve.rows_from:
            rows = catalog.stores[name].rows
            findings[name, RECONCILED] = rows_differ(
                name, view.serve.rows_from, raw[view.serve.rows_from], rows
            )
    return findings


def _built(warehouse: Path, declarations: Declarations) -> set[str]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
        ).fetchall()
    there = {row[0] for row in found}
    return {name for name, view in declarations.views.items() if view.relation in there}
