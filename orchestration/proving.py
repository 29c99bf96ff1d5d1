"""Proves the dbt project before it runs, and what the last build ran before that is published.

home/dbt/target/manifest.json (compiled) + home/dbt/build/manifest.json (what ran) -> Proof
"""

import json
from pathlib import Path
from typing import Any

from orchestration.checks import ADDED_COLUMNS
from orchestration.manifest import ensure_manifest
from orchestration.resources import Settings
from serving.declarations import parse_manifest
from serving.privacy.proof import Proof, prove

Manifest = dict[str, Any]


def prove_project(settings: Settings) -> Proof:
    """Prove the project's files as they are now: what the next build would run."""
    return _proof(_read(ensure_manifest(settings)))


def prove_built(settings: Settings) -> Proof:
    """Prove the SQL of the last build, and the project's files for what it left out."""
    manifest = _read(ensure_manifest(settings))
    built = settings.dbt_build / "manifest.json"
    return _proof(as_built(manifest, _read(built)) if built.exists() else manifest)


def as_built(manifest: Manifest, built: Manifest) -> Manifest:
    """Return the manifest with each model as the last build compiled it."""
    ran = {key: node for key, node in built["nodes"].items() if node.get("compiled_code")}
    nodes = {key: ran.get(key, node) for key, node in manifest["nodes"].items()}
    return {**manifest, "nodes": nodes}


def _proof(manifest: Manifest) -> Proof:
    return prove(manifest, parse_manifest(manifest), technical=ADDED_COLUMNS)


def _read(path: Path) -> Manifest:
    manifest: Manifest = json.loads(path.read_text(encoding="utf-8"))
    return manifest
