"""Runs a recorded call once more against the snapshot that it read, and compares.

audit record -> the same agent, tool, arguments, snapshot and instant -> same, differs, impossible
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from serving.audit import find_call
from serving.envelope import Answer, Refusal
from serving.gateway import Gateway
from serving.row_bytes import digest, packed

SURFACE = "replay"


@dataclass(frozen=True)
class Replayed:
    """``differences`` tell what is not as it was, or why the call cannot be run again."""

    query_id: str
    verdict: Literal["same", "differs", "impossible"]
    differences: list[str]
    outcome: Answer | Refusal | None = None


def replay(home: Path, query_id: str) -> Replayed:
    """Run a call again, which is recorded as a call too; ServingError where there is none."""
    call = find_call(home, query_id)
    problem = _impossible(call)
    if problem:
        return Replayed(query_id, "impossible", [problem])
    gateway = Gateway(home)
    try:
        outcome = gateway.call(
            call["tool"],
            call["erasable"]["arguments"],
            agent=call["agent"],
            surface=SURFACE,
            pin=call["snapshot_id"],
            replayed_at=datetime.fromisoformat(call["asked_at"] or call["time"]),
        )
    finally:
        gateway.close()
    if isinstance(outcome, Refusal) and outcome.error.code != call["code"]:
        unreadable = outcome.error.code in ("NO_SNAPSHOT", "UNAUTHENTICATED")
        told = f"refused now with {outcome.error.code}: {outcome.error.message}"
        return Replayed(query_id, "impossible" if unreadable else "differs", [told], outcome)
    differences = _differences(call, outcome)
    return Replayed(query_id, "differs" if differences else "same", differences, outcome)


def _impossible(call: Mapping[str, Any]) -> str | None:
    if call["erasable"] is None:
        return "its arguments were erased with a person whom they named"
    if call["arguments_masked"]:
        return "its arguments were masked or cut before they were recorded, so they are not known"
    if call["agent"] is None or call["tool"] in ("unknown", "embeddings", "mcp", "tools"):
        return "it was no call of a tool by an agent"
    return None


def _differences(call: Mapping[str, Any], outcome: Answer | Refusal) -> list[str]:
    if isinstance(outcome, Refusal):
        return []
    if call["code"] is not None:
        return [f"it was refused with {call['code']}, and is answered now"]
    differences = []
    if outcome.data.row_count != call["rows"]:
        differences.append(f"it had {call['rows']:,} rows, and has {outcome.data.row_count:,} now")
    if digest(packed(outcome.data.rows)) != call["erasable"]["rows_sha256"]:
        differences.append(
            "its rows are not those that were answered; a clock, chance, a sample, a LIMIT without "
            "ORDER BY or a sum of doubles in the statement can be why"
        )
    return differences
