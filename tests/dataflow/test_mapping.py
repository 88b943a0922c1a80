"""`map_over` as declared: what it may be given, what names mean in either order, what cannot be mapped."""

import array
import inspect
from collections import UserDict, deque
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.dataflow.graph import Graph
from piecework.dataflow.mapping import MapSpec, check_equal_lengths, check_mappable
from piecework.dataflow.node import FunctionNode, Node, node
from piecework.errors import GraphError, MappingError


@node(output_name="content")
def write(section: str, style: str = "plain", tone: str = "dry") -> str:
    return section + style + tone


def as_function_node() -> Node:
    return write


def as_graph_node() -> Node:
    return Graph(nodes=[write], name="writer").as_node()


BOTH = pytest.mark.parametrize("make", [as_function_node, as_graph_node])


def params(mapped: Node) -> tuple[str, ...]:
    assert mapped.mapping is not None
    return mapped.mapping.params


def test_an_unmapped_node_has_no_mapping() -> None:
    assert write.mapping is None


def test_a_mapping_is_zipped_raises_and_is_unlimited_unless_told_otherwise() -> None:
    assert write.map_over("section").mapping == MapSpec(
        params=("section",), mode="zip", on_error="raise", max_concurrency=None
    )


def test_every_option_is_kept() -> None:
    mapped = write.map_over("style", "section", mode="product", on_error="keep", max_concurrency=3)
    assert mapped.mapping == MapSpec(("style", "section"), "product", "keep", 3)


@BOTH
def test_map_over_leaves_names_and_outputs_alone(make: Callable[[], Node]) -> None:
    mapped = make().map_over("section")
    assert (mapped.inputs, mapped.outputs, mapped.name) == (make().inputs, make().outputs, make().name)


@BOTH
def test_the_outer_name_is_taken_after_the_rename(make: Callable[[], Node]) -> None:
    assert params(make().with_inputs(section="sections").map_over("sections")) == ("section",)


@BOTH
def test_the_inner_name_is_taken_after_the_rename(make: Callable[[], Node]) -> None:
    assert params(make().with_inputs(section="sections").map_over("section")) == ("section",)


@BOTH
def test_the_inner_name_is_taken_before_the_rename(make: Callable[[], Node]) -> None:
    assert params(make().map_over("section").with_inputs(section="sections")) == ("section",)


@BOTH
def test_the_outer_name_is_taken_before_the_rename(make: Callable[[], Node]) -> None:
    waiting = make().map_over("sections")
    assert waiting.signature.unresolved == ("sections",)
    assert params(waiting.with_inputs(section="sections")) == ("section",)


def test_a_name_once_resolved_is_not_read_anew_by_a_later_swap() -> None:
    swapped = write.map_over("section").with_inputs(section="style", style="section")
    assert params(swapped) == ("section",)
    assert swapped.signature.mapped == ("style",)


def test_a_waiting_name_is_resolved_while_others_stay_as_they_are() -> None:
    mapped = write.map_over("style", "sections").with_inputs(style="tone", tone="style")
    assert params(mapped.with_inputs(section="sections")) == ("style", "section")


def test_the_order_given_is_kept_when_a_name_is_resolved_later() -> None:
    mapped = write.map_over("sections", "style", mode="product").with_inputs(section="sections")
    assert params(mapped) == ("section", "style")


def test_a_name_that_one_input_has_outside_and_another_inside_is_refused_naming_both() -> None:
    crossed = write.with_inputs(section="style", style="look")
    with pytest.raises(MappingError, match="means two inputs") as caught:
        crossed.map_over("style")
    assert "'style', which is 'section' inside, or 'look', which is 'style' inside" in str(caught.value)
    assert caught.value.parameters == ("style",)


def test_the_other_names_of_the_same_two_inputs_are_no_problem() -> None:
    crossed = write.with_inputs(section="style", style="look")
    assert params(crossed.map_over("section")) == ("section",)
    assert params(crossed.map_over("look")) == ("style",)


def test_a_swap_makes_both_names_ambiguous_and_mapping_first_avoids_it() -> None:
    swapped = write.with_inputs(section="style", style="section")
    for name in ("section", "style"):
        with pytest.raises(MappingError, match="Call map_over before the rename"):
            swapped.map_over(name)
    assert params(write.map_over("section").with_inputs(section="style", style="section")) == ("section",)


def test_one_input_under_both_its_names_is_refused() -> None:
    with pytest.raises(MappingError, match="'section' and 'sections' both mean 'section'"):
        write.with_inputs(section="sections").map_over("section", "sections")


def test_one_input_under_both_its_names_is_refused_when_the_second_becomes_known() -> None:
    waiting = write.map_over("section", "sections")
    with pytest.raises(MappingError, match="'section' and 'sections' both mean 'section'"):
        waiting.with_inputs(section="sections")


def test_a_name_that_never_means_anything_is_a_fault_of_the_graph() -> None:
    with pytest.raises(GraphError, match="maps over 'sektions', but its inputs are") as caught:
        Graph(nodes=[write.map_over("sektions").with_inputs(section="sections")])
    assert [(fault.kind, fault.nodes, fault.names) for fault in caught.value.faults] == [
        ("unknown-mapped-input", ("write",), ("sektions",))
    ]
    assert "'sections' ('section' inside)" in str(caught.value)
    assert "Did you mean 'sections'?" in str(caught.value)
    assert "Renamed so far: .with_inputs(section='sections')." in str(caught.value)


def test_a_name_between_the_first_and_the_last_means_nothing() -> None:
    with pytest.raises(GraphError, match="maps over 'between'"):
        Graph(nodes=[write.with_inputs(section="between").with_inputs(between="last").map_over("between")])


def test_a_function_is_mapped_in_a_graph_without_one_of_its_own() -> None:
    graph = Graph(nodes=[write.with_inputs(section="sections").map_over("sections")])
    assert graph.inputs.required == ("sections",)
    assert graph.nodes[0].mapping == MapSpec(("section",))


def test_map_over_without_a_name_is_refused() -> None:
    with pytest.raises(MappingError, match="names no input"):
        write.map_over()


@pytest.mark.parametrize("name", [["section"], ("section", "style"), 3, None])
def test_a_name_that_is_no_string_is_refused(name: object) -> None:
    with pytest.raises(MappingError, match="takes each name as a string of its own"):
        write.map_over(name)  # type: ignore[arg-type]


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(MappingError, match="is given 'section' twice"):
        write.map_over("section", "section")


@pytest.mark.parametrize("mode", ["zap", "", None, 3, ["zip"]])
def test_a_wrong_mode_is_refused_at_the_call(mode: object) -> None:
    with pytest.raises(MappingError, match=r"map_over\(mode=.*\) is none of 'zip', 'product'"):
        write.map_over("section", mode=mode)  # type: ignore[arg-type]


@pytest.mark.parametrize("on_error", ["ignore", "continue", True, None])
def test_a_wrong_on_error_is_refused_at_the_call(on_error: object) -> None:
    with pytest.raises(MappingError, match=r"map_over\(on_error=.*\) is none of 'raise', 'keep', 'drop'"):
        write.map_over("section", on_error=on_error)  # type: ignore[arg-type]


def test_the_near_miss_of_an_option_is_named() -> None:
    with pytest.raises(MappingError, match="Did you mean 'product'"):
        write.map_over("section", mode="products")  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "3"])
def test_a_wrong_max_concurrency_is_refused_at_the_call(limit: object) -> None:
    with pytest.raises(MappingError, match="must be a whole number of at least 1"):
        write.map_over("section", max_concurrency=limit)  # type: ignore[arg-type]


def test_a_wrong_option_is_refused_at_the_call_also_where_the_name_is_not_known_yet() -> None:
    with pytest.raises(MappingError, match="mode="):
        write.map_over("unknown", mode="zap")  # type: ignore[arg-type]


@BOTH
def test_mapping_twice_is_refused_and_says_how_to_nest(make: Callable[[], Node]) -> None:
    with pytest.raises(MappingError, match="put the mapped node in a graph of its own"):
        make().map_over("section").map_over("style")


def test_a_mapped_node_nests_in_a_graph_that_is_mapped_in_turn() -> None:
    inner = Graph(nodes=[write.with_inputs(section="sections").map_over("sections")], name="chapter")
    outer = inner.as_node().with_inputs(sections="chapters").map_over("chapters")
    assert outer.mapping == MapSpec(("sections",))
    assert outer.inputs[0] == "chapters"


class Getter:
    """Can be iterated by index alone."""

    def __getitem__(self, index: int) -> int:
        return [1, 2][index]


async def stream() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    "value",
    [
        [1],
        (),
        {1},
        range(3),
        deque([1]),
        array.array("i", [1]),
        iter([1]),
        (x for x in [1]),
        stream(),
        Getter(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_iterable_can_be_mapped_over(value: object) -> None:
    check_mappable("write", "sections", value)
    assert not inspect.isgenerator(value) or value.gi_running is False


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("intro", "which is a string: that would be one item per character"),
        (b"intro", "which is bytes: that would be one item per byte"),
        (bytearray(b"intro"), "which is bytes"),
        (memoryview(b"intro"), "which is bytes"),
        ({"a": 1}, r"which is a mapping: that would be its keys alone. Pass list\(value.items\(\)\)"),
        (UserDict({"a": 1}), "which is a mapping"),
        (3, "which is of type int and holds no items"),
        (None, "which is of type NoneType and holds no items"),
        (3.5, r"Pass a list or another iterable, \[value\] for a single item"),
    ],
)
def test_what_is_meant_as_one_value_is_refused(value: object, said: str) -> None:
    with pytest.raises(MappingError, match=said) as caught:
        check_mappable("write", "sections", value)
    assert str(caught.value).startswith("node 'write' maps over 'sections'")
    assert (caught.value.node, caught.value.parameters) == ("write", ("sections",))


def test_checking_a_generator_draws_nothing_from_it() -> None:
    items = iter([1, 2])
    check_mappable("write", "sections", items)
    assert list(items) == [1, 2]


@pytest.mark.parametrize("lengths", [{}, {"a": 3}, {"a": 3, "b": 3}])
def test_equal_lengths_pass(lengths: dict[str, int]) -> None:
    check_equal_lengths("write", lengths)


def test_unequal_lengths_are_listed() -> None:
    with pytest.raises(MappingError, match="'a' has 3, 'b' has 2, 'c' has 3") as caught:
        check_equal_lengths("write", {"a": 3, "b": 2, "c": 3})
    assert caught.value.lengths == {"a": 3, "b": 2, "c": 3}


@st.composite
def renames_and_a_name(draw: st.DrawFn) -> tuple[dict[str, str], str]:
    """Draw a rename of `write` to names of its own, and one input by its old or new name."""
    fresh = draw(st.lists(st.sampled_from("pqrst"), min_size=3, max_size=3, unique=True))
    renames = {old: new for old, new in zip(write.inputs, fresh, strict=True) if draw(st.booleans())}
    inner = draw(st.sampled_from(write.inputs))
    return renames, draw(st.sampled_from([inner, renames.get(inner, inner)]))


@given(renames_and_a_name())
def test_a_name_means_the_same_before_and_after_the_rename(case: tuple[dict[str, str], str]) -> None:
    renames, name = case
    before: FunctionNode[..., str] = write.map_over(name).with_inputs(**renames)
    after: FunctionNode[..., str] = write.with_inputs(**renames).map_over(name)
    assert before.mapping == after.mapping
    assert not before.signature.unresolved
    assert before.signature.mapped == after.signature.mapped == tuple({renames.get(name, name)})


@given(st.permutations(["section", "style", "tone", "other"]), st.sampled_from(["section", "style", "tone"]))
def test_after_any_rename_a_name_is_unambiguous_or_refused(order: list[str], name: str) -> None:
    renamed = write.with_inputs(**dict(zip(write.inputs, order, strict=False)))
    outside, inside = renamed.inner_inputs.get(name), name
    if outside is not None and outside != inside:
        with pytest.raises(MappingError, match="means two inputs"):
            renamed.map_over(name)
    else:
        assert params(renamed.map_over(name)) == (inside,)
