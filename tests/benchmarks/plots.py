"""The README's pictures, drawn from ``data/bench/latest.jsonl`` by ``make bench``.

a run's seconds against the rows of its table; a first load beside other programs

A picture is made without a window and without matplotlib's global state.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import NullFormatter

from tests.benchmarks.results import Figure

FOLDER = Path(__file__).parent / "plots"
_SIZE, _DOTS_PER_INCH = (5.5, 3.2), 130
FIRST_LOAD = "first load of 1,000,000 rows beside others"
_OURS, _THEIRS = "#1f6f54", "#b9bfc4"


def draw(figures: Sequence[Figure], folder: Path = FOLDER) -> list[Path]:
    """Write each picture for which there are figures, and return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *_drawn(folder / "runs.png", _runs, figures),
        *_drawn(folder / "first_load.png", _first_load, figures),
    ]


def _drawn(
    path: Path, draw_on: Callable[[Axes, Sequence[Figure]], bool], figures: Sequence[Figure]
) -> list[Path]:
    picture = Picture(figsize=_SIZE, dpi=_DOTS_PER_INCH, layout="constrained")
    axes = picture.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    if not draw_on(axes, figures):
        return []
    picture.savefig(path)
    return [path]


def _runs(axes: Axes, figures: Sequence[Figure]) -> bool:
    """Seconds against rows, both by powers of ten."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for one in figures:
        sized = re.fullmatch(r"a run, ([\d,]+) rows", one.bench)
        if sized and one.unit == "s" and not one.metric.startswith("of it"):
            rows = int(sized[1].replace(",", ""))
            lines.setdefault(one.metric, []).append((rows, one.value))
    for (name, points), style in zip(sorted(lines.items()), ("-o", "--s"), strict=False):
        axes.loglog(*zip(*sorted(points), strict=True), style, color=_OURS, label=name)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("rows of the table")
    axes.set_ylabel("seconds")
    if lines:
        axes.legend(frameon=False)
    return bool(lines)


def _first_load(axes: Axes, figures: Sequence[Figure]) -> bool:
    """A bar for each program, the shortest at the top."""
    loads = [one for one in figures if one.bench == FIRST_LOAD and one.metric == "seconds"]
    bars = sorted(((one.value, one.subject) for one in loads), reverse=True)
    values, names = [value for value, _ in bars], [name for _, name in bars]
    colours = [_OURS if name.startswith("grounded") else _THEIRS for name in names]
    axes.bar_label(axes.barh(names, values, color=colours), fmt="%.1f s", padding=3)
    axes.set_xlabel("seconds to extract and load 1,000,000 rows")
    return bool(bars)
