"""What a source is made of, as far as quoting it goes: headings, paragraphs, and gaps for all else.

The readers in `formats` produce these blocks; `passages` makes quotable passages of them. Every character of
a paragraph knows the line of the file it stands on.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

__all__ = ("Block", "Gap", "Heading", "LineTracker", "Page", "Paragraph")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading."""

    level: int
    """1 for the outermost; 0 for one that names the whole file."""
    text: str
    """Its words, without markup."""
    line: int
    """The line of the file it stands on, from 1."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of running text."""

    text: str
    """Its text with single spaces, without markup other than code and formula marks."""
    marks: tuple[tuple[int, int], ...]
    """Ascending pairs (offset in `text`, line of the file): where each line's text begins."""
    exact: bool = True
    """False where only the paragraph's first and last line are known."""

    def lines(self, start: int, end: int) -> tuple[int, int]:
        """Return the first and the last line of the file that `text[start:end]` stands on."""
        if not self.exact:
            return self.marks[0][1], self.marks[-1][1]
        return self._line_at(start), self._line_at(max(start, end - 1))

    def _line_at(self, offset: int) -> int:
        place = bisect_right(self.marks, offset, key=lambda mark: mark[0])
        return self.marks[max(0, place - 1)][1]


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is not prose: a list, a table, code, a quotation."""


Block = Heading | Paragraph | Gap


@dataclass(frozen=True, slots=True)
class Page:
    """One source, read."""

    title: str
    """The title that the source gives itself apart from its headings; empty where it gives none."""
    blocks: tuple[Block, ...]
    """What it holds, in order."""


class LineTracker:
    """Collects the text of one paragraph, squeezes its white space, and remembers the line of each part."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._marks: list[tuple[int, int]] = []
        self._length = 0
        self._space = False

    def add(self, text: str, line: int) -> None:
        """Add `text`, which begins on `line` and may go over several lines."""
        for number, part in enumerate(text.split("\n")):
            self._space = self._space or number > 0
            self._add_in_line(part, line + number)

    def paragraph(self) -> Paragraph | None:
        """Return what was collected, and start anew; None where there was only white space."""
        text, marks = "".join(self._parts), tuple(self._marks)
        self._parts, self._marks, self._length, self._space = [], [], 0, False
        return Paragraph(text, marks) if text else None

    def _add_in_line(self, part: str, line: int) -> None:
        squeezed = " ".join(part.split())
        if not squeezed:
            self._space = self._space or bool(part)
            return
        if self._length and (self._space or part[0].isspace()):
            self._parts.append(" ")
            self._length += 1
        self._marks.append((self._length, line))
        self._parts.append(squeezed)
        self._length += len(squeezed)
        self._space = part[-1].isspace()
