"""What a type's instances are taken apart into for the codec, and made from again: the types that come with Python.

The codec looks kinds up by type when it writes and by tag when it reads. A kind that is made from stored parts trusts
none of them: parts of the wrong type are an error here, not a conversion.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Literal, TypeAlias, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from piecework.errors import CodecError

__all__ = ("BUILT_IN", "Form", "Kind", "expect", "expect_dict", "expect_list")

Form: TypeAlias = Literal["items", "fields", "told", "set", "mapping", "ordered mapping"]
"""How the parts are written: a list, a map of names, the same but choosy, encoded items in their order, or pairs."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """One type that can be stored."""

    tag: str
    """What stands for it in stored bytes."""
    apart: Callable[[Any], Any]
    """An instance's parts. `CodecError` where an instance cannot be kept, its message the reason alone."""
    make: Callable[[Any], object]
    """An instance from parts that were read. Any exception says that they are not its parts."""
    form: Form = "items"
    """How the parts are written. In what is told a name may begin with `?`: left out where it cannot be kept; or with
    `~`: no part of a digest."""
    labels: tuple[str, ...] = ()
    """What a path calls each item, where `[0]` would name nothing that the user knows."""


def expect(part: object, kind: type[T]) -> T:
    """The part, which must be of exactly this type."""
    if type(part) is not kind:
        raise CodecError(f"stored bytes hold a {type(part).__name__} where a {kind.__name__} belongs.")
    return part


def expect_list(part: object) -> list[Any]:
    """The part, which must be a list."""
    expect(part, list)
    return cast("list[Any]", part)


def expect_dict(part: object) -> dict[Any, Any]:
    """The part, which must be a dict."""
    expect(part, dict)
    return cast("dict[Any, Any]", part)


def _listed(parts: object, length: int) -> list[Any]:
    items = expect_list(parts)
    if len(items) != length:
        raise CodecError(f"stored bytes hold {len(items)} parts where {length} belong.")
    return items


def _int_apart(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)  # Decimal digits have a limit.


def _make_int(parts: object) -> int:
    return int.from_bytes(expect(parts, bytes), "little", signed=True)


def _make_str(parts: object) -> str:
    return expect(parts, bytes).decode("utf-8", "surrogatepass")


def _make_complex(parts: object) -> complex:
    real, imaginary = _listed(parts, 2)
    return complex(expect(real, float), expect(imaginary, float))


def _make_decimal(parts: object) -> Decimal:
    text = expect(parts, str)
    made = Decimal(text)
    if str(made) != text:
        raise CodecError(f"stored bytes hold {text[:40]!r} where a Decimal belongs.")
    return made


def _made(kind: Callable[[list[Any]], object]) -> Callable[[object], object]:
    return lambda parts: kind(expect_list(parts))


def _pairs(parts: object) -> dict[object, object]:
    made: dict[object, object] = {}
    for pair in expect_list(parts):
        key, value = _listed(pair, 2)
        made[key] = value
    return made


def _deque_apart(value: deque[object]) -> list[object]:
    return [value.maxlen, list(value)]


def _make_deque(parts: object) -> deque[object]:
    length, items = _listed(parts, 2)
    return deque(expect_list(items), length if length is None else expect(length, int))


_FACTORIES: tuple[type[Any], ...] = (list, dict, set, int, float, str, tuple, bytes, bool)

FACTORIES = {kind.__name__: kind for kind in _FACTORIES}
"""What a stored defaultdict may make its values with."""


def _defaultdict_apart(value: defaultdict[object, object]) -> list[object]:
    factory = value.default_factory
    name = getattr(factory, "__name__", "")
    if factory is not None and FACTORIES.get(name) is not factory:
        raise CodecError(f"its default_factory must be None or one of {', '.join(FACTORIES)}; or pass dict(value).")
    return [None if factory is None else name, dict(value)]


def _make_defaultdict(parts: object) -> defaultdict[object, object]:
    name, items = _listed(parts, 2)
    return defaultdict(None if name is None else FACTORIES[expect(name, str)], expect_dict(items))


def _moment_apart(value: dt.datetime | dt.time) -> list[object]:
    return [value.replace(tzinfo=None).isoformat(), value.fold, value.tzinfo]


def _moment_maker(kind: type[Any]) -> Callable[[object], object]:
    def make(parts: object) -> object:
        text, fold, zone = _listed(parts, 3)
        return kind.fromisoformat(expect(text, str)).replace(tzinfo=zone, fold=expect(fold, int))

    return make


def _make_date(parts: object) -> dt.date:
    return dt.date.fromisoformat(expect(parts, str))


def _timedelta_apart(value: dt.timedelta) -> list[object]:
    return [value.days, value.seconds, value.microseconds]


def _make_timedelta(parts: object) -> dt.timedelta:
    return dt.timedelta(*(expect(part, int) for part in _listed(parts, 3)))


def _timezone_apart(value: dt.timezone) -> list[object]:
    offset, *name = cast("Any", value).__getinitargs__()  # What pickle calls: nothing else tells a name that was given.
    return [*_timedelta_apart(offset), name[0] if name else None]


def _make_timezone(parts: object) -> dt.timezone:
    *offset, name = _listed(parts, 4)
    delta = _make_timedelta(offset)
    if name is not None:
        return dt.timezone(delta, expect(name, str))
    return dt.timezone(delta) if delta else dt.UTC


_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")


def _zone_apart(value: ZoneInfo) -> str:
    if not _ZONE.fullmatch(value.key or ""):  # None for one that was read from a file of the user's.
        raise CodecError("a time zone without a name of the time zone database is known to this process alone.")
    return value.key


def _make_zone(parts: object) -> ZoneInfo:
    key = expect(parts, str)
    if not _ZONE.fullmatch(key):  # The name becomes a path, or that of a resource: no dots, no root.
        raise CodecError(f"stored bytes hold {key[:40]!r} where the name of a time zone belongs.")
    return ZoneInfo(key)


def _uuid_apart(value: UUID) -> bytes:
    return value.bytes


def _make_uuid(parts: object) -> UUID:
    return UUID(bytes=expect(parts, bytes))


def _path_maker(kind: type[Any]) -> Callable[[object], object]:
    return lambda parts: kind(expect(parts, str))  # Another system's concrete path refuses to be made.


def _ellipsis_apart(_: object) -> None:
    return None


def _single(value: object) -> Callable[[object], object]:
    def make(parts: object) -> object:
        expect(parts, type(None))
        return value

    return make


def _complex_apart(value: complex) -> list[object]:
    return [value.real, value.imag]


def _str_apart(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _make_bytearray(parts: object) -> bytearray:
    return bytearray(expect(parts, bytes))


def _make_ordered(parts: object) -> OrderedDict[object, object]:
    return OrderedDict(_pairs(parts))


def _make_counter(parts: object) -> Counter[object]:
    return Counter(cast("dict[object, int]", _pairs(parts)))


_PATHS = (PosixPath, WindowsPath, PurePosixPath, PureWindowsPath)

_MOMENT = ("", "", ".tzinfo")

BUILT_IN: dict[type[Any], Kind] = {
    int: Kind("int", _int_apart, _make_int),
    str: Kind("str", _str_apart, _make_str),
    dict: Kind("dict", lambda value: value, _pairs, "mapping"),
    tuple: Kind("tuple", list, _made(tuple)),
    set: Kind("set", list, _made(set), "set"),
    frozenset: Kind("frozenset", list, _made(frozenset), "set"),
    complex: Kind("complex", _complex_apart, _make_complex),
    bytearray: Kind("bytearray", bytes, _make_bytearray),
    Decimal: Kind("Decimal", str, _make_decimal),
    dt.datetime: Kind("datetime", _moment_apart, _moment_maker(dt.datetime), labels=_MOMENT),
    dt.time: Kind("time", _moment_apart, _moment_maker(dt.time), labels=_MOMENT),
    dt.date: Kind("date", dt.date.isoformat, _make_date),
    dt.timedelta: Kind("timedelta", _timedelta_apart, _make_timedelta),
    dt.timezone: Kind("timezone", _timezone_apart, _make_timezone),
    ZoneInfo: Kind("ZoneInfo", _zone_apart, _make_zone),
    UUID: Kind("UUID", _uuid_apart, _make_uuid),
    OrderedDict: Kind("OrderedDict", lambda value: value, _make_ordered, "ordered mapping"),
    Counter: Kind("Counter", lambda value: value, _make_counter, "mapping"),
    deque: Kind("deque", _deque_apart, _make_deque, labels=(".maxlen", "")),
    defaultdict: Kind("defaultdict", _defaultdict_apart, _make_defaultdict, labels=(".default_factory", "")),
    type(...): Kind("Ellipsis", _ellipsis_apart, _single(...)),
    msgspec.UnsetType: Kind("UNSET", _ellipsis_apart, _single(msgspec.UNSET)),
    **{kind: Kind(kind.__name__, str, _path_maker(kind)) for kind in _PATHS},
}
"""The kinds that every codec knows, by type."""
