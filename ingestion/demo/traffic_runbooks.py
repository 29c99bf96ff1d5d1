"""A working day in the documents folder: reviews are noted, news come and go."""

import re
from datetime import datetime
from pathlib import Path
from random import Random

from ingestion.demo.plan import Plan, Tally
from ingestion.demo.runbooks import BROKEN_NAME, NEWS

TABLE = "runbooks.documents"
REVIEWED = re.compile(r"\n*_Last reviewed .*_\n*\Z")
TOPICS = (
    ("Shorter delivery times", "Parcels to neighbouring countries now take two days less."),
    ("Longer telephone hours", "The helpdesk answers calls from eight to eight on working days."),
    ("Repair service for grinders", "The burr grinder GRI-0004 can be sent in for new burrs."),
    ("New colours for the planter", "The planter PLA-0023 comes in olive and slate from now on."),
    ("Recall of a charger", "Chargers of the hand vacuum VAC-0028 with lot 7 are exchanged free."),
)


def apply(wanted: Plan, folder: Path, rng: Random, now: datetime, tally: Tally) -> None:
    """Change markdown files; only news are ever deleted."""
    news = (folder / "guides").glob(f"{NEWS}*.md")
    old_news = sorted(news, key=lambda path: path.stat().st_mtime)
    for path in old_news[: wanted.get((TABLE, "delete"), 0)]:
        path.unlink()
        tally.deleted[TABLE] += 1
    for number in range(wanted.get((TABLE, "insert"), 0)):
        topic, text = rng.choice(TOPICS)
        name = f"{NEWS}{now:%Y%m%d-%H%M%S-%f}-{number}.md"
        body = f"# {topic}\n\n{text} Valid from {now:%d %B %Y}.\n"
        (folder / "guides" / name).write_text(body, encoding="utf-8")
        tally.inserted[TABLE] += 1
    stable = sorted(p for p in folder.rglob("*.md") if not p.name.startswith(NEWS))
    readable = [path for path in stable if path != folder / BROKEN_NAME]
    for path in rng.sample(readable, k=min(len(readable), wanted.get((TABLE, "update"), 0))):
        text = REVIEWED.sub("\n", path.read_text(encoding="utf-8"))
        note = f"\n_Last reviewed {now:%Y-%m-%d %H:%M:%S.%f} UTC._\n"
        path.write_text(f"{text.rstrip()}\n{note}", encoding="utf-8")
        tally.updated[TABLE] += 1
