"""Loads the source ``own`` of a declaration into a home."""

from pathlib import Path

from ingestion.load import load_source
from ingestion.spec import RestApiSource


def main(arguments: list[str]) -> int:
    """Load by the file of a declaration, into a home."""
    declaration, home = map(Path, arguments)
    spec = RestApiSource.model_validate_json(declaration.read_text(encoding="utf-8"))
    load_source("own", spec, home)
    return 0
