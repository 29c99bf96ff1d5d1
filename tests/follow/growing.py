"""``grounded follow`` as a process that has grown too large after its first run in full."""

import sys

from orchestration import follow
from orchestration.cli import run
from tests.grounded import COMMAND


def grown(arguments: list[str]) -> int:
    """Follow; what takes its place is the command as it is."""
    follow._MAY_GROW = -(1 << 40)
    sys.orig_argv = [sys.executable, COMMAND, *arguments]
    return run(arguments)
