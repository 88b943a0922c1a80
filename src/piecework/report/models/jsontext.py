"""The JSON in a model's answer, wherever it stands and however nearly it is JSON.

The planner reads plans with it. It takes what models write: fences, prose around, commas too many or too few, comments,
quotation marks of any kind, Python's words, an end that is cut off. It passes over a text once, so no text keeps it
busy; what is cut off loses the item it is cut in, and nothing is made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Final, TypeAlias, cast

__all__ = ("find_json",)

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"

_DEEPEST = 60
_MOST_DIGITS = 300
_SHOWN = 60

_OPENING = re.compile(r"[{\[]")
_EMPTY = re.compile(r"(?:[\s,]++|//[^\n]*+|\#[^\n]*+|\.\.\.|\u2026)++")
_WORD = re.compile(r"[A-Za-z]\w*+")
_NUMBER = re.compile(r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?(?![\w.])")
_WORDS: Final[dict[str, bool | None]] = {
    "true": True,
    "false": False,
    "null": None,
    "none": None,
    "undefined": None,
    "nan": None,
    "infinity": None,
}

_INSIDE = r'(?:[^"\\\n]++|\\.){0,1000}+'
_QUOTED_KEY = (
    rf'"({_INSIDE})"'
    r"|'((?:[^'\\\n]++|\\.){0,1000}+)'"
    r"|[\u201c\u201d]([^\u201c\u201d\"\n]{0,1000}+)[\u201c\u201d\"]"
    r"|[\u2018\u2019]([^\u2018\u2019'\n]{0,1000}+)[\u2018\u2019']"
)
_KEY = re.compile(rf"(?:{_QUOTED_KEY}|([A-Za-z_$][\w$-]{{0,100}}+))\s*+:")
_ANY_KEY = re.sub(r"\((?!\?)", "(?:", _QUOTED_KEY)
_BREAK = r"[}\]]|\Z|//|/\*"
# A quotation mark that one of these follows ends a string; another stands inside of it, without the due backslash.
_AFTER_FIELD = re.compile(
    rf"\s*+(?:{_BREAK}|(?:{_ANY_KEY})\s*+:"
    rf"|,\s*+(?:{_BREAK}|\#|,|(?:{_ANY_KEY}|[A-Za-z_$][\w$-]{{0,100}}+)\s*+(?::|\Z)|\"{_INSIDE}\Z))"
)
_AFTER_ITEM = re.compile(
    rf"\s*+(?:{_BREAK}|,\s*+(?:{_BREAK}|\#|,|\.\.\.|[\"'\u201c\u2018{{\[\d.-]|(?i:true|false|null|none|nan)\b))"
    r"|[^\S\n]*+\n\s*+[\"'\u201c]"
)
_DOUBLE = re.compile(r'\\.|[\u201c\u201d"]', re.DOTALL)
_SINGLE = re.compile(r"\\.|[\u2018\u2019']", re.DOTALL)
_MARKS = {
    '"': re.compile(r'\\.|"', re.DOTALL),
    "'": re.compile(r"\\.|'", re.DOTALL),
    "\u201c": _DOUBLE,
    "\u201d": _DOUBLE,
    "\u2018": _SINGLE,
    "\u2019": _SINGLE,
}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'"}


class _Cut(Exception):  # noqa: N818 - no error: what was read before is kept
    """What should come next is not there, or not whole."""


@dataclass(frozen=True, slots=True)
class _Found:
    value: dict[str, Value] | list[Value]
    whole: bool


def find_json(text: str, *, key: str = "sections") -> dict[str, Value] | list[Value]:
    """Return the JSON object or array that a model's answer holds.

    Of several, an object with `key` is chosen, rather one that is whole and not empty, else the one that holds most;
    of equal ones the last, since models think first and answer then. Numbers that are none are None.

    Args:
        text: The answer, without its thinking.
        key: What the object has that is looked for.

    Raises:
        ValueError: There is no JSON in it, or not one whole item.
    """
    whole = _strictly(text.strip())
    if whole is not None:
        return whole
    reader = _Reader(text)
    found = list(reader.values())
    if not found:
        if _OPENING.search(text) is None:
            raise ValueError(f"the answer, {_shown(text)}, holds no JSON object and no array")
        rest = text[reader.trouble :]
        reason = f"at {_shown(rest)} it is no JSON" if rest.strip() else "it breaks off before anything in it is whole"
        raise ValueError(f"the answer begins a JSON object or array, but {reason}")
    return max(enumerate(found), key=lambda one: (*_merit(one[1], key), one[0]))[1].value


def _strictly(text: str) -> dict[str, Value] | list[Value] | None:
    """Return a `text` that is JSON and nothing else, None for any other."""
    # Half of a pair of code units would be text that cannot be written to a file.
    if not text.startswith(("{", "[")) or "\\ud" in text.lower():
        return None
    try:
        return cast(
            "dict[str, Value] | list[Value]",
            json.loads(text, strict=False, parse_int=_number, parse_float=_number, parse_constant=lambda _: None),
        )
    except (ValueError, RecursionError):
        return None


def _merit(found: _Found, key: str) -> tuple[bool, bool, bool, int]:
    value = found.value
    if isinstance(value, dict) and key in value:
        return True, bool(value[key]), found.whole, 0
    # A list of numbers is more likely a citation than a plan.
    has_object = isinstance(value, dict) or any(isinstance(item, dict) for item in value)
    return False, has_object, False, _size(value)


def _size(value: Value) -> int:
    """Return how many values there are in a value that are no objects and no arrays."""
    size, left = 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += one.values()
        elif isinstance(one, list):
            left += one
        else:
            size += 1
    return size


def _number(digits: str) -> int | float | None:
    if digits.lstrip("+-").isdigit() and len(digits) <= _MOST_DIGITS:
        return int(digits)
    number = float(digits)
    return number if isfinite(number) else None


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(lambda one: chr(int(one[1], 16)) if one[1] else _ESCAPED.get(one[2], one[0]), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _shown(text: str) -> str:
    line = " ".join(text[: 4 * _SHOWN].split())
    return repr(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}\u2026")


class _Reader:
    """Reads what begins with a bracket, in one pass; after something that is no JSON it goes on behind that."""

    def __init__(self, text: str) -> None:
        self.trouble = 0
        """Where the text was no JSON, when it last was not."""
        self._text = text
        self._at = 0
        self._endless: set[tuple[str, str]] = set()

    def values(self) -> Iterator[_Found]:
        """Yield the objects and arrays that are in no other."""
        while (opening := _OPENING.search(self._text, self._at)) is not None:
            self._at = opening.start()
            value: dict[str, Value] | list[Value] = {} if opening[0] == "{" else []
            try:
                self._fill(value, 1)
            except _Cut:
                self.trouble = self._at
                if value:
                    yield _Found(value, whole=False)
            else:
                yield _Found(value, whole=True)

    def _fill(self, value: dict[str, Value] | list[Value], depth: int) -> None:
        """Read what is in the brackets that begin here; what was read before a cut stays in `value`."""
        self._at += 1
        if depth > _DEEPEST:
            raise _Cut
        closer = "}" if isinstance(value, dict) else "]"
        while True:
            self._skip()
            following = self._text[self._at : self._at + 1]
            if following == closer:
                self._at += 1
                return
            if following in {"}", "]"} and depth > 1:
                # The closing bracket is forgotten; that of what is around follows.
                return
            if isinstance(value, dict):
                self._read_field(value, depth)
            else:
                self._read_item(value, depth)

    def _read_field(self, fields: dict[str, Value], depth: int) -> None:
        key = _KEY.match(self._text, self._at)
        if key is None:
            raise _Cut
        self._at = key.end()
        self._skip()
        name = _unescaped(next(group for group in key.groups() if group is not None))
        self._read(depth, _AFTER_FIELD, lambda value: fields.__setitem__(name, value))

    def _read_item(self, items: list[Value], depth: int) -> None:
        self._read(depth, _AFTER_ITEM, items.append)

    def _read(self, depth: int, after: re.Pattern[str], put: Callable[[Value], None]) -> None:
        """Read one value, `put` it where it belongs, and stay before what comes `after` it."""
        opening = self._text[self._at : self._at + 1]
        if opening not in {"{", "["}:
            put(self._string(opening, after) if opening in _MARKS else self._word())
            return
        inner: dict[str, Value] | list[Value] = {} if opening == "{" else []
        try:
            self._fill(inner, depth + 1)
        except _Cut:
            if inner:
                put(inner)
            raise
        put(inner)

    def _string(self, opening: str, after: re.Pattern[str]) -> str:
        start = self._at + 1
        if (opening, after.pattern) not in self._endless:
            for mark in _MARKS[opening].finditer(self._text, start):
                if not mark[0].startswith("\\") and after.match(self._text, mark.end()):
                    self._at = mark.end()
                    return _unescaped(self._text[start : mark.start()])
            self._endless.add((opening, after.pattern))
        raise _Cut

    def _word(self) -> Value:
        number = _NUMBER.match(self._text, self._at)
        # A number at the very end may have had more digits.
        if number is not None and number.end() < len(self._text):
            self._at = number.end()
            return _number(number[0])
        word = _WORD.match(self._text, self._at)
        if word is None or word[0].lower() not in _WORDS:
            raise _Cut
        self._at = word.end()
        return _WORDS[word[0].lower()]

    def _skip(self) -> None:
        """Pass over spaces, commas and comments."""
        while True:
            empty = _EMPTY.match(self._text, self._at)
            self._at = empty.end() if empty else self._at
            if not self._text.startswith("/*", self._at):
                return
            end = -1 if ("/*", "") in self._endless else self._text.find("*/", self._at + 2)
            if end < 0:
                self._endless.add(("/*", ""))
                raise _Cut
            self._at = end + 2
