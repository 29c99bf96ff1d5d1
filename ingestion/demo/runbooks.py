"""Puts the demo's runbooks and product guides into a folder."""

import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

SOURCE = Path(__file__).parent / "documents"
NEWS = "news-"
"""Guides that come and go; all other documents stay, so that searches find them."""

BROKEN_NAME = "runbooks/legacy-mainframe-notes.md"
BROKEN_BYTES = b"# Legacy notes\n\nCaf\xe9 terminal codes \xff\xfe follow: \x80\x81\xc3\x28\n"


def seed(folder: Path, end: datetime) -> int:
    """Fill the folder, all or nothing, with fixed modification times; the number of files."""
    partial = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(SOURCE, partial)
    (partial / BROKEN_NAME).write_bytes(BROKEN_BYTES)
    files = sorted(partial.rglob("*.md"))
    for age, path in enumerate(files, start=1):
        moment = (end - timedelta(days=7 * age)).timestamp()
        os.utime(path, (moment, moment))
    partial.rename(folder)
    return len(files)
