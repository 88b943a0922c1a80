"""What a source is made of: headings, paragraphs of running text, and gaps for all else.

The readers in `formats` produce these blocks; `passages` makes quotable passages of the paragraphs, `pieces` cuts
paragraphs and gaps alike. Every character of a block knows the line of the file it stands on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

__all__ = ("Block", "Gap", "Heading", "LineTracker", "Page", "Paragraph", "Stretch", "stacked", "verbatim")


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
class Stretch:
    """Text that knows where it stands."""

    text: str = ""
    """The text."""
    marks: tuple[tuple[int, int], ...] = ()
    """Ascending pairs (offset in `text`, line of the file): where each line's text begins."""

    @property
    def line(self) -> int:
        """The line of the file it begins on; 0 where there is no text."""
        return self.marks[0][1] if self.marks else 0

    def lines(self, start: int, end: int) -> tuple[int, int]:
        """Return the first and the last line of the file that `text[start:end]` stands on."""
        return self._line_at(start), self._line_at(max(start, end - 1))

    def _line_at(self, offset: int) -> int:
        place = bisect_right(self.marks, offset, key=lambda mark: mark[0])
        return self.marks[max(0, place - 1)][1]


@dataclass(frozen=True, slots=True)
class Paragraph(Stretch):
    """A paragraph of running text: single spaces, no markup other than code and formula marks."""

    exact: bool = True
    """False where only the paragraph's first and last line are known."""

    def lines(self, start: int, end: int) -> tuple[int, int]:
        """Return the first and the last line of the file that `text[start:end]` stands on."""
        if not self.exact:
            return self.marks[0][1], self.marks[-1][1]
        return self._line_at(start), self._line_at(max(start, end - 1))


@dataclass(frozen=True, slots=True)
class Gap(Stretch):
    """Something that is not prose: a list, a table, code, a quotation. Its text may be empty, as that of a rule is."""

    items: tuple[int, ...] = ()
    """Offsets in `text` where an item begins, so that it is better cut there than elsewhere."""
    head: str = ""
    """What a part of it is to begin with that lacks the beginning: the header row of a table, the fence of code."""
    foot: str = ""
    """What a part of it is to end with that lacks the end."""


Block = Heading | Paragraph | Gap


@dataclass(frozen=True, slots=True)
class Page:
    """One source, read."""

    title: str
    """The title that the source gives itself apart from its headings; empty where it gives none."""
    blocks: tuple[Block, ...]
    """What it holds, in order; after all else come notes, wherever in the file they stand."""


def stacked(
    lines: Iterable[Stretch], *, items: Collection[int] = (), head: str = "", foot: str = "", joint: str = "\n"
) -> Gap:
    """Return a gap of `lines`, one below the other.

    Args:
        lines: The lines.
        items: Which of the lines begin an item, counted from 0.
        head: What a part is to begin with that lacks the beginning.
        foot: What a part is to end with that lacks the end.
        joint: What stands between two lines.
    """
    parts: list[str] = []
    marks: list[tuple[int, int]] = []
    starts: list[int] = []
    offset = 0
    for number, line in enumerate(lines):
        if number in items:
            starts.append(offset)
        marks.extend((offset + place, at) for place, at in line.marks)
        parts.append(line.text)
        offset += len(line.text) + len(joint)
    return Gap(joint.join(parts), tuple(marks), tuple(starts), head, foot)


def verbatim(lines: Sequence[str], first: int, *, items: Collection[int] = (), head: str = "", foot: str = "") -> Gap:
    """Return a gap of `lines` as they stand in the file from line `first` on, blank ones at both ends left out.

    `items` are lines of the file, the rest is as for `stacked`.
    """
    start, end = 0, len(lines)
    while start < end and not lines[start].strip():
        start += 1
    while start < end and not lines[end - 1].strip():
        end -= 1
    places = {line - first - start for line in items}
    shown = (Stretch(lines[at].rstrip(), ((0, first + at),)) for at in range(start, end))
    return stacked(shown, items=places, head=head, foot=foot)


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
