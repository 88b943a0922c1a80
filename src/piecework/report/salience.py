"""How much a passage is worth to its section: by its words, its place, and what it takes as known."""

from __future__ import annotations

import re
from collections.abc import Collection

from piecework.report.library import Library
from piecework.report.passages import Passage
from piecework.report.words import content_words, overlap
from piecework.report.writer import Section

__all__ = ("Salience",)

_SHORT = 20
_SHORT_COST = 0.6
_NOTE_COST = 0.4
_NOTE = re.compile(r"(?:\W*\w+){1,5}:\s|(?:[^;]*;){3}")
"""How notes read, and prose does not: a label before a colon, or a row of semicolons."""
_TITLE_WORTH = 0.5
_TOPIC_WORTH = 0.3
_CENTRAL_WORTH = 0.4
_LEAD_WORTH = 0.5
_EARLY_WORTH = 0.35
_LATE_WORTH = 0.1
_ADOPTED_COST = 0.5
_REPETITION_COST = 0.6
_STRANGER_COST = 0.15
_MOST_STRANGERS = 2
_HOST_WORTH = 0.15
_MOST_HOSTED = 2

_NAME = re.compile(r"(?<=[\w,;:)] )[A-Z][\w-]*[a-z]\w*")


class Salience:
    """Weighs the passages of one section against each other and against those already chosen."""

    def __init__(self, section: Section, library: Library) -> None:
        self._passages = [library.passages[number] for number in section.passages]
        self._stems = {passage.number: passage.stems for passage in self._passages}
        self._names = _names_by_passage(self._passages)
        self._introduced = self._introductions()
        self._standing = self._standings(section, library)

    def best(self, left: Collection[int], chosen: Collection[int]) -> int:
        """Return the passage of `left` that adds most to those in `chosen`; the earliest of equals."""
        return max(left, key=lambda number: (self._worth(number, chosen), -number))

    def _worth(self, number: int, chosen: Collection[int]) -> float:
        repetition = sum(overlap(self._stems[number], self._stems[other]) for other in chosen)
        strangers = sum(
            1
            for name in self._names[number]
            if self._introduced[name] != number and self._introduced[name] not in chosen
        )
        return self._standing[number] - _REPETITION_COST * repetition - _STRANGER_COST * min(strangers, _MOST_STRANGERS)

    def _introductions(self) -> dict[str, int]:
        """Return which passage of the section first mentions each name."""
        introduced: dict[str, int] = {}
        for passage in self._passages:
            for name in self._names[passage.number]:
                introduced.setdefault(name, passage.number)
        return introduced

    def _hosted(self, passage: Passage) -> int:
        """Return how many names this passage introduces to others that use them."""
        return sum(
            self._introduced[name] == passage.number
            and any(name in self._names[n] for n in self._names if n != passage.number)
            for name in self._names[passage.number]
        )

    def _standings(self, section: Section, library: Library) -> dict[int, float]:
        topic_words = content_words(section.topic) or [section.topic]
        by_title = library.index.search([*content_words(section.title), *topic_words])
        by_topic = library.index.search(topic_words)
        places = _worth_of_places([one for one in self._passages if one.number not in section.adopted])
        central = self._centrality()
        return {
            passage.number: _TITLE_WORTH * by_title.get(passage.number, 0.0)
            + _TOPIC_WORTH * by_topic.get(passage.number, 0.0)
            + _CENTRAL_WORTH * central[passage.number]
            + places.get(passage.number, 0.0)
            + _HOST_WORTH * min(self._hosted(passage), _MOST_HOSTED)
            - (_ADOPTED_COST if passage.number in section.adopted else 0.0)
            - (_SHORT_COST if passage.words < _SHORT else 0.0)
            - (_NOTE_COST if _NOTE.match(passage.text) else 0.0)
            for passage in self._passages
        }

    def _centrality(self) -> dict[int, float]:
        """Return how much each passage speaks of what the whole section speaks of, 1 for the most."""
        uses: dict[str, int] = {}
        for stems in self._stems.values():
            for stem in stems:
                uses[stem] = uses.get(stem, 0) + 1
        shared = {number: sum(uses[stem] - 1 for stem in stems) for number, stems in self._stems.items()}
        most = max(shared.values(), default=0)
        return {number: value / most if most else 0.0 for number, value in shared.items()}


def _worth_of_places(passages: Collection[Passage]) -> dict[int, float]:
    """Return what a passage is worth by its place: most where it opens the section or a part of it."""
    openers: dict[int, int] = {}
    for passage in passages:
        openers.setdefault(passage.chapter, passage.number)
    step = (_EARLY_WORTH - _LATE_WORTH) / max(1, len(openers) - 1)
    worth = {number: _EARLY_WORTH - step * place for place, number in enumerate(openers.values())}
    return worth | dict.fromkeys(list(worth)[:1], _LEAD_WORTH)


def _names_by_passage(passages: Collection[Passage]) -> dict[int, set[str]]:
    """Return the proper names in each passage: words that are capitalized inside a sentence somewhere."""
    names = {name for passage in passages for name in _NAME.findall(passage.text)}
    return {passage.number: names & set(re.findall(r"[\w-]+", passage.text)) for passage in passages}
