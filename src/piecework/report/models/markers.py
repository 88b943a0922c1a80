"""Where a model's text cites passages by number, in whichever form models write that.

`[1]`, `[1, 2]`, `[1-3]`, `[^1]`, `[[1]]`, `[Source 1]`, `(Source 1)`, `[P1]`, `【1†source】`, `[1, p. 5]`,
`[1](address)`, whose address goes, and an escaped `[1]`, which a reader cannot tell apart. An
interval such as `[0, 1]` is no marker. The citation gate calls it for each paragraph; nothing here knows which numbers
are good.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from piecework.report.models.spans import Span

__all__ = ("Marker", "Run", "runs")

_WORD = r"(?:sources?|src|ref(?:erence)?s?|passages?|citations?|cite|doc(?:ument)?s?)[ ]{0,2}[.:#]?[ ]{0,2}"
_LABEL = rf"(?:{_WORD}|(?-i:[PS])(?=\d)|\#[ ]?)"
_ITEM = rf"(?:{_LABEL})?\d++(?:\s?[-\u2010-\u2014]\s?(?:{_LABEL})?\d++)?"
_ITEMS = rf"{_ITEM}(?:\s?(?:[,;&]|,?\s?\band\b)\s?{_ITEM})*+"
_PLACE = (
    r"(?:[,;:]\s?(?:pp?\.|pages?|lines?|ll?\.|\u00a7+|sec(?:tions?|\.)|ch(?:apters?|ap\.|\.)|para(?:graphs?|s?\.))"
    r"\s?[\d.,\s\u2013-]++|\u2020[^\[\]\u3010\u3011\n]{0,120}+)?"
)
_NAME = r"(?:\s?[:,\u2013\u2014-]\s[^\[\]()\n]{1,160}+)"
_MARKER = re.compile(
    rf"\\?[\[\u3010\uff3b]\s?\^?(?P<items>{_ITEMS}){_PLACE}\s?\\?[\]\u3011\uff3d]"
    rf"|[\[\u3010\uff3b](?P<labelled>{_WORD}{_ITEMS}){_NAME}[\]\u3011\uff3d]"
    rf"|\((?P<named>(?:source|passage)s?[ ]{{0,2}}[.:#]?[ ]{{0,2}}{_ITEMS}){_PLACE}\)",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"(\d++)(?:\s?[-\u2010-\u2014]\s?\D{0,14}(\d++))?")
_JOINT = re.compile(r"[ \t]{0,4}(?:[,;][ \t]{0,2})?(and\b|&)?[ \t]{0,4}")
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Marker:
    """The numbers in one pair of brackets."""

    start: int
    """The offset of the first bracket."""
    end: int
    """The offset after the last, a link's address included."""
    items: tuple[tuple[int, int], ...]
    """The numbers, each as the first and last of a range."""
    joint: str = ""
    """The word between it and the marker before it in its run, if there is one."""


@dataclass(frozen=True, slots=True)
class Run:
    """Markers that stand side by side, with no more than a comma or an "and" between them."""

    start: int
    """The offset of the first bracket."""
    end: int
    """The offset after the last."""
    markers: tuple[Marker, ...]
    """The markers, in order."""


def runs(text: str, spans: Sequence[Span]) -> Iterator[Run]:
    """Yield the runs of markers in the `text` of a paragraph, in order; `spans` are the parts that are no prose."""
    addresses = {span.start: span.end for span in spans if span.kind == "target"}
    run: list[Marker] = []
    for marker in _markers(text, spans, addresses):
        joint = _JOINT.fullmatch(text, run[-1].end, marker.start) if run else None
        if joint is None:
            if run:
                yield _wrapped(text, run, addresses)
            run = [marker]
        else:
            run.append(Marker(marker.start, marker.end, marker.items, joint[1] or ""))
    if run:
        yield _wrapped(text, run, addresses)


def _markers(text: str, spans: Sequence[Span], addresses: Mapping[int, int]) -> Iterator[Marker]:
    """Yield the markers that are prose; an address from one of `addresses` on belongs to the marker before it."""
    upcoming = iter(spans)
    span = next(upcoming, None)
    position = 0
    while (match := _MARKER.search(text, position)) is not None:
        while span is not None and span.end <= match.start():
            span = next(upcoming, None)
        if span is not None and span.start <= match.start():
            position = span.end
            continue
        items = tuple(_items(match["items"] or match["labelled"] or match["named"]))
        position = match.end()
        if not _is_interval(items):
            position = addresses.get(position, position)
            yield Marker(match.start(), position, items)


def _wrapped(text: str, run: Sequence[Marker], addresses: Mapping[int, int]) -> Run:
    """Return markers as a run, with the brackets that stand around all of them."""
    start, end = run[0].start, run[-1].end
    if text[start - 1 : start] == "[" and text[end : end + 1] == "]" and text[start - 2 : start - 1] not in {"\\", "!"}:
        start, end = start - 1, end + 1
        end = addresses.get(end, end)
    return Run(start, end, tuple(run))


def _items(text: str) -> Iterator[tuple[int, int]]:
    for match in _NUMBERS.finditer(text):
        first = _number(match[1])
        yield first, _number(match[2]) if match[2] else first


def _number(digits: str) -> int:
    # Python refuses to read a number of some thousand digits.
    return int(digits[-_MOST_DIGITS:]) if len(digits.lstrip("0")) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _is_interval(items: Sequence[tuple[int, int]]) -> bool:
    """Return whether the numbers are an interval, such as from 0 to 1."""
    return (len(items), items[0][0]) == (2, 0) or (items[0][0] == 0 and items[0][1] > 0)
