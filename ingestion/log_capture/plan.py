"""Decides which tables are read anew and which are followed, from what the log still holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ingestion.errors import CaptureRefused
from ingestion.log_capture.new_slot import SlotWait, create_slot
from ingestion.log_capture.positions import Held
from ingestion.log_capture.publication import Captured
from ingestion.log_capture.slot import (
    Live,
    Slot,
    drop_slot,
    end_of_log,
    read_slot,
)


@dataclass
class Plan:
    """The tables to read anew, those to follow, and what a person must know."""

    snapshots: list[str] = field(default_factory=list)
    followed: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)


def make_plan(
    live: Live,
    name: str,
    captured: Mapping[str, Captured],
    held: Mapping[str, Held],
    wanted: list[str],
    wait: SlotWait,
) -> Plan:
    """Return the plan, with a slot that holds from now on whatever the plan does not read."""
    slot = read_slot(live, name)
    _refuse_foreign(name, slot)
    end = end_of_log(live)
    plan = Plan()
    if slot is not None and not slot.is_lost and slot.health.alarm is not None:
        plan.alarms.append(slot.health.alarm)
    for table in wanted:
        reason = _why_anew(name, slot, end, captured[table], held[table])
        (plan.followed if reason is None else plan.snapshots).append(table)
        if reason:
            plan.alarms.append(f"{table} is read anew in whole: {reason}")
    if slot is not None and slot.is_lost:
        drop_slot(live, name)
        slot = None
    if slot is None:
        create_slot(live, name, wait)
    return plan


def _why_anew(name: str, slot: Slot | None, end: int, table: Captured, held: Held) -> str | None:
    """Say what is missing in the log; empty for a table of which we have nothing, None if nothing.

    Each reason is one by which rows changed and the log will not tell.
    """
    if not held.lsn:
        return ""
    if held.origin != table.origin:
        return "it is another table, database or publication than before"
    if slot is None:
        return f"slot {name} was dropped, and with it the changes since the last load"
    if slot.is_lost or slot.confirmed_lsn is None:
        return (
            f"slot {name} was lost because the server removed log beyond max_slot_wal_keep_size, "
            "and with it the changes since the last load"
        )
    if slot.confirmed_lsn > held.lsn:
        return f"slot {name} was moved or made again by someone else"
    if end < held.lsn:
        return "the server's log ends before what was already read, as after a restored backup"
    if any(held.shape.get(column) != mark for column, mark in table.shape.items()):
        return "the definition of a column changed, which can change rows unseen by the log"
    return None


def _refuse_foreign(name: str, slot: Slot | None) -> None:
    if slot is None or (slot.plugin == "pgoutput" and slot.is_here):
        return
    raise CaptureRefused(
        f"slot {name} is of another plugin or database; drop it, or declare another name with "
        "`slot:` in sources.yaml"
    )
