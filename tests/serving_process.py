"""``grounded serve`` as a process of its own, on a free port of the loopback."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.grounded import COMMAND, ROOT, environment


@contextmanager
def serving(home: Path, *options: str, log: Path | None = None) -> Iterator[int]:
    """Its port, once it listens; connections wait in its backlog until it answers."""
    with process_serving(home, *options, log=log) as (_, port):
        yield port


@contextmanager
def process_serving(
    home: Path, *options: str, log: Path | None = None
) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """The same, and the process that was started, which may be killed."""
    with (
        (log or Path("/dev/null")).open("w") as errors,
        subprocess.Popen(
            [COMMAND, "serve", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=errors if log else None,
            text=True,
            cwd=ROOT,
            env=environment(home),
        ) as process,
    ):
        assert process.stdout is not None
        try:
            told = process.stdout.readline()
            yield process, int(told.split("127.0.0.1:")[1].split(",")[0])
        finally:
            process.terminate()
            process.wait()
