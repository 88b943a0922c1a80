"""The board: how far a report is, drawn on a terminal and drawn anew while the run goes on.

`draw` is the picture, a function of a standing, a time and the room there is. `LiveBoard` keeps it on standard error
by rich's `Live`; `Progress` opens and closes it.
"""

from __future__ import annotations

import sys
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.text import Text

from piecework.cli.standing import Entry, Standing, State, counted, duration, retry_in, totals

__all__ = ("ASCII", "UNICODE", "LiveBoard", "Marks", "draw")

_STYLES: Final[Mapping[str, str]] = {
    "done": "green",
    "empty": "dim",
    "failed": "red",
    "interrupted": "yellow",
    "retrying": "yellow",
    "stopped": "yellow",
    "waiting": "dim",
    "writing": "cyan",
}
_PRESSING: Final[tuple[State, ...]] = ("writing", "failed", "interrupted", "waiting", "done", "empty")
"""Which sections are shown first where there is no room for all."""

_BETWEEN = "  "
_NARROWEST_TITLE = 10
_ELAPSED_WIDTH = 6
_DETAIL_WIDTH = 9
_REFRESHES = 10
"""How often a live board is drawn, in each second."""
_CTRL_C_ROOM = 4
"""What the last line leaves free, so that an echoed `^C` does not begin a line of its own."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters that a board is drawn with."""

    encoding: Literal["utf-8", "ascii"]
    """Which characters there are; others are shown as question marks."""
    states: Mapping[str, str]
    """What stands before a section in each state but `writing`."""
    spinner: Sequence[str]
    """What stands before that which goes on, one after the other."""
    ellipsis: str
    """What stands where text was cut off."""

    def at(self, state: str, now: float) -> str:
        """Return the mark of a state, or of what goes on."""
        return self.states.get(state) or self.spinner[int(now * _REFRESHES) % len(self.spinner)]

    def spell(self, text: str) -> str:
        """Return `text` in the characters that there are."""
        return text.encode(self.encoding, "replace").decode(self.encoding)


UNICODE: Final = Marks(
    encoding="utf-8",
    states={
        "done": "✓",
        "empty": "-",
        "failed": "✗",
        "interrupted": "!",
        "retrying": "~",
        "stopped": "!",
        "waiting": "·",
    },
    spinner="⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
    ellipsis="…",
)
"""For terminals that show all characters."""

ASCII: Final = Marks(
    encoding="ascii",
    states={
        "done": "+",
        "empty": "-",
        "failed": "x",
        "interrupted": "!",
        "retrying": "~",
        "stopped": "!",
        "waiting": ".",
    },
    spinner="|/-\\",
    ellipsis="...",
)
"""For all others."""


def draw(standing: Standing, now: float, *, width: int, height: int | None = None, marks: Marks = UNICODE) -> Text:
    """Return the board: the plan, a line for each section, and the whole run in one line.

    Args:
        standing: How far the report is.
        now: The time, by the clock of the standing.
        width: How many columns there are; the last one stays free.
        height: How many lines there are; None if the board may be as long as it is. Where it does not fit, the
            sections that matter most are shown and the others are counted.
        marks: What to draw with.
    """
    lines: list[Text] = []
    if standing.planned is not None:
        lines.append(_plan_line(standing, standing.planned, marks))
        lines += _section_lines(standing, now, width - 1, None if height is None else height - 3, marks)
    if height is not None and len(lines) > height - 2:
        lines = []
    lines.append(_totals_line(standing, now, width, marks))
    for line in lines:
        line.truncate(max(width - 1, 0), overflow="crop")
    return Text("\n", no_wrap=True, overflow="ignore").join(lines)


class LiveBoard:
    """A board on standard error, drawn ten times a second by a thread of its own; a `Display`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Make a board that is not shown yet; `clock` is that of its standings."""
        self._clock = clock
        self._standing = Standing(began=0)
        self._console = Console(file=sys.stderr, highlight=False)
        self._closing = threading.Event()
        self._drawing = threading.Thread(target=self._keep_drawing, name="piecework-board", daemon=True)
        # The thread of rich's own would still run when `stop` has returned. Standard output is left alone: nothing is
        # written there during the run, and it may not be this terminal.
        self._live = Live(get_renderable=self._drawn, console=self._console, auto_refresh=False, redirect_stdout=False)

    def open(self, standing: Standing) -> None:
        """Show the board, and begin to keep it drawn."""
        self._standing = standing
        self._live.start(refresh=True)
        self._drawing.start()

    def show(self, before: Standing, after: Standing) -> None:
        """Take what is to be shown next."""
        del before
        self._standing = after

    def close(self) -> None:
        """Draw the board a last time, in full, and leave the terminal as it was."""
        self._closing.set()
        try:
            if self._drawing.is_alive():
                self._drawing.join()
        finally:
            with suppress(OSError):  # A terminal that is gone is no reason to lose the report.
                self._stop()

    def _stop(self) -> None:
        try:
            self._live.stop()
        except BaseException:  # One more Ctrl-C must not leave the cursor hidden.
            self._console.show_cursor()
            raise

    def _keep_drawing(self) -> None:
        with suppress(OSError):
            while not self._closing.wait(1 / _REFRESHES):
                self._live.refresh()

    def _drawn(self) -> Text:
        console = self._console
        marks = ASCII if console.options.ascii_only else UNICODE
        height = None if self._closing.is_set() else console.height
        return draw(self._standing, self._clock(), width=console.width, height=height, marks=marks)


def _plan_line(standing: Standing, planned: float, marks: Marks) -> Text:
    what = f" plan of {counted(len(standing.entries), 'section')}, {duration(planned - standing.began)}"
    return Text.assemble((marks.states["done"], "green"), what)


def _totals_line(standing: Standing, now: float, width: int, marks: Marks) -> Text:
    style = _STYLES.get(standing.stage, "cyan")
    what = _cut(f" {totals(standing, now)}", width - 1 - _CTRL_C_ROOM - 1, marks)
    return Text.assemble((marks.at(standing.stage, now), style), (what, "bold"))


def _section_lines(standing: Standing, now: float, width: int, height: int | None, marks: Marks) -> list[Text]:
    """Return the lines of all sections; where there is no room, of those that matter most, the others counted."""
    entries = standing.entries
    columns = _columns(entries, now, width, marks)
    rows = [columns.row(entry, now, marks) for entry in entries]
    reasons = sum(bool(_reason(entry, now)) for entry in entries)
    if height is None or len(rows) + reasons <= height:
        told = [(row, *_reason_lines(entry, now, width, marks)) for row, entry in zip(rows, entries, strict=True)]
        return [line for lines in told for line in lines]
    if len(rows) <= height:
        return rows
    pressing = sorted(range(len(entries)), key=lambda index: (_PRESSING.index(entries[index].state), index))
    shown, others = pressing[: max(height - 1, 0)], pressing[max(height - 1, 0) :]
    left = Counter(entries[index].state for index in others)
    counts = ", ".join(f"{left[state]} {state}" for state in _PRESSING if left[state])
    rest = _cut(f"and {len(others)} others: {counts}", width - 2, marks)
    return [*(rows[index] for index in sorted(shown)), Text(f"  {rest}", "dim")]


def _reason_lines(entry: Entry, now: float, width: int, marks: Marks) -> list[Text]:
    reason = _reason(entry, now)
    if not reason:
        return []
    return [Text.assemble("  ", (_cut(marks.spell(reason), width - 2, marks), _STYLES[_shown(entry, now)]))]


def _reason(entry: Entry, now: float) -> str:
    """Why a section failed, or is about to be tried again."""
    waits = entry.waits(now)
    return waits.reason if waits is not None else entry.reason if entry.state == "failed" else ""


def _shown(entry: Entry, now: float) -> str:
    """How a section is shown to be: one that is written, but waits until it is tried again, as such."""
    return "retrying" if entry.waits(now) is not None else entry.state


@dataclass(frozen=True, slots=True)
class _Columns:
    """How wide the columns of the sections are; 0 leaves a column out."""

    title: int
    elapsed: int
    detail: int

    def row(self, entry: Entry, now: float, marks: Marks) -> Text:
        shown = _shown(entry, now)
        style = _STYLES[shown]
        title = _cut(marks.spell(entry.title), self.title, marks)
        row = Text.assemble((marks.at(shown, now), style), " ", (title, style if style == "dim" else ""))
        row.append(" " * (self.title - _cells(title)))
        if self.elapsed:
            row.append(f"{_BETWEEN}{_elapsed(entry, now):>{self.elapsed}}", "dim")
        if self.detail:
            row.append(f"{_BETWEEN}{_detail(entry, now)}", style)
        return row


def _columns(entries: Sequence[Entry], now: float, width: int, marks: Marks) -> _Columns:
    """Return columns that fit: the title gets what the others leave, and they make way for it."""
    title = max((_cells(marks.spell(entry.title)) for entry in entries), default=0)
    elapsed = max([_ELAPSED_WIDTH, *(len(_elapsed(entry, now)) for entry in entries)])
    detail = max([_DETAIL_WIDTH, *(len(_detail(entry, now)) for entry in entries)])
    room = width - 2
    for extra in ((elapsed, detail), (elapsed, 0), (0, 0)):
        left = room - sum(len(_BETWEEN) + one for one in extra if one)
        if left >= min(title, _NARROWEST_TITLE):
            return _Columns(min(title, left), *extra)
    return _Columns(max(room, 0), 0, 0)


def _elapsed(entry: Entry, now: float) -> str:
    elapsed = entry.elapsed(now)
    return "" if elapsed is None else duration(elapsed)


def _detail(entry: Entry, now: float) -> str:
    if (waits := entry.waits(now)) is not None:
        return retry_in(waits, now)
    return counted(entry.words, "word") if entry.state == "done" else entry.state


def _cut(text: str, width: int, marks: Marks) -> str:
    """Return `text` cut to a width in columns."""
    if _cells(text) <= width:
        return text
    kept, left = 0, width - len(marks.ellipsis)
    for one in text:
        left -= _cells(one)
        if left < 0:
            break
        kept += 1
    return text[:kept].rstrip() + marks.ellipsis if width > len(marks.ellipsis) else text[:kept]


def _cells(text: str) -> int:
    """Return how many columns `text` takes at most: terminals differ on marks that stand beside their letter."""
    return sum(cell_len(one) or (unicodedata.category(one) not in {"Mn", "Me"}) for one in text)
