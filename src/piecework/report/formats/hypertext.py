"""HTML to blocks, by the standard library's parser, which knows the line of each piece of text.

What stands in paragraphs (or loose in the body) is prose; navigation, scripts, forms and the like are left
out, and lists, tables, code and quotations are gaps, laid out as text.
"""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

from piecework.report.formats.layout import LAID_OUT, PARTS, Layout
from piecework.report.prose import Block, Gap, Heading, LineTracker, Page

__all__ = ("read_html",)

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LEFT_OUT_TAGS = """
    aside audio button canvas dialog footer iframe math menu nav noscript object script select style svg
    template textarea video
"""
_INLINE_TAGS = """
    a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q rp rt ruby s samp small
    span strike strong sub sup time tt u var wbr
"""
_VOID_TAGS = "area base br col embed hr img input link meta param source track wbr"
_LEFT_OUT = frozenset(_LEFT_OUT_TAGS.split())
_INLINE = frozenset(_INLINE_TAGS.split())
_VOID = frozenset(_VOID_TAGS.split())
_CODE = frozenset({"code", "kbd", "samp", "tt"})
_NOTE_MARK = re.compile(r"\[.*\]|[*\u2020\u2021]+")


def read_html(text: str) -> Page:
    """Return the blocks of an HTML `text`, however broken its markup is."""
    reader = _Reader()
    # "<![" opens a marked section, which the parser refuses with an AssertionError where it does not know the
    # kind.
    reader.feed(text.replace("<![", "<! ["))
    reader.close()
    return reader.page()


class _Reader(HTMLParser):
    """Follows the tags, and hands the text between them to where it belongs."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._blocks: list[Block] = []
        self._tracker = LineTracker()
        self._title: list[str] = []
        self._in_title = False
        self._left_out: list[str] = []
        self._layout = Layout()
        self._layout_place = 0
        self._heading: int | None = None
        self._heading_level = 1
        self._note: list[str] | None = None

    def page(self) -> Page:
        """Return what was read."""
        self._end_block()
        self._end_layout()
        return Page(" ".join("".join(self._title).split()), tuple(self._blocks))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _LEFT_OUT:
            self._end_block()
            self._left_out.append(tag)
        elif tag == "title" and not self._left_out:
            self._in_title = True
        elif tag == "br":
            self._add("\n" if self._layout.in_code else " ")
        elif tag in _INLINE:
            self._start_inline(tag)
        else:
            self._start_block(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _LEFT_OUT:
            _close(self._left_out, tag)
        elif tag == "title":
            self._in_title = False
        elif tag in _INLINE:
            self._end_inline(tag)
        else:
            self._end_block()
            self._close_layout(tag)
            if tag in _HEADINGS:
                self._heading = None

    def handle_data(self, data: str) -> None:
        self._add(data)

    def handle_entityref(self, name: str) -> None:
        self._add(unescape(f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self._add(" ".join(unescape(f"&#{name};").split("\n")))

    def _start_block(self, tag: str) -> None:
        self._end_block()
        self._in_title = False
        if tag in _HEADINGS:
            self._heading = self.getpos()[0]
            self._heading_level = _HEADINGS[tag]
        elif tag in LAID_OUT:
            self._open_layout(tag)
        elif tag in PARTS and self._layout.is_open:
            self._layout.part(tag)
        elif tag == "hr":
            self._blocks.append(Gap())

    def _open_layout(self, tag: str) -> None:
        if not self._layout.is_open:
            self._layout_place = len(self._blocks)
        # One that is nested is a gap, too, but an empty one: its text is in the outermost.
        self._blocks.append(Gap())
        self._layout.open(tag)

    def _close_layout(self, tag: str) -> None:
        was_open = self._layout.is_open
        self._layout.close(tag)
        if was_open and not self._layout.is_open:
            self._end_layout()

    def _end_layout(self) -> None:
        gap, self._layout = self._layout.gap(), Layout()
        if gap.text:
            self._blocks[self._layout_place] = gap

    def _start_inline(self, tag: str) -> None:
        if tag in _CODE and not self._layout.in_code:
            self._add("`")
        elif tag == "sup" and self._note is None:
            self._note = []

    def _end_inline(self, tag: str) -> None:
        if tag in _CODE and not self._layout.in_code:
            self._add("`")
        elif tag == "sup" and self._note is not None:
            raised, self._note = "".join(self._note).strip(), None
            if raised and not _NOTE_MARK.fullmatch(raised):
                self._add(f"^{raised}")

    def _end_block(self) -> None:
        self._note = None
        if self._layout.in_code:
            self._layout.break_code()
        paragraph = self._tracker.paragraph()
        if paragraph is None:
            return
        if self._layout.is_open:
            self._layout.add(paragraph)
        elif self._heading is not None:
            self._blocks.append(Heading(self._heading_level, paragraph.text, self._heading))
            self._heading = None
        else:
            self._blocks.append(paragraph)

    def _add(self, text: str) -> None:
        if self._in_title:
            self._title.append(text)
        elif self._note is not None:
            self._note.append(text)
        elif self._left_out:
            return
        elif self._layout.in_code:
            self._layout.add_code(text, self.getpos()[0])
        else:
            self._tracker.add(text, self.getpos()[0])


def _close(opened: list[str], tag: str) -> None:
    if tag in opened:
        del opened[len(opened) - 1 - opened[::-1].index(tag) :]
