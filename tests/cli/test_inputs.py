"""`-i name=value`: what a run is given for words of the command line."""

import datetime
import enum
import functools
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from piecework import Graph, node
from piecework.cli.errors import MisuseError
from piecework.cli.inputs import read_inputs


@dataclass(frozen=True)
class Section:
    title: str
    weight: float = 1.0


class Paragraph(msgspec.Struct, tag=True, rename={"text": "body"}):
    text: str
    number: int = 0


class Model(pydantic.BaseModel):
    name: str
    size: int = 3


class Colour(enum.Enum):
    RED = "red"
    ONE = "1"


class Options(TypedDict, total=False):
    depth: int
    sections: list[Section]


class Stranger:
    """Something that no JSON says how to make."""


def taking(annotation: object) -> Graph:
    """A graph with one input `x` of this annotation."""

    def work(x: object) -> object:
        return x

    work.__annotations__["x"] = annotation
    return Graph([node(work, output_name="y")], name="taking")


def value(annotation: object, text: str) -> object:
    return read_inputs(taking(annotation), [f"x={text}"])["x"]


def complaint(graph: Graph, *words: str) -> str:
    with pytest.raises(MisuseError) as caught:
        read_inputs(graph, words)
    return str(caught.value)


@pytest.mark.parametrize("annotation", [Any, object, Stranger, Callable[[], int], "NowhereToBeFound"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3),
        ("[1, 2.5]", [1, 2.5]),
        ('{"a": null}', {"a": None}),
        ("true", True),
        ("tides", "tides"),
        ("", ""),
        ("{broken", "{broken"),
        ("NaN", "NaN"),
        ("12e9999", "12e9999"),
        ("a=b", "a=b"),
        ("@@home", "@home"),
    ],
)
def test_a_value_is_json_where_it_parses_and_text_otherwise(annotation: object, text: str, expected: object) -> None:
    assert value(annotation, text) == expected


@pytest.mark.parametrize("annotation", [str, str | None, "str", Literal["1", "2"]])
@pytest.mark.parametrize("text", ["2024", "null", '"quoted"', "[1]"])
def test_what_is_annotated_as_text_stays_text(annotation: object, text: str) -> None:
    assert value(annotation, text) == text


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (Section, '{"title": "Tides"}', Section("Tides")),
        (Section | None, '{"title": "Tides", "weight": 2}', Section("Tides", 2.0)),
        (Section | None, "null", None),
        (list[Section], '[{"title": "Tides"}]', [Section("Tides")]),
        (Sequence[Section], '[{"title": "Tides"}]', [Section("Tides")]),
        (Iterable[Section], '[{"title": "Tides"}]', [Section("Tides")]),
        (AsyncIterable[Section], '[{"title": "Tides"}]', [Section("Tides")]),
        (list[Iterable[Section]], '[[{"title": "Tides"}]]', [[Section("Tides")]]),
        (Iterable, "[1]", [1]),
        (tuple[Section, ...], '[{"title": "Tides"}]', (Section("Tides"),)),
        (dict[str, Section], '{"a": {"title": "Tides"}}', {"a": Section("Tides")}),
        (Paragraph, '{"type": "Paragraph", "body": "b"}', Paragraph("b")),
        (Model, '{"name": "m"}', Model(name="m")),
        (list[Model], '[{"name": "m", "size": 4}]', [Model(name="m", size=4)]),
        (Options, '{"depth": 2}', {"depth": 2}),
        (Colour, "red", Colour.RED),
        (Colour, "1", Colour.ONE),
        (datetime.date, "2024-02-29", datetime.date(2024, 2, 29)),
        (Path, "2024", Path("2024")),
        (Path, "[1]", Path("[1]")),
        (Path | None, "notes.txt", Path("notes.txt")),
        (float, "3", 3.0),
        (int | str, "3", 3),
        (int | str, "three", "three"),
        (set[str], '["a"]', {"a"}),
        (bytes, "aGk=", b"hi"),
        (Section | dict[str, int], '{"a": 1}', {"a": 1}),  # Two kinds of object: not told apart, so not built.
    ],
)
def test_an_annotated_value_is_built(annotation: object, text: str, expected: object) -> None:
    built = value(annotation, text)
    assert built == expected
    assert type(built) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "text", "told"),
    [
        (Section, '{"titel": "Tides"}', "missing required field `title`"),
        (Section, '{"title": 3}', "`$.title`"),
        (Section, '{"title": "Tides", "wieght": 2}', "no field `wieght` - at `$`; its fields are 'title', 'weight'"),
        (list[Section], '[{"title": "a"}, {"title": "b", "c": 1}]', "no field `c` - at `$[1]`"),
        (dict[str, Section], '{"k": {"title": "a", "c": 1}}', "no field `c` - at `$.k`"),
        (Options, '{"depht": 1}', "no field `depht`"),
        (Options, '{"sections": [{"title": "a", "b": 1}]}', "no field `b` - at `$.sections[0]`"),
        (Paragraph, '{"type": "Paragraph", "text": "b"}', "missing required field `body`"),
        (Section, '{"title": "Tides"', "it is broken JSON: Expecting ',' delimiter"),
        (list[Section], "Tides", "(the value is no JSON, so it is text)"),
        (Model, '{"name": 1, "size": "x"}', "name: Input should be a valid string; size: Input should be"),
        (Model, "3", "Input should be"),
        (int, "three", "Expected `int`, got `str`"),
        (int, "3.5", "Expected `int`, got `float`"),
        (bool, "yes", "Expected `bool`"),
        (Colour, "blue", "Invalid enum value"),
        (Section, '"\udcff"', "does not fit"),
        (datetime.date, "\udcff", "UTF-8"),
    ],
)
def test_what_does_not_fit_is_told_with_the_node_that_takes_it(annotation: object, text: str, told: str) -> None:
    message = complaint(taking(annotation), f"x={text}")
    assert told in message
    assert message.startswith("-i x=")
    assert "which node 'work' takes" in message


def test_a_long_value_is_shown_shortened() -> None:
    assert len(complaint(taking(int), f"x={'long ' * 1000}")) < 300


def test_a_mapped_input_is_a_list_of_what_the_function_takes_through_all_levels() -> None:
    @node(output_name="text")
    def write(section: Section, tone: str) -> str:
        return section.title + tone

    row = Graph([write.map_over("section")], name="row").as_node().with_inputs(section="rows").map_over("rows")
    graph = Graph([row.with_name("table")])
    assert read_inputs(graph, ['rows=[[{"title": "a"}], []]', "tone=1"]) == {"rows": [[Section("a")], []], "tone": "1"}
    assert "does not fit list[list[" in complaint(graph, "rows=[1]", "tone=1")


@pytest.mark.parametrize(
    ("annotations", "text", "expected"),
    [
        ((str, str | None), "3", "3"),
        ((str, Any), "3", "3"),
        ((str, int), "3", 3),
        ((Section, Section | None), '{"title": "a"}', Section("a")),
        ((Section, Section | None), "null", None),
        ((Section, Paragraph), '{"title": "a"}', {"title": "a"}),  # They disagree, so nothing is built.
    ],
)
def test_all_functions_that_take_an_input_have_a_say(
    annotations: tuple[object, object], text: str, expected: object
) -> None:
    nodes = [taking(annotation).nodes[0].with_name(f"n{place}") for place, annotation in enumerate(annotations)]
    graph = Graph([one.with_outputs(y=f"y{place}") for place, one in enumerate(nodes)])
    assert read_inputs(graph, [f"x={text}"]) == {"x": expected}


def test_annotations_of_methods_partials_and_callable_objects_are_read() -> None:
    class Writer:
        def write(self, x: "Section") -> str:
            return x.title

        def __call__(self, x: Section) -> str:
            return x.title

    def write(tone: str, x: Section) -> str:
        return tone + x.title

    functions: list[Callable[..., str]] = [Writer().write, Writer(), functools.partial(write, "dry")]
    for function in functions:
        graph = Graph([node(function, output_name="y", name="write")])
        assert read_inputs(graph, ['x={"title": "a"}']) == {"x": Section("a")}


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "sections.json").write_bytes(b'\xef\xbb\xbf[{"title": "Tides"}]\r\n')
    (tmp_path / "notes.txt").write_bytes("Gezeiten für alle\n@home\n".encode())
    assert value(list[Section], f"@{tmp_path}/sections.json") == [Section("Tides")]
    assert value(str, f"@{tmp_path}/notes.txt") == "Gezeiten für alle\n@home\n"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"\xff")
    graph = taking(Any)
    assert "cannot be read: No such file" in complaint(graph, f"x=@{tmp_path}/none.txt")
    assert "cannot be read: Is a directory" in complaint(graph, f"x=@{tmp_path}")
    assert "is not text in UTF-8" in complaint(graph, f"x=@{tmp_path}/latin.txt")
    assert "write @@" in complaint(graph, "x=@nobody")
    assert "names no file" in complaint(graph, "x=@")
    assert "cannot be read" in complaint(graph, "x=@\0")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x"], "-i 'x' has no name and value"),
        (["=3"], "-i '=3' has no name and value"),
        (["x=1", "x=2"], "-i x is given twice"),
        (["y=1"], "'y' is no input of graph 'taking': node 'work' makes it"),
        (["X=1"], "graph 'taking' has no input 'X'; its inputs are 'x'. Did you mean -i x=...?"),
        (["zzz=1", "qqq=1"], "has no input 'qqq'"),
        ([], "node 'work' needs 'x': give it with -i x=VALUE."),
    ],
)
def test_names_that_do_not_fit_the_graph_are_told_in_terms_of_the_command(words: list[str], told: str) -> None:
    message = complaint(taking(int), *words)
    assert told in message
    assert "run(" not in message


def test_several_missing_inputs_are_told_at_once() -> None:
    @node(output_name="c")
    def join(a: int, b: int) -> int:
        return a + b

    graph = Graph([join, join.with_name("again").with_outputs(c="d").with_inputs(b="e")])
    assert complaint(graph) == (
        "nodes 'join', 'again' need 'a': give it with -i a=VALUE. node 'join' needs 'b': give it with -i b=VALUE. "
        "node 'again' needs 'e': give it with -i e=VALUE."
    )


def test_a_graph_without_inputs_says_so() -> None:
    assert "it takes none" in complaint(Graph([]), "x=1")


def test_bound_values_and_defaults_need_not_be_given_and_may_be() -> None:
    bound = taking(Section).bind(x=Section("bound"))
    assert read_inputs(bound, []) == {}
    assert read_inputs(bound, ['x={"title": "given"}']) == {"x": Section("given")}


def test_json_that_is_nested_beyond_reason_is_text() -> None:
    deep = "[" * 100_000
    assert value(Any, deep) == deep
