"""Who quotes what: every passage goes to at most one section, decided before the workers start.

So workers need not know of one another, may run in any order, and still never quote the same thing twice.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from piecework.report.library import Library
from piecework.report.outline import Candidate
from piecework.report.passages import Passage
from piecework.report.topic import Topic
from piecework.report.words import content_stems, content_words, stem

__all__ = ("allot",)

_SHINGLE = 4
_REPEATED = 0.6
"""A sentence that shares this much of its runs of words with one already allotted repeats it."""
_SAME_FACT = 0.5
"""A sentence that shares two numbers and this much of its words with another tells the same fact."""
_LEAST_TITLE_SHARE = 0.6
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_MOST_FIGURES = 8
_YEAR = re.compile(r"(?:19|20)\d\d")


def allot(candidates: Sequence[Candidate], topic: Topic, library: Library) -> list[tuple[int, ...]]:
    """Return the passages each section may quote, in the order of the sources.

    A passage goes to the section whose headings it stands under; one that stands under none of them, to the
    section whose title it has most to do with, if any. One that repeats another is nobody's.
    """
    owner = {number: place for place, one in enumerate(candidates) for number in one.passages}
    adopted = {
        number: place
        for number in topic.direct
        if number not in owner and (place := _adopter(library.passages[number], candidates)) is not None
    }
    told = _Told()
    shares: list[list[int]] = [[] for _ in candidates]
    in_order = [*sorted(owner.items(), key=lambda pair: (pair[1], pair[0])), *sorted(adopted.items())]
    for number, place in in_order:
        passage = library.passages[number]
        if not told.repeats(passage):
            told.add(passage)
            shares[place].append(number)
    return [tuple(sorted(share)) for share in shares]


def _adopter(passage: Passage, candidates: Sequence[Candidate]) -> int | None:
    best, best_share = None, _LEAST_TITLE_SHARE
    for place, candidate in enumerate(candidates):
        title = content_stems(candidate.title)
        share = len(title & passage.stems) / len(title) if title else 0.0
        if share > best_share:
            best, best_share = place, share
    return best


class _Told:
    """What the passages allotted so far say, so that repetition is noticed."""

    def __init__(self) -> None:
        self._shingles: set[tuple[str, ...]] = set()
        self._with_figures: dict[tuple[str, str], list[frozenset[str]]] = defaultdict(list)

    def repeats(self, passage: Passage) -> bool:
        """Return whether any sentence of `passage` was told before, in such words or with such figures."""
        return any(self._was_told(sentence) for sentence in passage.sentences)

    def add(self, passage: Passage) -> None:
        """Note what `passage` says."""
        for sentence in passage.sentences:
            self._shingles.update(_shingles(sentence))
            for figures in _figures(sentence):
                self._with_figures[figures].append(content_stems(sentence))

    def _was_told(self, sentence: str) -> bool:
        shingles = list(_shingles(sentence))
        if shingles and sum(shingle in self._shingles for shingle in shingles) >= _REPEATED * len(shingles):
            return True
        stems = content_stems(sentence)
        return any(
            len(stems & told) >= _SAME_FACT * min(len(stems), len(told))
            for figures in _figures(sentence)
            for told in self._with_figures[figures]
        )


def _shingles(sentence: str) -> Iterator[tuple[str, ...]]:
    stems = [stem(word) for word in content_words(sentence)]
    for start in range(max(1, len(stems) - _SHINGLE + 1)):
        yield tuple(stems[start : start + _SHINGLE])


def _figures(sentence: str) -> Iterator[tuple[str, str]]:
    """Yield each pair of numbers of a sentence; years are no figures."""
    numbers = {number for number in _NUMBER.findall(sentence) if not _YEAR.fullmatch(number)}
    return combinations(sorted(numbers)[:_MOST_FIGURES], 2)
