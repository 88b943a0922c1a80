"""Which lines of a Markdown text are prose and which are code, and where its headings, lists and definitions stand.

What cleans a model's text asks here, and so never takes code for prose. By way of markdown-it-py, whose inline rules
are left out: they keep no positions, and are slow on long runs of brackets. Nothing here changes a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from piecework.report.errors import MissingExtraError

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ("Block", "Blocks", "Definition", "Stretch", "normalized", "read_blocks")

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TEXT_KINDS = {"paragraph_open": "paragraph", "heading_open": "heading", "td_open": "row", "th_open": "row"}
_CODE_TYPES = frozenset({"fence", "code_block"})
_MATH_FENCE = "$$"


@dataclass(frozen=True, slots=True)
class Block:
    """One block, by its lines."""

    kind: str
    """What it is, in markdown-it's words without `_open`; each row of a table is a `row`."""
    start: int
    """Its first line, from 0."""
    end: int
    """The line after its last."""
    text: str = ""
    """What a paragraph or heading says, without the marks of the blocks around it."""
    level: int = 0
    """The level of a heading."""
    markup: str = ""
    """The mark of a heading or a fence."""


@dataclass(frozen=True, slots=True)
class Definition:
    """Where the label of links points to."""

    label: str
    """The label, in capitals."""
    target: str
    """The address."""
    start: int
    """Its first line, from 0."""
    end: int
    """The line after its last."""


Stretch: TypeAlias = tuple[Literal["prose", "row", "verbatim", "definition"], int, int]
"""What some lines are, the first of them, and the line after the last."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A Markdown text, read."""

    lines: tuple[str, ...]
    """Its lines."""
    tops: tuple[Block, ...]
    """The blocks that stand in no other, in order."""
    texts: tuple[Block, ...]
    """The paragraphs, headings and rows, wherever they stand, in order."""
    verbatim: tuple[tuple[int, int], ...]
    """The lines of code and of formulas, in order."""
    definitions: tuple[Definition, ...]
    """The definitions of links, in no order."""
    open_fence: str
    """The mark of a fence that is open at the end, if one is."""

    def stretches(self) -> Iterator[Stretch]:
        """Yield what all lines are, in order; lines that are neither text nor code are prose, one by one."""
        known: list[Stretch] = [("verbatim", start, end) for start, end in self.verbatim]
        known.extend(("definition", one.start, one.end) for one in self.definitions)
        known.extend(("row" if one.kind == "row" else "prose", one.start, one.end) for one in self.texts)
        line = 0
        for kind, start, end in sorted(known, key=lambda stretch: stretch[1]):
            for lone in range(line, start):
                yield "prose", lone, lone + 1
            if end > line:
                yield kind, max(start, line), end
                line = end
        for lone in range(line, len(self.lines)):
            yield "prose", lone, lone + 1


def normalized(text: str) -> str:
    """Return `text` with one kind of line break, without control characters, and fit to be written to a file."""
    writable = text.encode("utf-8", "replace").decode()
    return _CONTROL.sub("", writable.replace("\r\n", "\n").replace("\r", "\n"))


def read_blocks(text: str) -> Blocks:
    """Return the blocks of a `text` that is normalized; raw HTML is no block, as it will be made text.

    Raises:
        MissingExtraError: markdown-it-py is not installed.
    """
    environment: dict[str, Any] = {}
    tokens = _parser().parse(text, environment)
    lines = tuple(text.split("\n"))
    codes = [(token.map[0], token.map[1]) for token in tokens if token.type in _CODE_TYPES and token.map]
    texts = tuple(_texts(tokens))
    formulas = list(_formulas(lines, codes))
    return Blocks(
        lines=lines,
        tops=tuple(_tops(tokens)),
        texts=tuple(_outside(texts, formulas)),
        verbatim=tuple(sorted([*codes, *formulas])),
        definitions=tuple(_definitions(environment)),
        open_fence=_open_fence(tokens, lines),
    )


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    try:
        # Only those who have a model's text checked need it.
        from markdown_it import MarkdownIt  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtraError("Checking what a model wrote", "report") from error
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def _texts(tokens: Sequence[Token]) -> Iterator[Block]:
    row = -1
    for opener, token in pairwise(tokens):
        if token.type != "inline" or token.map is None:
            continue
        kind = _TEXT_KINDS.get(opener.type, "paragraph")
        start, end = (opener.map or token.map) if kind == "heading" else token.map
        if kind == "row":
            if start == row:
                continue
            row = start
        level = int(opener.tag[1:]) if kind == "heading" else 0
        yield Block(kind, start, end, token.content, level, opener.markup)


def _tops(tokens: Sequence[Token]) -> Iterator[Block]:
    for place, token in enumerate(tokens):
        if token.level == 0 and token.nesting >= 0 and token.map is not None:
            kind = token.type.removesuffix("_open")
            is_text = token.type in _TEXT_KINDS
            text = tokens[place + 1].content if is_text else ""
            level = int(token.tag[1:]) if kind == "heading" else 0
            yield Block(kind, token.map[0], token.map[1], text, level, token.markup)


def _formulas(lines: Sequence[str], codes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the lines from one `$$` to the next, where no blank line parts them."""
    in_code = {line for start, end in codes for line in range(start, end)}
    opened: int | None = None
    for number, line in enumerate(lines):
        bare = line.strip()
        if not bare or number in in_code:
            opened = None
        elif bare == _MATH_FENCE and opened is None:
            opened = number
        elif bare == _MATH_FENCE and opened is not None:
            yield opened, number + 1
            opened = None


def _outside(texts: Sequence[Block], ranges: Sequence[tuple[int, int]]) -> Iterator[Block]:
    inside = {line for start, end in ranges for line in range(start, end)}
    return (one for one in texts if not (one.start in inside and one.end - 1 in inside))


def _definitions(environment: Mapping[str, Any]) -> Iterator[Definition]:
    found = environment.get("references", {})
    repeated = environment.get("duplicate_refs", [])
    for label, one in [*found.items(), *((one["label"], one) for one in repeated)]:
        yield Definition(label, one["href"], one["map"][0], one["map"][1])


def _open_fence(tokens: Sequence[Token], lines: Sequence[str]) -> str:
    """Return the mark of the last block if it is a fence without its end."""
    last = next((token for token in reversed(tokens) if token.nesting >= 0), None)
    if last is None or last.type != "fence" or last.map is None or last.level:
        return ""
    start, end = last.map
    closer = lines[end - 1].strip()
    closed = end - start > 1 and len(closer) >= len(last.markup) and not closer.strip(last.markup[0])
    return "" if closed else last.markup
