"""Tells whether another snapshot was promoted, by one look at the file that was the pointer then.

The file is held open: to look at it takes a third of the time that its path takes to walk.
"""

import os
from pathlib import Path


class HeldPointer:
    """The pointer as it was when it was last held; whoever calls holds a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._seen: tuple[int, int] | None = None

    def is_still_it(self) -> bool:
        """Whether it is held, and nothing has been put in its place or written into it."""
        if self._seen is None:
            return False
        found = os.fstat(self._descriptor)
        # A file that loses its name changes both; one that is linked elsewhere may keep a name.
        return (found.st_ctime_ns, found.st_nlink) == self._seen

    def hold(self) -> None:
        """Hold the pointer of now, for whoever reads it next; FileNotFoundError without one."""
        self.let_go()
        while self._seen is None:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            found = os.fstat(descriptor)
            if found.st_nlink:
                self._descriptor, self._seen = descriptor, (found.st_ctime_ns, found.st_nlink)
            else:
                # Replaced since it was opened: it would never change again.
                os.close(descriptor)

    def let_go(self) -> None:
        """Hold none."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._seen = -1, None
