"""The audit log as Dagster looks after it: proven after each load, expired once a day.

<home>/audit -> chain walked -> check of audit/calls; old days -> checkpoint -> removed
"""

from datetime import timedelta

import dagster as dg

from orchestration.resources import Settings
from serving.audit import expire, verify
from serving.errors import ServingError

CALLS = dg.AssetKey(["audit", "calls"])
CHAIN = "audit_chain_is_intact"
EXPIRY = "expire_audit_log"


def audit_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The check that no record was edited, removed or moved."""

    @dg.asset_check(
        asset=CALLS,
        name=CHAIN,
        description="No record of the audit log was edited, removed or moved",
    )
    def chain_is_intact() -> dg.AssetCheckResult:
        report = verify(settings.home)
        return dg.AssetCheckResult(
            passed=report.is_intact,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "records": report.records,
                "expired": report.expired,
                "arguments erased": report.erased,
                "torn by a kill": report.torn_lines,
                "end": report.anchor,
                "problems": "\n".join(report.problems),
            },
        )

    return [chain_is_intact]


def audit_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The daily expiry, where ``GROUNDED_AUDIT_DAYS`` says how many days are kept."""
    days = settings.audit_days
    if days is None:
        return []

    @dg.op(name=f"{EXPIRY}_op", description=f"Removes days older than {days}")
    def remove(context: dg.OpExecutionContext) -> None:
        try:
            removed = expire(settings.home, timedelta(days=days))
        except ServingError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        context.log.info(f"removed {', '.join(removed) or 'nothing'}")

    @dg.job(name=EXPIRY, description=f"Removes days of the audit log older than {days}")
    def job() -> None:
        remove()

    return [
        dg.ScheduleDefinition(
            job=job,
            cron_schedule="30 2 * * *",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Keeps {days} days of the audit log, and proof of the rest",
        )
    ]
