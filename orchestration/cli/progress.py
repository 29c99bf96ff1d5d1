"""A run's progress on a terminal, in a pipe, or as JSON lines."""

import re
import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from orchestration.cli.output import write_json

_COUNT = re.compile(r"^(.*?):? ([\d,]+) of ([\d,]+)$")
# Without a terminal a bar becomes a line at each of these shares.
_SHARES = 4


class TerminalProgress:
    """One line an asset, and a bar below for the step under way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._bar: TaskID | None = None
        self._told: set[tuple[str, int]] = set()
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def note(self, message: str) -> None:
        """Print what concerns no asset."""
        self._print(f"  {escape(message)}", style="dim")

    def step(self, step: str, message: str) -> None:
        """Draw what a step does now."""
        counted = _COUNT.match(message)
        label = f"{step}: {counted[1] if counted else message}"
        done, total = (_number(counted[2]), _number(counted[3])) if counted else (0, 0)
        if not self._console.is_terminal:
            self._line_at_each_share(label, done, total)
            return
        if self._bar is not None:
            self._bars.remove_task(self._bar)
        count = f"{done:,}/{total:,}" if counted else ""
        self._bar = self._bars.add_task(
            escape(label[:100]), total=total or None, completed=done, count=count
        )

    def asset(self, key: str, rows: int | None) -> None:
        """Print an asset's line with its rows and the seconds since the line before."""
        now = time.monotonic()
        counted = "" if rows is None else f"{rows:>10,} rows"
        self._print(f"  [green]✓[/] {escape(key):<40} {counted:<16} {now - self._since:6.1f} s")
        self._since = now

    def check(self, name: str, problems: str, blocks: bool) -> None:
        """Print a failed check."""
        mark = "[red]✗[/]" if blocks else "[yellow]![/]"
        self._print(f"  {mark} {escape(name)}: {escape(problems)}")

    def _print(self, line: str, style: str | None = None) -> None:
        self._console.print(line, style=style, soft_wrap=True)

    def _line_at_each_share(self, label: str, done: int, total: int) -> None:
        share = done * _SHARES // total if total else 0
        if total > 1 and share and (label, share) not in self._told:
            self._told.add((label, share))
            self.note(f"{label} {done:,}/{total:,}")


class JsonProgress:
    """One JSON object a line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.stdout.flush()

    def note(self, message: str) -> None:
        """Write a note."""
        write_json({"note": message})

    def step(self, step: str, message: str) -> None:
        """Write what a step does now."""
        write_json({"step": step, "message": message})

    def asset(self, key: str, rows: int | None) -> None:
        """Write a materialised asset."""
        write_json({"asset": key, "rows": rows})

    def check(self, name: str, problems: str, blocks: bool) -> None:
        """Write a failed check."""
        write_json({"check": name, "problems": problems, "blocks": blocks})


def _number(text: str) -> int:
    return int(text.replace(",", ""))
