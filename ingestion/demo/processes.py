"""Tells our own detached servers from whatever else runs, and ends them."""

import os
import signal
import subprocess
import time
from pathlib import Path

POLL_SECONDS = 0.02


def command_line(pid: int) -> str:
    """The command line of a live process; empty when it is gone or a zombie."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self").exists() else _by_ps(pid)
    return raw.replace(b"\0", b" ").decode(errors="replace")


def is_ours(pid: int | None, mark: str) -> bool:
    """Whether this process lives and has `mark` among its arguments: process ids are reused."""
    return pid is not None and f" {mark} " in f" {command_line(pid)} "


def stop(pid: int, mark: str, gently: signal.Signals, seconds: float = 10.0) -> bool:
    """End the process if it is ours; True when it was, and is gone."""
    if not is_ours(pid, mark):
        return False
    for sign in (gently, signal.SIGQUIT, signal.SIGKILL):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return True
        if _gone(pid, mark, seconds):
            return True
    return False


def _gone(pid: int, mark: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_ours(pid, mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _by_ps(pid: int) -> str:
    """For systems without /proc; a zombie's command line reads `<defunct>` or `(name)`."""
    done = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
