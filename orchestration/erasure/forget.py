"""Erases one person: finds, marks, removes, rebuilds, publishes, withdraws, searches, receipts.

Each step is durable before the next begins and harmless when done twice, so that a killed erasure
is finished by the same command. The receipt is written last, and only then does the journal go.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import duckdb
from filelock import FileLock, Timeout

from ingestion.erasure.keys import ErasureKey, known_keys
from ingestion.erasure.marks import Marks, append_marks, read_marks
from ingestion.erasure.normal import normal_key
from ingestion.erasure.person import Person, find_person
from ingestion.erasure.relations import (
    Relations,
    TableRule,
    erasure_folder,
    write_relations,
)
from ingestion.erasure.rewrite import rewrite
from ingestion.erasure.sweep import sweep_tables
from ingestion.warehouse import WAIT_S, reading, warehouse_path, writing
from orchestration.erasure import cleaning
from orchestration.erasure.journal import (
    Journal,
    Sealed,
    read_journal,
    remove_journal,
    seal,
    unseal,
    write_journal,
)
from orchestration.erasure.receipts import Receipt, append_receipt, read_receipts
from orchestration.erasure.residue import Needles, find_residue
from orchestration.erasure.subjects import read_relations
from orchestration.errors import ForgetError
from orchestration.manifest import ensure_manifest
from orchestration.resources import Settings, prepare_environment
from orchestration.run import rebuild
from orchestration.run_log import Progress
from serving.audit import audit_folder, verify
from serving.candidate import sweep as sweep_candidates
from serving.chain import erase as erase_from
from serving.errors import NoSnapshot
from serving.redaction import masked_text
from serving.snapshot_store import current_id, snapshot_ids, withdraw

PATIENCE_S = 60.0
NOTES = [
    "the sources themselves are not ours to change: erase the person there too",
    "backups and copies of the run-time folder made before are not reached",
]


@dataclass(frozen=True)
class Request:
    """Who is to be erased, by whom and why; ``key`` has a text for each column of the key."""

    table: str
    key: Sequence[str]
    reason: str
    asked_by: str
    patience_s: float = PATIENCE_S


@dataclass(frozen=True)
class Outcome:
    """The receipt, and whether it is that of an earlier erasure of the same person."""

    receipt: Receipt
    is_earlier: bool = False


def preview(settings: Settings, request: Request) -> Person:
    """Return what an erasure would find in raw; changes nothing."""
    relations, rule, key = _prepared(settings, request)
    return _found(settings, relations, rule, _own_marks(rule, key, request.key), None)


def forget(settings: Settings, request: Request, progress: Progress) -> Outcome:
    """Erase a person and return the receipt; an interrupted erasure is finished first.

    Raises ForgetError, with all that was done kept; the same command goes on from there.
    """
    relations, rule, key = _prepared(settings, request)
    home = settings.home
    erasure_folder(home).mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = key.mark(rule.own_domain, normal_key(request.key))
    with _alone(home):
        interrupted = read_journal(home)
        if interrupted is not None:
            progress.note(f"finishing erasure {interrupted.erasure_id}, which was interrupted")
            receipt = _finished(settings, relations, interrupted, request.patience_s, progress)
            if interrupted.key_mark == mark:
                return Outcome(receipt)
        marks = {k.mark(rule.own_domain, normal_key(request.key)) for k in _keys(home)}
        for earlier in reversed(read_receipts(home)):
            if earlier["key"] in marks and earlier["complete"]:
                return Outcome(earlier, is_earlier=True)
        journal = Journal(
            erasure_id=uuid4().hex,
            subject=rule.name,
            key_mark=mark,
            key_id=key.key_id,
            reason=_reason(request),
            asked_by=request.asked_by,
            asked_at=_now(),
            sealed=seal(key, Sealed(key=list(request.key))),
        )
        write_journal(home, journal)
        return Outcome(_finished(settings, relations, journal, request.patience_s, progress))


def _prepared(settings: Settings, request: Request) -> tuple[Relations, TableRule, ErasureKey]:
    prepare_environment(settings)
    relations = read_relations(ensure_manifest(settings), settings.sources)
    rule = _rule(relations, request.table)
    if len(request.key) != len(rule.key):
        raise ForgetError(f"the key of {rule.name} is {', '.join(rule.key)}: give each of them")
    return relations, rule, _keys(settings.home)[-1]


def _rule(relations: Relations, table: str) -> TableRule:
    rules = {rule.name: rule for rule in relations.tables}
    persons = [name for name, rule in rules.items() if rule.is_person]
    if table not in rules:
        raise ForgetError(
            f"no table {table}; people are in {', '.join(persons) or 'none declared'}"
        )
    rule = rules[table]
    if rule.is_person:
        return rule
    if rule.person is not None:
        owner = next(one for one in relations.tables if one.is_person and one.person == rule.person)
        raise ForgetError(
            f"a row of {table} belongs to a {rule.person} and is erased with them: "
            f"grounded forget {owner.name} <{', '.join(owner.key)}>"
        )
    raise ForgetError(
        f"{table} declares no person; write `subject: {{person: <kind>, key: "
        f"{', '.join(rule.key)}}}` under its config.meta in dbt's YAML"
    )


def _keys(home: Path) -> list[ErasureKey]:
    return list(known_keys(home).values())


def _reason(request: Request) -> str:
    """The reason as it is kept for ever, so without what is personal in it."""
    return masked_text(request.reason)


def _own_marks(rule: TableRule, key: ErasureKey, parts: Sequence[str]) -> Marks:
    """A mark of the person's key alone; what is found in raw adds the rest."""
    own = key.mark(rule.own_domain, normal_key(parts))
    return Marks({key.key_id: key}, {rule.own_domain: {key.key_id: {own}}})


def _finished(
    settings: Settings,
    relations: Relations,
    journal: Journal,
    patience_s: float,
    progress: Progress,
) -> Receipt:
    """Do the steps that are not done yet."""
    home = settings.home
    sealed = unseal(_keys(home), journal)
    _remove(settings, relations, journal, sealed, progress)
    sealed = unseal(_keys(home), journal)
    if "rebuilt" not in journal.done:
        _rebuild(settings, journal, progress)
    needles = _needles(home, journal, sealed)
    if "audited" not in journal.done:
        sealed = sealed.model_copy(update={"pseudonyms": sorted(needles.pseudonyms)})
        journal.sealed = seal(_key_of(home, journal), sealed)
        # Told before each deletion: one that was killed after it would find nothing to count.
        if "audit_erased_before" not in journal.facts:
            journal.finish(home, audit_erased_before=verify(home).erased)
        erase_from(audit_folder(home), lambda text: bool(needles.in_text(text)))
        count = verify(home).erased - journal.facts["audit_erased_before"]
        journal.finish(home, "audited", audit_arguments_erased=count)
    if "withdrawn" not in journal.done:
        _withdraw(home, journal, patience_s, progress)
    if "cleaned" not in journal.done:
        progress.note("removing the history of runs that tells of the person")
        runs = {*journal.facts.get("runs_deleted", []), *cleaning.runs_telling(home, needles)}
        journal.finish(home, runs_deleted=sorted(runs))
        cleaning.erase_runs(home, runs)
        journal.finish(home, "cleaned")
    progress.note("searching every store for what may be left")
    return _receipted(home, journal, needles)


def _remove(
    settings: Settings,
    relations: Relations,
    journal: Journal,
    sealed: Sealed,
    progress: Progress,
) -> None:
    """The steps within raw, while no source is being loaded."""
    if "rewritten" in journal.done:
        return
    home = settings.home
    rule = _rule(relations, journal.subject)
    with _no_loads(settings, progress):
        if "marked" not in journal.done:
            progress.note("finding what belongs to the person")
            marks = _own_marks(rule, _key_of(home, journal), sealed.key)
            person = _found(settings, relations, rule, marks, progress)
            _refuse_personal_reason(home, journal, person)
            values = [(value.privacy, value.text) for value in person.values]
            journal.sealed = seal(_key_of(home, journal), Sealed(key=sealed.key, values=values))
            write_relations(home, relations)
            append_marks(home, marks.present, marks.of_present_key())
            journal.finish(home, "marked", **_told(person))
        if "erased" not in journal.done:
            progress.note("removing it from raw, quarantine and all that is built from them")
            _erase(settings, relations, progress)
            journal.finish(home, "erased")
        facts = None
        if warehouse_path(home).exists():
            progress.note("rewriting the warehouse, whose bytes still hold it")
            with writing(home, on_wait=progress.note) as warehouse:
                facts = asdict(rewrite(warehouse))
        journal.finish(home, "rewritten", warehouse=facts)


def _found(
    settings: Settings,
    relations: Relations,
    rule: TableRule,
    marks: Marks,
    progress: Progress | None,
) -> Person:
    if not warehouse_path(settings.home).exists():
        return Person()
    assert rule.person is not None
    told = progress.note if progress else None
    with (
        writing(settings.home, on_wait=told) as path,
        reading(path) as connection,
    ):
        return find_person(connection, relations, rule.person, marks)


def _refuse_personal_reason(home: Path, journal: Journal, person: Person) -> None:
    if Needles(person.values, []).in_text(journal.reason) or any(
        value.text.casefold() in journal.reason.casefold() for value in person.values
    ):
        remove_journal(home)
        raise ForgetError(
            "the reason names the person, and a receipt is kept for ever; nothing was erased. "
            "Give a reason without personal data, such as a ticket's number"
        )


def _told(person: Person) -> dict[str, dict[str, int] | bool]:
    return {
        "is_known": any(person.rows.values()),
        "rows_removed": _some(person.rows),
        "rows_emptied": _some(person.emptied),
        "mentions_emptied": _some(person.mentions),
        "mentions_kept": _some(person.kept_mentions),
        "values_shared": person.shared,
        "values_not_searched": person.unsearchable,
    }


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _erase(settings: Settings, relations: Relations, progress: Progress) -> None:
    home = settings.home
    marks = read_marks(home)
    assert marks is not None
    if warehouse_path(home).exists():
        with (
            writing(home, on_wait=progress.note) as path,
            duckdb.connect(str(path)) as connection,
        ):
            connection.execute("set TimeZone = 'UTC'")
            connection.begin()
            sweep_tables(connection, relations.tables, marks)
            cleaning.drop_derived(connection, ensure_manifest(settings))
            cleaning.empty_staging(connection, settings.sources)
            connection.commit()
    for name in settings.sources:
        # dlt makes its working folder again from what the warehouse holds.
        shutil.rmtree(home / "dlt" / name, ignore_errors=True)
        shutil.rmtree(home / "dlt" / f"{name}.spool", ignore_errors=True)


def _rebuild(settings: Settings, journal: Journal, progress: Progress) -> None:
    home = settings.home
    previous = _current(home)
    if previous is None:
        journal.finish(home, "rebuilt", snapshot_before=None, snapshot=None)
        return
    before = journal.facts.get("snapshot_before") or previous
    if "snapshot_before" not in journal.facts:
        journal.finish(home, snapshot_before=before)
    progress.note("building and publishing without the person")
    failures = rebuild(settings, progress)
    published = _current(home)
    if failures or published is None or published <= before:
        raise ForgetError(
            "erased from raw and the warehouse, but the published snapshots still hold the person: "
            f"{'; '.join(failures) or 'nothing new was published'}. Mend that, then type the same "
            "command again: it goes on from here"
        )
    journal.finish(home, "rebuilt", snapshot=published)


def _withdraw(home: Path, journal: Journal, patience_s: float, progress: Progress) -> None:
    published = journal.facts["snapshot"]
    if published is None:
        journal.finish(home, "withdrawn", snapshots_deleted=[], snapshots_forced=[])
        return
    current = _current(home)
    if current is None or current < published:
        journal.repeat(home, "rebuilt", "audited")
        raise ForgetError(
            f"snapshot {current} answers, from before the erasure: somebody rolled back to it. "
            "Type the same command again: it publishes anew"
        )
    older = [name for name in snapshot_ids(home) if name < published]
    progress.note(f"deleting {len(older)} older snapshots, once nobody reads them")
    sweep_candidates(home)
    deleted = {*journal.facts.get("snapshots_deleted", []), *older}
    journal.finish(home, snapshots_deleted=sorted(deleted))
    gone = withdraw(home, older, patience_s)
    journal.finish(
        home,
        "withdrawn",
        snapshots_deleted=sorted(deleted | {*gone.snapshot_ids}),
        snapshots_forced=gone.forced,
    )


def _needles(home: Path, journal: Journal, sealed: Sealed) -> Needles:
    if "audited" in journal.done or journal.facts.get("snapshot") is None:
        return Needles(sealed.searched, sealed.pseudonyms)
    vanished = cleaning.vanished_pseudonyms(
        home, journal.facts["snapshot_before"], journal.facts["snapshot"]
    )
    return Needles(sealed.searched, sorted({*vanished, *sealed.pseudonyms}))


def _receipted(home: Path, journal: Journal, needles: Needles) -> Receipt:
    done = [r for r in read_receipts(home) if r["erasure_id"] == journal.erasure_id]
    if not (done and done[-1]["complete"]):
        with writing(home):
            residue = find_residue(home, needles)
        hits = [
            {"place": place, "privacy": privacy, "count": count}
            for (place, privacy), count in sorted(residue.counts.items())
        ]
        kept = journal.facts.get("mentions_kept") or {}
        left = [hit for hit in hits if not kept or not str(hit["place"]).startswith("warehouse")]
        receipt: Receipt = {
            "erasure_id": journal.erasure_id,
            "subject": journal.subject,
            "key": journal.key_mark,
            "reason": journal.reason,
            "asked_by": journal.asked_by,
            "asked_at": journal.asked_at,
            "finished_at": _now(),
            **journal.facts,
            "search": {
                "values": residue.values,
                "files": sum(residue.files.values()),
                "bytes": residue.raw_bytes,
                "cells": residue.cells,
                "unread": list(residue.unread),
                "seconds": round(residue.seconds, 2),
                "hits": hits,
            },
            "notes": NOTES,
            "complete": not left and not residue.unread,
        }
        append_receipt(home, receipt)
        done = [receipt]
    if done[-1]["complete"]:
        remove_journal(home)
    return done[-1]


def _key_of(home: Path, journal: Journal) -> ErasureKey:
    return next(key for key in _keys(home) if key.key_id == journal.key_id)


def _current(home: Path) -> str | None:
    try:
        return current_id(home)
    except NoSnapshot:
        return None


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    try:
        with FileLock(erasure_folder(home) / "forget.lock", timeout=0):
            yield
    except Timeout as error:
        raise ForgetError("another erasure is running; type the command again after it") from error


@contextmanager
def _no_loads(settings: Settings, progress: Progress) -> Iterator[None]:
    """Hold every source, so that no load that began before the marks ends after the removal."""
    folder = settings.home / "dlt"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in sorted(settings.sources):
            stack.enter_context(_held(FileLock(folder / f"{name}.lock"), name, progress.note))
        yield


@contextmanager
def _held(lock: FileLock, name: str, told: Callable[[str], None]) -> Iterator[None]:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        told(f"waiting for a load of {name} to end")
        try:
            lock.acquire(timeout=WAIT_S)
        except Timeout as error:
            raise ForgetError(
                f"a load of {name} has run for more than {WAIT_S:.0f} s; nothing was removed yet. "
                "Type the same command again after it"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
