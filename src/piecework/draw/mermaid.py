"""Outlines as Mermaid flowcharts, the diagram text that GitHub, editors and notebooks show as a picture.

Names may be any text. Mermaid tells boxes apart by ids, which have to be words that mean nothing else to it, and shows
labels, in which some characters have a meaning; both are made safe here, and left as they are where nothing is to fear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from piecework.outline import Arrow, Box, Outline

__all__ = ("to_mermaid",)

_INDENT = "    "

_KEYWORDS = re.compile(
    "end|graph|flowchart|subgraph|style|linkStyle|classDef|class|click|href|call|default|interpolate"
    "|_self|_blank|_parent|_top"
)
"""Words of the flowchart language, which as an id end the parse."""

_INHERITED = re.compile(
    "constructor|toString|toLocaleString|valueOf|hasOwnProperty|isPrototypeOf|propertyIsEnumerable"
    "|__proto__|__define[GS]etter__|__lookup[GS]etter__"
)
"""What every JavaScript object has: the layout looks ids up in objects, and would find these there."""

_SHAPES: Mapping[str, tuple[str, str]] = {"input": ("([", "])"), "node": ("[", "]"), "end": ("([", "])")}

_EMPHASIS = re.compile(r"(?<!\w)_.*_(?!\w)")
"""Underscores that some versions read as Markdown, as in `__name__`."""

_MEANINGFUL = re.compile(r"^[,-]|[^\w ,-]|(?<=direction) (?=TB|TD|BT|LR|RL)")
"""What may mean something even in a quoted label: all marks but underscores and, not at the start, commas and
hyphens; and words that Mermaid reads as a statement wherever in a line they stand."""


def to_mermaid(outline: Outline) -> str:
    """Return an outline as the text of a Mermaid flowchart, without a line end after the last line.

    The boxes stand in their order, each followed by the arrows that start from it. A box has its shape where it first
    stands at the left, alone on its line if no arrow starts from it; the end, which never stands at the left, has it
    where it is first mentioned. A node that is a graph is a subgraph, written before the arrows that start from it. An
    optional arrow is dotted.

    Ids are names. What cannot be in an id becomes `_`, a word that Mermaid keeps for itself gets one at its end, and of
    several boxes with one name (an input and a node, nodes of two inner graphs) the first keeps it, the second gets
    `_2` at its end.
    """
    return "\n".join(["flowchart TD", *_lines(outline, _ids(outline), _INDENT)])


def _lines(outline: Outline, ids: Mapping[str, str], indent: str) -> Iterator[str]:
    leaving: dict[str, list[Arrow]] = {box.id: [] for box in outline.boxes}
    for arrow in outline.arrows:
        leaving[arrow.source].append(arrow)
    shapes = {box.id: _shape(box, ids[box.id]) for box in outline.boxes}
    ends = {box.id for box in outline.boxes if box.kind == "end"}
    for box in outline.boxes:
        if box.inside is not None:
            yield f"{indent}subgraph {ids[box.id]} [{_label(box.label)}]"
            yield from _lines(box.inside, ids, indent + _INDENT)
            yield f"{indent}end"
            del shapes[box.id]
        for arrow in leaving[box.id]:
            source = shapes.pop(box.id, ids[box.id])
            target = shapes.pop(arrow.target, ids[arrow.target]) if arrow.target in ends else ids[arrow.target]
            yield f"{indent}{source} {_shaft(arrow)} {target}"
        if box.id in shapes:
            yield f"{indent}{shapes.pop(box.id)}"


def _shape(box: Box, given: str) -> str:
    opening, closing = _SHAPES[box.kind]
    return f"{given}{opening}{_label(box.label)}{closing}"


def _shaft(arrow: Arrow) -> str:
    shaft = "-.->" if arrow.optional else "-->"
    return f"{shaft} |{_label(arrow.label)}|" if arrow.label else shaft


def _label(text: str) -> str:
    text = " ".join(text.split())
    escaped = _MEANINGFUL.sub(_code, text)
    if _EMPHASIS.search(text):
        escaped = escaped.replace("_", "#95;")
    return text if text and text.isascii() and escaped == text else f'"{escaped or " "}"'


def _code(found: re.Match[str]) -> str:
    return f"#{ord(found[0])};"


def _ids(outline: Outline) -> dict[str, str]:
    """Return Mermaid's id for each box, those inside other boxes included."""
    ids: dict[str, str] = {}
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    for box in _all_boxes(outline):
        word = given = _word(box.name)
        while given in taken:
            numbers[word] = numbers.get(word, 1) + 1
            given = f"{word}_{numbers[word]}"
        taken.add(given)
        ids[box.id] = given
    return ids


def _word(name: str) -> str:
    word = re.sub(r"[^A-Za-z0-9_]+", "_", name) or "_"
    return f"{word}_" if _KEYWORDS.fullmatch(word) or _INHERITED.fullmatch(word) else word


def _all_boxes(outline: Outline) -> Iterator[Box]:
    for box in outline.boxes:
        yield box
        if box.inside is not None:
            yield from _all_boxes(box.inside)
