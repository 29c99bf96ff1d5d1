"""Loads a source once, saying where it is."""

import sys
from pathlib import Path
from typing import Any

from ingestion.load import load_source
from ingestion.spec import SourcesFile, SourceSpec


def declared(capture: str) -> SourceSpec:
    """The source ``own`` with either kind of capture."""
    table: dict[str, Any] = {"primary_key": ["id"], "cursor": {"column": "changed_at"}}
    source = {
        "description": "Own",
        "owner": "team:own",
        "schedule": "0 * * * *",
        "kind": "sql_database",
        "db_schema": "public",
        "capture": capture,
        "tables": {"items": table},
    }
    return SourcesFile.model_validate({"sources": {"own": source}}).sources["own"]


def say(message: str) -> None:
    """Tell the test, at once."""
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Load into a home by a kind of capture."""
    home, capture = arguments
    load_source("own", declared(capture), Path(home), on_progress=say)
    say("loaded")
    return 0
