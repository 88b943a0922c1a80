"""The writer that needs no language model: it quotes the sources, sentence by sentence, and invents nothing.

The same topic and the same sources give the same report, byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from piecework.report.allotment import allot
from piecework.report.document import render
from piecework.report.errors import SectionCountError
from piecework.report.library import Library
from piecework.report.outline import outline
from piecework.report.passages import Passage
from piecework.report.salience import Salience
from piecework.report.topic import read_topic
from piecework.report.writer import Quotation, Section, WrittenSection

__all__ = ("ExtractiveWriter",)

_AIM = 220
"""Words a section is written to."""
_MOST = 300
"""Words a section never exceeds, unless its first passage alone does."""
_LONGEST_PARAGRAPH = 150


class ExtractiveWriter:
    """Writes reports of quotations."""

    def plan(self, topic: str, library: Library, section_count: int) -> list[Section]:
        """Return the sections, each with the passages that are its own to quote.

        Raises:
            EmptyTopicError: The topic has no words.
            OffTopicError: Nothing in the library bears on it.
            SectionCountError: `section_count` is below 1.
        """
        if section_count < 1:
            raise SectionCountError(section_count)
        subject = read_topic(topic, library)
        candidates = outline(subject, library, section_count)
        shares = allot(candidates, subject, library)
        return [
            Section(one.title, subject.text, share, frozenset(share).difference(one.passages))
            for one, share in zip(candidates, shares, strict=True)
            if share
        ]

    def write(self, section: Section, library: Library) -> WrittenSection:
        """Return the section's best passages, in the order of the sources, its own sources first."""
        chosen = _choose(section, library)
        at_home = {library.passages[number].source for number in set(section.passages) - section.adopted}
        ordered = sorted(chosen, key=lambda passage: (passage.source not in at_home, passage.number))
        return WrittenSection(section.title, tuple(_paragraphs(ordered, library)))

    def join(self, topic: str, library: Library, content: Sequence[WrittenSection]) -> str:  # noqa: ARG002
        """Return the report as Markdown."""
        return render(topic, content)


def _choose(section: Section, library: Library) -> list[Passage]:
    salience = Salience(section, library)
    allotted = frozenset(section.passages)
    left = set(section.passages)
    chosen: dict[int, Passage] = {}
    written = 0
    while left and written < _AIM:
        best = salience.best(left, chosen)
        left.discard(best)
        group = _with_needed(best, allotted, library, chosen)
        length = sum(passage.words for passage in group)
        if group and (not chosen or written + length <= _MOST):
            chosen.update((passage.number, passage) for passage in group)
            left.difference_update(chosen)
            written += length
    return list(chosen.values())


def _with_needed(number: int, allotted: Collection[int], library: Library, chosen: Collection[int]) -> list[Passage]:
    """Return the passage after those it leans on, back to one that is chosen; [] if it cannot be."""
    group: list[Passage] = []
    needed: int | None = number
    while needed is not None and needed not in chosen:
        if needed not in allotted:
            return []
        passage = library.passages[needed]
        group.append(passage)
        needed = passage.needs
    return group[::-1]


def _paragraphs(passages: Sequence[Passage], library: Library) -> Iterator[tuple[Quotation, ...]]:
    """Yield the quotations of each paragraph: what stands in one chapter, up to a length."""
    paragraph: list[Passage] = []
    for passage in passages:
        length = sum(one.words for one in paragraph) + passage.words
        too_long = length > _LONGEST_PARAGRAPH and passage.needs is None
        if paragraph and (passage.chapter != paragraph[-1].chapter or too_long):
            yield tuple(_quotation(one, library) for one in paragraph)
            paragraph = []
        paragraph.append(passage)
    if paragraph:
        yield tuple(_quotation(one, library) for one in paragraph)


def _quotation(passage: Passage, library: Library) -> Quotation:
    return Quotation(passage.text, library.sources[passage.source].name, passage.lines)
