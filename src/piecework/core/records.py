"""Instances of the user's classes taken apart and made again: dataclasses, Structs, enums, named tuples, models.

The codec asks for a kind when a class is registered. What is written is the state that an instance has, and that
state is put back without `__init__`, `__post_init__` or validators, which may not give twice what they gave once.
Only a msgspec Struct cannot be made without its constructor.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection
from enum import Enum, Flag
from typing import Any, TypeAlias, cast

import msgspec

from piecework.core.kinds import Kind, expect, expect_dict, expect_list
from piecework.errors import CodecError

__all__ = ("record_kind", "tag_of")

Parts: TypeAlias = dict[str, Any]

_ABSENT = object()


def tag_of(kind: type) -> str:
    """What stands for a registered class in stored bytes."""
    return f"{kind.__module__}.{kind.__qualname__}"


def record_kind(kind: type[Any]) -> Kind | None:
    """How instances of a class are kept; None where it is none of the classes that can be registered."""
    tag = tag_of(kind)
    if issubclass(kind, Flag):
        return Kind(tag, lambda member: member.value, kind)  # A combination has no name of its own.
    if issubclass(kind, Enum):
        return Kind(tag, functools.partial(_member_apart, kind), lambda name: kind[expect(name, str)])
    if dataclasses.is_dataclass(kind):
        shape = _Dataclass(kind)
        return Kind(tag, shape.apart, shape.make, "fields")
    for fits, apart, make in _RECORDS:
        if fits(kind):
            return Kind(tag, functools.partial(apart, kind), functools.partial(make, kind), "fields")
    return None


def _read(parts: object, tag: str, names: Collection[str]) -> Parts:
    """The parts, which may name nothing that the class does not have, but for `*name`, an attribute beside fields."""
    fields = expect_dict(parts)
    strange = [name for name in fields if name not in names and not str(name).startswith("*")]
    if strange:
        raise CodecError(f"a stored {tag} has {strange[0]!r}, which the class does not have now.")
    return fields


def _missing(tag: str, name: str) -> CodecError:
    return CodecError(f"a stored {tag} lacks {name!r}, for which the class has no default.")


def _member_apart(kind: type[Enum], member: Enum) -> str:
    if kind.__members__.get(member.name) is not member:
        raise CodecError("it is no member that the enum itself names.")
    return member.name


def _attributes(value: object, known: Collection[str]) -> Parts:
    """What an instance carries beside its fields, but for what it only remembers having computed."""
    held: Parts = getattr(value, "__dict__", {})
    return {
        f"*{name}": item
        for name, item in held.items()
        if name not in known and not isinstance(getattr(type(value), name, None), functools.cached_property)
    }


def _put_back(made: object, parts: Parts) -> None:
    for name, item in parts.items():
        object.__setattr__(made, name.removeprefix("*"), item)  # Also where the class is frozen.


class _Dataclass:
    """What is known of a dataclass once it is registered."""

    __slots__ = ("_direct", "_fields", "_kind", "_names", "_set")

    def __init__(self, kind: type[Any]) -> None:
        self._kind = kind
        self._fields = dataclasses.fields(kind)
        self._names = [field.name for field in self._fields]
        self._set = frozenset(self._names)
        self._direct = kind.__dictoffset__ != 0 and not any(
            hasattr(type(cast("object", getattr(kind, name, None))), "__set__") for name in self._names
        )
        """Whether all fields stand in the instance's dict: no slots, no properties."""

    def apart(self, value: Any) -> Parts:
        if self._direct and [*value.__dict__] == self._names:
            return cast("Parts", value.__dict__)
        held = {name: getattr(value, name, _ABSENT) for name in self._names}
        return {name: item for name, item in held.items() if item is not _ABSENT} | _attributes(value, self._set)

    def make(self, parts: object) -> object:
        made = object.__new__(self._kind)
        if self._direct and expect_dict(parts).keys() == self._set:
            made.__dict__.update(cast("Parts", parts))
            return made
        known = _read(parts, tag_of(self._kind), self._set)
        for field in self._fields:
            if field.name in known:
                continue
            if field.default is not dataclasses.MISSING:
                object.__setattr__(made, field.name, field.default)
            elif field.default_factory is not dataclasses.MISSING:
                object.__setattr__(made, field.name, field.default_factory())
            elif field.init:
                raise _missing(tag_of(self._kind), field.name)
        _put_back(made, known)
        return made


def _struct_apart(kind: type[Any], value: object) -> Parts:
    return {name: getattr(value, name) for name in kind.__struct_fields__} | _attributes(value, ())


def _make_struct(kind: type[Any], parts: object) -> object:
    names: tuple[str, ...] = kind.__struct_fields__
    known = _read(parts, tag_of(kind), names)
    fields = {name: item for name, item in known.items() if not name.startswith("*")}
    made = kind(**fields)
    if hasattr(kind, "__post_init__"):
        for name, item in fields.items():
            msgspec.structs.force_setattr(made, name, item)
    _put_back(made, {name: item for name, item in known.items() if name.startswith("*")})
    return made


def _named_apart(kind: type[Any], value: Any) -> Parts:
    names: tuple[str, ...] = kind._fields
    if len(names) != len(value):
        raise CodecError(f"it has {len(value)} items, and its class {len(names)} fields.")
    return dict(zip(names, tuple(value), strict=True)) | _attributes(value, ())


def _make_named(kind: type[Any], parts: object) -> object:
    names: tuple[str, ...] = kind._fields
    known = {**getattr(kind, "_field_defaults", {}), **_read(parts, tag_of(kind), names)}
    for name in names:
        if name not in known:
            raise _missing(tag_of(kind), name)
    values: list[Any] = [known[name] for name in names]
    made = cast("Any", tuple).__new__(kind, values)
    _put_back(made, {name: item for name, item in known.items() if name.startswith("*")})
    return made


def _model_apart(kind: type[Any], value: Any) -> Parts:
    """A model's state: fields as they are, `+name` what is extra, `_name` what is private, `*set` if not all were."""
    held: Parts = value.__dict__
    names: dict[str, object] = kind.model_fields
    parts: Parts = {name: held[name] for name in names if name in held}
    given: set[str] = value.__pydantic_fields_set__
    extra: Parts = value.__pydantic_extra__ or {}
    private: Parts = value.__pydantic_private__ or {}
    parts |= {f"+{name}": item for name, item in extra.items()} | private
    if given != set(parts).intersection(names) or len(parts) < len(names):
        parts["*set"] = sorted(given)
    return parts


def _make_model(kind: type[Any], parts: object) -> object:
    names: Parts = kind.model_fields
    private: Parts = kind.__private_attributes__
    wide = kind.model_config.get("extra") == "allow"
    read = expect_dict(parts)
    known = _read(read, tag_of(kind), [*names, *private, *(name for name in read if wide and str(name)[:1] == "+")])
    given = expect_list(known.get("*set", [name for name in known if name in names]))
    fields = {name: known[name] for name in names if name in known}
    for name, field in names.items():
        # One that was not set when the model was made without validation stays so; a new one has its default.
        if name not in fields and "*set" not in known:
            if field.is_required():
                raise _missing(tag_of(kind), name)
            fields[name] = field.get_default(call_default_factory=True, validated_data=dict(fields))
    made = object.__new__(kind)
    setting: Callable[[object, str, object], None] = object.__setattr__
    setting(made, "__dict__", fields)
    setting(made, "__pydantic_fields_set__", {expect(name, str) for name in given})
    setting(made, "__pydantic_extra__", {n[1:]: part for n, part in known.items() if n[:1] == "+"} if wide else None)
    setting(made, "__pydantic_private__", {n: known[n] for n in private if n in known} if private else None)
    return made


def _is_named_tuple(kind: type[Any]) -> bool:
    return issubclass(kind, tuple) and hasattr(cast("Any", kind), "_fields")


def _is_model(kind: type[Any]) -> bool:
    return hasattr(kind, "model_validate") and hasattr(kind, "model_fields")  # pydantic is not imported for it.


_RECORDS: tuple[tuple[Callable[[type[Any]], bool], Callable[..., Parts], Callable[..., object]], ...] = (
    (lambda kind: issubclass(kind, msgspec.Struct), _struct_apart, _make_struct),
    (_is_named_tuple, _named_apart, _make_named),
    (_is_model, _model_apart, _make_model),
)
