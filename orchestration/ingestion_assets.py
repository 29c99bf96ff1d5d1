"""The raw tables as assets: one factory, one run a source, so that a source fails alone."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ingestion.errors import MissingSecret, SourceFailed
from ingestion.load import load_source
from ingestion.report import LoadReport, TableReport
from ingestion.spec import SourceSpec
from orchestration.cycle import Cycle
from orchestration.resources import Settings

RETRIES = dg.RetryPolicy(
    max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
NEW = "has news"
QUARANTINE = "quarantine_within_its_share"
_KINDS = {"sql_database": "postgres", "rest_api": "api", "files": "markdown"}


def source_assets(
    *, name: str, source: SourceSpec, settings: Settings, cycle: Cycle | None = None
) -> dg.AssetsDefinition:
    """Return one asset a raw table, all loaded by one step.

    Who follows a source has a ``cycle``, tries again by itself, and follows others meanwhile.
    """
    is_followed = cycle is not None

    @dg.multi_asset(
        name=name,
        specs=[
            dg.AssetSpec(
                [name, table],
                description=f"{source.description}: {table}. One row per {' and '.join(keys)}.",
                group_name="raw",
                kinds={"dlt", "duckdb", _KINDS[source.kind]},
                owners=[source.owner],
            )
            for table, keys in ((key, spec.primary_key) for key, spec in source.tables.items())
        ],
        check_specs=[
            dg.AssetCheckSpec(
                QUARANTINE,
                asset=[name, table],
                description=f"At most {spec.quarantine.max_share:.1%} of the rows are set aside",
            )
            for table, spec in source.tables.items()
        ],
        can_subset=True,
        retry_policy=None if is_followed else RETRIES,
        op_tags={"source": name},
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        tables = sorted(key.path[-1] for key in context.selected_asset_keys)
        # Each word of a run is an event of its own, and nobody looks on at one that follows.
        told = None if is_followed else context.log.info
        try:
            report = load_source(name, source, settings.home, tables=tables, on_progress=told)
        except MissingSecret as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        except SourceFailed as error:
            raise dg.Failure(str(error)) from None
        # Else raw has what nobody has followed yet.
        is_next = cycle is None or cycle.is_next_load(report)
        for alarm in report.alarms:
            context.log.warning(alarm)
        chosen = context.selected_asset_check_keys
        for table, loaded in report.tables.items():
            is_new = bool(loaded.changed or loaded.gone or not is_next)
            if is_followed and not (chosen or is_new):
                # It is as it was, and told when its check is.
                continue
            key = dg.AssetKey([name, table])
            is_checked = dg.AssetCheckKey(key, QUARANTINE) in chosen
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={NEW: is_new, **_metadata(loaded), **_of_source(report)},
                check_results=[_quarantine_check(key, loaded)] if is_checked else [],
            )

    return load


def _quarantine_check(key: dg.AssetKey, loaded: TableReport) -> dg.AssetCheckResult:
    source, table = key.path
    allowed = loaded.max_quarantine_share
    passed = loaded.quarantine_share <= allowed
    problem = (
        f"{loaded.in_quarantine:,} rows of {source}.{table} wait, more than {allowed:.1%}; "
        f"`grounded quarantine list {source}` tells why, `grounded quarantine retry {source}` "
        f"loads them after a fix"
    )
    return dg.AssetCheckResult(
        check_name=QUARANTINE,
        asset_key=key,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": loaded.in_quarantine, "problems": "" if passed else problem},
    )


def _of_source(report: LoadReport) -> dict[str, Any]:
    told: dict[str, Any] = {"alarms": "\n".join(report.alarms)}
    if report.http is not None:
        told["requests"] = report.http.told()
    return told


def _metadata(loaded: TableReport) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "dagster/row_count": loaded.rows,
        "rows read": loaded.read,
        "rows changed": loaded.changed,
        "rows gone": loaded.gone,
        "rows in quarantine": loaded.in_quarantine,
    }
    if loaded.watermark is not None:
        metadata["watermark"] = dg.MetadataValue.timestamp(loaded.watermark)
    return metadata
