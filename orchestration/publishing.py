"""Publishes one snapshot: export, index, check, promote; no Dagster in here.

classes, proof -> warehouse -> candidate -> findings -> promoted, or discarded with its reasons
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from ingestion.warehouse import reading, writing
from orchestration.checks import (
    Findings,
    leaks_found,
    live_rows,
    raw_columns,
    recall_low,
    rows_differ,
    too_stale,
    unclassified_columns,
    unproven,
)
from orchestration.cycle import Cycle
from orchestration.errors import PublicationRefused
from serving import snapshot
from serving.catalog import Catalog
from serving.declarations import Declarations
from serving.embedder import Embedder
from serving.errors import PublishError
from serving.layout import PRIVACY_FILE
from serving.leak_scan.scan import scan
from serving.leak_scan.targets import snapshot_target
from serving.privacy.origins import column_origins
from serving.privacy.page import page
from serving.privacy.proof import Proof
from serving.view_files import link

KEEP_SNAPSHOTS = 5
# A publish each second for ten minutes would leave hundreds; one a minute is enough to go back to.
WARM_SPACING = timedelta(minutes=1)
Progress = Callable[[str, int, int], None]
CLASSIFIED = "every_raw_column_is_classified"
PROVEN = "no_personal_column_reaches_an_agent_unmasked"
NO_PERSONAL_DATA = "no_personal_data_in_published_text"
RECONCILED = "rows_reconcile_with_raw"
RECALL = "index_recall_is_high_enough"
FRESH = "within_its_freshness_limit"


@dataclass(frozen=True)
class Publication:
    """The outcome: the catalog of what was built, each finding, and whether it was promoted."""

    catalog: Catalog
    folder: Path
    findings: Findings
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
    proof: Proof,
    keys: Mapping[str, bytes] | None = None,
    on_progress: Progress | None = None,
    on_wait: Callable[[str], None] | None = None,
    is_fresh: bool = False,
    cycle: Cycle | None = None,
    in_full: bool = False,
) -> Publication:
    """Build a candidate, check it and promote it when nothing blocks.

    ``is_fresh`` shares no file with an earlier snapshot, because those are to be deleted. ``keys``
    are secrets that no file of the candidate may hold. The warehouse is held only while the views
    and the personal values are copied out of it.

    A ``cycle`` is kept by a process that publishes again and again: what its last snapshot was
    found to be is not read again, and of the personal values those of new loads alone are read;
    where these are the first of a column, all is searched.
    ``in_full`` reads all the same, and tidies what many small publishes left, as a publish without
    a cycle does.

    PublicationRefused when a raw column has no class or the proof does not hold: then nothing is
    built. PublishError when the candidate is not sound in itself.
    """
    kept = cycle or Cycle()
    if is_fresh or in_full:
        kept.restart()
    try:
        return _publish(
            home,
            declarations,
            embedder,
            proof=proof,
            keys=keys,
            on_progress=on_progress,
            on_wait=on_wait,
            is_fresh=is_fresh,
            is_warm=cycle is not None and not in_full,
            spacing=timedelta(0) if cycle is None else WARM_SPACING,
            cycle=kept,
        )
    except BaseException:
        kept.restart()
        raise


def _publish(
    home: Path,
    declarations: Declarations,
    embedder: Embedder,
    *,
    proof: Proof,
    keys: Mapping[str, bytes] | None,
    on_progress: Progress | None,
    on_wait: Callable[[str], None] | None,
    is_fresh: bool,
    is_warm: bool,
    spacing: timedelta,
    cycle: Cycle,
) -> Publication:
    known = cycle.begin(home, declarations, keys)
    with writing(home, on_wait=on_wait) as warehouse, _kept_open(warehouse):
        available = declarations.only(_built(warehouse, declarations))
        if not available.views:
            raise PublishError("no agent view has been built yet; type `grounded run`")
        first = before_publishing(warehouse, declarations, proof)
        if not all(finding.passed for finding in first.values()):
            raise PublicationRefused(first)
        candidate = snapshot.export_views(
            home,
            available,
            on_progress,
            is_fresh=is_fresh,
            is_warm=is_warm,
            origins=column_origins(proof),
        )
        try:
            values = cycle.values(warehouse, declarations, partial(writing, home), keys)
            raw = live_rows(
                warehouse,
                (v.serve.rows_from for v in available.views.values() if v.serve.rows_from),
            )
        except BaseException:
            snapshot.discard(candidate)
            raise
    try:
        snapshot.build_index(
            candidate, available, embedder, on_progress, is_fresh=is_fresh, is_warm=is_warm
        )
        if known is not None and cycle.proof is proof:
            link(known.folder / PRIVACY_FILE, candidate.folder / PRIVACY_FILE)
        else:
            privacy = page(proof, f"Proof for contract {declarations.contract_version}")
            (candidate.folder / PRIVACY_FILE).write_text(privacy, encoding="utf-8")
        catalog, folder = snapshot.verify(candidate, known), candidate.folder
        findings = first | _of_views(catalog, available, raw)
        findings["search_index", RECALL] = recall_low(catalog)
        searched = known if cycle.was_searched_for(values) else None
        leaks = scan([snapshot_target(folder, catalog, searched=searched)], values)
        findings["snapshot", NO_PERSONAL_DATA] = leaks_found(leaks)
        missing = sorted(set(declarations.views) - set(available.views))
        publication = Publication(catalog, folder, findings, missing, [])
        if publication.blocking:
            snapshot.discard(candidate)
            return publication
        snapshot.promote(home, candidate)
    except BaseException:
        snapshot.discard(candidate)
        raise
    cycle.promoted(catalog.snapshot_id, proof, values)
    expired = snapshot.expire(home, KEEP_SNAPSHOTS, spacing=spacing)
    folder = snapshot.open_snapshot(home, catalog.snapshot_id)[0]
    return Publication(catalog, folder, findings, missing, expired)


@contextmanager
def _kept_open(warehouse: Path) -> Iterator[None]:
    """Keep the engine that has the warehouse open: each step would start one, in 10 ms or more."""
    if not warehouse.is_file():
        raise PublishError("there is no warehouse yet; type `grounded run`")
    with reading(warehouse):
        yield


def before_publishing(warehouse: Path, declarations: Declarations, proof: Proof) -> Findings:
    """Return what must hold before any data is copied: every raw column's class, and the proof."""
    classified = unclassified_columns(
        raw_columns(warehouse, declarations),
        declarations.sources.values(),
        declarations.privacy_classes,
    )
    return {("snapshot", CLASSIFIED): classified, ("snapshot", PROVEN): unproven(proof)}


def _of_views(catalog: Catalog, declarations: Declarations, raw: dict[str, int]) -> Findings:
    now = datetime.now(UTC)
    findings: Findings = {}
    for name, view in declarations.views.items():
        findings[name, FRESH] = too_stale(catalog, name, now)
        if view.serve.rows_from:
            rows = catalog.stores[name].rows
            findings[name, RECONCILED] = rows_differ(
                name, view.serve.rows_from, raw[view.serve.rows_from], rows
            )
    return findings


def _built(warehouse: Path, declarations: Declarations) -> set[str]:
    with reading(warehouse) as connection:
        found = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
        ).fetchall()
    there = {row[0] for row in found}
    return {name for name, view in declarations.views.items() if view.relation in there}
