"""Searches a scan's files in several processes: Python searches on one core alone.

files, large ones in parts, the largest first -> this process and its helpers -> Findings

A helper runs this file's ``main``, of the same code whatever is installed. It gets what is looked
for through a pipe, as nothing of it may stand in a command line, an environment or a file, and it
ends with the pipe.
"""

import gc
import logging
import os
import pickle
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from serving.leak_scan.files import File
from serving.leak_scan.scanner import Findings, Scanner

# What makes up for the start of a helper: it takes 2 to 5 s, in which 20 to 40 MB are searched.
WORTH_A_HELPER = 64 << 20
# Each of them holds all personal values.
_MOST_HELPERS = 3
_ROOT = str(Path(__file__).parents[2])
_MAIN = f"import sys; sys.path.insert(0, {_ROOT!r}); from {__name__} import main; main()"
_COMMAND = (sys.executable, "-I", "-c", _MAIN)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """A file to search, of a target that may repeat the project's own files."""

    file: File
    repeats_project: bool


def search_all(scanner: Scanner, work: Sequence[Work]) -> None:
    """Search every file, with as many helpers as there are cores and work for."""
    processes = min(os.cpu_count() or 1, _MOST_HELPERS + 1)
    parts = [
        replace(one, file=part)
        for one in work
        for part in one.file.in_parts(processes, WORTH_A_HELPER)
    ]
    sizes = {one.file: one.file.size for one in parts}
    waiting = deque(sorted(parts, key=lambda one: sizes[one.file], reverse=True))
    count = min(processes, sum(sizes.values()) // WORTH_A_HELPER + 1, len(parts)) - 1
    if count < 1:
        _search(scanner, waiting)
        return
    # Before this process searches: from then on it counts in what a helper would get.
    begun = pickle.dumps(scanner)
    with ExitStack() as started:
        helpers = [started.enter_context(_helper()) for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            led = [pool.submit(_lead, helper, begun, waiting) for helper in helpers]
            try:
                _search(scanner, waiting)
                for one in led:
                    found, taken = one.result()
                    if found is not None:
                        scanner.take(found)
                    else:
                        _log.warning("a helper of the leak scan ended early; its files come here")
                        _search(scanner, taken)
            except BaseException:
                for helper in helpers:
                    helper.kill()
                raise


@contextmanager
def _helper() -> Iterator[subprocess.Popen[bytes]]:
    helper = subprocess.Popen(
        _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}
    )
    try:
        yield helper
    finally:
        helper.kill()
        helper.wait()
        for pipe in (helper.stdin, helper.stdout):
            # What it did not read is lost with it.
            with suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()


def _search(scanner: Scanner, waiting: deque[Work]) -> None:
    while one := _next(waiting):
        scanner.search(one.file, repeats_project=one.repeats_project)


def _next(waiting: deque[Work]) -> Work | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _lead(
    helper: subprocess.Popen[bytes], begun: bytes, waiting: deque[Work]
) -> tuple[Findings | None, deque[Work]]:
    """Give a helper one file after the other; return what it found, and what it was given."""
    assert helper.stdin is not None
    assert helper.stdout is not None
    taken: deque[Work] = deque()
    try:
        helper.stdin.write(begun)
        while one := _next(waiting):
            taken.append(one)
            pickle.dump(one, helper.stdin)
            helper.stdin.flush()
            pickle.load(helper.stdout)
        helper.stdin.close()
        found: Findings = pickle.load(helper.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        return None, taken
    return found, taken


def main() -> None:
    """Search what is asked for until nothing more comes, then tell what was found."""
    # The values are a million objects among which there is no garbage.
    gc.disable()
    scanner: Scanner = pickle.load(sys.stdin.buffer)
    gc.freeze()
    gc.enable()
    while True:
        try:
            one: Work = pickle.load(sys.stdin.buffer)
        except EOFError:
            break
        scanner.search(one.file, repeats_project=one.repeats_project)
        _tell(None)
    _tell(replace(scanner.found, cpu_seconds=time.process_time()))


def _tell(message: Findings | None) -> None:
    pickle.dump(message, sys.stdout.buffer)
    sys.stdout.buffer.flush()
