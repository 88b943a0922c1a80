"""Stored values as text that people read: what is long text stays text, what has parts is indented."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import cast

from piecework import StoredError
from piecework.cli.results import fields_of, items_of, leaf
from piecework.core.codec import Codec, Foreign
from piecework.errors import CodecError

__all__ = ("brief", "error_line", "peeked", "plain", "told")

_INDENT = "  "


def peeked(data: bytes) -> object:
    """Return what was encoded, whatever types it is made of; where it cannot be read, why."""
    try:
        return Codec().peek(data)
    except CodecError as error:
        return f"<{error}>"


def told(value: object) -> list[str]:
    """Return a value over as many lines as it needs; nothing in it reaches the terminal as a command to it."""
    return [_shown(line) for line in _lines(value)]


def plain(value: object) -> object:
    """Return a value in terms that JSON knows."""
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    fields, items = _taken_apart(value)
    if fields is not None:
        return {str(name): plain(part) for name, part in fields.items()}
    return [plain(part) for part in items] if items is not None else _leaf(value)


def brief(value: object, most: int = 60) -> str:
    """Return a value in one line of at most so many characters."""
    text = _shown(json.dumps(plain(value), ensure_ascii=False))
    return text if len(text) <= most else f"{text[: most - 3]}..."


def error_line(value: object) -> str:
    """Return a stored exception as `Class: message`."""
    if isinstance(value, StoredError):
        kind = value.kind.rpartition(".")[2]
        return f"{kind}: {value}" if str(value) else kind
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}" if str(value) else type(value).__name__
    return brief(value)


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from value.split("\n")
        return
    fields, items = _taken_apart(value)
    if fields is not None:
        for name, part in fields.items():
            yield from _entry(f"{name}:", part)
        if not fields:
            yield "{}"
    elif items is not None:
        for part in items:
            yield from _entry("-", part)
        if not items:
            yield "[]"
    else:
        yield from _leaf(value).split("\n")


def _entry(head: str, part: object) -> Iterator[str]:
    lines = list(_lines(part))
    if len(lines) == 1 and (not _nested(part) or lines[0] in {"[]", "{}"}):
        yield f"{head} {lines[0]}"
    elif head == "-":
        yield from (f"{'- ' if number == 0 else _INDENT}{line}" for number, line in enumerate(lines))
    else:
        yield head
        yield from (f"{_INDENT}{line}" for line in lines)


def _nested(part: object) -> bool:
    return any(one is not None for one in _taken_apart(part))


def _taken_apart(value: object) -> tuple[Mapping[object, object] | None, list[object] | None]:
    if isinstance(value, Foreign):
        parts = value.parts
        return cast("Mapping[object, object]", parts if isinstance(parts, dict) else {value.tag: parts}), None
    if isinstance(value, BaseException):
        return None, None
    return fields_of(value), items_of(value)


def _leaf(value: object) -> str:
    if isinstance(value, BaseException):
        return error_line(value)
    return str(leaf(value))


def _shown(line: str) -> str:
    return "".join(one if one.isprintable() or one == "\t" else "\ufffd" for one in line)
