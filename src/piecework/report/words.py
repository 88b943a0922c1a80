"""Words: how text is cut into them, which carry no meaning, and which are the same but for their ending.

Outline, index and allotment compare texts by these words. Nothing here knows of sources or reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = ("content_stems", "content_words", "overlap", "spread_ideographs", "stem", "words")

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_IDEOGRAPH = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])")
_STEM_ENDINGS = (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("e", ""))
_SHORTEST_STEM = 3

_EMPTY_WORDS = """
    a about above after again against all almost already also although always am among an and another any
    are around as at away be became because become been before began being below between both but by came
    can cannot come could did do does doing done down during each either else enough even ever every few
    first for found from further gave get gets give given gives go goes got had has have having he her
    here hers him his how however i if in instead into is it its itself just keep kept know known large
    last later least less let like likely long look lot made make makes making many may me might mine more
    most much must my near need needs neither never next no none nor not nothing now of off often on once
    one only or other others our out over own per perhaps plus put quite rather really said same say says
    second see seem seen several shall she should show shown shows since small so some soon still such
    take taken than that the their theirs them then there therefore these they thing things third this
    those though three through thus to together too took toward two under until up upon us use used uses
    using usually very via was way we well went were what when where whether which while who whole whom
    whose why will with within without would yet you your yours
"""
STOPWORDS = frozenset(_EMPTY_WORDS.split())
"""English words that say nothing about what a text is about."""


def words(text: str) -> list[str]:
    """Return the words of `text`, in small letters, in order."""
    return _WORD.findall(spread_ideographs(text).lower())


def spread_ideographs(text: str) -> str:
    """Return `text` with each Chinese or Japanese character as a word: no spaces part words there."""
    return _IDEOGRAPH.sub(r" \1 ", text)


def content_words(text: str) -> list[str]:
    """Return the words of `text` that carry meaning, in small letters, in order."""
    return [word for word in words(text) if word not in STOPWORDS]


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Return `word` without its English ending, so that "scaling", "scales" and "scale" are one."""
    for ending, replacement in _STEM_ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) + len(replacement) >= _SHORTEST_STEM:
            if ending == "s" and word.endswith(("ss", "us", "is")):
                continue
            return word[: len(word) - len(ending)] + replacement
    return word


def content_stems(text: str) -> frozenset[str]:
    """Return the stems of the words of `text` that carry meaning."""
    return frozenset(stem(word) for word in content_words(text))


def overlap(some: Iterable[str], others: Iterable[str]) -> float:
    """Return the share of their union that two sets of words have in common, from 0 to 1."""
    left, right = frozenset(some), frozenset(others)
    union = left | right
    return len(left & right) / len(union) if union else 0.0
