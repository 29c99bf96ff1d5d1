"""Loads the source ``own`` of a declaration into a home: ``python load_and_die.py SPEC HOME``."""

import sys
from pathlib import Path

from ingestion.load import load_source
from ingestion.spec import RestApiSource

if __name__ == "__main__":
    spec = RestApiSource.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    load_source("own", spec, Path(sys.argv[2]))
