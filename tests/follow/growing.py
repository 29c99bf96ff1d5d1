"""``grounded follow`` as a process that has grown too large when its next run in full is due."""

import sys
from datetime import timedelta

from orchestration import follow
from orchestration.cli import following, run
from tests.grounded import COMMAND


def grown(arguments: list[str]) -> int:
    """Follow, with a run in full due at once; what takes its place is the command as it is."""
    follow._MAY_GROW = -(1 << 40)
    following.timedelta = lambda minutes: timedelta(0)
    sys.orig_argv = [sys.executable, COMMAND, *arguments]
    return run(arguments)
