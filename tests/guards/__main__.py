"""Switches each guard off, in a copy of the project, and sees whether its test fails.

``python -m tests.guards [WORD ...]`` tries those whose description or file has one of the words, by
default all but the hundreds of kills (``--kills``); a minute or two for ten of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.guards.guard import Guard
from tests.guards.of_faults import FAULTS, IN_HUNDREDS_OF_KILLS
from tests.guards.of_http import HTTP
from tests.guards.of_serving import SERVING
from tests.guards.of_unchanged import UNCHANGED

ROOT = Path(__file__).parents[2]
COPIED = ("dbt_project", "ingestion", "orchestration", "serving", "tests")
TIMEOUT_S = 120
"""Without some guards a test would wait for ever."""


def main() -> int:
    """Try the guards; the exit code says whether a test passed without its guard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--kills", action="store_true", help="those that take hundreds of kills")
    options = parser.parse_args()
    guards = IN_HUNDREDS_OF_KILLS if options.kills else [*HTTP, *FAULTS, *UNCHANGED, *SERVING]
    chosen = [guard for guard in guards if _has(guard, options.words)]
    with tempfile.TemporaryDirectory() as folder:
        copy = _copied(Path(folder))
        _refuse_failing(chosen[0], copy)
        failed = [guard.what for guard in chosen if not _is_proved(guard, copy)]
    sys.stdout.write(f"{len(chosen) - len(failed)} of {len(chosen)} guards are proved\n")
    return 1 if failed else 0


def _has(guard: Guard, words: list[str]) -> bool:
    return not words or any(word in f"{guard.what} {guard.file}" for word in words)


def _copied(folder: Path) -> Path:
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def _refuse_failing(guard: Guard, copy: Path) -> None:
    """Where tests fail with their guard, as in a broken copy, they prove nothing without it."""
    done = _run(guard.tests, copy)
    if done.returncode:
        raise RuntimeError(f"with all guards: {done.stdout.decode(errors='replace')[-2000:]}")


def _is_proved(guard: Guard, copy: Path) -> bool:
    """Whether a test fails without the guard, and for no other reason than that."""
    file = copy / guard.file
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(guard.old, guard.new), encoding="utf-8")
    try:
        outcome = _outcome(guard, copy)
    finally:
        file.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{outcome:12} {guard.file}: {guard.what}\n")
    sys.stdout.flush()
    return outcome != "STILL PASSES"


def _outcome(guard: Guard, copy: Path) -> str:
    done = _run(guard.tests, copy)
    if b"Timeout (>" in done.stdout:
        return "hangs"
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{guard.what}: {done.stdout.decode(errors='replace')[-2000:]}")
    return "fails" if done.returncode else "STILL PASSES"


def _run(tests: Sequence[str], copy: Path) -> subprocess.CompletedProcess[bytes]:
    options = ["-x", "-q", "-m", "", "-p", "no:cacheprovider", f"--timeout={TIMEOUT_S}"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
