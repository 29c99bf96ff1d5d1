"""dbt's manifest with compiled SQL: what the definitions, the proof and the catalog are read from.

dbt_project/ -> compiled, where a file is newer -> <home>/dbt/target/manifest.json
"""

import json
import shutil
from pathlib import Path
from typing import Any

from orchestration.resources import DBT_PROJECT, Settings, prepare_environment

_PARSED = "partial_parse.msgpack"
_DBT_FILES = frozenset({".csv", ".py", ".sql", ".yaml", ".yml"})


def ensure_manifest(settings: Settings) -> Path:
    """Return dbt's manifest with compiled SQL, made again when a file of the project is newer.

    Compiled without a look into the warehouse: SQL that depends on data could not be proven.
    TransformFailed where the project does not compile.
    """
    manifest = settings.dbt_compiled / "manifest.json"
    if not manifest.exists() or manifest.stat().st_mtime < newest_file():
        # dbt takes seconds to import, and most commands find the manifest as it should be.
        from orchestration.dbt_runner import compile_project

        prepare_environment(settings)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        compile_project(manifest.parent)
        # dbt leaves an unchanged manifest's time as it was.
        manifest.touch()
        _hand_on_parse(settings)
    return manifest


def _hand_on_parse(settings: Settings) -> None:
    """Give the build what was parsed: parsing is most of what compiling a project takes."""
    settings.dbt_build.mkdir(parents=True, exist_ok=True)
    shutil.copy2(settings.dbt_compiled / _PARSED, settings.dbt_build / _PARSED)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a target folder."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def newest_file() -> float:
    """When a file of the project was last changed, in seconds since 1970."""
    return max(
        path.stat().st_mtime
        for path in DBT_PROJECT.rglob("*")
        # A folder changes when a file in it is deleted.
        if path.suffix in _DBT_FILES or path.is_dir()
    )
