"""The writer that needs no language model: it quotes the sources, sentence by sentence, and invents nothing.

The same topic and the same sources give the same report, byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from piecework import Failure
from piecework.report.allotment import allot
from piecework.report.document import escape, render
from piecework.report.errors import SectionCountError
from piecework.report.library import Library
from piecework.report.outline import outline
from piecework.report.passages import Passage
from piecework.report.salience import Salience
from piecework.report.topic import read_topic
from piecework.report.writer import Citation, Section, WrittenSection

__all__ = ("ExtractiveWriter",)

_AIM = 220
"""Words a section is written to."""
_MOST = 300
"""Words a section never exceeds, unless its first passage alone does."""
_LONGEST_PARAGRAPH = 150
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")


class ExtractiveWriter:
    """Writes reports of quotations from one library."""

    def __init__(self, library: Library) -> None:
        """Choose the `library` to quote from."""
        self._library = library

    def plan(self, topic: str, section_count: int) -> list[Section]:
        """Return the sections, each with the passages that are its own to quote.

        Raises:
            EmptyTopicError: The topic has no words.
            OffTopicError: Nothing in the library bears on it.
            SectionCountError: `section_count` is below 1.
        """
        if section_count < 1:
            raise SectionCountError(section_count)
        subject = read_topic(topic, self._library)
        candidates = outline(subject, self._library, section_count)
        shares = allot(candidates, subject, self._library)
        titles = tuple(one.title for one, share in zip(candidates, shares, strict=True) if share)
        planned = ((one, share) for one, share in zip(candidates, shares, strict=True) if share)
        return [
            Section(
                id=str(number),
                title=one.title,
                topic=subject.text,
                outline=titles,
                passages=share,
                adopted=frozenset(share).difference(one.passages),
            )
            for number, (one, share) in enumerate(planned, 1)
        ]

    def write(self, section: Section) -> WrittenSection:
        """Return the section's best passages, in the order of the sources, its own sources first."""
        passages = self._library.passages
        chosen = _choose(section, self._library)
        at_home = {passages[number].source for number in set(section.passages) - section.adopted}
        ordered = sorted(chosen, key=lambda passage: (passage.source not in at_home, passage.number))
        return WrittenSection(section.id, section.title, tuple(_body(ordered, self._library)))

    def join(self, topic: str, sections: Sequence[Section], content: Sequence[WrittenSection | Failure]) -> str:
        """Return the report as Markdown."""
        written = [one for one in content if isinstance(one, WrittenSection) and one.body]
        return render(topic, sections, content, opening=_introduction(topic, written) if written else "")


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


def _body(passages: Sequence[Passage], library: Library) -> Iterator[str | Citation]:
    """Yield quotations, each with its citation, in paragraphs: what stands in one chapter, up to a length."""
    before: Passage | None = None
    length = 0
    for passage in passages:
        length += passage.words
        too_long = length > _LONGEST_PARAGRAPH and passage.needs is None
        if before is not None and (passage.chapter != before.chapter or too_long):
            yield "\n\n"
            length = passage.words
        elif before is not None:
            yield " "
        yield f"{escape(passage.text)} "
        yield Citation(library.sources[passage.source].name, passage.lines)
        before = passage


def _introduction(topic: str, written: Sequence[WrittenSection]) -> str:
    files = len({citation.source for section in written for citation in section.citations})
    titles = _listed([f"*{escape(section.title)}*" for section in written])
    parts = "one section" if len(written) == 1 else f"{_count(len(written))} sections"
    return (
        f"This report is a digest of what {_count(files)} source{'s' if files > 1 else ''} "
        f"{'say' if files > 1 else 'says'} about {escape(' '.join(topic.split()))}, in {parts}: {titles}. "
        "All sentences below are quoted from the sources as they stand; "
        "each bracketed number points to the file and the lines in the list at the end."
    )


def _count(number: int) -> str:
    return _COUNTS[number] if number < len(_COUNTS) else str(number)


def _listed(items: Sequence[str]) -> str:
    if len(items) <= 2:  # noqa: PLR2004 - two need no comma
        return " and ".join(items)
    return f"{', '.join(items[:-1])}, and {items[-1]}"
