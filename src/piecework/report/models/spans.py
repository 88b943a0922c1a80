"""What in a paragraph of Markdown is not prose: code, formulas, links' targets, images, raw HTML, escapes.

What cleans a model's text asks here, paragraph by paragraph, before it touches a character. It takes one pass; what
has no end is no span, and the search for an end that is not there is made once.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Literal, TypeAlias

__all__ = ("Kind", "Span", "is_safe", "row_spans", "spans")

Kind: TypeAlias = Literal["autolink", "code", "comment", "escape", "image", "math", "tag", "target", "unsafe"]
"""What a span is: `tag` is the `<` of raw HTML, `comment` one with lines of its own, `target` a link's address in its
brackets, `unsafe` the bracket before one that may be a program."""

_STOP = re.compile(r"\\|`+|\$\$?|<|!(?=\[)|\](?=\()")
# Shown as a marker is shown.
_ESCAPED_NUMBER = re.compile(r"\\\[\s?\^?\d[\d\s,;&\u2010-\u2014-]{0,60}\\?\]")
# Backticks and tags are none of an address: where they stand, code or HTML may begin instead.
_ALT = re.compile(r"!\[[^\[\]<`]*+\]")
_TARGET = re.compile(
    r"\(\s*+(<[^<>\n`]*+>|(?:[^\s()<>\\`]++|\\[^`]|\((?:[^\s()<>\\`]++|\\[^`])*+\))*+)"
    r"(?:\s++(?:\"[^\"<`]*+\"|'[^'<`]*+'|\([^()<`]*+\)))?\s*+\)"
)
_AUTOLINK = re.compile(r"<(?:https?://|mailto:)[^\s<>]*+>")
_HTML = re.compile(r"<[A-Za-z/!?]")
# HTML at the start of a line is HTML, though code began on the line before.
_HTML_LINE = re.compile(r"\n[ \t>]*+<[A-Za-z/!?]")
_LINE_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
_RAISED = re.compile(r"<(sub|sup|kbd)>[^<>\n`$\\]*+(?=(</\1>))")
_SCHEME = re.compile(r"([^/?#:]*):")
_SAFE_SCHEMES = frozenset({"http", "https", "mailto"})
_LONGEST_INDENT = 80
_PIPE = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text."""

    kind: Kind
    """What it is."""
    start: int
    """The offset of its first character."""
    end: int
    """The offset after its last."""


def spans(text: str) -> Iterator[Span]:
    """Yield what is not prose in the `text` of one paragraph or heading, in order."""
    reader = _Reader(text)
    position = 0
    while (match := _STOP.search(text, position)) is not None:
        span = reader.read(match)
        position = match.end() if span is None else span.end
        if span is not None:
            yield span


def row_spans(row: str) -> Iterator[Span]:
    """Yield what is not prose in a row of a table, where nothing reaches from one cell into the next."""
    start = 0
    for end in [*(match.start() for match in _PIPE.finditer(row)), len(row)]:
        yield from (Span(span.kind, start + span.start, start + span.end) for span in spans(row[start:end]))
        start = end + 1


class _Reader:
    """Reads one text, and remembers where things end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._runs: dict[int, list[int]] = {}
        for run in re.finditer("`+", text):
            self._runs.setdefault(len(run[0]), []).append(run.start())
        self._missing: set[str] = set()
        self._raised: set[int] = set()

    def read(self, match: re.Match[str]) -> Span | None:
        """Return the span that begins with `match`, if one does."""
        start, end = match.span()
        match match[0][0]:
            case "\\":
                return self._escape(start)
            case "`":
                return self._code(start, end)
            case "$":
                return self._math(start, end)
            case "<":
                return self._angle(start)
            case "!":
                return self._image(start)
            case _:
                return self._target(end)

    def _escape(self, start: int) -> Span | None:
        if _ESCAPED_NUMBER.match(self._text, start):
            return None
        following = self._text[start + 1 : start + 2]
        if following in {"(", "["}:
            end = self._find("\\" + (")" if following == "(" else "]"), start + 2)
            if end is not None and "`" not in self._text[start:end]:
                return Span("math", start, end)
        return Span("escape", start, start + 1 + len(following))

    def _code(self, start: int, end: int) -> Span | None:
        length = end - start
        runs = self._runs.get(length, [])
        place = bisect_left(runs, end)
        if place == len(runs) or _HTML_LINE.search(self._text, end, runs[place]):
            return None
        return Span("code", start, runs[place] + length)

    def _math(self, start: int, end: int) -> Span | None:
        text, mark = self._text, self._text[start:end]
        closer = self._find(mark, end)
        if closer is None or "`" in text[start:closer]:
            return None
        if len(mark) > 1:
            return Span("math", start, closer)
        inside = text[end : closer - 1]
        # An amount of money is no formula: "$5 and $6".
        is_math = inside and not inside[0].isspace() and not inside[-1].isspace() and inside[-1] != "\\"
        beside = text[start - 1 : start] + text[closer : closer + 1]
        return Span("math", start, closer) if is_math and not any(map(str.isalnum, beside)) else None

    def _angle(self, start: int) -> Span | None:
        text = self._text
        autolink = _AUTOLINK.match(text, start)
        if autolink is not None:
            return Span("autolink", *autolink.span())
        if text.startswith("<!--", start):
            end = self._find("-->", start + 4)
            if end is not None and {text[start - 1 : start], text[end : end + 1]} <= {"", "\n"}:
                return Span("comment", start, end)
        if not _HTML.match(text, start) or start in self._raised:
            return None
        raised = _RAISED.match(text, start)
        if raised is not None:
            self._raised.add(raised.start(2))
            return None
        # At the start of a line it would make a block of HTML of the lines that follow.
        before = text[max(0, start - _LONGEST_INDENT) : start].rpartition("\n")[2]
        if _LINE_BREAK.match(text, start) and before.strip(" \t>"):
            return None
        return Span("tag", start, start + 1)

    def _image(self, start: int) -> Span | None:
        alt = _ALT.match(self._text, start)
        target = alt and _TARGET.match(self._text, alt.end())
        if not target or not is_safe(target[1]):
            return None
        return Span("image", start, target.end())

    def _target(self, start: int) -> Span | None:
        target = _TARGET.match(self._text, start)
        if target is None:
            return None
        return Span("target", start, target.end()) if is_safe(target[1]) else Span("unsafe", start, start + 1)

    def _find(self, closer: str, start: int) -> int | None:
        """Return the offset after the next `closer`."""
        if closer not in self._missing:
            found = self._text.find(closer, start)
            if found >= 0:
                return found + len(closer)
            self._missing.add(closer)
        return None


def is_safe(target: str) -> bool:
    """Return whether a link's target is an address, not a program; angle brackets only where they are an autolink."""
    if target.startswith("<") and not _AUTOLINK.fullmatch(target):
        return False
    scheme = _SCHEME.match(re.sub(r"[\x00-\x20\\]", "", unescape(target.strip("<>"))))
    return scheme is None or scheme[1].lower() in _SAFE_SCHEMES
