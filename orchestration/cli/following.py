"""How ``grounded follow`` speaks and ends: a line a cycle, and signals."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Event
from types import FrameType
from typing import TypeVar

from rich.markup import escape

from orchestration.cli.output import console, write_json
from orchestration.follow import Follower, Status, keep, told
from orchestration.resources import Settings, prepare_environment
from orchestration.run import open_instance, start_demo
from orchestration.warm import Warm

# How soon a signal is heard while a cycle runs.
_LISTEN_S = 0.5
_ENDING = (signal.SIGTERM, signal.SIGINT)
T = TypeVar("T")


class Problems:
    """Of a run's progress only what went wrong is told: a line an asset would hide it."""

    def note(self, message: str) -> None:
        """Nothing of this is told."""

    def step(self, step: str, message: str) -> None:
        """Nothing of this is told."""

    def asset(self, key: str, rows: int | None) -> None:
        """Nothing of this is told."""

    def check(self, name: str, problems: str, blocks: bool) -> None:
        """Tell a failed check."""
        sys.stderr.write(f"{'failed' if blocks else 'warning'}: {name}: {problems}\n")


def follow_sources(
    settings: Settings,
    *,
    sources: Sequence[str] | None,
    full_every_minutes: int,
    cycles: int | None,
    as_json: bool,
) -> int:
    """Follow until a signal; the cycle under way is ended first, a second signal ends at once.

    A process that has grown too large leaves its next run in full to a new one of the same id,
    unless it is to end after so many ``cycles``.
    """
    show = _write if as_json else _print

    def tell(status: Status) -> None:
        keep(settings.home, status)
        show(status)

    def follow(stop: Event) -> bool:
        start_demo(settings, (lambda note: None) if as_json else console().print)
        prepare_environment(settings)
        with open_instance(settings.home) as instance:
            return Follower(
                settings,
                Warm(settings, instance, Problems()),
                tell,
                sources=sources,
                full_every=timedelta(minutes=full_every_minutes),
            ).follow(stop, cycles=cycles)

    if until_signal(follow):
        sys.stderr.write("this process has grown too large: a new one takes its place\n")
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return 0


def until_signal(work: Callable[[Event], T]) -> T | None:
    """Do the work, which ends by itself soon after a first signal, and at once with a second.

    None after a signal. What comes later ends the process at once.

    In a thread of its own: Dagster takes the signals of a main thread that runs a job, and would
    break the run off.
    """
    stop = Event()

    def end(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            # What runs in the other thread does not hear of an exception in this one.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    for number in _ENDING:
        signal.signal(number, end)
    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(work, stop)
        while not working.done():
            wait([working], timeout=_LISTEN_S)
        done = working.result()
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    return None if stop.is_set() else done


def _write(status: Status) -> None:
    write_json(told(status))
    sys.stdout.flush()


def _print(status: Status) -> None:
    behind = ", ".join(
        f"{name} failing ({one.failures}x)" if one.problem else f"{name} {one.lag_s:.1f} s"
        for name, one in status.sources.items()
    )
    way = "in full" if status.in_full else "by changes"
    line = f"{status.cycles:>6}  {way:<10} {status.seconds:5.1f} s  {status.snapshot}  {behind}"
    console().print(escape(line), soft_wrap=True)
    for problem in status.problems:
        sys.stderr.write(f"failed: {problem}\n")
