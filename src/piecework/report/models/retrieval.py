"""Which excerpts of the material a section may draw on, within what a small model can read.

The orchestrator chooses for every section, and for its own plan. Material that fits whole is given whole; of more, what
has most to do with the section's words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from piecework.report.excerpts import Excerpt
from piecework.report.material import Material
from piecework.report.pieces import length
from piecework.report.words import content_words, overlap, words

__all__ = ("MOST_WORDS", "digest", "excerpts_for")

MOST_WORDS = 1600
"""Words of excerpts that one request holds: some 2,500 tokens, which leaves room in a context of 4,096."""

_SAME = 0.8
"""Two excerpts that share this much of their words say the same."""
_STRONG = 0.5
"""What fits a query at least this well, beside what fits it best, brings its neighbours with it."""
_MOST_HEADINGS = 60


def excerpts_for(material: Material, *queries: str, most_words: int = MOST_WORDS) -> tuple[int, ...]:
    """Return the numbers of the excerpts that fit the queries best, in the order of the sources.

    Args:
        material: What the sources say.
        queries: Texts to search for, the most telling first; a later one only fills what an earlier one left.
        most_words: How many words the excerpts have together, at most, those that tell where they stand included.

    Returns:
        The numbers; all of them where the whole material fits, none where no word of any query occurs in it.
    """
    if _fits(material.excerpts, most_words):
        return tuple(excerpt.number for excerpt in material.excerpts)
    chosen: dict[int, frozenset[str]] = {}
    left = most_words
    for number in _ranked(material, queries):
        excerpt = material.excerpts[number]
        cost = _cost(excerpt)
        if cost > left:
            continue
        stems = excerpt.stems
        if any(overlap(stems, others) >= _SAME for others in chosen.values()):
            continue
        chosen[number] = stems
        left -= cost
    return tuple(sorted(chosen))


def digest(material: Material) -> tuple[str, ...]:
    """Return the headings of the sources, a line each, indented as they are nested; of many, the outer ones.

    A source without headings is there by its name.
    """
    trails = list(_trails(material))
    depth = max((len(trail) for trail in trails), default=0)
    while depth > 1 and sum(len(trail) <= depth for trail in trails) > _MOST_HEADINGS:
        depth -= 1
    shown = [trail for trail in trails if len(trail) <= depth][:_MOST_HEADINGS]
    return tuple(f"{'  ' * (len(trail) - 1)}- {trail[-1]}" for trail in shown)


def _trails(material: Material) -> Iterator[tuple[str, ...]]:
    """Yield the trail of each heading, once for each source."""
    headed = {excerpt.source for excerpt in material.excerpts if excerpt.trail}
    told: set[tuple[str, ...]] = set()
    for excerpt in material.excerpts:
        trail = excerpt.trail if excerpt.source in headed else (excerpt.source,)
        for end in range(1, len(trail) + 1):
            if (excerpt.source, *trail[:end]) not in told:
                told.add((excerpt.source, *trail[:end]))
                yield trail[:end]


def _fits(excerpts: Iterable[Excerpt], most_words: int) -> bool:
    left = most_words
    for excerpt in excerpts:
        left -= _cost(excerpt)
        if left < 0:
            return False
    return True


def _cost(excerpt: Excerpt) -> int:
    return excerpt.words + length(excerpt.place)


def _ranked(material: Material, queries: Iterable[str]) -> Iterator[int]:
    """Yield each excerpt that has a word of the queries, and the neighbours of those that fit well, once."""
    told: set[int] = set()
    for query in queries:
        found = material.index.search(content_words(query) or words(query))
        strong = [number for number, score in found.items() if score >= _STRONG]
        beside = (other for number in strong for other in _neighbours(material, number))
        for number in (*strong, *beside, *found):
            if number not in told:
                told.add(number)
                yield number


def _neighbours(material: Material, number: int) -> Iterator[int]:
    """Yield what stands right before and after an excerpt under the same heading."""
    excerpts = material.excerpts
    for other in (number - 1, number + 1):
        if 0 <= other < len(excerpts) and excerpts[other].place == excerpts[number].place:
            yield other
