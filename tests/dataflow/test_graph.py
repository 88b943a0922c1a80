"""`Graph`: edges by name, inputs, binding, selecting, nesting, and that nothing of it ever changes."""

import pickle
from collections.abc import Mapping

import pytest

from piecework.dataflow.graph import Graph, GraphNode
from piecework.dataflow.node import FunctionNode, node
from piecework.errors import GraphError, UnknownInputError, UnknownOutputError


@node(output_name="sections")
async def plan(topic: str) -> list[str]:
    return [topic]


@node(output_name="content")
async def write(section: str, style: str = "plain") -> str:
    return section + style


@node(output_name="report")
async def join(content: list[str]) -> str:
    return "".join(content)


@node
def log(report: str, level: int = 0) -> None: ...


@node(output_name="summary")
def summarise(content: list[str], length: int) -> str:
    return "".join(content)[:length]


class Incomparable:
    """Like an array or a data frame: comparing it gives no truth value, and it cannot be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a bound value was compared")


writer = Graph(nodes=[write], name="section_writer")
mapped_writer = writer.as_node().with_inputs(section="sections").map_over("sections")
report = Graph(nodes=[plan, mapped_writer, join], name="report_generator")


def names(nodes: tuple[object, ...]) -> list[str]:
    return [item.name for item in nodes if isinstance(item, FunctionNode | GraphNode)]


def test_an_output_feeds_every_input_of_its_name() -> None:
    graph = Graph(nodes=[plan, mapped_writer, join, summarise])
    assert names(graph.producers["content"]) == ["section_writer"]
    assert names(graph.consumers["content"]) == ["join", "summarise"]


def test_nodes_keep_the_order_given() -> None:
    assert names(Graph(nodes=[join, mapped_writer, plan]).nodes) == ["join", "section_writer", "plan"]


def test_nodes_may_come_from_any_iterable() -> None:
    assert names(Graph(item for item in (plan, join)).nodes) == ["plan", "join"]


def test_a_graph_of_nothing_has_no_inputs_and_no_outputs() -> None:
    assert (Graph(nodes=[]).inputs.all, Graph(nodes=[]).outputs) == ((), ())


def test_outputs_are_all_that_is_produced_in_node_order() -> None:
    assert report.outputs == ("sections", "content", "report")


def test_a_parameter_fed_by_an_edge_is_no_input() -> None:
    assert report.inputs.all == ("topic", "style")


def test_inputs_are_told_apart_as_required_optional_and_bound() -> None:
    inputs = Graph(nodes=[write, summarise]).bind(length=3).inputs
    assert inputs.required == ("section",)
    assert dict(inputs.optional) == {"style": "plain"}
    assert dict(inputs.bound) == {"length": 3}
    assert inputs.all == ("section", "style", "length")


def test_an_edge_takes_precedence_over_a_default() -> None:
    @node(output_name="style")
    def pick(topic: str) -> str:
        return topic

    assert Graph(nodes=[pick, write]).inputs.all == ("topic", "section")


def test_one_input_may_feed_many_nodes() -> None:
    graph = Graph(nodes=[write, write.with_name("again").with_outputs(content="more")])
    assert graph.inputs.required == ("section",)
    assert names(graph.consumers["section"]) == ["write", "again"]


def test_bind_sets_a_value_in_a_copy() -> None:
    bound = report.bind(topic="tides")
    assert (dict(bound.bound), dict(report.bound)) == ({"topic": "tides"}, {})
    assert (bound.inputs.required, report.inputs.required) == ((), ("topic",))


def test_bind_overrides_a_default_and_an_earlier_binding() -> None:
    assert dict(report.bind(style="bold").bind(style="loud").inputs.bound) == {"style": "loud"}


def test_bind_never_compares_or_hashes_a_value() -> None:
    value = Incomparable()
    graph = report.bind(topic=value).bind(style=value).select("report")
    assert graph.bound["topic"] is value
    assert graph.as_node().defaults["topic"] is value
    two = [graph.as_node("one"), graph.as_node("two").with_outputs(report="other")]
    assert Graph(nodes=two).inputs.optional["topic"] is value


def test_bind_of_none_is_a_binding() -> None:
    assert dict(report.bind(topic=None).inputs.bound) == {"topic": None}


def test_binding_an_unknown_name_tells_the_near_miss() -> None:
    with pytest.raises(UnknownInputError, match="Did you mean 'topic'") as caught:
        report.bind(topik="tides")
    assert (caught.value.names, caught.value.suggestions) == (("topik",), {"topik": "topic"})


def test_binding_what_an_edge_feeds_is_refused() -> None:
    with pytest.raises(UnknownInputError, match="node 'section_writer' produces it") as caught:
        report.bind(content=[])
    assert caught.value.produced_by == {"content": ("section_writer",)}


def test_an_input_called_self_can_be_bound() -> None:
    @node(output_name="y")
    def method(self: int) -> int:
        return self

    assert dict(Graph(nodes=[method]).bind(self=1).bound) == {"self": 1}


def test_unbind_takes_a_binding_back() -> None:
    graph = report.bind(topic="tides", style="bold").unbind("topic")
    assert dict(graph.bound) == {"style": "bold"}
    assert graph.inputs.required == ("topic",)


def test_unbinding_what_is_not_bound_tells_the_near_miss() -> None:
    with pytest.raises(UnknownInputError, match=r"nothing bound to 'topik'; bound are 'topic'. Did you mean 'topic'"):
        report.bind(topic="tides").unbind("topik")


def test_select_narrows_the_outputs_in_the_order_named() -> None:
    selected = report.select("report", "sections")
    assert (selected.outputs, selected.selected) == (("report", "sections"), ("report", "sections"))
    assert (report.selected, report.outputs) == (None, ("sections", "content", "report"))


def test_without_a_selection_all_nodes_are_needed() -> None:
    assert report.needed == report.nodes


def test_nodes_that_nothing_selected_needs_are_left_out() -> None:
    graph = Graph(nodes=[summarise, plan, join, mapped_writer])
    assert names(graph.select("report").needed) == ["plan", "join", "section_writer"]
    assert names(graph.select("sections").needed) == ["plan"]


def test_nodes_run_for_their_effect_are_left_out_by_a_selection() -> None:
    graph = Graph(nodes=[*report.nodes, log])
    assert names(graph.needed)[-1] == "log"
    assert "log" not in names(graph.select("report").needed)


def test_only_inputs_of_needed_nodes_are_wanted() -> None:
    graph = Graph(nodes=[*report.nodes, summarise])
    assert graph.inputs.required == ("topic", "length")
    assert graph.select("report").inputs.required == ("topic",)
    assert graph.select("sections").inputs.all == ("topic",)


def test_a_later_selection_replaces_an_earlier_one() -> None:
    assert report.select("sections").select("report").outputs == ("report",)


def test_bindings_outlive_a_selection_that_has_no_use_for_them() -> None:
    graph = report.bind(style="bold").select("sections")
    assert (dict(graph.bound), dict(graph.inputs.bound)) == ({"style": "bold"}, {})
    assert dict(graph.select("report").inputs.bound) == {"style": "bold"}


def test_what_a_selection_leaves_out_may_still_be_bound() -> None:
    assert dict(report.select("sections").bind(style="bold").bound) == {"style": "bold"}


def test_selecting_an_unknown_output_tells_the_near_miss() -> None:
    with pytest.raises(
        UnknownOutputError, match=r"its outputs are 'sections', 'content', 'report'. Did you mean"
    ) as caught:
        report.select("sectoins")
    assert (caught.value.names, caught.value.suggestions) == (("sectoins",), {"sectoins": "sections"})


def test_selecting_nothing_is_refused() -> None:
    with pytest.raises(UnknownOutputError, match="names no output"):
        report.select()


def test_selecting_an_output_twice_is_refused() -> None:
    with pytest.raises(UnknownOutputError, match="names an output twice"):
        report.select("report", "report")


def test_a_graph_as_a_node_has_the_graphs_name_inputs_and_outputs() -> None:
    inner = Graph(nodes=[write, summarise.with_inputs(content="text")], name="inner").bind(length=3)
    made = inner.as_node()
    assert isinstance(made, GraphNode)
    assert (made.name, made.graph) == ("inner", inner)
    assert made.inputs == ("section", "text", "style", "length")
    assert made.outputs == ("content", "summary")
    assert dict(made.defaults) == {"style": "plain", "length": 3}


def test_a_graph_as_a_node_has_only_the_selected_outputs_and_the_inputs_they_need() -> None:
    made = Graph(nodes=[write, summarise.with_inputs(content="text")], name="inner").select("content").as_node()
    assert (made.inputs, made.outputs) == (("section", "style"), ("content",))


def test_a_graph_as_a_node_may_have_another_name() -> None:
    assert report.as_node("other").name == "other"
    assert report.as_node(name="other").name == "other"


def test_a_graph_without_a_name_is_asked_for_one() -> None:
    with pytest.raises(GraphError, match="it has no name to be a node under"):
        Graph(nodes=[write]).as_node()
    assert Graph(nodes=[write]).as_node("writer").name == "writer"


def test_a_graph_as_a_node_is_renamed_and_mapped_as_a_function_node_is() -> None:
    made = writer.as_node().with_name("w").with_inputs(section="sections").with_outputs(content="texts")
    mapped = made.map_over("sections", on_error="drop")
    assert (mapped.name, mapped.inputs, mapped.outputs) == ("w", ("sections", "style"), ("texts",))
    assert (dict(mapped.inner_inputs), mapped.inner_outputs) == (
        {"sections": "section", "style": "style"},
        ("content",),
    )
    assert mapped.mapping is not None
    assert mapped.mapping.params == ("section",)


def test_renames_before_and_after_map_over_give_the_same_node() -> None:
    before = writer.as_node().with_inputs(section="sections").with_outputs(content="texts").map_over("sections")
    after = writer.as_node().map_over("section").with_outputs(content="texts").with_inputs(section="sections")
    assert (before.inputs, before.outputs, before.mapping) == (after.inputs, after.outputs, after.mapping)


def test_a_bound_input_of_an_inner_graph_may_be_fed_by_an_edge_outside() -> None:
    @node(output_name="style")
    def pick(topic: str) -> str:
        return topic

    outer = Graph(nodes=[pick, writer.bind(style="bold").as_node()])
    assert outer.inputs.all == ("topic", "section")


def test_a_bound_input_of_an_inner_graph_is_optional_outside_and_can_be_bound_anew() -> None:
    outer = Graph(nodes=[writer.bind(style="bold").as_node()])
    assert dict(outer.inputs.optional) == {"style": "bold"}
    assert dict(outer.bind(style="loud").inputs.bound) == {"style": "loud"}


def test_a_mapped_input_of_an_inner_graph_is_required_though_it_has_a_default_inside() -> None:
    outer = Graph(nodes=[writer.as_node().with_inputs(style="styles").map_over("styles")])
    assert outer.inputs.required == ("section", "styles")


def test_the_same_function_may_stand_in_the_outer_and_the_inner_graph() -> None:
    outer = Graph(nodes=[mapped_writer, write.with_outputs(content="sample")])
    assert outer.outputs == ("content", "sample")


def test_graphs_nest_to_any_depth() -> None:
    graph = Graph(nodes=[write], name="level0")
    for depth in range(1, 50):
        graph = Graph(nodes=[graph.as_node().map_over("section")], name=f"level{depth}")
    assert graph.inputs.required == ("section",)
    assert graph.outputs == ("content",)


def test_a_chain_of_ten_thousand_nodes_is_built_without_recursion_in_any_order() -> None:
    def step(x: int) -> int:
        return x

    made = [
        node(step, output_name=f"v{index + 1}", name=f"n{index}").with_inputs(x=f"v{index}") for index in range(10_000)
    ]
    graph = Graph(nodes=made[::-1])
    assert graph.inputs.required == ("v0",)
    assert len(graph.select("v5000").needed) == 5000


def test_nothing_of_a_graph_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        report.name = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        report.extra = 1  # type: ignore[attr-defined]
    mappings: list[Mapping[str, object]] = [
        report.bound,
        report.producers,
        report.consumers,
        report.inputs.optional,
    ]
    for mapping in mappings:
        with pytest.raises(TypeError):
            mapping["topic"] = 1  # type: ignore[index]


def test_what_was_given_to_bind_can_change_without_changing_the_graph() -> None:
    values: dict[str, object] = {"topic": "tides"}
    graph = report.bind(**values)
    values["topic"] = "other"
    assert graph.bound["topic"] == "tides"


def test_graphs_are_compared_by_identity() -> None:
    assert report.bind() != report
    assert len({report, report.bind(), report}) == 2


def test_a_graph_survives_pickling() -> None:
    original = report.bind(style="bold").select("report")
    restored = pickle.loads(pickle.dumps(original))  # noqa: S301 - our own bytes
    assert repr(restored) == repr(original)
    assert (restored.selected, dict(restored.bound)) == (original.selected, dict(original.bound))
    assert [item.signature for item in restored.nodes] == [item.signature for item in original.nodes]
    assert restored.nodes[0].func is plan.func


def test_a_graphs_inputs_survive_pickling() -> None:
    restored = pickle.loads(pickle.dumps(report.bind(topic="tides").inputs))  # noqa: S301 - our own bytes
    assert (restored.required, dict(restored.optional), dict(restored.bound)) == (
        (),
        {"style": "plain"},
        {"topic": "tides"},
    )


def test_the_repr_of_a_graph_is_short() -> None:
    assert repr(report) == ("<Graph 'report_generator': 3 nodes, (topic, style=...) -> sections, content, report>")
    assert repr(Graph(nodes=[log])) == "<Graph: 1 node, (report, level=...) -> no output>"


def test_the_repr_of_a_node_made_of_a_graph_shows_its_mapping() -> None:
    assert repr(mapped_writer) == (
        "<GraphNode 'section_writer': (section=sections, style) -> content, map_over section>"
    )


def test_the_repr_of_inputs_shows_names_and_no_values() -> None:
    assert repr(report.bind(topic="tides").inputs) == "InputSpec(required=(), optional=('style',), bound=('topic',))"
