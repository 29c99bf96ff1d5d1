"""The leak scan over a gigabyte of cells and logs for a million personal values.

``python -m tests.benchmarks.leak_scan [--values 1000000] [--megabytes 1000] [--runs 1]``
"""

import argparse
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from random import Random

import duckdb

from serving.leak_scan.scan import scan
from serving.leak_scan.targets import Target
from serving.leak_scan.values import PersonalValues, ValueColumn
from tests.benchmarks.results import Figure, median, publish

DOCUMENTS = Path(__file__).parents[2] / "ingestion" / "demo" / "documents"
_SYLLABLES = [first + last for first in "bcdfghjklmnprstvw" for last in ("a", "en", "i", "or", "u")]
# How the bytes are shared between a view's cells and log lines.
_CELLS = 0.5


def main() -> None:
    """Measure and print; the figures go to ``data/bench/latest.jsonl``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--values", type=int, default=1_000_000)
    parser.add_argument("--megabytes", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("data/bench/latest.jsonl"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        values = people(options.values // 4)
        write_artefacts(Path(folder), options.megabytes * 10**6, values)
        publish(measured(Path(folder), values, options.runs), options.out)


def measured(folder: Path, values: PersonalValues, runs: int) -> list[Figure]:
    """Return seconds and processor seconds without and with patterns, and the memory in use."""
    figures = []
    for patterns in (False, True):
        reports = [scan([Target(folder, "t")], values, patterns=patterns) for _ in range(runs)]
        assert all(report.counts for report in reports), "the planted values were not found"
        size = (reports[0].cell_bytes + reports[0].raw_bytes) / 1e9
        name = f"leak scan, {len(values):,} values, {size:.2f} GB"
        subject = "values and patterns" if patterns else "values"
        clock, cpu = ([vars(one)[key] for one in reports] for key in ("seconds", "cpu_seconds"))
        figures += [
            median(name, subject, "seconds", clock, "s"),
            median(name, subject, "processor seconds", cpu, "s"),
        ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures.append(median("leak scan", "grounded", "peak memory", [peak], "MB"))
    return figures + [
        median(name, peer, "processor seconds", [seconds(folder, values)], "s")
        for peer, seconds in _PEERS.items()
    ]


def reading(folder: Path, values: PersonalValues) -> float:
    """Return the processor seconds of reading every byte once and counting its lines."""
    began = time.process_time()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                chunk.count(b"\n")
    return time.process_time() - began


def grepping(folder: Path, values: PersonalValues) -> float:
    """Return the processor seconds of ``grep -F`` for the same values as they are spelt.

    It sees bytes alone: no compressed cell, no other spelling. NaN where there is no grep.
    """
    grep = shutil.which("grep")
    if grep is None:
        return float("nan")
    texts = "\n".join(text for column in values.columns for text in column.texts)
    files = sorted(map(str, folder.iterdir()))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as patterns:
        patterns.write(texts)
        patterns.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [grep, "-F", "-c", "-a", "-f", patterns.name, *files]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={"LC_ALL": "C"})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


_PEERS = {"reading the bytes once": reading, "grep -F, bytes alone": grepping}


def people(count: int) -> PersonalValues:
    """Invent people: a name, an e-mail address, a phone number and a street each."""
    source = Random(1)
    given = ["".join(source.choices(_SYLLABLES, k=source.randint(2, 3))) for _ in range(2_000)]
    family = ["".join(source.choices(_SYLLABLES, k=source.randint(2, 4))) for _ in range(20_000)]
    pairs = [(source.choice(given), source.choice(family)) for _ in range(count)]
    texts = {
        "name": [f"{one.title()} {other.title()}" for one, other in pairs],
        "email": [f"{one}.{other}{n}@example.com" for n, (one, other) in enumerate(pairs)],
        "phone": [f"+{source.randrange(10**10, 10**12)}" for _ in pairs],
        "address": [f"{source.randint(1, 400)} {other.title()} Street" for _, other in pairs],
    }
    return PersonalValues(
        tuple(
            ValueColumn(f"shop.customers.{privacy}", privacy, list(dict.fromkeys(found)))
            for privacy, found in texts.items()
        )
    )


def write_artefacts(folder: Path, size: int, values: PersonalValues) -> None:
    """Write a view's file and a log of sentences, numbers and first names; plant one value each."""
    words = sorted({word for file in DOCUMENTS.rglob("*.md") for word in file.read_text().split()})
    words += [text.split()[0] for text in values.columns[0].texts[:500]]
    planted = values.columns[1].texts[7]
    with duckdb.connect(str(folder / "view.duckdb")) as connection:
        connection.execute("create temp table words as select ? as words", [words])
        connection.execute(
            "create temp table phrases as select list(array_to_string("
            "[words[1 + (hash(i * 31 + k) % len(words))::int] for k in range(8)], ' ')) as phrases "
            "from range(20_000) r(i), words"
        )
        phrase = "phrases[1 + (hash(i * 3 + {}) % len(phrases))::int]"
        sentence = " || ' ' || ".join(map(phrase.format, range(3))) + " || ' ' || hash(i) % 1000000"
        rows = int(size * _CELLS / 190)
        connection.execute(
            f"create table view as select i as id, {sentence} as body "
            f"from range({rows}) r(i), phrases"
        )
        connection.execute("update view set body = body || ' ' || ? where id = 1000", [planted])
        connection.execute(
            f"copy (select i as seq, '2026-01-01T00:00:00Z' as time, {sentence} as message "
            f"from range({rows}, {int(rows * 1.85)}) r(i), phrases) "
            f"to '{folder}/run.log' (format json)"
        )
    with (folder / "run.log").open("a", encoding="utf-8") as log:
        log.write(planted + "\n")


if __name__ == "__main__":
    main()
