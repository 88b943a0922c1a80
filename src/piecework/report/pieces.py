"""Pieces: where a block of a source may be cut, and how long its parts are.

A block is cut as little as it takes: between items, then between lines, then between sentences, and inside of a
sentence only where that has no end. `excerpts` puts the pieces together again; nothing here knows of headings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from piecework.report.prose import Gap, Paragraph
from piecework.report.sentences import sentence_spans
from piecework.report.words import words

__all__ = ("FULL", "Piece", "length", "pieces")

FULL = 120
"""Words up to which text is kept in one piece."""
_LONGEST_SENTENCE = 200
"""Words beyond which not even a sentence is kept in one piece."""
_USUAL_WORD = 7.5
"""Characters of a word and the space behind it; longer ones count as several."""
_LONGEST_HEAD = 40
"""Words up to which the head of a table is repeated where the table goes on."""
_BETWEEN_BLOCKS = "\n\n"
_MOST_SPACE = 40
_RUN = re.compile(r"\S{1,200}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a block, or all of it."""

    text: str
    """What it says."""
    lines: tuple[int, int]
    """The first and last line of the file it stands on."""
    words: int
    """How long it is, as `length` tells."""
    joint: str
    """What stands between the piece before it and this one."""
    head: str = ""
    """What goes before it where the piece before it does not."""
    foot: str = ""
    """What goes after it where the piece after it does not."""


def length(text: str) -> int:
    """Return how many words `text` has, or would have if they were of usual length: what reading it costs."""
    return max(len(words(text)), ceil(len(text) / _USUAL_WORD))


def pieces(block: Paragraph | Gap) -> Iterator[Piece]:
    """Yield the pieces of `block`, in order; none where it has no word."""
    text = block.text
    if not any(map(str.isalnum, text)):
        return
    whole = length(text)
    if whole <= FULL:
        yield Piece(text, block.lines(0, len(text)), whole, _BETWEEN_BLOCKS)
        return
    head, foot = ("", "") if isinstance(block, Paragraph) else (block.head, block.foot)
    if length(head) > _LONGEST_HEAD:
        head = foot = ""
    spans = _with_ends(list(_spans(block)), text, head, foot)
    before = 0
    for place, (start, end) in enumerate(spans):
        yield Piece(
            text=text[start:end],
            lines=block.lines(start, end),
            words=length(text[start:end]),
            joint=_joint(text[before:start]) if place else _BETWEEN_BLOCKS,
            head=f"{head}\n" if head and place else "",
            foot=f"\n{foot}" if foot and place < len(spans) - 1 else "",
        )
        before = end


def _joint(space: str) -> str:
    """Return the space between two pieces, unless there is so much that it counts."""
    return space if len(space) <= _MOST_SPACE else _BETWEEN_BLOCKS if "\n" in space else " "


def _with_ends(spans: list[tuple[int, int]], text: str, head: str, foot: str) -> list[tuple[int, int]]:
    """Return `spans` so that none is only the head of a gap, or only its foot."""
    while len(spans) > 1 and spans[0][1] <= len(head):
        spans[:2] = [(spans[0][0], spans[1][1])]
    if foot and len(spans) > 1 and text[slice(*spans[-1])].strip() == foot:
        spans[-2:] = [(spans[-2][0], spans[-1][1])]
    return spans


def _spans(block: Paragraph | Gap) -> Iterator[tuple[int, int]]:
    text = block.text
    for item in _items(block):
        if _fits(text, item, FULL):
            yield item
            continue
        for line in _lines(text, *item):
            if _fits(text, line, FULL):
                yield line
                continue
            for sentence in _sentences(text, *line):
                if _fits(text, sentence, _LONGEST_SENTENCE):
                    yield sentence
                else:
                    yield from _runs(text, *sentence)


def _fits(text: str, span: tuple[int, int], most: int) -> bool:
    start, end = span
    return end - start <= most * _USUAL_WORD and length(text[start:end]) <= most


def _items(block: Paragraph | Gap) -> Iterator[tuple[int, int]]:
    starts = [] if isinstance(block, Paragraph) else [start for start in block.items if start > 0]
    yield from _filled(block.text, [0, *starts, len(block.text)])


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    ends = [match.end() for match in re.finditer("\n", text[start:end])]
    yield from _filled(text, [start, *(start + at for at in ends), end])


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for first, last in sentence_spans(text[start:end]):
        yield start + first, start + last


def _filled(text: str, bounds: list[int]) -> Iterator[tuple[int, int]]:
    """Yield what stands between each two `bounds`, without space at its end, where there is more than space."""
    for start, end in pairwise(bounds):
        filled = len(text[start:end].rstrip())
        if filled:
            yield start, start + filled


def _runs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield parts of a text that no full stop divides, each of bounded length."""
    first: int | None = None
    last, count = start, 0
    for match in _RUN.finditer(text, start, end):
        more = length(match[0])
        if first is not None and (count + more > FULL or match.end() - first > FULL * _USUAL_WORD):
            yield first, last
            first, count = None, 0
        first = match.start() if first is None else first
        last, count = match.end(), count + more
    if first is not None:
        yield first, last
