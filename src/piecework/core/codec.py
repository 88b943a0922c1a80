"""Values to bytes and back, for the facts of a run's log.

MessagePack through msgspec. What JSON-like data cannot say (tuples, sets, instances) is an extension that carries a
short tag; a tag is looked up in the registry and nowhere else, so that stored bytes never choose what runs. The journal
calls it; a value that it cannot keep is an error that names the place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, TypeAlias, cast

import msgspec

from piecework.core.guests import guest_by_tag, guest_by_type
from piecework.core.kinds import BUILT_IN, Kind, expect, expect_dict
from piecework.core.raised import Raised
from piecework.core.records import record_kind, tag_of
from piecework.errors import CodecError, Failure

__all__ = ("FORMAT", "Codec", "Foreign", "digest_of")

FORMAT = 1
"""The format's version: the extension code of `[tag, parts]`. A format that reads otherwise takes another code."""

DEPTH = 100
"""How deep a value may be nested. Reading uses several frames a level, and Python allows 1000."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
"""What MessagePack says as it is, as a value and as a key; but for large ints and lone surrogates."""

_CAREFUL = _PLAIN - {int, str}

_INT64 = range(-(2**63), 2**64)

_pack = msgspec.msgpack.Encoder().encode

_HINT = (
    "A dataclass, NamedTuple, msgspec Struct, enum, exception or pydantic model can be, once an annotation of one of "
    "the run's nodes names it; make anything else of these and of Python's own types, or use @node(record=False)."
)

Trail: TypeAlias = "tuple[Trail, str, object] | None"
"""The way to a part of a value: the way to what holds it, and how a step is written. It is joined for errors only."""


def _make_failure(parts: object) -> Failure:
    told = expect_dict(parts)
    error = told["error"]
    if not isinstance(error, BaseException):
        raise CodecError("stored bytes hold a failure without its exception.")
    return Failure(error, expect(told["index"], int), expect(told["attempts"], int))


_FAILURE = Kind(
    tag_of(Failure),
    lambda failure: {"error": failure.error, "index": failure.index, "~attempts": failure.attempts},
    _make_failure,
    "told",
)
"""How often an item was tried does not count in a digest: the same failure, tried again, is the same input."""


def digest_of(data: bytes) -> bytes:
    """16 bytes that stand for these."""
    return hashlib.blake2b(data, digest_size=16).digest()


class Foreign(msgspec.Struct, frozen=True):
    """What a value of a type that is not registered here was made of."""

    tag: str
    """The type's name."""

    parts: object
    """What it was taken apart into."""


_TAGGED = 2
"""How many parts make a tagged value: the tag, and what it stands for."""


class Codec:
    """Encodes values whose types are built in or registered."""

    def __init__(self) -> None:
        """Make a codec that knows the built-in types only."""
        self._kinds = dict(BUILT_IN)
        self._tags = {kind.tag: kind for kind in BUILT_IN.values()}
        self._raised = Raised()
        self._tags[self._raised.kind.tag] = self._raised.kind
        self._decoder = msgspec.msgpack.Decoder(ext_hook=self._raise_up)
        self._kinds[Failure] = self._tags[_FAILURE.tag] = _FAILURE

    def register(self, *types: type[Any]) -> None:
        """Let instances of these dataclasses, NamedTuples, Structs, enums, exceptions or pydantic models through.

        Raises:
            CodecError: A type is none of these, or another of the same name is registered.
        """
        for kind in types:
            if kind in self._kinds:
                continue
            if issubclass(kind, BaseException):
                if not self._raised.add(kind):
                    raise _namesake(tag_of(kind))
                continue
            made = record_kind(kind)
            if made is None:
                raise CodecError(f"{kind!r} cannot be registered. {_HINT}")
            if made.tag in self._tags:
                raise _namesake(made.tag)
            self._tags[made.tag] = self._kinds[kind] = made

    def encode(self, value: object) -> bytes:
        """The value as bytes.

        Raises:
            CodecError: Something in it is of a type that is not registered; names its place.
        """
        try:
            return _pack(value if type(value) in _PLAIN else _Lowering(self._kind, _PLAIN).lower(value, None))
        except (UnicodeEncodeError, OverflowError):
            return self._carefully(value, canonical=False)
        except RecursionError as error:
            raise _too_deep(value) from error

    def decode(self, data: bytes) -> object:
        """The value that `encode` was given.

        Raises:
            CodecError: The bytes are not an encoded value, or name a tag that is not registered.
        """
        try:
            return self._decoder.decode(data)
        except CodecError:
            raise
        except Exception as error:  # Also whatever a registered type makes of parts that are not its own.
            raise CodecError(f"stored bytes cannot be read: {error!r}") from error

    def digest(self, value: object) -> bytes | None:
        """16 bytes that are the same for the same value in every process; None where the value cannot be encoded.

        The order of a dict does not count, nor does an exception's traceback. All that a function could tell apart
        does: 1 and True, 0.0 and -0.0, `Decimal("1.0")` and `Decimal("1.00")`.
        """
        try:
            encoded = self._canonically(value)
        except CodecError:
            return None
        return digest_of(encoded)

    def encode_arguments(self, arguments: Mapping[str, object], *, apart: Collection[str] = ()) -> bytes:
        """A call's arguments as bytes that are the same for the same arguments; one that cannot be encoded is left out.

        Args:
            arguments: By name.
            apart: Those of them to be left out.
        """
        if apart:
            arguments = {name: value for name, value in arguments.items() if name not in apart}
        if len(arguments) > 1:
            arguments = dict(sorted(arguments.items()))
        try:
            if _PLAIN.issuperset(map(type, arguments.values())):
                return _pack(arguments)
        except (UnicodeEncodeError, OverflowError):
            pass  # They are not as plain as they look.
        return self._encode_what_can_be(arguments)

    def _encode_what_can_be(self, arguments: Mapping[str, object]) -> bytes:
        try:
            return self._canonically(dict(arguments))
        except CodecError:
            kept: dict[str, msgspec.Raw] = {}
            for name, value in arguments.items():
                with suppress(CodecError):
                    kept[name] = msgspec.Raw(self._canonically(value))
            return _pack(kept)

    def peek(self, data: bytes) -> object:
        """The value that was encoded, for looking at: what is of a type that is not registered is a `Foreign`.

        Raises:
            CodecError: The bytes are not an encoded value.
        """
        try:
            return msgspec.msgpack.decode(data, ext_hook=self._peeked)
        except CodecError:
            raise
        except Exception as error:
            raise CodecError(f"stored bytes cannot be read: {error!r}") from error

    def _peeked(self, code: int, data: memoryview) -> object:
        try:
            return self._raise_up(code, data)
        except CodecError:
            told = msgspec.msgpack.decode(data, ext_hook=self._peeked) if code == FORMAT else None
            if not isinstance(told, list) or len(cast("list[object]", told)) != _TAGGED:
                raise
            tag, parts = cast("list[object]", told)
            return Foreign(str(tag), parts)

    def _canonically(self, value: object) -> bytes:
        """The value as bytes that do not depend on the order of dicts; of all but odd texts and ints in one go."""
        try:
            return _pack(_Lowering(self._kind, _PLAIN, canonical=True).lower(value, None))
        except (UnicodeEncodeError, OverflowError):
            return self._carefully(value, canonical=True)
        except RecursionError as error:
            raise _too_deep(value) from error

    def _carefully(self, value: object, *, canonical: bool) -> bytes:
        """The value as bytes, with a look at each int and str, and for a digest with dicts in an order of their own."""
        try:
            return _pack(_Lowering(self._kind, _CAREFUL, canonical=canonical).lower(value, None))
        except RecursionError as error:
            raise _too_deep(value) from error

    def _kind(self, kind: type[Any]) -> Kind | None:
        return self._kinds.get(kind) or (self._raised.kind if issubclass(kind, BaseException) else guest_by_type(kind))

    def _raise_up(self, code: int, data: memoryview) -> object:
        if code != FORMAT:
            raise CodecError(f"stored bytes are of format {code}, which this piecework does not read.")
        tag, parts = self._decoder.decode(data)
        kind = (self._tags.get(tag) or guest_by_tag(tag)) if isinstance(tag, str) else None
        if kind is None:
            raise CodecError(f"stored bytes name the type {tag!r}, which is not registered here.")
        return kind.make(parts)


class _Lowering:
    """One value being put in terms that MessagePack knows; what is in such terms already is not copied."""

    def __init__(
        self, known: Callable[[type[Any]], Kind | None], plain: Collection[type], *, canonical: bool = False
    ) -> None:
        self._known = known
        self._plain = frozenset(plain)
        self._canonical = canonical
        self._depth = 0

    def lower(self, value: object, trail: Trail) -> object:
        kind = type(value)
        if kind in self._plain or ((kind is int or kind is str) and _fits(value)):
            return value
        self._depth += 1
        if self._depth > DEPTH:
            raise CodecError(
                f"a value that is nested deeper than {DEPTH} levels, or holds itself, cannot be stored (at "
                f"{_place(trail)[:80]}...). Make it flat, or use @node(record=False).",
                path=_place(trail),
            )
        if kind is list:
            lowered: object = self._list(cast("list[object]", value), trail)
        elif kind is dict:
            lowered = self._dict(cast("dict[object, object]", value), trail)
        else:
            lowered = self._tagged(value, trail)
        self._depth -= 1
        return lowered

    def _list(self, values: list[object], trail: Trail, labels: tuple[str, ...] = ()) -> list[object]:
        plain = self._plain
        if plain.issuperset(map(type, values)):
            return values
        if labels:
            return [self.lower(value, (trail, label, None)) for label, value in zip(labels, values, strict=True)]
        return [
            value if type(value) in plain else self.lower(value, (trail, "[]", index))
            for index, value in enumerate(values)
        ]

    def _dict(self, values: dict[object, object], trail: Trail) -> object:
        plain = self._plain
        if not plain.issuperset(map(type, values)) and not all(map(_fits, values)):
            return self._tagged(values, trail)
        if self._canonical:
            values = dict(sorted(values.items(), key=_packed_key))
        if plain.issuperset(map(type, values.values())):
            return values
        return {
            key: value if type(value) in plain else self.lower(value, (trail, "[]", key))
            for key, value in values.items()
        }

    def _tagged(self, value: object, trail: Trail) -> object:
        kind = self._known(type(value))
        if kind is None:
            raise _refused(value, trail, f"cannot be stored. {_HINT}")
        try:
            parts = kind.apart(value)
        except RecursionError:
            raise
        except Exception as error:  # Ours says why; a user's property may raise anything.
            reason = str(error) if isinstance(error, CodecError) else f"it could not be taken apart: {error!r}"
            raise _refused(value, trail, f"cannot be stored: {reason}") from error
        return msgspec.msgpack.Ext(FORMAT, _pack([kind.tag, self._parts(kind, parts, trail)]))

    def _parts(self, kind: Kind, parts: Any, trail: Trail) -> object:
        match kind.form:
            case "fields":
                return self._fields(parts, trail)
            case "told":
                return self._told(parts, trail)
            case "set":
                lowered = [_pack(self.lower(item, (trail, "[]", item))) for item in parts]
                return [msgspec.Raw(item) for item in sorted(lowered)]  # Its own order differs between processes.
            case "mapping":
                pairs = self._pairs(parts, trail)
                return sorted(pairs, key=_packed_key) if self._canonical else pairs
            case "ordered mapping":
                return self._pairs(parts, trail)
            case _:
                return (
                    self._list(cast("list[object]", parts), trail, kind.labels)
                    if type(parts) is list
                    else self.lower(parts, trail)
                )

    def _pairs(self, values: Mapping[object, object], trail: Trail) -> list[list[object]]:
        return [
            [self.lower(key, (trail, "[]", key)), self.lower(value, (trail, "[]", key))]
            for key, value in values.items()
        ]

    def _fields(self, parts: dict[str, object], trail: Trail) -> dict[str, object]:
        plain = self._plain
        if plain.issuperset(map(type, parts.values())):
            return parts
        return {
            name: item if type(item) in plain else self.lower(item, (trail, ".", name.lstrip("*+")))
            for name, item in parts.items()
        }

    def _told(self, parts: dict[str, object], trail: Trail) -> dict[str, object]:
        lowered: dict[str, object] = {}
        for name, item in parts.items():
            if name[0] == "~" and self._canonical:
                continue
            depth = self._depth
            try:
                lowered[name.lstrip("?~")] = self.lower(item, (trail, ".", name.lstrip("?~*+")))
            except CodecError:
                if name[0] != "?":
                    raise
                self._depth = depth
        return lowered


def _fits(value: object) -> bool:
    """Whether MessagePack holds it as it is: also as a key, which must not need a tag."""
    kind = type(value)
    if kind is int:
        return cast("int", value) in _INT64
    if kind is str:
        text = cast("str", value)
        return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
    return kind in _CAREFUL


def _packed_key(pair: Any) -> bytes:
    return _pack(pair[0])


def _place(trail: Trail) -> str:
    """A way as it is written: `sections[3].draw`."""
    steps: list[str] = []
    while trail is not None:
        trail, how, step = trail
        try:
            steps.append(f"[{step!r}]" if how == "[]" else f".{step}" if how == "." else how)
        except Exception:  # A key whose repr fails must not hide what is wrong.
            steps.append(f"[<{type(step).__name__}>]")
    return "".join(reversed(steps)).lstrip(".")


def _refused(value: object, trail: Trail, why: str) -> CodecError:
    place, kind = _place(trail), type(value)
    where = f" at {place}" if place else ""
    return CodecError(f"a value of type {kind.__module__}.{kind.__qualname__}{where} {why}", path=place)


def _too_deep(value: object) -> CodecError:
    return CodecError(
        f"a value of type {type(value).__name__} cannot be stored from here: the calls around it, or it, are nested "
        f"too deeply. Make it flat, or use @node(record=False)."
    )


def _namesake(tag: str) -> CodecError:
    return CodecError(f"two types are called {tag!r}: give one of them another name.")
