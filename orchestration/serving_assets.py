"""The published views, the search index and the snapshot as assets of one publication.

agents.* -> serving/<view> -> serving/search_index -> serving/snapshot
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb

from orchestration.automation import WHEN_UPSTREAM_CHANGES
from orchestration.checks import Finding, Findings
from orchestration.cycle import Cycle
from orchestration.errors import PublicationRefused
from orchestration.kept import Kept
from orchestration.leak_scan import scan_keys
from orchestration.proving import prove_built
from orchestration.publishing import (
    CLASSIFIED,
    FRESH,
    NO_PERSONAL_DATA,
    PROVEN,
    RECALL,
    RECONCILED,
    Publication,
    publish,
)
from orchestration.resources import Settings, chosen_embedder
from orchestration.run_log import NOT_LOADED
from serving.catalog import Catalog, IndexInfo, TableBuild
from serving.declarations import AGENT_SCHEMA, Declarations
from serving.errors import PublishError
from serving.index import FIRST
from serving.store_rows import store_rows

OWNER = "team:data"
GROUP = "serving"
PUBLISH = "publish"
PREVIEW_ROWS = 5
SNAPSHOT = dg.AssetKey([GROUP, "snapshot"])
SEARCH_INDEX = dg.AssetKey([GROUP, "search_index"])


def serving_assets(
    *,
    declarations: Declarations,
    settings: Settings,
    is_fresh: bool = False,
    cycle: Cycle | None = None,
    kept: Kept | None = None,
) -> dg.AssetsDefinition:
    """Return the assets of a publication; they change together or not at all.

    ``cycle`` and ``kept`` are what a warm process has from its publications before.
    """

    @dg.multi_asset(
        name=PUBLISH,
        specs=_specs(declarations),
        check_specs=_check_specs(declarations),
        op_tags={"layer": GROUP},
        # All are published at any rate; a followed cycle tells of those that it changed.
        can_subset=kept is not None,
    )
    def publication(context: dg.AssetExecutionContext) -> Iterator[Any]:
        def told(step: str, done: int, total: int) -> None:
            context.log.info(f"{step}: {done:,} of {total:,}")

        try:
            published = publish(
                settings.home,
                declarations,
                kept.embedder if kept else chosen_embedder(settings),
                proof=kept.proof if kept else prove_built(settings),
                keys=scan_keys(settings),
                # Each word of a run is an event of its own, and nobody looks on at this one.
                on_progress=None if kept else told,
                on_wait=context.log.info,
                is_fresh=is_fresh,
                cycle=cycle,
                in_full=kept is None,
            )
        except PublishError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        except duckdb.Error as error:
            # Not chained: what DuckDB says may hold the value of a cell.
            raise dg.Failure(
                f"nothing is published: the warehouse cannot be read ({type(error).__name__})"
            ) from None
        except PublicationRefused as error:
            yield from _told_checks(context, error.findings)
            raise dg.Failure(str(error), allow_retries=False) from None
        missing = _not_loaded(published, declarations)
        yield from _told_checks(context, {**published.findings, **missing})
        if published.blocking:
            raise dg.Failure(
                "not promoted, the snapshot before it still answers: "
                + "; ".join(published.blocking),
                allow_retries=False,
            )
        for table, build in _rewritten(published.catalog):
            context.log.info(f"the index of {table} was written anew: {build.because}")
        if published.missing:
            context.log.warning(f"{NOT_LOADED}: {', '.join(published.missing)}")
        for result in _results(published, declarations, with_preview=kept is None):
            if result.asset_key in context.selected_asset_keys:
                yield result

    return publication


def agent_assets(declarations: Declarations) -> list[dg.AssetSpec]:
    """The agents themselves, at the end of the lineage: who reads which published view."""
    return [
        dg.AssetSpec(
            ["agents", name],
            description=agent.purpose,
            deps=[dg.AssetKey([GROUP, view]) for view in agent.views] + [SNAPSHOT],
            group_name="readers",
            kinds={"agent"},
            owners=[OWNER],
        )
        for name, agent in declarations.agents.items()
    ]


def _specs(declarations: Declarations) -> list[dg.AssetSpec]:
    def spec(
        key: dg.AssetKey, description: str, deps: list[dg.AssetKey], kind: str
    ) -> dg.AssetSpec:
        return dg.AssetSpec(
            key,
            deps=deps,
            description=description,
            group_name=GROUP,
            kinds={kind},
            owners=[OWNER],
            automation_condition=WHEN_UPSTREAM_CHANGES,
        )

    views = {name: dg.AssetKey([GROUP, name]) for name in declarations.views}
    searched = [views[name] for name, view in declarations.views.items() if view.serve.search]
    return [
        *(
            spec(
                key,
                declarations.views[name].description,
                [dg.AssetKey([AGENT_SCHEMA, name])],
                "duckdb",
            )
            for name, key in views.items()
        ),
        spec(SEARCH_INDEX, "Vectors and full text. One row per chunk.", searched, "lancedb"),
        spec(
            SNAPSHOT,
            "What agents read: all views and the index. One folder per publication.",
            [*views.values(), SEARCH_INDEX],
            "duckdb",
        ),
    ]


def _check_specs(declarations: Declarations) -> list[dg.AssetCheckSpec]:
    specs = [
        dg.AssetCheckSpec(
            CLASSIFIED,
            asset=SNAPSHOT,
            blocking=True,
            description="Every raw column has a privacy class that the project knows",
        ),
        dg.AssetCheckSpec(
            PROVEN,
            asset=SNAPSHOT,
            blocking=True,
            description="Every way of a personal column into a view passes a mask for its class",
        ),
        dg.AssetCheckSpec(
            NO_PERSONAL_DATA,
            asset=SNAPSHOT,
            blocking=True,
            description=(
                "No published cell or byte holds a personal value of the sources, a key, or what "
                "looks like an e-mail, phone, card, IBAN or SSN"
            ),
        ),
        dg.AssetCheckSpec(
            RECALL,
            asset=SEARCH_INDEX,
            blocking=True,
            description="The vector index finds at least 95 % of what an exact search finds",
        ),
    ]
    for name, view in declarations.views.items():
        asset = dg.AssetKey([GROUP, name])
        specs.append(
            dg.AssetCheckSpec(
                FRESH, asset=asset, blocking=True, description="The view is within its limit"
            )
        )
        if view.serve.rows_from:
            specs.append(
                dg.AssetCheckSpec(
                    RECONCILED,
                    asset=asset,
                    blocking=True,
                    description=f"As many rows as {view.serve.rows_from} has live ones",
                )
            )
    return specs


def check_evaluation(asset: dg.AssetKey, check: str, finding: Finding) -> dg.AssetCheckEvaluation:
    """Return a finding as an event that needs no step."""
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=check,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.ERROR if finding.blocks else dg.AssetCheckSeverity.WARN,
        metadata={**finding.facts, "problems": "\n".join(finding.problems)},
    )


def _told_checks(
    context: dg.AssetExecutionContext, findings: Findings
) -> Iterator[dg.AssetCheckResult]:
    """Those that the run is to tell of, and at once what stops the promotion, of whichever view."""
    for (name, check), finding in findings.items():
        asset = dg.AssetKey([GROUP, name])
        told = check_evaluation(asset, check, finding)
        if told.asset_check_key in context.selected_asset_check_keys:
            yield dg.AssetCheckResult(
                asset_key=asset,
                check_name=check,
                passed=told.passed,
                severity=told.severity,
                metadata=told.metadata,
            )
        elif finding.blocks and not finding.passed:
            context.instance.report_runless_asset_event(told)


def _not_loaded(published: Publication, declarations: Declarations) -> Findings:
    waiting = Finding([NOT_LOADED], blocks=False)
    return {
        (name, check): waiting
        for name in published.missing
        for check in (FRESH, *([RECONCILED] if declarations.views[name].serve.rows_from else []))
    }


def _results(
    published: Publication, declarations: Declarations, *, with_preview: bool
) -> Iterator[dg.MaterializeResult[None]]:
    catalog = published.catalog
    for name in declarations.views:
        key = dg.AssetKey([GROUP, name])
        if name in published.missing:
            yield dg.MaterializeResult(asset_key=key, metadata={NOT_LOADED: True})
            continue
        metadata: dict[str, Any] = {"dagster/row_count": catalog.stores[name].rows}
        if with_preview:
            metadata["preview"] = dg.MetadataValue.md(_preview(published, name))
        as_of = catalog.views[name].data_as_of
        if as_of is not None:
            metadata["data as of"] = dg.MetadataValue.timestamp(as_of)
        yield dg.MaterializeResult(asset_key=key, metadata=metadata)
    yield dg.MaterializeResult(asset_key=SEARCH_INDEX, metadata=_index_metadata(catalog.index))
    yield dg.MaterializeResult(
        asset_key=SNAPSHOT,
        metadata={
            "snapshot": catalog.snapshot_id,
            "expired": ", ".join(published.expired) or "none",
        },
    )


def _rewritten(catalog: Catalog) -> list[tuple[str, TableBuild]]:
    """The tables of the index that this publication wrote whole although there was an earlier."""
    builds = catalog.index.builds.items() if catalog.index else ()
    return [
        (table, one)
        for table, one in builds
        if one.written_in == catalog.snapshot_id and one.because != FIRST
    ]


def _index_metadata(index: IndexInfo | None) -> dict[str, Any]:
    if index is None:
        return {"dagster/row_count": 0}
    lines = ["| table | chunks | index | recall@10 | written because | updates since |"]
    lines.append("| --- | ---: | --- | ---: | --- | ---: |")
    for table, build in sorted(index.builds.items()):
        lines.append(
            f"| {table} | {index.chunks[table]:,} | {index.kinds[table]} | {build.recall:.3f} "
            f"| {build.because} | {build.updates} |"
        )
    return {
        "dagster/row_count": sum(index.chunks.values()),
        "model": index.model,
        "texts embedded": index.embedded,
        "vectors carried over": index.carried,
        "tables": dg.MetadataValue.md("\n".join(lines)),
    }


def _preview(published: Publication, name: str) -> str:
    """The first rows, which are masked like all that is published."""
    catalog = published.catalog
    view, store = catalog.views[name], catalog.stores[name]
    with store_rows(published.folder, view, store) as connection:
        frame = connection.execute(f'from "{name}" limit {PREVIEW_ROWS}').df()
    return str(frame.map(lambda value: str(value)[:80]).to_markdown(index=False))
