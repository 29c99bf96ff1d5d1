"""Proves the dbt project before it runs, and what the last build ran before that is published.

home/dbt/target/manifest.json (compiled) + home/dbt/build/manifest.json (what ran) -> Proof
"""

from typing import Any

from orchestration.checks import ADDED_COLUMNS
from orchestration.manifest import ensure_manifest, read_manifest
from orchestration.resources import Settings
from serving.declarations import parse_manifest
from serving.privacy.proof import Proof, prove

Manifest = dict[str, Any]


def prove_project(settings: Settings) -> Proof:
    """Prove the project's files as they are now: what the next build would run."""
    return _proof(read_manifest(ensure_manifest(settings).parent))


def prove_built(settings: Settings) -> Proof:
    """Prove the SQL of the last build, and the project's files for what it left out."""
    manifest = read_manifest(ensure_manifest(settings).parent)
    if not (settings.dbt_build / "manifest.json").exists():
        return _proof(manifest)
    return _proof(as_built(manifest, read_manifest(settings.dbt_build)))


def as_built(manifest: Manifest, built: Manifest) -> Manifest:
    """Return the manifest with each model as the last build compiled it."""
    ran = {key: node for key, node in built["nodes"].items() if node.get("compiled_code")}
    nodes = {key: ran.get(key, node) for key, node in manifest["nodes"].items()}
    return {**manifest, "nodes": nodes}


def _proof(manifest: Manifest) -> Proof:
    return prove(manifest, parse_manifest(manifest), technical=ADDED_COLUMNS)
