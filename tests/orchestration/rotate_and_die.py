"""Rotates the key of a home and dies by SIGKILL as one step of it is about to begin.

HOME STEP: a function that ``rotate`` calls.
"""

import os
import signal
from pathlib import Path

from orchestration import rotation
from orchestration.cli.progress import JsonProgress
from orchestration.resources import read_settings


def main(arguments: list[str]) -> int:
    """Replace the step by a kill; one that is not there is an error."""
    home, step = Path(arguments[0]), arguments[1]
    assert callable(getattr(rotation, step))

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(rotation, step, die)
    rotation.rotate(read_settings(home), JsonProgress())
    return 0
