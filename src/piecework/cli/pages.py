"""Results that are tables and trees: coloured on a terminal, plain and aligned text anywhere else."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from piecework.cli.streams import print_result, printable

__all__ = ("STYLES", "aligned", "cell", "print_json", "print_lines", "word")

STYLES: Final[Mapping[str, str]] = {
    "begun": "cyan",
    "cancelled": "yellow",
    "completed": "green",
    "done": "green",
    "failed": "red",
    "interrupted": "yellow",
    "paused": "magenta",
    "running": "cyan",
    "skipped": "dim",
    "stopped": "yellow",
    "waiting": "dim",
}
"""How words for states look on a terminal."""

_BETWEEN = "  "


def word(state: str) -> Text:
    """Return a state in its colour."""
    return Text("not done" if state == "waiting" else state, STYLES.get(state, ""))


def aligned(rows: Sequence[Sequence[Text]], *, right: Sequence[int] = ()) -> list[Text]:
    """Return rows as lines whose columns are as wide as they need to be.

    Args:
        rows: The cells of each; all rows have as many.
        right: The columns that end together rather than begin together.
    """
    widths = [max(cell_len(cell.plain) for cell in column) for column in zip(*rows, strict=True)]
    lines: list[Text] = []
    for row in rows:
        line = Text(no_wrap=True)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blank = " " * (width - cell_len(cell.plain))
            line.append_text(Text(blank).append_text(cell) if place in right else cell.copy().append(blank))
            line.append(_BETWEEN)
        line.rstrip()
        lines.append(line)
    return lines


def print_lines(lines: Sequence[Text]) -> None:
    """Print lines to standard output."""
    if _coloured():
        console = Console(file=sys.stdout, highlight=False)
        for line in lines:
            console.print(line, soft_wrap=True)
    else:
        print_result("".join(f"{line.plain}\n" for line in lines))


def print_json(value: object) -> None:
    """Print plain data to standard output as one JSON document."""
    print_result(f"{json.dumps(value, indent=2, ensure_ascii=False).encode('utf-8', 'backslashreplace').decode()}\n")


def cell(text: str, style: str = "") -> Text:
    """Return text from a store, fit to be shown in one line."""
    return Text(printable(text), style)


def _coloured() -> bool:
    if sys.stdout is None or not sys.stdout.isatty():  # pyright: ignore[reportUnnecessaryComparison] - where closed
        return False
    return Console(file=sys.stdout).is_terminal
