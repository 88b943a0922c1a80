"""Key phrases: the runs of meaningful words that a text keeps coming back to.

The outline names sections by them where the sources have no headings.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from piecework.report.words import STOPWORDS, stem, words

__all__ = ("KeyPhrase", "key_phrases")

_BREAK = re.compile(r"[^\w\s'\u2019-]+|\s-+\s|[\u2013\u2014]")
_LONGEST = 3
_FEWEST_USES = 2
_LENGTH_VALUE = {1: 1.0, 2: 1.0, 3: 1.2}
_COUNTING_WORDS = """
    best better billion colleagues dozen eight five four good great half high higher hundred low lower million
    new nine old percent seven six ten thousand times trillion twice whole worse year years
"""
_EMPTY = STOPWORDS.union(_COUNTING_WORDS.split())


@dataclass(frozen=True, slots=True)
class KeyPhrase:
    """A phrase, and where it is used."""

    text: str
    """The phrase as it is most often written, in lower case."""
    stems: tuple[str, ...]
    """The stems of its words, in order."""
    uses: dict[int, int]
    """How often each text uses it, by the text's place."""


def key_phrases(texts: Sequence[str], *, beside: Collection[str] = ()) -> list[KeyPhrase]:
    """Return the key phrases of `texts`, the most telling first, none a part or a twin of a better one.

    Args:
        texts: The texts, such as the passages of a source.
        beside: Stems that say nothing here, such as those of the topic: a phrase of only these is left out.
    """
    uses: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    forms: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for place, text in enumerate(texts):
        for run in _runs(text):
            for length in range(1, _LONGEST + 1):
                for start in range(len(run) - length + 1):
                    phrase = run[start : start + length]
                    stems = tuple(stem(word) for word in phrase)
                    uses[stems][place] += 1
                    forms[stems][" ".join(phrase)] += 1
    ranked = sorted(
        (stems for stems, places in uses.items() if places.total() >= _FEWEST_USES and not set(stems) <= set(beside)),
        key=lambda stems: (len(stems) == 1, -_value(stems, uses[stems], len(texts)), stems),
    )
    kept: list[tuple[str, ...]] = []
    taken: set[str] = set()
    for stems in ranked:
        telling = set(stems).difference(beside)
        if not telling & taken:
            kept.append(stems)
            taken |= telling
    joined = "\n".join(texts)
    best_forms = {stems: min(forms[stems], key=lambda form: (-forms[stems][form], form)) for stems in kept}
    return [KeyPhrase(_as_written(best_forms[stems], joined), stems, dict(uses[stems])) for stems in kept]


def _as_written(form: str, text: str) -> str:
    """Return a phrase with the hyphens it is first written with."""
    written = re.search(r"[\s-]".join(map(re.escape, form.split())), text, re.IGNORECASE)
    return written[0].casefold() if written else form


def _value(stems: tuple[str, ...], places: Counter[int], texts: int) -> float:
    # A phrase that every text uses tells none of them apart.
    spread = len(places) / texts if texts else 1.0
    return _LENGTH_VALUE[len(stems)] * places.total() * (1.0 - 0.7 * spread)


def _runs(text: str) -> list[list[str]]:
    runs: list[list[str]] = []
    for piece in _BREAK.split(text):
        run: list[str] = []
        for word in words(piece):
            if word in _EMPTY or word.isdigit() or len(word) < _LONGEST:
                runs.append(run)
                run = []
            else:
                run.append(word)
        runs.append(run)
    return [run for run in runs if run]
