"""Excerpts: all that a source says, in parts of about a hundred words, for a model to read.

Unlike a passage an excerpt need not stand on its own, and it is not only prose: lists, tables, code and quotations are
in excerpts, too. Everything is in exactly one, except the parts that are no text of the source's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from piecework.report.headings import furniture_level, own_title, without_number
from piecework.report.pieces import FULL, Piece, length, pieces
from piecework.report.prose import Gap, Heading, Page, Paragraph
from piecework.report.words import content_stems

__all__ = ("Excerpt", "cut")

_Placed = tuple[tuple[str, ...], Piece]
"""The headings that a piece stands under, and the piece."""

_LONGEST_HEADING = 120
"""Characters up to which a heading is shown whole above what stands under it."""
_LONGEST_LEAD = 40
"""Words up to which a line that ends in a colon goes with what it announces."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of one source, as a model gets it to read."""

    number: int
    """Its place among all excerpts of the material, from 0."""
    source: str
    """The file, as the user named it."""
    trail: tuple[str, ...]
    """The headings it stands under, the outermost first."""
    text: str
    """What it says: paragraphs as text; lists, tables, code and quotations line by line."""
    lines: tuple[int, int]
    """The first and last line of the file it stands on."""
    words: int
    """How long it is in words of usual length."""

    @property
    def place(self) -> str:
        """Where it stands: the file, and the headings."""
        return " > ".join((self.source, *self.trail))

    @property
    def stems(self) -> frozenset[str]:
        """The stems of its words that carry meaning; found anew each time."""
        return content_stems(self.text)


def cut(page: Page, source: str, first_number: int) -> Iterator[Excerpt]:
    """Yield the excerpts of one `page`, numbered from `first_number` on."""
    number = first_number
    held: list[Piece] = []
    count = 0
    above: tuple[str, ...] = ()
    for trail, piece in _Reading(page).pieces():
        if held and (trail != above or count + piece.words > FULL):
            carried = _announcing(held) if trail == above else []
            yield _excerpt(held[: len(held) - len(carried)], number, source, above)
            number, held, count = number + 1, carried, sum(one.words for one in carried)
        held.append(piece)
        count += piece.words
        above = trail
    if held:
        yield _excerpt(held, number, source, above)


def _announcing(held: list[Piece]) -> list[Piece]:
    """Return the last piece where it announces what comes next, and is not all there is."""
    last = held[-1]
    return [last] if len(held) > 1 and last.text.endswith(":") and last.words <= _LONGEST_LEAD else []


def _excerpt(held: list[Piece], number: int, source: str, trail: tuple[str, ...]) -> Excerpt:
    text = held[0].text + "".join(f"{piece.joint}{piece.text}" for piece in held[1:])
    head, foot = held[0].head, held[-1].foot
    return Excerpt(
        number=number,
        source=source,
        trail=trail,
        text=f"{head}{text}{foot}",
        lines=(min(piece.lines[0] for piece in held), max(piece.lines[1] for piece in held)),
        words=sum(piece.words for piece in held) + length(head) + length(foot),
    )


@dataclass(slots=True)
class _Open:
    heading: Heading
    level: int
    shown: str
    has_text: bool


class _Reading:
    """Goes through one page and knows which headings are open."""

    def __init__(self, page: Page) -> None:
        # The order is that of the file, also for notes; what stands on one line keeps the order it has.
        self._blocks = sorted(page.blocks, key=lambda block: block.line)
        title, self._own_heading = own_title(page)
        self._root = (_shown(title),) if title and self._own_heading is None else ()
        self._open: list[_Open] = []
        self._left_out: int | None = None

    def pieces(self) -> Iterator[_Placed]:
        """Yield the pieces of the page, each with the headings it stands under."""
        for block in self._blocks:
            if isinstance(block, Heading):
                yield from self._enter(block)
            elif self._left_out is None:
                yield from self._text(block)
        yield from self._leave(0)

    def _text(self, block: Paragraph | Gap) -> Iterator[_Placed]:
        trail = (*self._root, *(one.shown for one in self._open))
        for piece in pieces(block):
            for one in self._open:
                one.has_text = True
            yield trail, piece

    def _enter(self, heading: Heading) -> Iterator[_Placed]:
        """Open a heading. The one that names the file is above all others and is never furniture."""
        level = 0 if heading is self._own_heading else heading.level
        self._left_out = furniture_level(heading, self._left_out) if level else None
        if self._left_out is not None:
            return
        yield from self._leave(level)
        title = without_number(heading.text)
        shown = _shown(title)
        if shown != title:
            yield from self._text(_as_text(heading))
        self._open.append(_Open(heading, level, shown, has_text=shown != title))

    def _leave(self, level: int) -> Iterator[_Placed]:
        """Close the headings of `level` and deeper ones; one that nothing stands under is text itself."""
        while self._open and self._open[-1].level >= level:
            left = self._open.pop()
            if not left.has_text:
                yield from self._text(_as_text(left.heading))


def _as_text(heading: Heading) -> Paragraph:
    return Paragraph(heading.text, ((0, heading.line),))


def _shown(title: str) -> str:
    if len(title) <= _LONGEST_HEADING:
        return title
    return title[:_LONGEST_HEADING].rsplit(" ", 1)[0] + "\u2026"
