"""Loads a source once and prints its greatest resident memory in MB: ``python ... HOME``."""

import resource
import sys
from pathlib import Path

from ingestion.load import load_source
from ingestion.spec import SourcesFile
from tests.log_capture.load_and_die import DECLARED

if __name__ == "__main__":
    spec = SourcesFile.model_validate({"sources": {"own": DECLARED}}).sources["own"]
    load_source("own", spec, Path(sys.argv[1]))
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{peak_kb // 1024}\n")
