"""The seam between a model's answer that was cut off and the answer that goes on from there.

`compose` clips the first, asks for the rest, and joins the two; what still has no end it ends at a whole sentence.
Nothing here asks a model or adds a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from piecework.report.sentences import sentence_spans

__all__ = ("clipped", "joined", "whole_sentences")

_LONGEST_WORD = 64
_LONGEST_BRACKET = 200
_WINDOW = 20_000
"""Characters on either side of the seam that are searched for what was said twice."""

_UNSPACED = "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
_FENCE = re.compile(
    r"^[ \t>]{0,20}(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?P<mark>`{3,}|~{3,})(?P<info>[^`\n]*)$", re.MULTILINE
)
_LAST_TOKEN = re.compile(rf"[{_UNSPACED}]\Z|[^\s{_UNSPACED}]+\Z")
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")
_IDEOGRAPH = re.compile(rf"[{_UNSPACED}]")
_ELLIPSIS = re.compile(r"\s*(?:\.{3}|\u2026)\s*(?=[^\W\d_])")
_HEADING = re.compile(r"#{2,6}\s")
_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)])\s|\||>\s?")
_TITLE = re.compile(r"\s*#{1,6}(?:\s|\Z)")
_MARKER = r"(?:[ ]?\[[^\[\]\n]{1,60}\])+"
_MARKED = re.compile(rf"(?<=[.!?\u2026\u3002\uff01\uff1f]){_MARKER}")
_STOP = re.compile(rf"[.!?\u2026\u3002\uff01\uff1f][\"'\u2019\u201d)\]\u00bb\u300d*_]*(?:{_MARKER})?\Z")
_MARKERS = re.compile(_MARKER)
_ENDED = re.compile(r"[.!?:;\u2026\u3002\uff01\uff1f)\]\"'\u201d*_`|]\Z")
_CLOSING = frozenset(".,;:!?)]}%\u2026\u2019\u201d\u00bb")
_OPENING = frozenset("([{\u201c\u2018\u00ab/")


def clipped(text: str) -> str:
    """Return a text that was cut off, back to where its last word that is surely whole ends.

    What stands before it stays as it is, spaces at the end included. The last word goes even if it looks whole, a
    bracket that is open there goes with it, and in fenced code the last line goes. The end of fenced code stays, and so
    does a text of which nothing would be left.
    """
    if _open_fence(text) is not None:
        kept = text[: text.rfind("\n") + 1]
    elif _FENCE.match(text, text.rfind("\n") + 1):
        return text
    else:
        kept = _without_open_bracket(text[: _end_of_last_word(text)])
    return kept if kept.strip() else text


def joined(first: str, continuation: str) -> str:
    """Return a clipped text and what goes on from it as one text.

    What the continuation repeats of the end of `first` is there once. Between words there is one space, none before
    punctuation or between ideographs; a new block begins on a new line.
    """
    if not first.strip() or not continuation.strip():
        return first if first.strip() else continuation
    if _open_fence(first) is not None:
        return _joined_code(first, continuation)
    begun = _TOKEN.findall(first[-_WINDOW:])
    again = list(_TOKEN.finditer(continuation[:_WINDOW]))
    shared = _overlap(begun, [token[0] for token in again])
    if shared:
        return first.rstrip() + continuation[again[shared - 1].end() :]
    ellipsis = _ELLIPSIS.match(continuation)
    if ellipsis is not None and not _ENDED.search(first.rstrip()):
        continuation = continuation[ellipsis.end() :]
    return _met(first, continuation)


def whole_sentences(text: str) -> str:
    """Return a text that has no end, back to the end of its last whole sentence, or of the last whole line of a list.

    Headings with nothing below and code whose end is missing go too, unless there is nothing else. Empty where nothing
    is whole.
    """
    fence = _open_fence(text)
    if fence is not None:
        return whole_sentences(text[: fence.start()]) or text[: text.rfind("\n") + 1]
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    number = len(starts) - 1
    while number >= 0:
        number, end = _whole_end(text, starts, number)
        if end is not None:
            return text[:end]
    return ""


def _open_fence(text: str) -> re.Match[str] | None:
    """Return the fence that is open at the end of `text`, if one is."""
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif fence["mark"].startswith(opened["mark"]) and not fence["info"].strip():
            opened = None
    return opened


def _end_of_last_word(text: str) -> int:
    token = _LAST_TOKEN.search(text, max(0, len(text) - _LONGEST_WORD - 1))
    if token is None:
        return len(text)
    if len(token[0]) <= _LONGEST_WORD:
        return token.start()
    # No word is as long as that: the script does without spaces.
    end = len(text) - 1
    while end and unicodedata.category(text[end]).startswith("M"):
        end -= 1
    return end


def _without_open_bracket(text: str) -> str:
    """Return `text` without a bracket at its end that is still open, such as half of a citation."""
    start = max(0, len(text) - _LONGEST_BRACKET)
    tail = text[max(start, text.rfind("\n", start) + 1) :]
    opened = max(tail.rfind("["), tail.rfind("\u3010"))
    is_open = opened >= 0 and not {"]", "\u3011"} & set(tail[opened:])
    return text[: len(text) - len(tail) + opened] if is_open else text


def _overlap(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many items at the end of `first` are those at the start of `second`; a word must be among them.

    The longest such run, by the failure function of Knuth, Morris and Pratt: one pass, whatever repeats.
    """
    failures = [0] * len(second)
    length = 0
    for place in range(1, len(second)):
        while length and second[place] != second[length]:
            length = failures[length - 1]
        length += second[place] == second[length]
        failures[place] = length
    length = 0
    for item in first:
        while length and (length == len(second) or item != second[length]):
            length = failures[length - 1]
        length += bool(second) and item == second[length]
    return length if any(one.isalpha() for item in second[:length] for one in item) else 0


def _met(first: str, second: str) -> str:
    """Return two texts that share no words, with between them what belongs there."""
    before, after = first.rstrip(), second.lstrip()
    gap = first[len(before) :] + second[: len(second) - len(after)]
    breaks = gap.count("\n")
    if breaks:
        indent = gap[gap.rfind("\n") + 1 :]
        return before + "\n" * min(breaks, 2) + indent + after
    return before + (_break_before(before, after) or _space(before, after, gap)) + after


def _break_before(before: str, after: str) -> str:
    """Return the line breaks that a new block begins with; nothing where `after` goes on with the line."""
    line = before[before.rfind("\n") + 1 :]
    if _HEADING.match(after) or _FENCE.match(after.partition("\n")[0]):
        return "\n\n"
    item = _ITEM.match(after)
    if item is None:
        return ""
    last = _ITEM.match(line.lstrip())
    if last is not None and last[0][0].isdigit() == item[0][0].isdigit():
        return "\n"
    return "\n\n" if _ENDED.search(before) else ""


def _space(before: str, after: str, gap: str) -> str:
    """Return what belongs between two parts of one line."""
    line = before[before.rfind("\n") + 1 :]
    closes_mark = any(after.startswith(mark) and line.count(mark) % 2 for mark in ("**", "`"))
    is_possessive = after.startswith("'") and after[1:2].isalpha()
    if after[0] in _CLOSING or before[-1] in _OPENING or closes_mark or is_possessive:
        return ""
    ideographs = [bool(_IDEOGRAPH.match(one)) for one in (before[-1], after[0])]
    return "" if all(ideographs) or (any(ideographs) and not gap) else " "


def _joined_code(first: str, continuation: str) -> str:
    """Return fenced code and what goes on from it, line by line; a fence that opens it again is left out."""
    lines = continuation.split("\n")
    fences = [(number, fence) for number, line in enumerate(lines) if (fence := _FENCE.match(line)) is not None]
    if fences and not any(line.strip() for line in lines[: fences[0][0]]):
        number, fence = fences[0]
        # Fences that come in pairs open and close; an odd one closes the code that goes on.
        if fence["info"].strip() or len(fences) % 2 == 0:
            del lines[: number + 1]
        elif not first.endswith("\n"):
            lines.insert(0, "")
    shared = _overlap(
        [line.rstrip() for line in first[-_WINDOW:].rstrip("\n").split("\n")], [one.rstrip() for one in lines]
    )
    return first + "\n".join(lines[shared:])


def _whole_end(text: str, starts: Sequence[int], number: int) -> tuple[int, int | None]:
    """Return the number of the line before the block that line `number` ends, and where that block can end, if so."""
    line = _line(text, starts, number)
    if not line.strip() or _TITLE.match(line):
        return number - 1, None
    is_last = number == len(starts) - 1
    if _FENCE.match(line) or (_ITEM.match(line.lstrip()) and not is_last):
        return number - 1, starts[number] + len(line) + (not is_last)
    top = number
    while not _ITEM.match(_line(text, starts, top).lstrip()) and top and _goes_on(_line(text, starts, top - 1)):
        top -= 1
    paragraph = text[starts[top] : starts[number] + len(line)]
    end = _last_sentence_end(paragraph)
    return top - 1, starts[top] + end if end else None


def _goes_on(line: str) -> bool:
    return bool(line.strip()) and not _FENCE.match(line) and not _TITLE.match(line)


def _line(text: str, starts: Sequence[int], number: int) -> str:
    end = starts[number + 1] - 1 if number + 1 < len(starts) else len(text)
    return text[starts[number] : end]


def _last_sentence_end(paragraph: str) -> int:
    """Return where the last whole sentence of a paragraph ends, the markers after it included; 0 if there is none."""
    # A marker after a full stop hides from the search for sentences that one ends there.
    plain = _MARKED.sub(lambda marker: " " * len(marker[0]), paragraph)
    for _, end in reversed(list(sentence_spans(plain))):
        marker = _MARKERS.match(paragraph, end)
        stop = marker.end() if marker else end
        if _STOP.search(paragraph, max(0, stop - _LONGEST_BRACKET), stop):
            return stop
    return 0
