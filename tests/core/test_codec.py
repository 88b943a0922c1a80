"""Values to bytes and back: what goes in comes out, and nothing else is let in or out."""

import dataclasses
import enum
import math
from contextlib import suppress

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework import CodecError
from piecework.core.codec import Codec, Foreign


@dataclasses.dataclass(frozen=True)
class Point:
    x: object
    y: object = None


class Record(msgspec.Struct, frozen=True):
    name: str
    parts: object


class Model(pydantic.BaseModel):
    title: str
    pages: list[int]


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class Mode(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


def codec() -> Codec:
    ready = Codec()
    ready.register(Point, Record, Model, Colour, Level, Word, Mode)
    return ready


CODEC = codec()

hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.sampled_from([*Colour, *Level, *Word, *Mode, Mode.READ | Mode.WRITE]),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3) | st.builds(Point, inner, inner),
    max_leaves=6,
)
keys = st.text() | st.binary() | st.integers(-(2**63), 2**64 - 1) | st.none() | st.booleans()
values = st.recursive(
    hashable | st.builds(Model, title=st.text(), pages=st.lists(st.integers(), max_size=3)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.sets(hashable, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.builds(Record, st.text(), inner)
        | st.tuples(inner)
    ),
    max_leaves=12,
)


def alike(one: object, other: object) -> bool:
    """Equal, and of the same types all the way down."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, Point) and isinstance(other, Point):
        return alike((one.x, one.y), (other.x, other.y))
    if isinstance(one, Record) and isinstance(other, Record):
        return alike(one.parts, other.parts)
    return True


@given(value=values)
def test_what_is_encoded_comes_back_the_same_and_of_the_same_types(value: object) -> None:
    assert alike(value, CODEC.decode(CODEC.encode(value)))


@given(value=values)
def test_what_is_encoded_is_not_changed_by_it(value: object) -> None:
    before = repr(value)
    first = CODEC.encode(value)
    assert repr(value) == before
    assert CODEC.encode(value) == first


@pytest.mark.parametrize(
    "value",
    [2**64, -(2**63) - 1, pytest.param(10**5000, id="huge"), float("inf"), -0.0, (), [], {}, b"", ""],
)
def test_odd_values_come_back_too(value: object) -> None:
    assert alike(value, CODEC.decode(CODEC.encode(value)))


def test_not_a_number_stays_not_a_number() -> None:
    back = CODEC.decode(CODEC.encode(float("nan")))
    assert isinstance(back, float)
    assert math.isnan(back)


class Stranger:
    pass


class Name(str):
    __slots__ = ()


cyclic: list[object] = []
cyclic.append(cyclic)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Stranger(), ""),
        ([1, [Stranger()]], "[1][0]"),
        ({"a": {"b": Stranger()}}, "['a']['b']"),
        (Point(1, [Stranger()]), "y[0]"),
        (Record("r", (Stranger(),)), "parts[0]"),
        ([Name("n")], "[0]"),
        ([object], "[0]"),
        ([len], "[0]"),
    ],
)
def test_a_value_of_another_type_is_refused_and_its_place_named(value: object, path: str) -> None:
    with pytest.raises(CodecError) as caught:
        CODEC.encode(value)
    assert caught.value.path == path
    assert path in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [cyclic, "\ud800", {(1, 2): 3}, {2**64: 1}, {Colour.RED: 1}, ["ok", "\udfff"]],
    ids=["cyclic", "surrogate", "tuple key", "large key", "enum key", "inner surrogate"],
)
def test_what_cannot_be_written_is_a_codec_error_and_no_other(value: object) -> None:
    try:
        encoded = CODEC.encode(value)
    except CodecError:
        return
    assert alike(value, CODEC.decode(encoded))


@given(data=st.binary(max_size=60))
def test_junk_is_a_codec_error_or_a_value_never_another_exception(data: bytes) -> None:
    for read in (CODEC.decode, CODEC.peek):
        with suppress(CodecError):
            read(data)


@given(value=values, data=st.data())
def test_damaged_bytes_are_a_codec_error_or_a_value_never_another_exception(value: object, data: st.DataObject) -> None:
    encoded = bytearray(CODEC.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(encoded[: data.draw(st.integers(0, len(encoded)))])
    for read in (CODEC.decode, CODEC.peek):
        with suppress(CodecError):
            read(cut)


def test_a_value_of_a_type_that_is_not_registered_can_be_looked_at() -> None:
    stored = CODEC.encode({"points": [Point(1, Point(2))], "plain": (1, 2)})
    told = Codec().peek(stored)
    inner = Foreign(f"{__name__}.Point", {"x": 2, "y": None})
    assert told == {"points": [Foreign(f"{__name__}.Point", {"x": 1, "y": inner})], "plain": (1, 2)}
    assert CODEC.peek(stored) == {"points": [Point(1, Point(2))], "plain": (1, 2)}


@given(arguments=st.dictionaries(st.text(), values, max_size=4), data=st.data())
def test_the_same_arguments_are_the_same_bytes_in_whatever_order(
    arguments: dict[str, object], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(arguments.items()))))
    assert CODEC.encode_arguments(shuffled) == CODEC.encode_arguments(arguments)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": 1}, {"x": True}),
        ({"x": 1}, {"y": 1}),
        ({"x": 0.0}, {"x": -0.0}),
        ({"x": "a\ud800"}, {"x": "a\ud801"}),
        ({"x": 2**70}, {"x": 2**70 + 1}),
        ({"x": [1, 2]}, {"x": (1, 2)}),
        ({"x": Point(1)}, {"x": Point(2)}),
        ({"x": 1, "y": object()}, {"x": 2, "y": object()}),
    ],
)
def test_other_arguments_are_other_bytes(one: dict[str, object], other: dict[str, object]) -> None:
    assert CODEC.encode_arguments(one) != CODEC.encode_arguments(other)


def test_an_argument_that_cannot_be_encoded_does_not_count() -> None:
    one, other = {"client": object(), "x": Point(1)}, {"client": object(), "x": Point(1)}
    assert CODEC.encode_arguments(one) == CODEC.encode_arguments(other)
    assert CODEC.decode(CODEC.encode_arguments(one)) == {"x": Point(1)}


def test_arguments_that_are_given_to_all_alike_are_left_apart() -> None:
    assert CODEC.encode_arguments({"x": 1, "text": "long"}, apart={"text"}) == CODEC.encode_arguments({"x": 1})


def tagged(tag: object, payload: object) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(1, msgspec.msgpack.encode([tag, payload])))


@pytest.mark.parametrize(
    "data",
    [
        tagged("tests.core.test_codec.Stranger", {}),
        tagged("builtins.eval", "1 + 1"),
        tagged(5, {}),
        tagged(f"{__name__}.Colour", "GREEN"),
        tagged(f"{__name__}.Colour", ["RED"]),
        tagged(f"{__name__}.Point", {"z": 1}),
        tagged(f"{__name__}.Point", 5),
        tagged(f"{__name__}.Model", {"title": "only"}),
        tagged(f"{__name__}.Model", {"title": "t", "pages": [], "+more": 1}),
        tagged("set", [[1]]),
        tagged("tuple", 5),
        tagged("int", "five"),
        tagged("int", "9" * 5000),
        msgspec.msgpack.encode(msgspec.msgpack.Ext(9, b"")),
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        pytest.param(b"\x91" * 100_000, id="deep"),
        b"",
    ],
)
def test_bytes_that_say_something_else_than_was_encoded_are_refused(data: bytes) -> None:
    try:
        CODEC.decode(data)
    except CodecError:
        return
    assert data == tagged("int", "9" * 5000)


def test_a_type_is_only_let_in_once_it_is_registered_in_this_codec() -> None:
    encoded = CODEC.encode(Point(1, 2))
    with pytest.raises(CodecError, match="not registered"):
        Codec().decode(encoded)
    with pytest.raises(CodecError, match="cannot be stored"):
        Codec().encode(Point(1, 2))


def test_types_are_registered_once_however_often_it_is_asked_for() -> None:
    ready = codec()
    ready.register(Point, Point)
    assert ready.decode(ready.encode(Point(1))) == Point(1)


def test_two_types_of_one_name_are_refused() -> None:
    def make() -> type:
        @dataclasses.dataclass
        class Local:
            x: int

        return Local

    ready = Codec()
    ready.register(make())
    with pytest.raises(CodecError, match="Local"):
        ready.register(make())


def test_a_type_that_cannot_be_taken_apart_is_refused() -> None:
    with pytest.raises(CodecError, match="Stranger"):
        Codec().register(Stranger)


def test_fields_that_a_dataclass_makes_itself_come_back() -> None:
    @dataclasses.dataclass
    class Counted:
        items: list[int]
        count: int = dataclasses.field(init=False)

        def __post_init__(self) -> None:
            self.count = len(self.items)

    ready = Codec()
    ready.register(Counted)
    assert ready.decode(ready.encode(Counted([1, 2]))) == Counted([1, 2])


def test_a_model_whose_fields_have_other_names_outside_comes_back() -> None:
    class Aliased(pydantic.BaseModel):
        page_count: int = pydantic.Field(alias="pageCount")

    ready = Codec()
    ready.register(Aliased)
    assert ready.decode(ready.encode(Aliased(pageCount=3))) == Aliased(pageCount=3)


def test_a_frozen_dataclass_with_slots_comes_back() -> None:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Sized:
        text: str
        length: int = dataclasses.field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "length", len(self.text))

    ready = Codec()
    ready.register(Sized)
    assert ready.decode(ready.encode(Sized("four"))) == Sized("four")
