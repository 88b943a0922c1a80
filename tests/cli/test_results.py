"""What a run made, as text on standard output."""

import datetime
import decimal
import enum
import json
import uuid
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework import Failure, Graph, node
from piecework.cli.inputs import read_inputs
from piecework.cli.results import as_json, as_text, described, failures


@dataclass
class Section:
    title: str
    parts: list["Section"] = field(default_factory=list["Section"])


class Paragraph(msgspec.Struct):
    text: str


class Model(pydantic.BaseModel):
    name: str
    password: pydantic.SecretStr = pydantic.SecretStr("hidden")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


class Stranger:
    def __repr__(self) -> str:
        return "<a stranger>"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        ("größe", "größe"),
        ([1, (2, 3)], [1, [2, 3]]),
        ({"b", "a", "c"}, ["a", "b", "c"]),
        (frozenset([2, "a"]), ["a", 2]),
        (Section("a", [Section("b")]), {"title": "a", "parts": [{"title": "b", "parts": []}]}),
        (Paragraph("a"), {"text": "a"}),
        (Model(name="m"), {"name": "m", "password": "SecretStr('**********')"}),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Point(1, 2), [1, 2]),
        (MappingProxyType({"a": Colour.RED}), {"a": "red"}),
        (b"hi", "aGk="),
        (datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC), "2024-02-29T12:00:00Z"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.timedelta(seconds=90), "PT90S"),
        (decimal.Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("a/b"), "a/b"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Stranger(), "<a stranger>"),
        (Section, repr(Section)),
        (ValueError("x"), "ValueError('x')"),
        ({1: "a", None: "b", Colour.RED: "c", (1, 2): "d"}, {"1": "a", "null": "b", "red": "c", "(1, 2)": "d"}),
        ({"1": "a", 1: "b", "x": "c"}, {"1": "a", "1 (int)": "b", "x": "c"}),
        (Failure(ValueError("bad"), 4, 2), {"error": "ValueError: bad", "item": 4, "attempts": 2}),
    ],
)
def test_a_value_is_written_as_json(value: object, expected: object) -> None:
    assert json.loads(as_json([value])) == [expected]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_written_as_json_reads_back_as_an_input(value: object) -> None:
    graph = Graph([node(lambda x: x, output_name="y", name="work")])
    assert read_inputs(graph, [f"x={as_json(value)}"]) == {"x": value}


def test_json_is_indented_keeps_the_order_and_ends_its_line() -> None:
    assert as_json({"b": 1, "a": []}) == '{\n  "b": 1,\n  "a": []\n}\n'


def test_what_contains_itself_is_written_once() -> None:
    loop: list[object] = [1]
    loop.append(loop)
    assert json.loads(as_json(loop)) == [1, "[1, [...]]"]
    shared = [1]
    assert json.loads(as_json([shared, shared])) == [[1], [1]]


def test_half_a_character_does_not_keep_the_rest_from_being_written() -> None:
    assert json.loads(as_json(["a\udcffb"])) == ["a\udcffb"]
    assert as_text("a\udcffb") == "a\\udcffb\n"


def test_text_stands_as_it_is_and_ends_its_line_once() -> None:
    assert as_text('say "a"') == 'say "a"\n'
    assert as_text("a\n") == "a\n"
    assert as_text("") == "\n"


def test_what_is_no_text_is_json_alone_too() -> None:
    assert as_text(["a"]) == '[\n  "a"\n]\n'
    assert as_text(None) == "null\n"


def test_failed_items_are_found_with_their_place() -> None:
    first, second = Failure(ValueError("a"), 1), Failure(KeyError("b"), 0)
    loop: list[object] = [second]
    loop.append(loop)
    values = {"content": ["x", first], "table": [[], (first,)], "by_name": {"z": loop}, "one": second}
    assert list(failures(values)) == [
        ("content[1]", first),
        ("table[1][0]", first),
        ("by_name.z[0]", second),
        ("one", second),
    ]


def test_an_error_without_a_message_is_described_by_its_class() -> None:
    assert described(ValueError()) == "ValueError"
    assert described(ValueError("x")) == "ValueError: x"
