"""Passages: the pieces of a source that can be quoted, each a few whole sentences of one paragraph.

A passage begins with a sentence that stands on its own, or names the passage it must follow. What is no whole
sentence, or points at something on the page, is in no passage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from piecework.report.prose import Paragraph
from piecework.report.sentences import footing, is_quotable, sentence_spans
from piecework.report.words import content_stems, words

__all__ = ("Passage", "PassageCutter")

_FULL = 100
"""Words after which a passage ends where the next sentence can begin another."""
_OVERFULL = 150
"""Words after which a passage ends even though the next sentence leans on it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A few whole sentences of one paragraph, in the source's own words."""

    number: int
    """Its place among all passages of the library, from 0."""
    source: int
    """The place of its source in the library."""
    chapter: int
    """The place in the library of the innermost chapter it stands in."""
    sentences: tuple[str, ...]
    """The sentences, in order."""
    lines: tuple[int, int]
    """The first and last line of the file it stands on."""
    words: int
    """How many words it has."""
    stems: frozenset[str]
    """The stems of its words that carry meaning."""
    needs: int | None
    """The number of the passage that must stand right before it, as its first sentence leans on that one."""

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return " ".join(self.sentences)


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    start: int
    end: int
    words: int


class PassageCutter:
    """Cuts the paragraphs of one source into passages; nothing in them leans across a gap."""

    def __init__(self, source: int, next_number: int) -> None:
        self._source = source
        self._next = next_number
        self._link: int | None = None
        self._adrift = False

    def heading(self) -> None:
        """Note that a heading stands here: what follows is written to be understood from here on."""
        self._link, self._adrift = None, False

    def gap(self) -> None:
        """Note that something which is not prose stands here: what follows may mean that."""
        self._link, self._adrift = None, True

    def cut(self, paragraph: Paragraph, chapter: int) -> Iterator[Passage]:
        """Yield the passages of the next `paragraph`, which stands in `chapter`."""
        held: list[_Sentence] = []
        needs: int | None = None
        for start, end in sentence_spans(paragraph.text):
            text = paragraph.text[start:end]
            sentence = _Sentence(text, start, end, len(words(text)))
            if not is_quotable(text, first=start == 0):
                yield from self._close(held, needs, paragraph, chapter)
                held = []
                self.gap()
                continue
            stands = footing(text)
            if held and _is_full(held, sentence, leaning=stands == "leaning"):
                yield from self._close(held, needs, paragraph, chapter)
                held = []
            if not held:
                if self._link is None and (stands == "leaning" or (self._adrift and stands == "soft")):
                    self._adrift = True
                    continue
                needs = None if stands == "own" else self._link
            held.append(sentence)
            self._adrift = False
        yield from self._close(held, needs, paragraph, chapter)

    def _close(
        self, held: Sequence[_Sentence], needs: int | None, paragraph: Paragraph, chapter: int
    ) -> Iterator[Passage]:
        if not held:
            return
        yield Passage(
            number=self._next,
            source=self._source,
            chapter=chapter,
            sentences=tuple(sentence.text for sentence in held),
            lines=paragraph.lines(held[0].start, held[-1].end),
            words=sum(sentence.words for sentence in held),
            stems=content_stems(" ".join(sentence.text for sentence in held)),
            needs=needs,
        )
        self._link = self._next
        self._next += 1


def _is_full(held: Sequence[_Sentence], following: _Sentence, *, leaning: bool) -> bool:
    count = sum(sentence.words for sentence in held) + following.words
    return count > (_OVERFULL if leaning else _FULL)
