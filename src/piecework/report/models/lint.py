"""The lint of a plan: sections as a model proposed them, made sections that a report can have.

The model's writer passes every plan through it. It invents nothing but numbers, and keeps the order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from piecework.report.models.headline import heads_contents, heads_sources, plain_heading
from piecework.report.words import words

__all__ = ("Proposal", "lint")

_LONGEST_NAME = 120
_WORDS_OF_BRIEF = 8
_SENTENCE_END = re.compile(r"[.!?;:](?=\s|$)")
_COUNTED = re.compile(r" \(\d{1,9}\)$")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One section of a plan."""

    id: str
    """Its number, from 1; no other section has it."""
    name: str
    """Its heading: plain text on one line, at most 120 characters; no other section has it."""
    brief: str
    """What it is to tell, on one line; may be empty."""


def lint(proposals: Sequence[tuple[str, str]], topic: str, most: int) -> list[Proposal]:
    """Return the sections of a plan, mended.

    Markdown, numbering and quotation marks around names go; names too long are cut at a word. A section without a name
    is named after its description, or numbered. One with neither is dropped, and so is a list of sources, a table of
    contents, or the report's own title, unless there is nothing else. Of equal names the later ones are counted.

    Args:
        proposals: Names and descriptions, in order.
        topic: What the report is about.
        most: How many sections there may be.

    Returns:
        The sections, in order; empty where nothing was proposed.
    """
    named = list(_named(proposals))
    body = [one for one in named if not _is_furniture(*one, topic)]
    kept = (body or named)[: max(0, most)]
    return [
        Proposal(str(number), name, brief)
        for number, (name, (_, brief)) in enumerate(
            zip(_told_apart([name for name, _ in kept], topic), kept, strict=True), 1
        )
    ]


def _named(proposals: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    count = 0
    for name, description in proposals:
        # Half of a pair of code units could be written to no file.
        brief = " ".join(description.encode("utf-8", "replace").decode().split())
        opening = _SENTENCE_END.split(brief, maxsplit=1)[0].split(" ")[:_WORDS_OF_BRIEF]
        spoken = _cut(plain_heading(name)) or _cut(plain_heading(" ".join(opening)))
        if not spoken and not any(map(str.isalnum, brief)):
            continue
        count += 1
        yield spoken or f"Section {count}", brief


def _cut(name: str) -> str:
    """Return a name that is not too long, cut at a word if there is more than one."""
    while len(name) > _LONGEST_NAME:
        head = name[: _LONGEST_NAME + 1]
        shorter = plain_heading(head[: head.rfind(" ")] if " " in head else head[:_LONGEST_NAME])
        name = shorter if len(shorter) < len(name) else ""
    return name


def _is_furniture(name: str, brief: str, topic: str) -> bool:
    """Return whether a section is a part that the report makes itself."""
    for spoken in (name, _COUNTED.sub("", name)):
        if heads_sources(spoken) or heads_contents(spoken) or (not brief and words(spoken) == words(topic)):
            return True
    return False


def _told_apart(names: Sequence[str], topic: str) -> Iterator[str]:
    """Yield the names, with a number after each that is there already; no number makes it another's, or the topic."""
    taken = {name.casefold() for name in names}
    spoken = words(topic)
    seen: set[str] = set()
    counts: dict[str, int] = {}
    for name in names:
        told = name
        while told.casefold() in seen or (told != name and (told.casefold() in taken or words(told) == spoken)):
            counts[name.casefold()] = counts.get(name.casefold(), 1) + 1
            number = f" ({counts[name.casefold()]})"
            told = name[: _LONGEST_NAME - len(number)].rstrip() + number
        seen.add(told.casefold())
        yield told
