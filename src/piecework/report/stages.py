"""The order of sections: what introduces a subject, how it works, what follows, its limits, its outlook."""

from __future__ import annotations

import re
from enum import IntEnum

__all__ = ("Stage", "is_bare_stage", "stage_of")


class Stage(IntEnum):
    """Where in a report a section belongs."""

    INTRODUCTION = 0
    """What it is, where it comes from."""
    MECHANISM = 1
    """How it works; also all that no word gives away."""
    CONSEQUENCE = 2
    """What follows from it, what it is used for."""
    LIMIT = 3
    """What it cannot do, what is disputed."""
    OUTLOOK = 4
    """What is next."""


_CUES = (
    (
        Stage.OUTLOOK,
        r"outlook|future|what(?:'s| is| comes) next|next steps?|open (?:questions?|problems?)|road ?map"
        r"|conclusions?|concluding|closing|summary|prospects?|looking ahead|perspectives?",
    ),
    (
        Stage.LIMIT,
        r"limits?|limitations?|limiting|caveats?|critics?|criticisms?|critiques?|controvers(?:y|ies)|debates?"
        r"|risks?|dangers?|drawbacks?|problems?|pitfalls?|failures?|challenges?|weakness(?:es)?"
        r"|shortcomings?|exhaustion|running out"
        r"|(?:where|when) (?:it|they|others) (?:breaks?|fails?)"
        r"|known issues",
    ),
    (
        Stage.CONSEQUENCE,
        r"consequences?|implications?|effects?|impacts?|applications?|in practice|practical|practices?"
        r"|uses? of|using|use cases|examples?|results?|outcomes?|what (?:follows|it means|they mean)",
    ),
    (
        Stage.INTRODUCTION,
        r"introduc(?:tion|ing)|intro|overview|background|history|origins?|basics?|fundamentals?|definitions?"
        r"|motivation|what (?:is|are)|why|about|at a glance|primer|first principles|foundations?"
        r"|goals?|purpose|summary of",
    ),
)
_PATTERNS = tuple((stage, re.compile(rf"\b(?:{cues})\b", re.IGNORECASE)) for stage, cues in _CUES)
_FILLERS = frozenset({"the", "a", "an", "and", "of", "its", "their", "some", "known", "main", "general"})


def stage_of(title: str) -> Stage:
    """Return the stage that the words of a section's `title` point to."""
    return next((stage for stage, cues in _PATTERNS if cues.search(title)), Stage.MECHANISM)


def is_bare_stage(title: str) -> bool:
    """Return whether `title` says nothing but a stage, as "Limits" and "Introduction" do, and not of what."""
    rest = title
    for _, cues in _PATTERNS:
        rest = cues.sub(" ", rest)
    return rest != title and not [word for word in re.findall(r"\w+", rest.lower()) if word not in _FILLERS]
