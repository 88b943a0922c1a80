"""Markdown to blocks, by way of markdown-it-py, which knows on which lines each block stands.

Paragraphs at the top level are prose; what stands in lists, tables, quotations, code or footnotes is a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from piecework.report.errors import MissingExtraError
from piecework.report.prose import Block, Gap, Heading, LineTracker, Page, Paragraph

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ("read_markdown",)

_TITLE_FIELD = re.compile(r"^title\s*:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_BREAKS = frozenset({"softbreak", "hardbreak"})
_TEXT_BLOCKS = frozenset({"paragraph_open", "heading_open"})


def read_markdown(text: str) -> Page:
    """Return the blocks of a Markdown `text`.

    Raises:
        MissingExtraError: markdown-it-py or mdit-py-plugins is not installed.
    """
    tokens = _parser().parse(text)
    title = ""
    if tokens and tokens[0].type == "front_matter":
        field = _TITLE_FIELD.search(tokens[0].content)
        title = field[1].strip("\"'") if field else ""
    return Page(title, tuple(_blocks(tokens)))


def _parser() -> MarkdownIt:
    try:
        # Only those who read Markdown need these.
        from markdown_it import MarkdownIt  # noqa: PLC0415
        from mdit_py_plugins.dollarmath import dollarmath_plugin  # noqa: PLC0415
        from mdit_py_plugins.footnote import footnote_plugin  # noqa: PLC0415
        from mdit_py_plugins.front_matter import front_matter_plugin  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtraError("Reading Markdown", "report") from error
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.use(front_matter_plugin).use(footnote_plugin)
    return parser.use(dollarmath_plugin, allow_space=False, allow_digits=False)


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    for opener, token in pairwise(tokens):
        if token.type != "inline":
            if token.level == 0 and token.nesting >= 0 and token.type not in _TEXT_BLOCKS:
                yield Gap()
        elif opener.level == 0 and token.map is not None:
            paragraph = _clean(token, token.map[0] + 1, token.map[1])
            if paragraph is None:
                yield Gap()
            elif opener.type == "heading_open":
                yield Heading(int(opener.tag[1:]), paragraph.text, token.map[0] + 1)
            else:
                yield paragraph


def _clean(token: Token, first: int, last: int) -> Paragraph | None:
    tracker = LineTracker()
    line = first
    for child in token.children or ():
        tracker.add(_visible(child), line)
        if child.type in _BREAKS:
            line += 1
    paragraph = tracker.paragraph()
    if paragraph is not None and line - first != token.content.count("\n"):
        # A line break inside code, a link's target or a tag leaves no trace in the tokens, so the lines after
        # it # are unknown: every part of the paragraph then counts as standing on all of its lines.
        return Paragraph(paragraph.text, ((0, first), (len(paragraph.text), last)), exact=False)
    return paragraph


def _visible(child: Token) -> str:
    if child.type == "text":
        return child.content
    if child.type == "code_inline":
        fence, pad = ("``", " ") if "`" in child.content else ("`", "")
        return f"{fence}{pad}{child.content}{pad}{fence}"
    if child.type == "math_inline":
        return f"${child.content}$"
    return " " if child.type in _BREAKS or child.content.lower().startswith("<br") else ""
