"""Each kind of value in the log: what is kept of it, what is refused, and bytes that stay readable."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import pathlib
import zoneinfo
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piecework import CodecError
from piecework.core.codec import DEPTH, Codec


@dataclasses.dataclass
class Point:
    x: object
    y: object = None


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: object


class Pair(NamedTuple):
    left: object
    right: object = 0


class Shape(msgspec.Struct, tag="shape", array_like=True, omit_defaults=True):
    sides: object
    name: str = "n"


class Loose(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    title: str = "t"
    pages: list[int] = pydantic.Field(default_factory=list)
    _note: object = pydantic.PrivateAttr(default=None)


class Mode(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


def codec() -> Codec:
    ready = Codec()
    ready.register(Point, Slotted, Pair, Shape, Loose, Mode)
    return ready


CODEC = codec()


def back(value: Any) -> Any:
    return CODEC.decode(CODEC.encode(value))


def told(value: object) -> object:  # noqa: PLR0911 - a table
    """Everything of a value that its reader could tell apart, as something to compare; NaN is NaN."""
    kind = type(value)
    match value:
        case dict():
            extra = (value.default_factory,) if isinstance(value, collections.defaultdict) else ()
            return kind, [(told(key), told(item)) for key, item in value.items()], extra
        case collections.deque():
            return kind, [told(item) for item in value], value.maxlen
        case list() | tuple():
            return kind, [told(item) for item in value]
        case set() | frozenset():
            return kind, sorted(repr(told(item)) for item in value)
        case dt.datetime() | dt.time():
            return kind, value.isoformat(), value.fold, repr(value.tzinfo)
        case Point() | Slotted():
            return kind, [told(getattr(value, field.name)) for field in dataclasses.fields(value)]
        case Shape():
            return kind, told(value.sides), value.name
        case Loose():
            return kind, told(value.__dict__), told(value.model_extra), value.model_fields_set, told(value._note)
        case _:
            return kind, repr(value)


zones = st.sampled_from(
    [
        None,
        dt.UTC,
        dt.timezone(dt.timedelta(hours=-3, seconds=7)),
        dt.timezone(dt.timedelta(hours=1), "CET"),
        zoneinfo.ZoneInfo("Europe/Berlin"),
    ]
)
atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**64, 2**80)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters())
    | st.text(st.sampled_from("a\ud800\udfff"), max_size=3)
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.sampled_from([decimal.Decimal(text) for text in ("-0", "0E-10", "1E+999999", "-NaN", "NaN12", "1.10")])
    | st.dates()
    | st.datetimes(timezones=zones)
    | st.datetimes().map(lambda when: when.replace(fold=1))
    | st.times()
    | st.timedeltas()
    | zones
    | st.uuids()
    | st.builds(pathlib.PurePosixPath, st.sampled_from(["", "a/b", "//c", "\udcff"]))
    | st.builds(pathlib.PureWindowsPath, st.sampled_from(["C:\\a", "b"]))
    | st.sampled_from([*Mode, Mode(0), Mode.READ | Mode.WRITE, ..., pathlib.Path("here")])
)
hashable = st.recursive(
    atoms,
    lambda inner: (
        st.tuples(inner, inner)
        | st.frozensets(inner, max_size=3)
        | inner.map(Slotted)
        | st.tuples(inner, inner).map(Pair._make)
    ),
    max_leaves=4,
)
values = st.recursive(
    hashable | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.sets(hashable, max_size=4)
        | st.dictionaries(hashable, inner, max_size=4)
        | st.dictionaries(hashable, inner, max_size=3).map(collections.OrderedDict)
        | st.dictionaries(hashable, inner, max_size=3).map(lambda held: collections.defaultdict(list, held))
        | st.dictionaries(hashable, st.integers(), max_size=3).map(collections.Counter)
        | st.lists(inner, max_size=3).map(lambda items: collections.deque(items, 5))
        | st.builds(Point, inner, inner)
        | st.builds(Shape, inner, st.text())
        | st.builds(lambda item: Loose.model_validate({"title": "x", "more": item}), inner)
    ),
    max_leaves=10,
)


@given(value=values)
@settings(deadline=None)
def test_every_kind_comes_back_with_its_types_and_its_order(value: object) -> None:
    assert told(back(value)) == told(value)


@given(value=values)
@settings(deadline=None)
def test_a_value_that_was_read_has_the_digest_of_the_one_that_was_written(value: object) -> None:
    digest = CODEC.digest(value)
    assert digest is not None
    assert CODEC.digest(back(value)) == digest


@given(value=values, data=st.data())
@settings(deadline=None)
def test_damage_to_any_kind_is_a_codec_error_or_a_value(value: object, data: st.DataObject) -> None:
    encoded = bytearray(CODEC.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with suppress(CodecError):
        CODEC.decode(bytes(encoded))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": [1, None, True, 1.5, "é", b"b"]}, "81a1619601c0c3cb3ff8000000000000a2c3a9c40162"),
        ((1, "a"), "c70b0192a57475706c659201a161"),
        ({"b", "a"}, "c70a0192a373657492a161a162"),
        (2**64, "d80192a3696e74c409000000000000000001"),
        ("\ud800", "c70a0192a3737472c403eda080"),
        ({(1,): 2}, "c7150192a4646963749192c7090192a57475706c65910102"),
        (
            dt.datetime(2026, 1, 2, 3, 4, fold=1, tzinfo=dt.UTC),
            "c7320192a86461746574696d6593b3323032362d30312d30325430333a30343a303001c70f0192a874696d657a6f6e6594000000c0",
        ),
        (decimal.Decimal("1.10"), "c70e0192a7446563696d616ca4312e3130"),
    ],
)
def test_bytes_of_format_1_stay_what_they_are(value: object, written: str) -> None:
    assert CODEC.encode(value).hex() == written
    assert told(CODEC.decode(bytes.fromhex(written))) == told(value)


def test_a_digest_stays_what_it_is() -> None:
    assert [(CODEC.digest(value) or b"").hex()[:8] for value in [(1, "a"), {"b", "a"}, 2**64]] == [
        "939cf780",
        "97fc40db",
        "351dbb1c",
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_an_int_may_have_more_digits_than_python_prints(sign: int) -> None:
    assert back([sign * 7**9000, {sign * 2**70: 1}]) == [sign * 7**9000, {sign * 2**70: 1}]


def test_a_signalling_nan_comes_back_and_no_digit_of_a_decimal_is_rounded() -> None:
    assert str(back(decimal.Decimal("sNaN7"))) == "sNaN7"
    assert back(decimal.Decimal("1." + "3" * 100)) == decimal.Decimal("1." + "3" * 100)


INVALID: dict[str, Any] = {"pages": "no list"}


@pytest.mark.parametrize(
    "value",
    [
        Loose.model_construct(**INVALID),
        Loose.model_validate({"more": (1, 2), "title": "given"}),
        Loose(),
    ],
)
def test_a_model_comes_back_with_its_extras_what_was_set_and_what_is_private(value: Loose) -> None:
    value._note = {"private": (1,)}
    again = back(value)
    assert again == value
    assert told(again) == told(value)
    assert again.model_dump(exclude_unset=True, warnings=False) == value.model_dump(exclude_unset=True, warnings=False)


def test_a_dataclass_comes_back_as_it_was_without_its_init_being_called() -> None:
    @dataclasses.dataclass
    class Doubled:
        value: int
        factor: dataclasses.InitVar[int]
        lazy: int = dataclasses.field(init=False)

        def __post_init__(self, factor: int) -> None:
            self.value *= factor
            self.beside = (factor,)

        @functools.cached_property
        def remembered(self) -> object:
            return object()

    ready = Codec()
    ready.register(Doubled)
    one = Doubled(3, 2)
    assert one.remembered is one.remembered
    again = ready.decode(ready.encode(one))
    assert type(again) is Doubled
    assert (again.value, again.beside, hasattr(again, "lazy")) == (6, (2,), False)


def test_a_struct_comes_back_as_it_was_although_its_constructor_runs() -> None:
    class Doubled(msgspec.Struct):
        value: int

        def __post_init__(self) -> None:
            self.value *= 2

    ready = Codec()
    ready.register(Doubled)
    assert ready.decode(ready.encode(Doubled(3))) == back_of(Doubled, 6)


def back_of(kind: Any, value: int) -> object:
    made = kind(0)
    made.value = value
    return made


def test_a_field_that_is_new_gets_its_default_and_one_that_is_gone_is_an_error() -> None:
    def record(*fields: Any) -> Any:
        return dataclasses.make_dataclass("Grown", fields)

    old, new, bare = Codec(), Codec(), Codec()
    narrow = record(("x", int))
    wide = record(
        ("x", int), ("y", int, dataclasses.field(default=7)), ("z", Any, dataclasses.field(default_factory=list))
    )
    old.register(narrow)
    new.register(wide)
    bare.register(record(("x", int), ("w", int)))
    assert new.decode(old.encode(narrow(1))) == wide(1)
    with pytest.raises(CodecError, match="does not have now"):
        old.decode(new.encode(wide(1)))
    with pytest.raises(CodecError, match="lacks 'w'"):
        bare.decode(old.encode(narrow(1)))


class Text(str):
    __slots__ = ()


class Dict(dict[str, int]):
    pass


class Zone(dt.tzinfo):
    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(0)

    def dst(self, _: dt.datetime | None) -> None:
        return None

    def tzname(self, _: dt.datetime | None) -> None:
        return None


class Rude:
    def __repr__(self) -> str:
        raise ValueError("no repr")


@dataclasses.dataclass
class Failing:
    x: int

    def __getattribute__(self, name: str) -> object:
        if name == "__dict__":
            raise ValueError("not now")
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"sections": [0, 1, 2, Point(len)]}, "['sections'][3].x"),
        (Point({("a", 1): Point(0, len)}), "x[('a', 1)].y"),
        (Shape([len]), "sides[0]"),
        (Pair(1, len), "right"),
        (Loose.model_validate({"more": len}), "more"),
        ({Text("k"): 1}, "['k']"),
        ([Dict()], "[0]"),
        (collections.deque([1, len]), "[1]"),
        (collections.OrderedDict(a=len), "['a']"),
        (collections.defaultdict(lambda: 0), ""),
        (dt.datetime(2026, 1, 1, tzinfo=Zone()), "tzinfo"),
        ({frozenset([1, Text("x")])}, "[frozenset({1, 'x'})]['x']"),
        ({Rude(): 1}, "[<Rude>]"),
        ([range(3)], "[0]"),
    ],
)
def test_what_is_refused_is_named_with_its_place(value: object, path: str) -> None:
    with pytest.raises(CodecError) as caught:
        CODEC.encode(value)
    if "frozenset" not in path:  # Its items have no order.
        assert caught.value.path == path
    assert caught.value.path in str(caught.value)
    assert CODEC.digest(value) is None


def nested(depth: int, wrap: Any) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "wrap", [lambda x: [x], lambda x: (x,), lambda x: {(1,): x}, Point, Shape, lambda x: Loose.model_construct(m=x)]
)
def test_a_value_may_be_nested_deeply_but_not_without_end(wrap: Any) -> None:
    deep = nested(DEPTH - 1, wrap)
    assert CODEC.encode(back(deep)) == CODEC.encode(deep)
    for depth in (DEPTH + 2, 1000, 100_000):
        with pytest.raises(CodecError, match="nested deeper"):
            CODEC.encode(nested(depth, wrap) if depth <= 1000 else nested(depth, lambda x: [x]))


def test_a_value_that_holds_itself_twice_is_refused_at_once() -> None:
    held: list[object] = []
    held += [held, held]
    with pytest.raises(CodecError, match="holds itself"):
        CODEC.encode(held)
    error = ValueError()
    error.__cause__ = error
    with pytest.raises(CodecError, match="holds itself"):
        CODEC.encode(error)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({1: 1, "b": (2,)}, {"b": (2,), 1: 1}, True),
        ({(1,): 1, "\ud800": 2}, {"\ud800": 2, (1,): 1}, True),
        (collections.Counter("ab"), collections.Counter("ba"), True),
        (collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), False),
        ({8, 0, 16}, {16, 8, 0}, True),
        (1, True, False),
        (1, 1.0, False),
        ((1,), [1], False),
        ("a", b"a", False),
        (0.0, -0.0, False),
        (Point(1), Point(2), False),
    ],
)
def test_a_digest_is_that_of_the_value_whatever_the_order_of_a_dict(one: object, other: object, same: bool) -> None:
    assert (CODEC.digest(one) == CODEC.digest(other)) is same
