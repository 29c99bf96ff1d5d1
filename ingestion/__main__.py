"""Runs one source, or all, without Dagster: ``python -m ingestion [NAME ...] [--home DIR]``."""

import argparse
import sys
from pathlib import Path

from ingestion.connection import points_at_demo
from ingestion.demo import up
from ingestion.errors import IngestionError
from ingestion.load import load_source
from ingestion.sources_file import read_sources


def main(arguments: list[str] | None = None) -> int:
    """Load the named sources; the exit status is 1 when one failed and 2 for a wrong name."""
    parser = argparse.ArgumentParser(prog="python -m ingestion", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="sources; all when none is named")
    parser.add_argument("--home", type=Path, default=Path("data"), help="run-time folder")
    options = parser.parse_args(arguments)
    sources = read_sources()
    unknown = sorted(set(options.names) - set(sources))
    if unknown:
        parser.error(f"no source {', '.join(unknown)}; there are {', '.join(sources)}")
    status = 0
    for name in options.names or sources:
        try:
            if points_at_demo(name, sources[name]):
                up(options.home, services=[name])
            report = load_source(name, sources[name], options.home)
            sys.stdout.write(report.model_dump_json(indent=2) + "\n")
        except IngestionError as error:
            sys.stderr.write(f"{error}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
