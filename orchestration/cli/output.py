"""How the command line speaks: tables for a person, one JSON object a line for a program."""

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.envelope import Answer, Refusal
from serving.freshness import in_words

MAX_CELL = 80
# Of a search hit: what a program goes on with, and a person reads past.
_FOR_PROGRAMS = frozenset({"highlights", "confidence", "also"})


def console() -> Console:
    """A console on stdout; without a terminal as wide as its longest line needs."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def write_json(value: Mapping[str, Any]) -> None:
    """Write one JSON object on a line of its own."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a plain table; cells are cut at 80 characters and never read as markup."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(escape(cell(value)) for value in row))
    return grid


def cell(value: Any) -> str:
    """Return one value on one line."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def show_hits(envelope: Answer | Refusal, *, as_json: bool) -> int:
    """Print a search's answer as ``show_answer`` does, for a person without what programs need."""
    return show_answer(envelope, as_json=as_json, hidden=_FOR_PROGRAMS)


def show_answer(envelope: Answer | Refusal, *, as_json: bool, hidden: Collection[str] = ()) -> int:
    """Print an envelope and return the exit status: 2 for a refusal."""
    if as_json:
        sys.stdout.write(envelope.model_dump_json() + "\n")
        return 0 if isinstance(envelope, Answer) else 2
    if isinstance(envelope, Refusal):
        sys.stderr.write(f"{envelope.error.code}: {envelope.error.message}\n")
        return 2
    out = console()
    names = [column.name for column in envelope.data.columns if column.name not in hidden]
    out.print(table(names, ([row.get(name) for name in names] for row in envelope.data.rows)))
    out.print(_footer(envelope), style="dim")
    return 0


def _footer(answer: Answer) -> str:
    meta, data = answer.meta, answer.data
    cut = f", cut by {data.truncated_by}" if data.truncated else ""
    parts = [f"{data.row_count} row{'' if data.row_count == 1 else 's'}{cut}"]
    if meta.empty_reason:
        parts.append(meta.empty_reason)
    parts += [
        f"{one.table} {one.status}" + (f", {in_words(one.age_s)} old" if one.age_s else "")
        for one in meta.freshness
    ]
    parts += [f"snapshot {meta.snapshot_id}", f"{meta.elapsed_ms:.0f} ms"]
    return escape("\n".join([" | ".join(parts), *meta.warnings]))
