"""The topic of a report, as words to search for, and how much of a library bears on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from piecework.report.errors import EmptyTopicError, OffTopicError
from piecework.report.library import Library
from piecework.report.words import STOPWORDS, stem, words

__all__ = ("Topic", "read_topic")

_MODEL_PASSAGES = 30
"""How many of the passages that fit the topic's words best tell which other words belong to it."""
_KINDRED_WORDS = 20
_KINDRED_SHARE = 0.2
_KINDRED_WORTH = 0.7


@dataclass(frozen=True, slots=True)
class Topic:
    """What the report is about."""

    text: str
    """The topic as the user wrote it, on one line."""
    terms: tuple[str, ...]
    """The words to search for."""
    direct: dict[int, float]
    """How well each passage fits these words, by its number: 1 for the best; absent where it has none."""
    kindred: dict[int, float]
    """How much each passage speaks the way those passages do, by its number, from 0 to 1."""

    @property
    def stems(self) -> frozenset[str]:
        """The stems of its words."""
        return frozenset(stem(term) for term in self.terms)

    def bearing(self, passage: int) -> float:
        """Return how much a passage has to do with the topic, 0 for not at all."""
        return self.direct.get(passage, 0.0) + _KINDRED_WORTH * self.kindred[passage]


def read_topic(text: str, library: Library) -> Topic:
    """Return the topic that `text` names, weighed against `library`.

    Raises:
        EmptyTopicError: The text has no words.
        OffTopicError: No passage of the library has any of them.
    """
    line = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    found = list(dict.fromkeys(words(line)))
    if not found:
        raise EmptyTopicError(text)
    terms = tuple(word for word in found if word not in STOPWORDS) or tuple(found)
    direct = library.index.search(terms)
    if not direct:
        raise OffTopicError(line, len(library.sources))
    shared = _shared_stems(list(direct)[:_MODEL_PASSAGES], library)
    kindred = {passage.number: _share(shared, passage.stems) for passage in library.passages}
    return Topic(line, terms, direct, kindred)


def _shared_stems(numbers: list[int], library: Library) -> dict[str, int]:
    """Return what the passages that name the topic share, and how many do."""
    uses = Counter(one for number in numbers for one in library.passages[number].stems)
    least = max(2, _KINDRED_SHARE * len(numbers))
    shared = [one for one, count in uses.items() if count >= least and not one.isdigit()]
    return {one: uses[one] for one in sorted(shared, key=lambda one: (-uses[one], one))[:_KINDRED_WORDS]}


def _share(shared: dict[str, int], stems: frozenset[str]) -> float:
    found = sum(uses for one, uses in shared.items() if one in stems)
    return found / sum(shared.values()) if shared else 0.0
