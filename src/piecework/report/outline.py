"""The outline: which sections a report on a topic has, and in which order.

Sections come from the sources' own headings. Whole files are tried first and divided by their sub-headings,
or by key phrases where they have none, until there are as many sections as asked for. `plan` is what the
writer calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import sqrt

from piecework.report.keyphrases import KeyPhrase, key_phrases
from piecework.report.library import Chapter, Library
from piecework.report.stages import Stage, is_bare_stage, stage_of
from piecework.report.topic import Topic
from piecework.report.words import content_stems, overlap

__all__ = ("Candidate", "outline")

_FEWEST_WORDS = 80
"""A section that has fewer words to quote than this is none."""
_SAME_TITLE = 0.7
_NEAR = 0.4
"""How much of the topic's language a source must speak, beside the one that speaks it most."""
_COVERED = 0.3
"""The share of its passages that must name the topic where it speaks otherwise."""
_TITLE_WEIGHT = 0.5
_BEST_PASSAGES = 4
_PHRASES_PER_SECTION = 12
_WHOLE_PHRASE = 3
_LONG_TITLE = 60
_SHORT_TITLE = 10
_EXPLANATION = re.compile(r": | [-\u2013\u2014] |\u2014")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may become a section."""

    title: str
    """The section's title."""
    passages: tuple[int, ...]
    """The passages that stand under its headings, in the order of the sources."""
    chapter: int | None
    """The chapter it is, where it can still be divided by sub-headings."""
    stage: Stage
    """Where in the report it belongs."""
    relevance: float = 0.0
    """How much it has to do with the topic."""


def outline(topic: Topic, library: Library, count: int) -> list[Candidate]:
    """Return up to `count` sections on `topic`, in reading order; fewer where the sources yield fewer."""
    roots = [_whole(library, library.chapters[source.root], topic) for source in library.sources]
    frontier = _near(_weighed(roots, topic), topic, library)
    undivided: set[tuple[int, ...]] = set()
    while len(frontier) < count:
        largest = _largest((one for one in frontier if one.passages not in undivided), library)
        if largest is None:
            break
        parts = _divide(largest, library, topic, wanted=count - len(frontier) + 1)
        if len(parts) < 2:  # noqa: PLR2004 - one part is no division
            undivided.add(largest.passages)
            continue
        place = frontier.index(largest)
        frontier = _weighed([*frontier[:place], *parts, *frontier[place + 1 :]], topic)
    return sorted(_best(frontier, library, count), key=lambda one: one.stage)


def _best(candidates: Sequence[Candidate], library: Library, count: int) -> list[Candidate]:
    """Return the `count` that bear most on the topic; the best of each source before a second of any."""
    by_relevance = sorted(candidates, key=lambda one: -one.relevance)
    firsts: dict[int, Candidate] = {}
    for one in by_relevance:
        firsts.setdefault(library.passages[one.passages[0]].source, one)
    seconds = (one for one in by_relevance if one not in firsts.values())
    best = [*firsts.values(), *seconds][:count]
    return [one for one in candidates if one in best]


def _whole(library: Library, chapter: Chapter, topic: Topic) -> Candidate:
    title = _shortened(chapter.title) or _phrase_title(library, chapter.passages, topic)
    return Candidate(title, tuple(chapter.passages), chapter.number, stage_of(title))


def _phrase_title(library: Library, passages: Iterable[int], topic: Topic) -> str:
    phrases = key_phrases([library.passages[number].text for number in passages], beside=topic.stems)
    return _capitalized(phrases[0].text) if phrases else _capitalized(topic.text)


def _shortened(title: str) -> str:
    """Return a long title without what explains it after a colon or a dash."""
    head = _EXPLANATION.split(title, maxsplit=1)[0]
    return head if len(title) > _LONG_TITLE and len(head) >= _SHORT_TITLE else title


def _capitalized(title: str) -> str:
    return title[:1].upper() + title[1:]


def _weighed(candidates: Sequence[Candidate], topic: Topic) -> list[Candidate]:
    """Merge twins and weigh each candidate; leave out those that have nothing to do with the topic."""
    weighed = [replace(one, relevance=_relevance(one, topic)) for one in _merged(candidates)]
    return [one for one in weighed if one.relevance > 0]


def _near(candidates: Sequence[Candidate], topic: Topic, library: Library) -> list[Candidate]:
    """Leave out the sources that are about something else, and those too short, as long as any are left."""
    kinship = [_best_mean([topic.kindred[number] for number in one.passages]) for one in candidates]
    least = _NEAR * max(kinship, default=0.0)
    near = [
        one
        for one, kin in zip(candidates, kinship, strict=True)
        if kin > least or sum(number in topic.direct for number in one.passages) > _COVERED * len(one.passages)
    ]
    return [one for one in near if _word_count(one, library) >= _FEWEST_WORDS] or near or list(candidates)


def _best_mean(values: Sequence[float]) -> float:
    return sum(sorted(values, reverse=True)[:_BEST_PASSAGES]) / _BEST_PASSAGES


def _word_count(candidate: Candidate, library: Library) -> int:
    return sum(library.passages[number].words for number in candidate.passages)


def _relevance(candidate: Candidate, topic: Topic) -> float:
    named = len(topic.stems & content_stems(candidate.title)) / len(topic.stems)
    return _best_mean([topic.bearing(number) for number in candidate.passages]) + _TITLE_WEIGHT * named


def _merged(candidates: Sequence[Candidate]) -> list[Candidate]:
    merged: list[Candidate] = []
    titles: list[frozenset[str]] = []
    for candidate in candidates:
        stems = content_stems(candidate.title)
        twin = next((place for place, other in enumerate(titles) if overlap(stems, other) >= _SAME_TITLE), None)
        if twin is None:
            merged.append(candidate)
            titles.append(stems)
        else:
            both = tuple(sorted({*merged[twin].passages, *candidate.passages}))
            merged[twin] = replace(merged[twin], passages=both, chapter=None)
    return merged


def _largest(candidates: Iterable[Candidate], library: Library) -> Candidate | None:
    def size(candidate: Candidate) -> float:
        return _word_count(candidate, library) * (0.2 + candidate.relevance)

    divisible = [one for one in candidates if _word_count(one, library) >= 2 * _FEWEST_WORDS]
    return max(divisible, key=size, default=None)


def _divide(candidate: Candidate, library: Library, topic: Topic, *, wanted: int) -> list[Candidate]:
    if candidate.chapter is not None:
        parts = _by_headings(library.chapters[candidate.chapter], candidate, library)
        if len(parts) > 1:
            return parts
    return _by_phrases(candidate, library, topic, wanted=wanted)


def _by_headings(chapter: Chapter, candidate: Candidate, library: Library) -> list[Candidate]:
    """Return the sub-chapters; what is too short for a section stays with the chapter's lead."""
    parts: list[Candidate] = []
    for child in library.children(chapter.number):
        title = _in_context(child.title, candidate.title, library)
        stage = stage_of(child.title) if candidate.stage is Stage.MECHANISM else candidate.stage
        part = Candidate(title, tuple(child.passages), child.number, stage)
        if _word_count(part, library) >= _FEWEST_WORDS:
            parts.append(part)
    covered = {number for part in parts for number in part.passages}
    rest = tuple(number for number in candidate.passages if number not in covered)
    lead = Candidate(candidate.title, rest, None, candidate.stage)
    if rest and _word_count(lead, library) >= _FEWEST_WORDS:
        return [lead, *parts]
    return parts


def _in_context(title: str, above: str, library: Library) -> str:
    """Return `title`, with the one `above` it put before where it does not say what it is about."""
    if is_bare_stage(title) and len(library.sources) > 1:
        return f"{above}: {title[:1].lower()}{title[1:]}"
    return title


def _by_phrases(candidate: Candidate, library: Library, topic: Topic, *, wanted: int) -> list[Candidate]:
    """Divide by the phrases the passages keep coming back to, as long as each part is filled."""
    texts = [library.passages[number].text for number in candidate.passages]
    taken: list[KeyPhrase] = []
    parts: list[Candidate] = []
    for phrase in key_phrases(texts, beside=topic.stems)[: wanted * _PHRASES_PER_SECTION]:
        tried = _parts([*taken, phrase], candidate.passages, library)
        if all(_word_count(part, library) >= _FEWEST_WORDS for part in tried):
            taken, parts = [*taken, phrase], tried
        if len(taken) == wanted:
            break
    return sorted(parts, key=lambda part: part.passages)


def _parts(phrases: Sequence[KeyPhrase], passages: Sequence[int], library: Library) -> list[Candidate]:
    """Return a candidate for each phrase, with the passages that use this one most."""
    shares: list[list[int]] = [[] for _ in phrases]
    for place, number in enumerate(passages):
        stems = library.passages[number].stems
        uses, rank = max((_says(phrase, place, stems), -rank) for rank, phrase in enumerate(phrases))
        if uses:
            shares[-rank].append(number)
    return [
        Candidate(_capitalized(phrase.text), tuple(share), None, stage_of(phrase.text))
        for phrase, share in zip(phrases, shares, strict=True)
    ]


def _says(phrase: KeyPhrase, place: int, stems: frozenset[str]) -> float:
    """Return how much a passage uses a phrase, which counts for more whole, and where it is rare."""
    uses = _WHOLE_PHRASE * phrase.uses.get(place, 0) + len(stems.intersection(phrase.stems))
    return uses / sqrt(len(phrase.uses))
