"""Outlines of graphs, and the pictures of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework import Graph, node
from piecework.dataflow import Node
from piecework.outline import Outline


@node(output_name="sections")
def orchestrator(topic: str) -> list[str]:
    return [topic]


@node(output_name="content")
def write_section(section: str, tone: str = "plain") -> str:
    return section + tone


@node(output_name="final_report")
def synthesizer(content: list[str]) -> str:
    return "".join(content)


@node(output_name=("low", "high"))
def bounds(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


@node(output_name="width")
def span(low: float, high: float) -> float:
    return high - low


@node
def tell(low: float) -> None: ...


writer = write_section.with_inputs(section="sections").map_over("sections")
section_writer = Graph([write_section], name="section_writer").bind(tone="dry")
mapped_writer = section_writer.as_node().with_inputs(section="sections").map_over("sections")


def lines(graph: Graph) -> list[str]:
    first, *rest = graph.to_mermaid().split("\n")
    assert first == "flowchart TD"
    return [line.removeprefix("    ") for line in rest]


def test_the_orchestrator_worker_graph_is_drawn_line_for_line() -> None:
    plain = node(output_name="content", name="write_section")(lambda section: section)
    inner = Graph([plain], name="section_writer")
    graph = Graph(
        [orchestrator, inner.as_node().with_inputs(section="sections").map_over("sections"), synthesizer],
        name="report_generator",
    )
    assert graph.to_mermaid() == (
        "flowchart TD\n"
        "    topic([topic]) --> orchestrator\n"
        "    orchestrator[orchestrator] --> |sections| section_writer\n"
        "    subgraph section_writer [section_writer - map_over section]\n"
        "        write_section[write_section]\n"
        "    end\n"
        "    section_writer --> |content| synthesizer\n"
        "    synthesizer[synthesizer] --> |final_report| END([END])"
    )


def test_a_mapped_function_says_what_it_maps_over_by_inner_name() -> None:
    assert lines(Graph([orchestrator, writer.with_outputs(content="texts")]).bind(tone="dry"))[1:] == [
        "orchestrator[orchestrator] --> |sections| write_section",
        "write_section[write_section - map_over section] --> |texts| END([END])",
    ]


def test_an_input_leads_to_every_node_that_takes_it() -> None:
    twice = synthesizer.with_name("shorten").with_inputs(content="topic").with_outputs(final_report="short")
    assert lines(Graph([orchestrator, twice]))[:2] == ["topic([topic]) --> orchestrator", "topic --> shorten"]


def test_an_input_with_a_default_is_dotted_and_a_bound_one_is_not_drawn() -> None:
    graph = Graph([write_section])
    assert lines(graph)[:2] == ["section([section]) --> write_section", "tone([tone]) -.-> write_section"]
    assert lines(graph.bind(section="x"))[0] == "tone([tone]) -.-> write_section"
    assert lines(graph.bind(tone="x"))[0] == "section([section]) --> write_section"


def test_several_outputs_are_an_arrow_each_also_between_the_same_nodes() -> None:
    assert lines(Graph([bounds, span]))[1:] == [
        "bounds[bounds] --> |low| span",
        "bounds --> |high| span",
        "span[span] --> |width| END([END])",
    ]


def test_an_output_that_no_node_takes_goes_to_the_end_and_one_that_a_node_takes_does_not() -> None:
    assert lines(Graph([bounds, tell]))[1:] == [
        "bounds[bounds] --> |low| tell",
        "bounds --> |high| END([END])",
        "tell[tell]",
    ]


def test_a_graph_without_outputs_has_no_end() -> None:
    assert lines(Graph([tell])) == ["low([low]) --> tell", "tell[tell]"]


def test_selected_outputs_go_to_the_end_and_only_what_they_need_is_drawn() -> None:
    graph = Graph([bounds, span, tell])
    assert lines(graph.select("low")) == ["values([values]) --> bounds", "bounds[bounds] --> |low| END([END])"]
    assert lines(graph.select("width", "low"))[1:] == [
        "bounds[bounds] --> |low| span",
        "bounds --> |high| span",
        "bounds --> |low| END([END])",
        "span[span] --> |width| END",
    ]


def test_an_inner_graph_shows_its_nodes_and_what_goes_between_them_and_nothing_else() -> None:
    inner = Graph([bounds, span, tell], name="inner").select("width")
    middle = Graph([inner.as_node().with_inputs(values="numbers")], name="middle")
    outer = Graph([middle.as_node().map_over("numbers").with_outputs(width="widths")])
    assert lines(outer) == [
        "numbers([numbers]) --> middle",
        "subgraph middle [middle - map_over numbers]",
        "    subgraph inner [inner]",
        "        bounds[bounds] --> |low| span",
        "        bounds --> |high| span",
        "        span[span]",
        "    end",
        "end",
        "middle --> |widths| END([END])",
    ]


def test_an_input_may_be_called_like_a_node_and_a_node_like_the_end() -> None:
    same = node(output_name="END", name="END")(lambda topic: topic)
    clash = node(output_name="other", name="topic")(lambda topic: topic)
    assert lines(Graph([same, clash])) == [
        "topic([topic]) --> END",
        "topic --> topic_2",
        "END[END] --> |END| END_2([END])",
        "topic_2[topic] --> |other| END_2",
    ]


def test_the_outline_names_boxes_by_the_way_to_them() -> None:
    graph = Graph([orchestrator, mapped_writer, synthesizer], name="report_generator")
    outline = graph.outline()
    assert outline.name == "report_generator"
    assert [box.id for box in outline.boxes] == [
        "input:topic",
        "input:tone",
        "orchestrator",
        "section_writer",
        "synthesizer",
        "end:",
    ]
    inside = outline.boxes[3].inside
    assert inside is not None
    assert (inside.name, [box.id for box in inside.boxes]) == ("section_writer", ["section_writer/write_section"])


def test_an_empty_graph_is_an_empty_picture() -> None:
    assert Graph([]).outline() == Outline(boxes=(), arrows=())


@st.composite
def graphs(draw: st.DrawFn, depth: int = 0) -> Graph:
    """Acyclic graphs of nodes with one or two inputs, some of them graphs, some mapped, some bound."""
    names = ["x", "y"]
    nodes: list[Node] = []
    for place in range(draw(st.integers(1, 4))):
        takes = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        made: Node
        if depth < 2 and draw(st.booleans()):
            inner = draw(graphs(depth + 1))
            made = inner.as_node("inner").with_name(f"g{place}")
        else:
            made = node(output_name="o", name=f"n{place}")(lambda a, b: (a, b))
        if draw(st.booleans()):
            made = made.map_over(made.inputs[0])
        renames = dict(zip(made.inputs, takes, strict=False))
        rest = {name: f"{name}_{place}" for name in made.inputs[len(renames) :]}
        made = made.with_inputs(**renames, **rest)
        made = made.with_outputs(**{name: f"{name}_{place}" for name in made.outputs})
        nodes.append(made)
        names += made.outputs
    return Graph(nodes, name=f"graph{depth}")


@given(graphs(), st.data())
def test_every_value_is_drawn_from_its_maker_to_each_taker_or_to_the_end(graph: Graph, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        outputs = st.lists(st.sampled_from(graph.outputs), min_size=1, unique=True)
        graph = graph.select(*data.draw(outputs))
    outline = graph.outline()
    drawn = {(arrow.source, arrow.target, arrow.label) for arrow in outline.arrows}
    assert len(drawn) == len(outline.arrows)
    running = {one.name: one for one in graph.needed}
    taken = {(name, one.name) for one in running.values() for name in one.inputs}
    made = {name: one.name for one in running.values() for name in one.outputs}
    between = {(made[name], taker, name) for name, taker in taken if name in made}
    entering = {(f"input:{name}", taker, "") for name, taker in taken if name not in made}
    untaken = set(made) - {name for name, _ in taken}
    leaving = {(made[name], "end:", name) for name in graph.selected or untaken}
    assert drawn == between | entering | leaving


@given(graphs())
def test_ids_are_unique_through_all_levels(graph: Graph) -> None:
    def ids(outline: Outline) -> list[str]:
        inner = [one for box in outline.boxes if box.inside is not None for one in ids(box.inside)]
        return [*(box.id for box in outline.boxes), *inner]

    found = ids(graph.outline())
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("change", [Graph.outline, Graph.to_mermaid])
def test_drawing_a_graph_twice_gives_the_same(change: object) -> None:
    graph = Graph([orchestrator, mapped_writer, synthesizer])
    assert callable(change)
    assert change(graph) == change(graph)
