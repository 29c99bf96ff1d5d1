"""Loads a source once and prints its greatest resident memory in MB: ``python ... HOME``."""

import re
import sys
from pathlib import Path

from ingestion.load import load_source
from ingestion.spec import SourcesFile
from tests.log_capture.load_and_die import DECLARED

if __name__ == "__main__":
    spec = SourcesFile.model_validate({"sources": {"own": DECLARED}}).sources["own"]
    load_source("own", spec, Path(sys.argv[1]))
    # What getrusage tells begins with what the process that started this one had reached.
    peak_kb = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    sys.stdout.write(f"{int(peak_kb[1]) // 1024 if peak_kb else 0}\n")
