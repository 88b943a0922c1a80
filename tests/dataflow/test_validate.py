"""Build errors, all in one, and the checks of the inputs given to a run."""

from collections.abc import Callable

import pytest

from piecework.dataflow.graph import Graph
from piecework.dataflow.node import FunctionNode, node
from piecework.dataflow.validate import check_inputs, same_value
from piecework.errors import Fault, GraphError, MissingInputError, UnknownInputError


@node(output_name="sections")
def plan(topic: str) -> list[str]:
    return [topic]


@node(output_name="content")
def write(section: str, style: str = "plain") -> str:
    return section + style


@node(output_name="report")
def join(content: list[str], title: str) -> str:
    return title + "".join(content)


def make(name: str, inputs: str, outputs: str) -> FunctionNode[..., object]:
    """Return a node of these inputs and outputs, each a letter."""
    work = _WORKS[len(inputs)]
    given = node(work, output_name=tuple(outputs), name=name)
    return given.with_inputs(**dict(zip(given.inputs, inputs, strict=True)))


def _none() -> None: ...
def _one(i: int) -> None: ...
def _two(i: int, j: int) -> None: ...


_WORKS: tuple[Callable[..., None], ...] = (_none, _one, _two)


def faults_of(*nodes: object) -> tuple[Fault, ...]:
    with pytest.raises(GraphError) as caught:
        Graph(nodes=nodes)  # type: ignore[arg-type]
    return caught.value.faults


def test_a_graph_in_place_of_a_node_is_told_to_be_made_one() -> None:
    (fault,) = faults_of(plan, Graph(nodes=[write], name="writer"))
    assert (fault.kind, fault.message) == (
        "not-a-node",
        "nodes[1] is graph 'writer', not a node. Write .as_node() after it.",
    )


def test_an_unnamed_graph_in_place_of_a_node_is_told_to_be_named() -> None:
    (fault,) = faults_of(Graph(nodes=[write]))
    assert "Write .as_node(name='...') after it." in fault.message


def test_a_plain_function_in_place_of_a_node_is_told_to_be_decorated() -> None:
    (fault,) = faults_of(make)
    assert fault.message == "nodes[0] is the plain function 'make'. Write @node(output_name=...) over its def."


@pytest.mark.parametrize("item", [3, None, "plan"])
def test_anything_else_in_place_of_a_node_is_refused(item: object) -> None:
    (fault,) = faults_of(item)
    assert fault.message.startswith(f"nodes[0] is {item!r}, not a node.")


def test_a_single_node_in_place_of_a_list_is_a_fault_only_where_it_is_none() -> None:
    assert Graph(nodes=plan).nodes == (plan,)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match=r"nodes\[0\] is 3"):
        Graph(nodes=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a/b", 3])
def test_a_bad_name_of_a_graph_is_a_fault(name: str) -> None:
    with pytest.raises(GraphError, match="the name must") as caught:
        Graph(nodes=[plan], name=name)
    assert [fault.kind for fault in caught.value.faults] == ["bad-name"]


def test_a_bad_name_for_a_graph_as_a_node_is_a_fault() -> None:
    with pytest.raises(GraphError, match="the name must"):
        Graph(nodes=[plan]).as_node("a/b")


def test_two_nodes_of_one_name_are_a_fault() -> None:
    (fault,) = faults_of(plan, plan.with_outputs(sections="more"))
    assert (fault.kind, fault.nodes) == ("duplicate-name", ("plan",))
    assert ".with_name('another_name')" in fault.message


def test_one_node_given_twice_is_one_fault() -> None:
    assert [fault.kind for fault in faults_of(plan, plan)] == ["duplicate-name"]


def test_two_producers_of_one_name_are_a_fault_naming_both() -> None:
    (fault,) = faults_of(plan, write.with_outputs(content="sections"))
    assert (fault.kind, fault.nodes, fault.names) == ("competing-producers", ("plan", "write"), ("sections",))
    assert "'plan', 'write'" in fault.message


def test_different_defaults_for_one_input_are_a_fault_naming_both() -> None:
    def sketch(style: str = "bold") -> str:
        return style

    (fault,) = faults_of(write, node(sketch, output_name="sketch"))
    assert (fault.kind, fault.nodes, fault.names) == (
        "inconsistent-defaults",
        ("write", "sketch"),
        ("style",),
    )
    assert "has the default 'plain' in node 'write' and has the default 'bold' in node 'sketch'" in fault.message


def test_a_default_in_one_taker_and_none_in_another_is_a_fault() -> None:
    def sketch(style: str) -> str:
        return style

    (fault,) = faults_of(node(sketch, output_name="sketch"), write)
    assert "has no default in node 'sketch' and has the default 'plain' in node 'write'" in fault.message


def test_an_input_mapped_in_one_taker_and_optional_in_another_is_a_fault_that_says_so() -> None:
    (fault,) = faults_of(write, write.map_over("style").with_name("each").with_outputs(content="contents"))
    assert "has no default in node 'each' (it maps over it)" in fault.message


def test_equal_defaults_are_no_fault() -> None:
    def first(options: list[int] = [1]) -> None: ...  # noqa: B006 - equal and not the same is the point
    def second(options: list[int] = [1]) -> None: ...  # noqa: B006 - equal and not the same is the point

    assert list(Graph(nodes=[node(first), node(second)]).inputs.optional) == ["options"]


def test_defaults_of_an_input_that_an_edge_feeds_do_not_matter() -> None:
    def first(sections: int = 1) -> None: ...
    def second(sections: int = 2) -> None: ...

    assert Graph(nodes=[plan, node(first), node(second)]).inputs.all == ("topic",)


class Doubtful:
    """Equal to nothing without doubt: comparing raises, as for a data frame's truth value."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value is ambiguous")


DOUBTFUL = Doubtful()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (None, None, True),
        (1, 1, True),
        (1, 2, False),
        (1, True, False),
        (1, 1.0, False),
        ([1], [1], True),
        ([DOUBTFUL], [DOUBTFUL], True),
        (DOUBTFUL, DOUBTFUL, True),
        (DOUBTFUL, Doubtful(), False),
        ([Doubtful()], [Doubtful()], False),
    ],
)
def test_defaults_are_the_same_when_identical_or_equal_without_doubt(one: object, other: object, *, same: bool) -> None:
    assert same_value(one, other) is same


def test_a_node_that_takes_its_own_output_is_a_fault() -> None:
    (fault,) = faults_of(make("loop", "x", "x"))
    assert (fault.kind, fault.nodes, fault.names) == ("cycle", ("loop",), ("x",))
    assert fault.message == (
        "node 'loop' takes its own output 'x', so it can never start. "
        "Break the cycle by renaming an output: .with_outputs(x='another_name')."
    )


def test_a_cycle_is_a_fault_that_shows_the_way_round() -> None:
    (fault,) = faults_of(make("start", "s", "a"), make("one", "ac", "b"), make("two", "b", "c"), make("end", "c", "d"))
    assert (fault.kind, fault.nodes, fault.names) == ("cycle", ("one", "two"), ("b", "c"))
    assert "nodes 'one', 'two' wait for one another ('one' -> b -> 'two' -> c -> 'one')" in fault.message


def test_a_long_cycle_is_told_in_short() -> None:
    ring = [
        node(_one, output_name=f"v{(index + 1) % 500}", name=f"n{index}").with_inputs(i=f"v{index}")
        for index in range(500)
    ]
    (fault,) = faults_of(*ring)
    assert len(fault.nodes) == 500
    assert "'n7' and 492 more" in fault.message
    assert "'n6' -> v7 -> ... -> v0 -> 'n0')" in fault.message


def test_mapping_a_node_that_takes_nothing_is_a_fault() -> None:
    (fault,) = faults_of(make("source", "", "y").map_over("items"))
    assert fault.message == "node 'source' maps over 'items', but its inputs are none."


def test_all_faults_are_told_in_one_error() -> None:
    with pytest.raises(GraphError, match=r"graph 'report' has 6 faults:\n  1. ") as caught:
        Graph(
            nodes=[
                plan,
                plan.with_outputs(sections="content"),
                write.map_over("nothing"),
                make("loop", "x", "x"),
                node(lambda style: None, name="restyle"),
                make,  # type: ignore[list-item]
            ],
            name="report",
        )
    assert [fault.kind for fault in caught.value.faults] == [
        "not-a-node",
        "duplicate-name",
        "unknown-mapped-input",
        "competing-producers",
        "inconsistent-defaults",
        "cycle",
    ]
    assert caught.value.graph == "report"


report = Graph(nodes=[plan, write.with_inputs(section="sections").map_over("sections"), join], name="report")


@pytest.mark.parametrize(
    "given",
    [{"topic": "tides", "title": "T"}, {"topic": "tides", "title": "T", "style": "bold"}],
    ids=["required", "optional too"],
)
def test_the_required_inputs_are_enough(given: dict[str, object]) -> None:
    check_inputs(report, given)


def test_a_bound_input_need_not_be_given_and_may_be() -> None:
    bound = report.bind(topic="tides", title="T")
    check_inputs(bound, {})
    check_inputs(bound, {"topic": "other"})


def test_a_missing_input_names_the_node_that_needs_it() -> None:
    with pytest.raises(MissingInputError) as caught:
        check_inputs(report, {"title": "T"})
    assert str(caught.value) == (
        "node 'plan' needs 'topic', which no node produces. Pass it to run(topic=...) or add a node with that output."
    )
    assert (caught.value.names, caught.value.needed_by) == (("topic",), {"topic": ("plan",)})
    assert caught.value.graph == "report"


def test_all_missing_inputs_are_told_at_once() -> None:
    with pytest.raises(MissingInputError) as caught:
        check_inputs(report, {})
    assert caught.value.names == ("topic", "title")
    assert len(str(caught.value).splitlines()) == 2


def test_an_input_that_several_nodes_need_names_them_all() -> None:
    graph = Graph(nodes=[plan, plan.with_name("again").with_outputs(sections="more")])
    with pytest.raises(MissingInputError, match="nodes 'plan', 'again' need 'topic'"):
        check_inputs(graph, {})


def test_a_missing_input_that_is_nearly_an_output_tells_the_near_miss() -> None:
    graph = Graph(nodes=[plan, write])
    with pytest.raises(MissingInputError, match=r"node 'write' needs 'section', .* Did you mean 'sections'"):
        check_inputs(graph, {"topic": "tides"})


def test_a_node_that_a_selection_leaves_out_needs_nothing() -> None:
    check_inputs(report.select("content"), {"topic": "tides"})


def test_an_input_of_a_node_that_a_selection_leaves_out_may_be_given() -> None:
    check_inputs(report.select("content"), {"topic": "tides", "title": "T"})


def test_a_missing_input_does_not_name_nodes_that_a_selection_leaves_out() -> None:
    graph = Graph(nodes=[plan, plan.with_name("again").with_outputs(sections="more")]).select("sections")
    with pytest.raises(MissingInputError, match=r"^node 'plan' needs"):
        check_inputs(graph, {})


def test_an_unknown_input_is_told_with_its_near_miss_before_what_is_missing() -> None:
    with pytest.raises(UnknownInputError) as caught:
        check_inputs(report, {"topik": "tides"})
    assert str(caught.value) == (
        "graph 'report' has no input 'topik'; its inputs are 'topic', 'style', 'title'. Did you mean 'topic'?"
    )
    assert (caught.value.names, caught.value.suggestions) == (("topik",), {"topik": "topic"})


def test_an_unknown_input_of_a_graph_that_takes_none_says_so() -> None:
    with pytest.raises(UnknownInputError, match=r"the graph has no input 'x'; it takes no inputs."):
        check_inputs(Graph(nodes=[make("source", "", "y")]), {"x": 1})


def test_an_input_that_a_node_produces_is_refused_naming_the_node() -> None:
    with pytest.raises(UnknownInputError, match="node 'plan' produces it") as caught:
        check_inputs(report, {"topic": "tides", "title": "T", "sections": []})
    assert (caught.value.produced_by, caught.value.suggestions) == ({"sections": ("plan",)}, {})


def test_an_output_that_nothing_takes_is_no_input_either() -> None:
    with pytest.raises(UnknownInputError, match="'report' is no input of graph 'report': node 'join' produces it"):
        check_inputs(report, {"topic": "tides", "title": "T", "report": ""})


def test_all_unknown_inputs_are_told_at_once() -> None:
    with pytest.raises(UnknownInputError) as caught:
        check_inputs(report, {"topik": 1, "titel": 2})
    assert caught.value.names == ("topik", "titel")
    assert len(str(caught.value).splitlines()) == 2


def test_given_values_are_not_looked_at() -> None:
    check_inputs(report, {"topic": DOUBTFUL, "title": DOUBTFUL})


def test_keeping_failures_of_a_node_without_outputs_is_a_fault() -> None:
    @node
    def effect(x: int) -> None: ...

    with pytest.raises(GraphError, match="no output that could hold a Failure"):
        Graph(nodes=[effect.map_over("x", on_error="keep")])
