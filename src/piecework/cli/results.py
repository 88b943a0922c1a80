"""What a run made, as text: JSON with all outputs, or one output alone.

Dataclasses, Structs and pydantic models are objects of their fields; enums are their values, dates ISO text, bytes
base64, tuples and sets lists, a failed item an object that names its error and place. Anything else is its `repr`.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import math
import uuid
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any, cast

import msgspec

from piecework import Failure

__all__ = ("as_json", "as_text", "described", "failures", "fields_of", "items_of", "leaf")

_BUILT_IN = (
    bytes,
    bytearray,
    memoryview,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
)
"""What msgspec writes in a way that it reads again."""


def as_json(value: object) -> str:
    """Return a value as JSON over several lines, with a line end."""
    text = json.dumps(_plain(value, frozenset()), indent=2, ensure_ascii=False)
    return f"{_printable(text)}\n"


def as_text(value: object) -> str:
    """Return a string as it is, ending its last line, and any other value as JSON."""
    if not isinstance(value, str) or isinstance(value, Enum):
        return as_json(value)
    return _printable(value) + ("" if value.endswith("\n") else "\n")


def failures(value: object, path: str = "", above: frozenset[int] = frozenset()) -> Iterator[tuple[str, Failure]]:
    """Yield the failed items in lists and mappings, each with its place, such as `content[4]`."""
    if isinstance(value, Failure):
        yield path, value
    elif id(value) in above:
        return
    elif isinstance(value, list | tuple):
        for index, part in enumerate(cast("list[object]", value)):
            yield from failures(part, f"{path}[{index}]", above | {id(cast("object", value))})
    elif isinstance(value, Mapping):
        for key, part in cast("Mapping[object, object]", value).items():
            yield from failures(part, f"{path}.{key}" if path else str(key), above | {id(cast("object", value))})


def described(error: BaseException) -> str:
    """Return an error's class and message."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _plain(value: object, above: frozenset[int]) -> object:
    """A value in terms that JSON knows; `above` are the collections that it is in."""
    if isinstance(value, Enum):
        return _plain(value.value, above)
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    inside = above | {id(value)}
    fields, items = fields_of(value), items_of(value)
    if (fields is None and items is None) or id(value) in above:  # One thing, or something that contains itself.
        return leaf(value)
    if fields is None:
        return [_plain(item, inside) for item in items or ()]
    plain: dict[str, object] = {}
    for key, part in fields.items():
        name = _key(key)
        while name in plain:  # As `1` and `"1"`: neither may be lost.
            name += f" ({type(key).__name__})"
        plain[name] = _plain(part, inside)
    return plain


def fields_of(value: object) -> Mapping[object, object] | None:
    """Return the parts of a mapping or record by name; None for anything else."""
    if isinstance(value, Failure):
        return {"error": described(value.error), "item": value.index, "attempts": value.attempts}
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value)
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(kind)}
    if hasattr(kind, "model_dump") and hasattr(kind, "model_fields"):  # A pydantic model, without importing it.
        return cast("dict[object, object]", cast("Any", value).model_dump())
    return None


def items_of(value: object) -> list[object] | None:
    """Return the items of a list, tuple or set, those of a set in the same order every time; None for anything else."""
    if isinstance(value, list | tuple):
        return list(cast("list[object]", value))
    if not isinstance(value, set | frozenset):
        return None
    unordered = cast("set[Any]", value)
    try:
        return sorted(unordered)
    except TypeError:
        return sorted(unordered, key=repr)


def leaf(value: object) -> object:
    """Return a value that has no parts in terms that JSON knows."""
    if isinstance(value, _BUILT_IN):
        return cast("object", msgspec.to_builtins(value))
    return str(value) if isinstance(value, PurePath) else repr(value)


def _key(key: object) -> str:
    if isinstance(key, tuple):
        return repr(cast("tuple[object, ...]", key))
    plain = _plain(key, frozenset())
    return plain if isinstance(plain, str) else json.dumps(plain)


def _printable(text: str) -> str:
    """The text without halves of surrogate pairs, which UTF-8 cannot say."""
    return text.encode("utf-8", "backslashreplace").decode()
