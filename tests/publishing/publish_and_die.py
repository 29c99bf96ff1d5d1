"""Publishes homes, each in a process of its own that dies at the n-th touch of a published file.

Reads lines ``N HOME``, writes after each how the process ended and how often it touched a file:
``-9 12``. N = 0 dies never. The processes are forked after the imports, which take a second.
"""

import os
import signal
import sys
from pathlib import Path

from small_warehouse import publish

from serving import layering

TOUCHES = {"open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir"}


def publish_and_die(home: Path, last: int, told: int) -> None:
    """Publish; die by SIGKILL at the ``last`` touch; write the number of touches to ``told``."""
    touches = 0

    def touch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal touches
        if event in TOUCHES and "/published/" in str(arguments[0]):
            touches += 1
            if touches == last:
                os.kill(os.getpid(), signal.SIGKILL)

    # Small views are followed too, so that a death among layers is one of those that are tried.
    layering.SMALLEST_BASE, layering._DAY = 1, 2
    sys.addaudithook(touch)
    publish(home)
    os.write(told, str(touches).encode())


def main() -> None:
    """Serve lines until there are no more."""
    for line in sys.stdin:
        last, home = line.rstrip("\n").split(" ", 1)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            publish_and_die(Path(home), int(last), write)
            os._exit(0)
        os.close(write)
        touches = os.read(read, 20).decode() or "0"
        os.close(read)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{status} {touches}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
