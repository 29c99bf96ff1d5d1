"""The leak scan: no artefact holds a personal value of the sources, a key, or what looks like one.

targets -> files -> Scanner, in as many processes as there is work for -> ScanReport
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from serving.leak_scan.files import files_of
from serving.leak_scan.helpers import Work, search_all
from serving.leak_scan.report import ScanReport
from serving.leak_scan.scanner import Scanner
from serving.leak_scan.search_set import SearchSet
from serving.leak_scan.targets import Target
from serving.leak_scan.values import PersonalValues


def scan(
    targets: Iterable[Target],
    values: PersonalValues | SearchSet,
    *,
    patterns: bool = True,
    keys: Mapping[str, bytes] | None = None,
    project_texts: Sequence[str] = (),
) -> ScanReport:
    """Search every cell and byte of the targets and return what was found.

    ``keys`` are secrets that may show nowhere; ``project_texts`` are files of the project, whose
    own invented data (a unit test's e-mail) is no leak where it shows again. A search set that is
    kept from scan to scan has its keys already.
    """
    began, cpu = time.perf_counter(), time.process_time()
    search = values if isinstance(values, SearchSet) else SearchSet(values, keys)
    search.forget_cells()
    scanner = Scanner(search, project_texts, patterns)
    search_all(
        scanner,
        [Work(file, target.repeats_project) for target in targets for file in files_of(target)],
    )
    report = scanner.report()
    report.seconds = time.perf_counter() - began
    report.cpu_seconds += time.process_time() - cpu
    return report


def scan_folder(folder: Path, values: PersonalValues) -> ScanReport:
    """Search one folder for values alone, such as what an erasure must have left nowhere."""
    return scan([Target(folder, folder.name)], values, patterns=False)
