"""Where things lie under ``published/``.

published/current.json            the pointer: which snapshot answers
published/snapshots/<id>/         one immutable folder a snapshot
    catalog.json
    privacy.html                  why no personal value is in here; for people, no agent reads it
    views/<view>.duckdb           SQL; <view>.<agent>.duckdb where the agent's rows are filtered
    views/<view>.sqlite           lookups
    layers/                       the same names: what changed since the file above was written
    index/                        LanceDB, and the words of each of its tables
published/building/<id>/          a candidate; swept by the next publish
    draft.json                    its catalog until the index is built
published/building/<id>.lock      held by the process that builds it
published/building/vectors/       of an index that is being built, in case its process is killed
"""

import re
from pathlib import Path

POINTER_FILE = "current.json"
SNAPSHOTS = "snapshots"
BUILDING = "building"
VECTORS = "vectors"
VIEWS = "views"
LAYERS = "layers"
INDEX = "index"
PRIVACY_FILE = "privacy.html"
DRAFT_FILE = "draft.json"
LOCK_FILE = "publish.lock"
WAREHOUSE = "warehouse.duckdb"
# The time of its beginning in UTC, to the microsecond, so that ids sort by age; one random digit.
SNAPSHOT_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def published_folder(home: Path) -> Path:
    """The folder of all that is published."""
    return home / "published"


def snapshot_folder(home: Path, snapshot_id: str) -> Path:
    """The folder of one promoted snapshot."""
    return published_folder(home) / SNAPSHOTS / snapshot_id


def building_folder(home: Path) -> Path:
    """The folder of all candidates."""
    return published_folder(home) / BUILDING


def pointer_path(home: Path) -> Path:
    """The file that tells which snapshot answers."""
    return published_folder(home) / POINTER_FILE
