"""The layout of what is not prose on a web page: items with marks, rows with bars, code between fences.

`hypertext` opens one for a list, a table, code or a quotation, tells it the tags inside, and gets one gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from piecework.report.prose import Gap, Stretch, stacked

__all__ = ("LAID_OUT", "PARTS", "Layout")

LAID_OUT = frozenset({"blockquote", "dl", "figure", "ol", "pre", "table", "ul"})
"""The tags that open a layout, or go on inside of one."""
PARTS = frozenset({"dd", "dt", "li", "td", "th", "tr"})
"""The tags that a layout is told of beside those."""

_LISTS = frozenset({"dl", "ol", "ul"})
_MARGINS = {"blockquote": "> ", "dl": "  ", "ol": "  ", "ul": "  "}
_DEEPEST = 12
"""How many structures around a line show in its margin."""
_BACKTICKS = re.compile(r"`{3,}")


@dataclass(slots=True)
class _Structure:
    """A list, a table, code or a quotation that is open."""

    tag: str
    outside: str
    """What the lines around it begin with."""
    inside: str
    """What its lines begin with."""
    in_list: bool
    items: int = 0


class Layout:
    """Lays out one list, table, piece of code or quotation, with all that is nested in it."""

    def __init__(self) -> None:
        self._open: list[_Structure] = []
        self._lists: list[_Structure] = []
        self._lines: list[Stretch] = []
        self._items: list[int] = []
        self._mark: str | None = None
        self._cells: list[list[Stretch]] | None = None
        self._names_columns = False
        self._code: list[tuple[str, int]] = []
        self._head = ""
        self._foot = ""

    @property
    def is_open(self) -> bool:
        """Whether anything is open, so that text belongs here."""
        return bool(self._open)

    @property
    def in_code(self) -> bool:
        """Whether text counts with its white space."""
        return bool(self._open) and self._open[-1].tag == "pre"

    def open(self, tag: str) -> None:
        """Begin a structure, one of `LAID_OUT`."""
        self._end_code()
        self._end_row()
        outside = self._open[-1].inside if self._open else ""
        margin = _MARGINS.get(tag, "") if len(self._open) < _DEEPEST else ""
        self._open.append(_Structure(tag, outside, outside + margin, in_list=bool(self._lists)))
        if tag in _LISTS:
            self._lists.append(self._open[-1])

    def close(self, tag: str) -> None:
        """End the innermost structure of this kind and all that is open in it."""
        if all(one.tag != tag for one in reversed(self._open)):
            return
        self._end_code()
        self._end_row()
        closed = ""
        while closed != tag:
            closed = self._open.pop().tag
            if closed in _LISTS:
                self._lists.pop()
                self._mark = None

    def part(self, tag: str) -> None:
        """Begin an item, a row or a cell, one of `PARTS`."""
        if tag in {"td", "th"}:
            self._cells = self._cells if self._cells is not None else []
            self._cells.append([])
            self._names_columns = tag == "th" and (self._names_columns or len(self._cells) == 1)
        elif tag == "tr":
            self._end_row()
        else:
            self._begin_item(tag)

    def add(self, text: Stretch) -> None:
        """Add a paragraph."""
        if self._cells is not None:
            self._cells[-1].append(text)
        else:
            self._add_line(text)

    def add_code(self, text: str, line: int) -> None:
        """Add code, which begins on `line` and may go over several lines."""
        self._code.append((text, line))

    def break_code(self) -> None:
        """End a line of code, unless one has just ended."""
        if self._code and not self._code[-1][0].endswith("\n"):
            self._code.append(("\n", self._code[-1][1]))

    def gap(self) -> Gap:
        """Return all of it."""
        self._end_code()
        self._end_row()
        return stacked(self._lines, items=frozenset(self._items), head=self._head, foot=self._foot)

    def _begin_item(self, tag: str) -> None:
        self._end_row()
        if not self._lists:
            return
        innermost = self._lists[-1]
        innermost.items += 1
        ordinary = f"{innermost.items}. " if innermost.tag == "ol" else "- "
        self._mark = {"dt": "", "dd": None}.get(tag, ordinary)
        if not innermost.in_list and tag != "dd":
            self._items.append(len(self._lines))

    def _add_line(self, text: Stretch) -> None:
        self._lines.append(_after(self._margin(), text))

    def _margin(self) -> str:
        mark, self._mark = self._mark, None
        inside = self._open[-1].inside if self._open else ""
        if mark is None or not self._lists:
            return inside
        innermost = self._lists[-1]
        return innermost.outside + mark + inside[len(innermost.inside) :]

    def _end_row(self) -> None:
        cells, self._cells = self._cells, None
        if cells is None or not any(cells):
            return
        row = stacked((stacked(cell, joint=" ") for cell in cells), joint=" | ")
        names_columns, self._names_columns = self._names_columns, False
        first = not self._lines
        self._add_line(_after("| ", Stretch(f"{row.text} |", row.marks)))
        if first and names_columns and len(self._open) == 1:
            self._head = self._lines[0].text

    def _end_code(self) -> None:
        lines = list(_code_lines(self._code))
        self._code = []
        filled = [place for place, line in enumerate(lines) if line.text]
        if not filled:
            return
        lines = lines[filled[0] : filled[-1] + 1]
        longest = max((len(run) for line in lines for run in _BACKTICKS.findall(line.text)), default=2)
        fence = "`" * (longest + 1)
        if len(self._open) == 1:
            self._head = self._foot = fence
        self._add_line(Stretch(fence, ((0, lines[0].line),)))
        margin = self._margin()
        self._lines.extend(_after(margin, line) for line in lines)
        self._lines.append(_after(margin, Stretch(fence, ((0, lines[-1].line),))))


def _after(margin: str, text: Stretch) -> Stretch:
    marks = tuple((offset + len(margin) if place else 0, line) for place, (offset, line) in enumerate(text.marks))
    return Stretch(margin + text.text, marks)


def _code_lines(chunks: Iterable[tuple[str, int]]) -> Iterator[Stretch]:
    parts: list[str] = []
    at = 0
    for text, line in chunks:
        for number, part in enumerate(text.split("\n")):
            if number:
                yield Stretch("".join(parts).rstrip(), ((0, at),))
                parts = []
            if not parts:
                at = line + number
            if part:
                parts.append(part)
    yield Stretch("".join(parts).rstrip(), ((0, at),))
