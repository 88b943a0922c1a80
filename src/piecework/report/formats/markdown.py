"""Markdown to blocks, by way of markdown-it-py, which knows on which lines each block stands.

Paragraphs at the top level are prose; what stands in lists, tables, quotations, code or footnotes is a gap, with its
text as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from piecework.report.errors import MissingExtraError
from piecework.report.formats.hypertext import read_html
from piecework.report.prose import Block, Gap, Heading, LineTracker, Page, Paragraph, Stretch, stacked, verbatim

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ("read_markdown",)

_TITLE_FIELD = re.compile(r"^title\s*:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_NOTE = re.compile(r" {0,3}\[\^[^\]]+\]:")
_BREAKS = frozenset({"softbreak", "hardbreak"})
_TEXT_BLOCKS = frozenset({"paragraph_open", "heading_open"})
_LISTS = frozenset({"bullet_list_open", "ordered_list_open"})
_HEADER_ROWS = 2
"""The row of names, and the row of dashes below it."""


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
    lines = text.split("\n")
    return Page(title, (*_blocks(tokens, lines), *_notes(tokens, lines), *_inline_notes(tokens)))


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


def _blocks(tokens: Sequence[Token], lines: Sequence[str]) -> Iterator[Block]:
    for group in _groups(tokens):
        opener = group[0]
        if opener.map is None or opener.type == "front_matter":
            continue
        if opener.type in _TEXT_BLOCKS:
            yield _text_block(opener, group[1])
        else:
            yield _gap(group, lines[opener.map[0] : opener.map[1]], opener.map[0] + 1)


def _groups(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of each block at the top level."""
    group: list[Token] = []
    for token in tokens:
        group.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield group
            group = []


def _text_block(opener: Token, inline: Token) -> Block:
    first, last = inline.map or (0, 0)
    paragraph = _clean(inline, first + 1, last)
    if paragraph is None:
        alternatives = " ".join(child.content for child in inline.children or () if child.type == "image")
        return verbatim([alternatives], first + 1)
    if opener.type == "heading_open":
        return Heading(int(opener.tag[1:]), paragraph.text, first + 1)
    return paragraph


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
        # it are unknown: every part of the paragraph then counts as standing on all of its lines.
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


def _gap(group: Sequence[Token], lines: Sequence[str], first: int) -> Gap:
    opener = group[0]
    if opener.type == "html_block":
        return _html_gap("\n".join(lines), first)
    if opener.type == "fence":
        return verbatim(lines, first, head=lines[0], foot=opener.markup)
    if opener.type == "table_open":
        return verbatim(lines, first, head="\n".join(lines[:_HEADER_ROWS]))
    items = [token.map[0] + 1 for token in group if token.type == "list_item_open" and token.level == 1 and token.map]
    return verbatim(lines, first, items=items if opener.type in _LISTS else ())


def _html_gap(text: str, first: int) -> Gap:
    blocks = (
        Stretch(block.text, ((0, block.line),)) if isinstance(block, Heading) else block
        for block in read_html(text).blocks
    )
    gap = stacked((block for block in blocks if block.text), joint="\n\n")
    return replace(gap, marks=tuple((offset, line + first - 1) for offset, line in gap.marks))


def _notes(tokens: Sequence[Token], lines: Sequence[str]) -> Iterator[Gap]:
    """Yield the footnotes, which the parser moves or drops: they stand on the lines that belong to no block."""
    covered = 0
    spans = [token.map for token in tokens if token.level == 0 and token.nesting >= 0 and token.map is not None]
    for first, last in [*spans, [len(lines), len(lines)]]:
        starts = [at + 1 for at in range(covered, first) if _NOTE.match(lines[at])]
        if starts:
            yield verbatim(lines[starts[0] - 1 : first], starts[0], items=starts)
        covered = last


def _inline_notes(tokens: Sequence[Token]) -> Iterator[Gap]:
    """Yield the footnotes that stand inside of a paragraph; the parser moves them to the end."""
    places: dict[object, int] = {}
    note: object = None
    for token in tokens:
        if token.type == "footnote_open":
            note = token.meta["id"]
        elif token.type != "inline":
            continue
        elif token.map is None and note in places:
            paragraph = _clean(token, places[note], places[note])
            if paragraph is not None:
                yield Gap(paragraph.text, paragraph.marks)
        elif token.level == 1 and token.map is not None:
            line = token.map[0] + 1
            places.update((child.meta["id"], line) for child in token.children or () if child.type == "footnote_ref")
