"""Values to bytes and back, for the facts of a run's log.

MessagePack through msgspec. What JSON-like data cannot say (tuples, sets, instances) is an extension that carries a
short tag; a tag is looked up in the registry and nowhere else, so that stored bytes never choose what runs. The journal
calls it; a value that it cannot keep is an error that names the place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum, Flag
from typing import Any, cast

import msgspec

from piecework.errors import CodecError

__all__ = ("Codec",)

_TAGGED = 1
"""The extension code of `[tag, payload]`."""

_INT64 = range(-(2**63), 2**64)


class Codec:
    """Encodes values whose types are built in or registered."""

    def __init__(self) -> None:
        """Make a codec that knows the built-in types only."""
        self._tags: dict[type, tuple[str, Callable[[Any], object]]] = {}
        self._makers: dict[str, Callable[[Any], object]] = {}
        self._add(tuple, "tuple", list, tuple)
        self._add(set, "set", list, set)
        self._add(frozenset, "frozenset", list, frozenset)
        self._add(int, "int", hex, _from_hex)  # Only those that MessagePack cannot hold; decimals have a limit.

    def register(self, *types: type) -> None:
        """Let instances of these dataclasses, msgspec Structs, enums or pydantic models through.

        Raises:
            CodecError: A type is none of these, or another of the same name is registered.
        """
        for kind in types:
            tag = f"{kind.__module__}.{kind.__qualname__}"
            if kind in self._tags:
                continue
            if tag in self._makers:
                raise CodecError(f"two types are called {tag!r}: give one of them another name.")
            take_apart, make = _parts(kind)
            self._add(kind, tag, take_apart, make)

    def encode(self, value: object) -> bytes:
        """The value as bytes.

        Raises:
            CodecError: Something in it is of a type that is not registered; names its place.
        """
        try:
            return msgspec.msgpack.encode(self._lower(value, ""))
        except (UnicodeError, OverflowError, RecursionError) as error:
            raise CodecError(f"a value of type {type(value).__name__} cannot be stored: {error}") from error

    def decode(self, data: bytes) -> object:
        """The value that `encode` was given.

        Raises:
            CodecError: The bytes are not an encoded value, or name a tag that is not registered.
        """
        try:
            return msgspec.msgpack.decode(data, ext_hook=self._raise_up)
        except CodecError:
            raise
        except Exception as error:  # Also whatever a registered type makes of parts that are not its own.
            raise CodecError(f"stored bytes cannot be read: {error}") from error

    def _add(self, kind: type, tag: str, take_apart: Callable[[Any], object], make: Callable[[Any], object]) -> None:
        self._tags[kind] = (tag, take_apart)
        self._makers[tag] = make

    def _lower(self, value: object, path: str) -> object:
        """The value in terms that MessagePack knows."""
        kind = type(value)
        # By type: an int's subclass has a tag of its own, and `in` a range would count up to it.
        if value is None or kind in {bool, float, str, bytes} or (kind is int and value in _INT64):
            return value
        if kind is list:
            return self._lower_list(cast("list[object]", value), path)
        if kind is dict:
            return {
                self._key(key, path): self._lower(item, f"{path}[{key!r}]")
                for key, item in cast("dict[object, object]", value).items()
            }
        return self._lower_tagged(value, path)

    def _lower_list(self, values: list[object], path: str) -> list[object]:
        return [self._lower(value, f"{path}[{index}]") for index, value in enumerate(values)]

    def _lower_tagged(self, value: object, path: str) -> object:
        kind = type(value)
        if kind not in self._tags:
            where = f" at {path.lstrip('.')}" if path else ""
            raise CodecError(
                f"a value of type {kind.__module__}.{kind.__qualname__}{where} cannot be stored. "
                f"A dataclass, msgspec Struct, enum or pydantic model can be, once an annotation of one of the "
                f"run's nodes names it; for anything else use @node(record=False).",
                path=path.lstrip("."),
            )
        tag, take_apart = self._tags[kind]
        parts = take_apart(value)
        if isinstance(parts, dict):
            fields = cast("dict[str, object]", parts)
            parts = {name: self._lower(item, f"{path}.{name}") for name, item in fields.items()}
        else:
            parts = self._lower(parts, path)
        return msgspec.msgpack.Ext(_TAGGED, msgspec.msgpack.encode([tag, parts]))

    def _key(self, key: object, path: str) -> object:
        if type(key) in {str, int, float, bool, bytes} or key is None:
            return key
        raise CodecError(f"a key of type {type(key).__name__} at {path or 'the top'} cannot be stored.", path=path)

    def _raise_up(self, code: int, data: memoryview) -> object:
        tag, payload = msgspec.msgpack.decode(data, ext_hook=self._raise_up) if code == _TAGGED else (None, None)
        make = self._makers.get(tag) if isinstance(tag, str) else None
        if make is None:
            raise CodecError(f"stored bytes name the type {tag!r}, which is not registered here.")
        return make(payload)


def _from_hex(text: str) -> int:
    return int(text, 16)


def _parts(kind: type[Any]) -> tuple[Callable[[Any], object], Callable[[Any], object]]:
    """How to take an instance apart and how to make one again."""
    if issubclass(kind, Flag):
        return (lambda member: member.value), kind  # A combination has no name of its own.
    if issubclass(kind, Enum):
        return (lambda member: member.name), (lambda name: kind[name])
    if dataclasses.is_dataclass(kind):
        given = {field.name: field.init for field in dataclasses.fields(kind)}
        return (lambda value: {name: getattr(value, name) for name in given}), _dataclass_maker(kind, given)
    if issubclass(kind, msgspec.Struct):
        return (lambda value: {name: getattr(value, name) for name in value.__struct_fields__}), _maker(kind)
    if hasattr(kind, "model_validate") and hasattr(kind, "model_fields"):  # A pydantic model, without importing it.
        fields = tuple(cast("dict[str, object]", kind.model_fields))
        return (
            lambda value: {name: getattr(value, name) for name in fields},
            lambda parts: kind.model_validate(parts, by_alias=False, by_name=True),
        )
    raise CodecError(f"{kind!r} is no dataclass, msgspec Struct, enum or pydantic model: it cannot be registered.")


def _maker(kind: type[Any]) -> Callable[[Any], object]:
    def make(parts: dict[str, object]) -> object:
        return kind(**parts)

    return make


def _dataclass_maker(kind: type[Any], given: Mapping[str, bool]) -> Callable[[Any], object]:
    def make(parts: dict[str, object]) -> object:
        made = kind(**{name: part for name, part in parts.items() if given.get(name, True)})
        for name, part in parts.items():
            if not given[name]:
                object.__setattr__(made, name, part)  # A field that the class fills in itself, maybe frozen.
        return made

    return make
