"""Loads a source over and over until it is killed."""

import sys
from pathlib import Path

from ingestion.load import load_source
from ingestion.spec import SourcesFile

DECLARED = {
    "description": "Own",
    "owner": "team:own",
    "schedule": "0 * * * *",
    "kind": "sql_database",
    "db_schema": "public",
    "capture": "log",
    "tables": {"items": {"primary_key": ["id"]}, "notes": {"primary_key": ["id"]}},
}


def main(arguments: list[str]) -> int:
    """Load into the home that is named, for ever."""
    spec = SourcesFile.model_validate({"sources": {"own": DECLARED}}).sources["own"]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        load_source("own", spec, Path(arguments[0]))
