"""Kinds for classes of libraries that the user's program has imported: language models' messages, numpy's arrays.

The codec asks here for a type, or a tag, that it does not know. A library is looked up among the modules that are
already imported, and a class in the closed tables below; no name from stored bytes is followed.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Any, cast

from piecework.core.kinds import Kind, expect, expect_list
from piecework.core.records import record_kind, tag_of
from piecework.errors import CodecError

__all__ = ("guest_by_tag", "guest_by_type")

_MESSAGES = "langchain_core.messages"

_WHERE = {
    "ai": ("AIMessage", "AIMessageChunk"),
    "base": ("BaseMessage", "BaseMessageChunk"),
    "chat": ("ChatMessage", "ChatMessageChunk"),
    "function": ("FunctionMessage", "FunctionMessageChunk"),
    "human": ("HumanMessage", "HumanMessageChunk"),
    "modifier": ("RemoveMessage",),
    "system": ("SystemMessage", "SystemMessageChunk"),
    "tool": ("ToolMessage", "ToolMessageChunk"),
}

_NAMES = {f"{_MESSAGES}.{module}.{name}": (module, name) for module, names in _WHERE.items() for name in names}

_DTYPE = re.compile(r"[<>|=][biufcSUmM][0-9]{1,9}(\[[0-9]*[A-Za-z]+\])?")


def guest_by_type(kind: type[Any]) -> Kind | None:
    """The kind of a type of another library, if it is one of those known here."""
    if kind.__module__.startswith(_MESSAGES):
        found = guest_by_tag(tag_of(kind))
        return found if _message(tag_of(kind)) is kind else None
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return None
    if kind is numpy.ndarray:
        return Kind("numpy.ndarray", _array_apart, _make_array)
    return Kind("numpy.generic", _scalar_apart, _make_scalar) if issubclass(kind, numpy.generic) else None


def guest_by_tag(tag: str) -> Kind | None:
    """The kind that a tag stands for, if its library is imported."""
    if tag in _NAMES:
        kind = _message(tag)
        if kind is None:
            raise CodecError(f"stored bytes hold a {tag}: import {_MESSAGES} before they are read.")
        return record_kind(kind)
    if tag in {"numpy.ndarray", "numpy.generic"}:
        if "numpy" not in sys.modules:
            raise CodecError(f"stored bytes hold a {tag}: import numpy before they are read.")
        return (
            Kind(tag, _array_apart, _make_array) if tag == "numpy.ndarray" else Kind(tag, _scalar_apart, _make_scalar)
        )
    return None


def _message(tag: str) -> type[Any] | None:
    module, name = _NAMES.get(tag, ("", ""))
    package = sys.modules.get(_MESSAGES)
    # The package gives its classes when asked; a class whose own module is loaded is had without that.
    held = sys.modules.get(f"{_MESSAGES}.{module}") or package
    return None if package is None or not name else cast("type[Any] | None", getattr(held, name, None))


def _dtype_of(value: Any) -> str:
    text: str = value.dtype.str
    if not _DTYPE.fullmatch(text) or value.dtype.names is not None or value.dtype.hasobject:
        raise CodecError(f"an array of dtype {value.dtype} has no stored form: numbers, text, bytes and times have.")
    return text


def _dtype(text: object) -> Any:
    if not _DTYPE.fullmatch(expect(text, str)):
        raise CodecError("stored bytes hold a dtype that is not stored by piecework.")
    return sys.modules["numpy"].dtype(text)


def _array_apart(value: Any) -> list[object]:
    text = _dtype_of(value)
    if not value.dtype.itemsize and value.size:
        raise CodecError("an array of items of no size has no stored form.")
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    return [text, list(value.shape), order, value.tobytes(order)]


def _make_array(parts: object) -> object:
    text, shape, order, data = expect_list(parts)
    dtype, buffer = _dtype(text), bytearray(expect(data, bytes))
    lengths = [expect(length, int) for length in expect_list(shape)]
    # Items of no size count as one byte: a few bytes could claim any number of them.
    if min(lengths, default=0) < 0 or (dtype.itemsize or 1) * math.prod(lengths) != len(buffer):
        raise CodecError("stored bytes hold an array whose shape is not that of its data.")
    made = sys.modules["numpy"].ndarray(tuple(lengths), dtype, buffer, order=expect(order, str))
    return made.copy(order="K")


def _scalar_apart(value: Any) -> list[object]:
    text = _dtype_of(value)
    if sys.modules["numpy"].dtype(text).type is not type(value):
        raise CodecError("its type has another name for the same width: use int64, float64 and the like.")
    return [text, value.tobytes()[: value.dtype.itemsize]]  # numpy gives a zero for an empty text.


def _make_scalar(parts: object) -> object:
    text, data = expect_list(parts)
    dtype = _dtype(text)
    if len(expect(data, bytes)) != dtype.itemsize:
        raise CodecError("stored bytes hold a number that is not of its type's width.")
    return dtype.type() if not dtype.itemsize else sys.modules["numpy"].frombuffer(data, dtype)[0]
