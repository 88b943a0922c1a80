"""Plain text to blocks: paragraphs between blank lines, with the headings and lists that its layout shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from piecework.report.prose import Block, Gap, Heading, LineTracker, Page, verbatim

__all__ = ("read_plain_text",)

_UNDERLINE = re.compile(r"([=\-~^*])\1{2,}")
_LIST_MARK = re.compile(r"(?:[-*+\u2022\u2013]|\(?(?:\d{1,3}|[a-z])[.)])\s+\S")
_NUMBERED_TITLE = re.compile(r"(?:\d{1,2}(?:\.\d{1,2})*\.?|[IVX]{1,4}\.)\s+\S")
_LONGEST_TITLE = 70
_MOST_TITLE_WORDS = 10
_WRAP = 160
"""A line longer than this is no line of a wrapped paragraph but a paragraph of its own."""

Line = tuple[int, str]


def read_plain_text(text: str) -> Page:
    """Return the blocks of a plain `text`."""
    lines = text.split("\n")
    blocks = [block for chunk in _chunks(lines) for block in _read_chunk(chunk, lines)]
    if blocks and isinstance(blocks[0], Heading):
        # A title is set like the headings below it, as often as not.
        blocks[0] = replace(blocks[0], level=0)
    return Page("", tuple(blocks))


def _chunks(lines: Sequence[str]) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            chunk.append((number, line.strip()))
        elif chunk:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _read_chunk(chunk: Sequence[Line], lines: Sequence[str]) -> Iterator[Block]:
    if len(chunk) > 1 and _UNDERLINE.fullmatch(chunk[1][1]) and len(chunk[0][1]) <= _LONGEST_TITLE:
        yield Heading(1 if chunk[1][1][0] == "=" else 2, chunk[0][1], chunk[0][0])
        chunk = chunk[2:]
    elif len(chunk) == 1 and _looks_like_title(chunk[0][1]):
        yield Heading(1 if chunk[0][1].isupper() else 2, chunk[0][1], chunk[0][0])
        return
    if not chunk:
        return
    if _UNDERLINE.fullmatch(chunk[0][1]) or any(_LIST_MARK.match(line) for _, line in chunk):
        yield _gap(chunk, lines)
        return
    yield from _paragraphs(chunk)


def _gap(chunk: Sequence[Line], lines: Sequence[str]) -> Gap:
    """Return the chunk as it stands, indented as it is."""
    first, last = chunk[0][0], chunk[-1][0]
    return verbatim(lines[first - 1 : last], first, items={number for number, line in chunk if _LIST_MARK.match(line)})


def _paragraphs(chunk: Sequence[Line]) -> Iterator[Block]:
    tracker = LineTracker()
    for number, line in chunk:
        if len(line) > _WRAP and (before := tracker.paragraph()):
            yield before
        tracker.add(f"{line}\n", number)
        if len(line) > _WRAP and (alone := tracker.paragraph()):
            yield alone
    if rest := tracker.paragraph():
        yield rest


def _looks_like_title(line: str) -> bool:
    if len(line) > _LONGEST_TITLE or len(line.split()) > _MOST_TITLE_WORDS or line[-1] in ".,;:!\u3002":
        return False
    if not any(character.isalpha() for character in line):
        return False
    return line[0].isupper() or _NUMBERED_TITLE.match(line) is not None
