"""Exceptions as data: what was raised, told so that a later process can read it.

The codec keeps one `Raised` and asks it for the kind of every exception. An exception is told rather than kept: of its
arguments and attributes, those that can be stored. It comes back as its own class where that is Python's, piecework's
or registered, and else as a `StoredError`, which says what it was.
"""

from __future__ import annotations

import builtins
import traceback
from typing import Any, cast

from piecework import errors
from piecework.core.kinds import Kind, expect, expect_dict, expect_list
from piecework.core.records import tag_of
from piecework.errors import CodecError, StoredError

__all__ = ("Raised",)

FRAMES = 50
"""How many frames of a traceback are told, the innermost."""

_TRACE = "__stored_traceback__"

_HELD = "__stored_attributes__"


def _classes(module: object) -> dict[str, type[BaseException]]:
    found = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, BaseException)]
    return {tag_of(kind): kind for kind in found}


_BUILT_IN = _classes(builtins)


class Raised:
    """The exception classes that one codec makes again."""

    def __init__(self) -> None:
        """Know Python's classes and our own."""
        self._classes = _BUILT_IN | _classes(errors)
        self.kind = Kind("error", _apart, self._make, "told")
        """The kind of every exception."""

    def add(self, kind: type[BaseException]) -> bool:
        """Let exceptions of this class come back as such; False where another has its name."""
        return self._classes.setdefault(tag_of(kind), kind) is kind

    def _make(self, parts: object) -> BaseException:
        told = expect_dict(parts)
        tag, text = expect(told.get("class"), str), expect(told.get("text"), str)
        args = tuple(expect_list(told["args"])) if "args" in told else None
        kind = self._classes.get(tag)
        if kind is None:
            made: BaseException = StoredError(text, kind=tag, arguments=args)
            made.__dict__[_HELD] = {name: item for name, item in told.items() if name.startswith("*")}
        elif tag in _BUILT_IN:
            made = cast("Any", kind)(*((text,) if args is None else args))
        else:
            made = _without_init(kind, (text,) if args is None else args)
        for name, item in told.items():
            if name.startswith("*") and kind is not None:
                made.__dict__[name[1:]] = item
        for note in expect_list(told.get("notes", [])):
            made.add_note(expect(note, str))
        if "traceback" in told:
            made.__dict__[_TRACE] = expect(told["traceback"], str)
        if "cause" in told:
            made.__cause__ = told["cause"]
        return made


def _base(kind: type[BaseException]) -> Any:
    """The class of Python's own that an exception's class is built on: it knows what the instance consists of."""
    return next(base for base in kind.__mro__ if _BUILT_IN.get(tag_of(base)) is base)


def _without_init(kind: type[BaseException], args: tuple[object, ...]) -> BaseException:
    made = cast("BaseException", _base(kind).__new__(kind, *args))
    made.args = args
    return made


def _apart(error: BaseException) -> dict[str, object]:
    if type(error) is StoredError:
        return _told_again(error)
    kind = type(error)
    reduced = cast("tuple[Any, ...]", _base(kind).__reduce__(error))
    held: dict[str, object] = dict(vars(error)) | (dict(reduced[2]) if kind is _base(kind) and reduced[2:] else {})
    notes = held.pop("__notes__", [])
    trace = held.pop(_TRACE, "")
    if error.__traceback__ is not None:
        trace = "".join(traceback.format_tb(error.__traceback__, -FRAMES))
    told: dict[str, object] = {"class": tag_of(kind), "text": _text(error), "?args": list(reduced[1])}
    if isinstance(notes, list) and notes:
        told["~notes"] = [str(note) for note in cast("list[object]", notes)]
    if trace:
        told["~traceback"] = trace
    if error.__cause__ is not None:
        told["cause"] = error.__cause__
    return told | {f"?*{name}": item for name, item in held.items()}


def _told_again(error: StoredError) -> dict[str, object]:
    """The parts of the exception that this one stands for, so that it is the same value when it is stored again."""
    told: dict[str, object] = {"class": error.kind, "text": _text(error)}
    if error.arguments is not None:
        told["?args"] = list(error.arguments)
    notes: list[str] = getattr(error, "__notes__", [])
    if notes:
        told["~notes"] = list(notes)
    trace = error.__dict__.get(_TRACE)
    if trace:
        told["~traceback"] = trace
    if error.__cause__ is not None:
        told["cause"] = error.__cause__
    held: dict[str, object] = error.__dict__.get(_HELD, {})
    return told | {f"?{name}": item for name, item in held.items()}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:  # That it was raised must be told, whatever its own text does.
        raise CodecError(f"its text cannot be made: {fault!r}") from fault
