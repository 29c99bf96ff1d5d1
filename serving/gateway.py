"""One home's door: every call of every agent and surface goes through it and into the audit log.

arguments -> rate -> snapshot -> tool -> envelope -> audit -> caller
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving import answers, cancellation
from serving.audit import AuditLog, Entry
from serving.cache import AnswerCache, Key, may_be_kept
from serving.caller import NOTHING_SAID, Caller
from serving.catalog import Catalog, CatalogAgent, EmbedderSpec
from serving.embedder import Embedder
from serving.embedders import Embedders
from serving.envelope import Answer, CacheUse, Refusal
from serving.errors import (
    AnswerError,
    InternalError,
    NoSnapshot,
    ServingError,
    Unauthenticated,
)
from serving.found import Found
from serving.freshness import stale_tables, worst
from serving.metrics import Metrics
from serving.opened import OpenSnapshot, Snapshots, refuse_changed_contract
from serving.queueing import FairQueue
from serving.randomness import random_hex
from serving.rates import Rates, repeated
from serving.reader import Reader
from serving.redaction import masked_arguments, masked_text
from serving.row_bytes import Packed, digest, packed, size
from serving.tools import TOOLS, Arguments, Tool, find_tool

logger = logging.getLogger(__name__)

Outcome = Answer | Refusal


class Call:
    """One call while it is being answered; what is not yet known of it is the class's own."""

    catalog: Catalog | None = None
    asked_at: datetime | None = None
    found: Found | None = None
    rows: Packed = ()
    cache: CacheUse = "off"
    error_type: str | None = None
    repeats: int = 1

    def __init__(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        agent: str | None,
        surface: str,
        caller: Caller = NOTHING_SAID,
        pin: str | None = None,
        replayed_at: datetime | None = None,
    ) -> None:
        self.started = time.perf_counter_ns()
        self.query_id = random_hex()
        self.tool, self.arguments = tool, arguments
        self.agent, self.surface, self.caller = agent, surface, caller
        self.pin, self.replayed_at = pin, replayed_at

    def elapsed_ms(self) -> float:
        """Milliseconds since the call came in."""
        # Whole microseconds: rounding a float takes longer than two looks at the clock.
        return (time.perf_counter_ns() - self.started) // 1_000 / 1_000


class Gateway:
    """Answers every agent of one home; shared by the threads of a process."""

    def __init__(
        self,
        home: Path,
        embedder: Callable[[], Embedder] | None = None,
        shared_folder: Path | None = None,
    ) -> None:
        self.home = home
        self._embedders = Embedders(home, embedder)
        self.metrics = Metrics()
        self._cache = AnswerCache()
        self._snapshots = Snapshots(home, self._embedders, on_close=self._cache.drop)
        self._rates = Rates(folder=shared_folder)
        self._long_calls = FairQueue(max(4, 2 * (os.cpu_count() or 1)))
        self._audit = AuditLog(home)

    def embedder(self) -> Embedder:
        """The model of the current snapshot's index, or the built-in one where there is none."""
        with self._snapshots.lease() as opened:
            index = opened.catalog.index
        return self._embedders(index.embedder if index else EmbedderSpec())

    def refuse_unknown_agent(self, agent: str) -> None:
        """Raise Unauthenticated where the current snapshot has no such agent."""
        with self._snapshots.lease() as opened:
            _agent(opened, agent)

    def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        agent: str,
        surface: str,
        pin: str | None = None,
        caller: Caller = NOTHING_SAID,
        replayed_at: datetime | None = None,
    ) -> Outcome:
        """The answer to one call, or its refusal; what is recorded is what leaves.

        ``replayed_at`` answers as at that instant, and not from what is kept.
        """
        call = Call(tool, arguments, agent, surface, caller, pin, replayed_at)
        return self.recorded(call, self._answer)

    def recorded(self, call: Call, work: Callable[[Call], Outcome]) -> Outcome:
        """Do the work of one call, turn its errors into refusals, and record it."""
        try:
            outcome = work(call)
        except Exception as error:  # noqa: BLE001  The outermost door: nothing may leave but a code.
            outcome = _refusal(call, _told(call, error))
        try:
            self._audit.append(_entry(call, outcome))
        except OSError as error:
            logger.error("the audit log cannot be written: %s", type(error).__name__)
            outcome = _refusal(call, InternalError("this call cannot be recorded; try again later"))
        self.metrics.record(
            _known(call.tool),
            call.agent or "",
            "answered" if outcome.success else outcome.error.code,
            outcome.meta.elapsed_ms / 1_000,
        )
        return outcome

    def refuse(
        self,
        error: AnswerError,
        *,
        tool: str,
        surface: str,
        agent: str | None = None,
        caller: Caller = NOTHING_SAID,
    ) -> Outcome:
        """Record and return a refusal that needs no snapshot, such as of a wrong token."""

        def work(_: Call) -> Outcome:
            raise error

        return self.recorded(Call(tool, {}, agent, surface, caller), work)

    def admit(self, call: Call, agent: str) -> None:
        """Count one call of an agent; Unauthenticated or RateLimited where it may not."""
        with self._snapshots.lease() as opened:
            self._admit(call, agent, opened)

    def snapshot_age_s(self) -> float | None:
        """Seconds since the current snapshot was built, None without one."""
        try:
            with self._snapshots.lease() as opened:
                return (datetime.now(UTC) - opened.catalog.created_at).total_seconds()
        except NoSnapshot:
            return None

    def warm(self) -> None:
        """Open what a first search would wait for; without a snapshot there is nothing to open."""
        try:
            with self._snapshots.lease() as opened:
                opened.index()
        except ServingError as error:
            logger.info("search is not ready: %s", type(error).__name__)

    def close(self) -> None:
        """Close all files and worker processes that nobody uses."""
        self._snapshots.close()
        self._rates.close()
        self._audit.close()

    def _admit(self, call: Call, agent: str, current: OpenSnapshot) -> CatalogAgent:
        call.catalog = current.catalog
        declared = _agent(current, agent)
        call.repeats = self._rates.admit(
            agent,
            declared.limits,
            tool=call.tool,
            arguments=call.arguments,
            snapshot_id=current.catalog.snapshot_id,
        )
        return declared

    def _answer(self, call: Call) -> Outcome:
        assert call.agent is not None
        agent = call.agent
        with self._snapshots.lease() as current:
            declared = self._admit(call, agent, current)
            tool = find_tool(call.tool)
            arguments = tool.parse(call.arguments)
            pinned = getattr(arguments, "snapshot_id", None) or call.pin
            if pinned is None:
                reader = Reader(declared, declared.limits, current, call.replayed_at)
                return self._read(call, tool, arguments, reader, current)
            with self._snapshots.lease(pinned) as earlier:
                refuse_changed_contract(earlier.catalog, current.catalog)
                call.catalog = earlier.catalog
                own = _narrowed(_agent(earlier, agent), declared)
                reader = Reader(own, declared.limits, earlier, call.replayed_at)
                return self._read(call, tool, arguments, reader, current)

    def _read(
        self,
        call: Call,
        tool: Tool[Any],
        arguments: Arguments,
        reader: Reader,
        current: OpenSnapshot,
    ) -> Outcome:
        call.asked_at = reader.now
        found = self._find(call, tool, arguments, reader, current)
        told = repeated(call.repeats)
        if told:
            found = replace(found, warnings=[*found.warnings, told])
        call.found = found
        return answers.answer(
            found,
            reader,
            query_id=call.query_id,
            elapsed_ms=call.elapsed_ms(),
            cache=call.cache,
        )

    def _find(
        self,
        call: Call,
        tool: Tool[Any],
        arguments: Arguments,
        reader: Reader,
        current: OpenSnapshot,
    ) -> Found:
        """What the same call found before, if its views are still fresh enough, or finds now."""
        if not tool.is_long:
            found = tool.run(reader, arguments)
            call.rows = packed(found.rows) if found.packed is None else found.packed
            return found
        key = Key(
            snapshot_id=reader.opened.catalog.snapshot_id,
            current=current.catalog.snapshot_id,
            agent=reader.agent.name,
            tool=tool.name,
            arguments=arguments.model_dump_json(),
        )
        kept = None if call.replayed_at else self._cache.get(key)
        if kept is not None and reader.is_allowed(kept[0].tables):
            found, call.rows = kept
            call.cache = "hit"
            return found
        with self._turn(reader):
            found = tool.run(reader, arguments)
        call.rows = packed(found.rows)
        if not call.replayed_at and may_be_kept(found, reader.opened.catalog.views):
            self._cache.put(key, found, call.rows)
            call.cache = "miss"
        return found

    @contextmanager
    def _turn(self, reader: Reader) -> Iterator[None]:
        """Wait until a long call may run, and count the seconds that it does."""
        name, limits = reader.agent.name, reader.limits
        with self._long_calls.turn(name, limits, cancellation.current().wait):
            began = time.monotonic()
            try:
                yield
            finally:
                self._rates.spend(name, time.monotonic() - began)


OTHER_TOOLS = frozenset({"embeddings", "mcp", "tools"})


def _agent(opened: OpenSnapshot, name: str) -> CatalogAgent:
    agent = opened.catalog.agents.get(name)
    if agent is None:
        raise Unauthenticated(
            "no agent goes by this name in the current snapshot; declare it as an exposure with "
            "`config.meta.agent` and run `grounded run`"
        )
    return agent


def _narrowed(pinned: CatalogAgent, current: CatalogAgent) -> CatalogAgent:
    """An agent's scope in an old snapshot, without what has been taken from it since."""
    kept = {
        name: store
        for name, store in pinned.stores.items()
        if name in current.stores
        and (name not in current.row_filtered or name in pinned.row_filtered)
    }
    return pinned.model_copy(update={"stores": kept, "tells_hidden": current.tells_hidden})


def _told(call: Call, error: Exception) -> AnswerError:
    """What the caller may know of an error: all of a refusal, and of a fault that there was one."""
    if isinstance(error, AnswerError):
        return error
    call.error_type = type(error).__name__
    logger.error("%s failed: %s %s", call.tool, call.error_type, _place(error))
    return InternalError("this call failed inside; try again, or report it")


def _refusal(call: Call, error: AnswerError) -> Refusal:
    return answers.refusal(
        error,
        query_id=call.query_id,
        agent=call.agent,
        catalog=call.catalog,
        elapsed_ms=call.elapsed_ms(),
    )


def _entry(call: Call, outcome: Outcome) -> Entry:
    # Each is read once: a model's attributes take longer than a local name.
    meta, answered = outcome.meta, outcome.success
    freshness = meta.freshness
    found = call.found if answered else None
    arguments = masked_arguments(call.arguments)
    status = worst(freshness)
    return {
        "query_id": call.query_id,
        "agent": call.agent,
        "surface": call.surface,
        "tool": _known(call.tool),
        "tables": found.tables if found else [],
        "columns": found.columns_read if found else {},
        "rows": len(call.rows) if found else 0,
        "bytes": size(call.rows) if found else 0,
        "elapsed_ms": meta.elapsed_ms,
        "asked_at": call.asked_at,
        "snapshot_id": meta.snapshot_id,
        "freshness": status,
        "stale_tables": stale_tables(freshness) if status == "stale" else [],
        "cache": meta.cache,
        "verdict": "answered" if answered else "refused",
        "code": None if outcome.success else outcome.error.code,
        "error_type": call.error_type,
        "arguments_masked": arguments is not call.arguments and arguments != call.arguments,
        "erasable": {
            "arguments": arguments,
            "trace": _trace(call.caller),
            "purpose": call.caller.purpose and masked_text(call.caller.purpose),
            "rows_sha256": digest(call.rows) if found else None,
        },
    }


def _known(tool: str) -> str:
    """The tool's name; what else a caller asks for could hold anything."""
    return tool if tool in TOOLS or tool in OTHER_TOOLS else "unknown"


def _trace(caller: Caller) -> str | None:
    """A traceparent as it is: its digits are no telephone number."""
    if caller.trace is None or caller.has_w3c_trace:
        return caller.trace
    return masked_text(caller.trace)


def _place(error: BaseException) -> str:
    """File and line where it happened, and no message: that could hold a value."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return ""
    return f"at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
