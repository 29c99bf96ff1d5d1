"""Types a command and dies by SIGKILL as the journal of an erasure is about to be written.

``python -m tests.privacy.forget_and_die N ARGUMENT...``: at the N-th time; 0 is never.
"""

import os
import signal
import sys

from orchestration.cli import run


def main() -> None:
    """Run the command line with a hook on every rename."""
    last, writes = int(sys.argv[1]), 0

    def touch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal writes
        if event == "os.rename" and str(arguments[1]).endswith("erasure/journal.json"):
            writes += 1
            if writes == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(touch)
    sys.exit(run(sys.argv[2:]))


if __name__ == "__main__":
    main()
