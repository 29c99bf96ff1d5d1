"""Loads a source over and over until it is killed: ``python load_and_die.py HOME``."""

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

if __name__ == "__main__":
    spec = SourcesFile.model_validate({"sources": {"own": DECLARED}}).sources["own"]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        load_source("own", spec, Path(sys.argv[1]))
