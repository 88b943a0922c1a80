"""Reads a finished report back: its sections, its quotations, and where each is said to stand."""

import re
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path("examples/sources/llm-scaling-laws")
"""The example sources, as seen from the project's folder."""

_ENTRY = re.compile(r"(\d+)\. (.+), lines? (\d+)(?:-(\d+))?")
_QUOTATION = re.compile(r"(.+?) \[(\d+)\](?: |$)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list of sources."""

    number: int
    file: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Read:
    """A report, taken apart."""

    title: str
    introduction: str
    sections: dict[str, list[str]]
    quotations: list[tuple[str, int]]
    entries: list[Entry]


def read(report: str) -> Read:
    """Take a report apart."""
    blocks = report.rstrip("\n").split("\n\n")
    sections: dict[str, list[str]] = {}
    paragraphs: list[str] = []
    for block in blocks[2:]:
        if block.startswith("## "):
            paragraphs = sections.setdefault(block[3:], [])
        else:
            paragraphs.append(block)
    listed = "\n".join(sections.pop("Sources")).split("\n")
    found = [_ENTRY.fullmatch(line) for line in listed]
    entries = [Entry(int(one[1]), one[2], int(one[3]), int(one[4] or one[3])) for one in found if one]
    assert len(entries) == len(listed)
    quotations = [
        (text, int(number))
        for section in sections.values()
        for paragraph in section
        for text, number in _QUOTATION.findall(paragraph)
    ]
    return Read(blocks[0].removeprefix("# "), blocks[1], sections, quotations, entries)


def bare(text: str) -> str:
    """Return only the letters and digits of `text`: what markup, entities and line breaks cannot change."""
    without_targets = re.sub(r"\]\([^)]*\)", "", re.sub(r"<[^>]*>", "", text))
    return "".join(character for character in without_targets if character.isalnum())
