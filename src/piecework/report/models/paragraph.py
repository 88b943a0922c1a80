"""One paragraph of a model's text while its markers are replaced by citations, or taken out.

The citation gate makes one for each paragraph. Where a marker is taken out the text closes over the gap: no doubled
space, no space before a full stop, and no line that only now looks like the mark of a heading, list or code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from piecework.report.models.markers import Run
from piecework.report.writer import Citation

__all__ = ("Paragraph",)

_LONGEST_RANGE = 20
"""Numbers in a range that can be meant; what is longer, such as `[1990-2020]`, cites nothing."""

_SPACES = re.compile(r"[ \t]*+")
_OPENED = re.compile(r"(?<![\\\]])\((?:see|cf\.?|from|e\.g\.,?|(?:source|ref)s?:?)?[ \t]{0,4}\Z", re.IGNORECASE)
_LONGEST_OPENING = 16
_CLOSING = re.compile(r"$|\n|[.,;:?)\]}](?!\w)|!(?![\w\[])")
_EMPTY_ITEM = re.compile(r"[\s>]*(?:[-*+]|\d{1,9}[.)]|#{1,6})?\s*")
_MERGING = frozenset("`~<$*_=-#&!")

_CONTAINER = r"(?:[\s>]|(?:[-+*]|\d{1,9}[.)])(?=\s))*+"
_CONTAINERS = re.compile(_CONTAINER)
_MARK_AFTER = re.compile(r"(?:#{1,6}|[-+*]|\d{1,9}[.)])(?=\s|$)|>|`{3}|~{3}|\||:|$|[ ]{4}")
_MARK_BEFORE = re.compile(rf"{_CONTAINER}(?:#{{1,6}}|[-+*]|\d{{1,9}}[.)])")
_MARKS_ALONE = re.compile(r"[\s>]*+(?:\d{1,9}[.)]\s+)?[-=*_~`|:+#\s]++")
_UNSEEN = "\u200b"
"""A character that has no width, and is no space to Markdown."""


@dataclass(slots=True)
class _Line:
    pieces: list[str | Citation] = field(default_factory=list[str | Citation])
    gone: int | None = None
    """Where in the text before its first citation a marker was taken out."""

    @property
    def words(self) -> str | None:
        """The line as text; None where it has citations."""
        return "".join(map(str, self.pieces)) if all(isinstance(one, str) for one in self.pieces) else None

    def is_blank(self) -> bool:
        """Return whether nothing is on it, but for the marks of quotations."""
        return not any(isinstance(piece, Citation) or piece.strip(" \t>") for piece in self.pieces)

    def bare(self) -> None:
        """Make it the first of its paragraph."""
        self.gone = 0
        if self.pieces and isinstance(self.pieces[0], str):
            self.pieces[0] = self.pieces[0].lstrip(" \t")
        self.guard()

    def guard(self) -> None:
        """Keep it from looking like the mark of a block, now that a marker is gone."""
        leading = list(takewhile(lambda piece: isinstance(piece, str), self.pieces))
        text = "".join(map(str, leading))
        place = min(self.gone or 0, len(text))
        container = _CONTAINERS.match(text)
        at_start = container is not None and container.end() >= place
        alone = len(leading) == len(self.pieces) and _MARKS_ALONE.fullmatch(text)
        if alone or _MARK_BEFORE.fullmatch(text, 0, place) or (at_start and _MARK_AFTER.match(text, place)):
            self.pieces[: len(leading)] = [text[:place], _UNSEEN, text[place:]]


class Paragraph:
    """A paragraph, a heading or a row of a table."""

    def __init__(self, text: str, known: Sequence[Citation]) -> None:
        """Take its `text`; number n in a marker means the n-th of `known`."""
        self.removed = 0
        """How many numbers and ranges named nothing."""
        self._text = text
        self._known = known
        self._done = 0
        self._lines = [_Line()]

    def replaced(self, runs: Iterable[Run]) -> list[str | Citation]:
        """Return the paragraph with `runs` of markers replaced; empty where nothing is left of it."""
        for run in runs:
            self._add(self._text[self._done : run.start])
            self._done = run.end
            cited = self._cited(run)
            if cited:
                self._cite(cited)
            else:
                self._take_out()
        self._add(self._text[self._done :])
        return [piece for line in self._finished() for piece in (*line.pieces, "\n")][:-1]

    def _add(self, text: str) -> None:
        first, *others = text.split("\n")
        self._lines[-1].pieces += [first] if first else []
        self._lines += [_Line([line] if line else []) for line in others]

    def _cited(self, run: Run) -> list[str | Citation]:
        """Return the citations that a run of markers stands for, each once, with the words that join them."""
        cited: list[str | Citation] = []
        seen: set[Citation] = set()
        for marker in run.markers:
            named = dict.fromkeys(citation for item in marker.items for citation in self._named(*item))
            new = [citation for citation in named if citation not in seen]
            cited += [f" {marker.joint} "] if marker.joint and cited and new else []
            cited += new
            seen.update(new)
        return cited

    def _named(self, first: int, last: int) -> Sequence[Citation]:
        """Return what the numbers from `first` to `last` mean, and count if one of them means nothing."""
        named = self._known[max(first, 1) - 1 : last] if 0 <= last - first < _LONGEST_RANGE else ()
        self.removed += not named or len(named) <= last - first
        return named

    def _cite(self, cited: Sequence[str | Citation]) -> None:
        line = self._lines[-1]
        at_start = line.is_blank()
        line.pieces += cited
        following = self._text[self._done : self._done + 1]
        # Right after a number in brackets these would make a link of it, or the definition of one.
        if following == "(":
            self._add(" ")
        elif following == ":" and at_start:
            self._add("\\")

    def _take_out(self) -> None:
        """Close the text over a run that is gone: one space where there were two, none before a full stop."""
        line = self._lines[-1]
        last = line.pieces.pop() if line.pieces else ""
        before = last if isinstance(last, str) else ""
        line.pieces += [last] if isinstance(last, Citation) else []
        opened = _OPENED.search(before, max(0, len(before) - _LONGEST_OPENING))
        if opened is not None and self._text.startswith(")", self._done):
            before = before[: opened.start()]
            self._done += 1
        gap = _SPACES.match(self._text, self._done)
        assert gap is not None
        filler = ""
        if line.is_blank() and not before.strip(" \t>"):
            self._done = gap.end()
        elif _CLOSING.match(self._text, gap.end()):
            # The space after the mark of an item or a heading is part of the mark.
            is_mark = _CONTAINERS.fullmatch(before) or _EMPTY_ITEM.fullmatch(before)
            before = self._closed(before if is_mark else before.rstrip(" \t"), gap.end())
        elif before[-1:].isspace():
            self._done = gap.end()
        elif not gap[0] and self._would_merge(before):
            filler = " "
        if line.gone is None:
            words = line.words
            line.gone = len(self._text if words is None else words + before)
        self._add(before + filler)

    def _would_merge(self, before: str) -> bool:
        """Return whether `before` and what comes next would be one word, or one mark."""
        return before[-1:] in _MERGING or (before[-1:] + self._text[self._done : self._done + 1]).isalnum()

    def _closed(self, before: str, end: int) -> str:
        """Go on at `end`, where a mark closes what is `before`, or a line ends; of two such marks one stays."""
        mark, last = self._text[end : end + 1], before[-1:]
        if mark in {"", "\n"}:
            return before
        self._done = end + (mark == last and mark in ".,;:")
        return before[:-1] if last in {",", ";", ":"} and mark in ".;:!?" and mark != last else before

    def _finished(self) -> Iterator[_Line]:
        """Yield the lines that stay."""
        lines = self._lines
        if len(lines) == 1 and lines[0].gone is not None and _EMPTY_ITEM.fullmatch(lines[0].words or "."):
            return
        at_top = True
        for line in lines:
            if line.gone is not None and line.words is not None and not line.words.strip():
                continue
            if at_top and line is not lines[0]:
                # What followed the first line is the first now.
                line.bare()
            elif line.gone is not None:
                line.guard()
            at_top = False
            yield line
