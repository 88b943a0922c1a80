"""Plans: pure decisions, told without an event loop."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework import Failure, Graph, MappingError, MapResult, OutputMismatchError, node
from piecework.core.outcome import Done, Failed, Outcome, Paused, Question
from piecework.core.plan import Action, FanOut, Finish, Nest, Start
from piecework.core.scheduler import Ended
from piecework.dataflow import Node
from piecework.dataflow.blueprint import blueprint, compile_node
from piecework.dataflow.plan import GraphPlan, MapPlan
from piecework.dataflow.work import BatchWork, Mapped


def make(name: str, *takes: str, output: str | tuple[str, ...] | None = None) -> Node:
    """A node that is never run: plans know names and values only."""
    by_count: dict[int, Node] = {0: none, 1: one, 2: two}
    made = by_count[len(takes)]
    made = made.with_name(name).with_inputs(**dict(zip(made.inputs, takes, strict=True)))
    return made.with_outputs(out=output if isinstance(output, str) else name)


@node(output_name="out")
def none() -> None: ...


@node(output_name="out")
def one(p: object) -> None: ...


@node(output_name="out")
def two(p: object, q: object) -> None: ...


@node(output_name=("left", "right"))
def pair(p: object) -> None: ...


@node
def effect(p: object) -> None: ...


def plan(graph: Graph, **inputs: object) -> GraphPlan:
    return GraphPlan(blueprint(graph), inputs)


def starts(actions: Sequence[Action]) -> dict[str, Start]:
    return {action.name: action for action in actions if isinstance(action, Start)}


def finish(actions: Sequence[Action]) -> Outcome:
    (action,) = actions
    assert isinstance(action, Finish)
    return action.outcome


def the(kind: type[Any], actions: Sequence[Action]) -> Any:
    (action,) = actions
    assert isinstance(action, kind)
    return action


def test_a_node_starts_when_its_own_inputs_are_there_and_not_before() -> None:
    graph = Graph([make("a", "x"), make("b", "x"), make("after_a", "a"), make("join", "after_a", "b")])
    run = plan(graph, x=1)
    first = starts(run.start())
    assert set(first) == {"a", "b"}
    assert first["a"].kwargs == {"p": 1}
    after = starts(run.advance(first["a"].token, Done("A")))
    assert set(after) == {"after_a"}
    assert after["after_a"].kwargs == {"p": "A"}
    assert run.advance(first["b"].token, Done("B")) == []
    joined = starts(run.advance(after["after_a"].token, Done("AA")))
    assert joined["join"].kwargs == {"p": "AA", "q": "B"}
    assert finish(run.advance(joined["join"].token, Done("J"))) == Done(
        {"a": "A", "b": "B", "after_a": "AA", "join": "J"}
    )


def test_a_diamond_is_joined_once() -> None:
    run = plan(Graph([make("top", "x"), make("l", "top"), make("r", "top"), make("end", "l", "r")]), x=1)
    (top,) = starts(run.start()).values()
    sides = starts(run.advance(top.token, Done(0)))
    assert set(sides) == {"l", "r"}
    assert run.advance(sides["r"].token, Done(2)) == []
    end = starts(run.advance(sides["l"].token, Done(1)))
    assert end["end"].kwargs == {"p": 1, "q": 2}


def test_a_node_that_takes_one_output_twice_starts_once() -> None:
    swap = two.with_name("both").with_outputs(out="both")
    graph = Graph([pair, swap.with_inputs(p="left", q="right")])
    run = plan(graph, p=0)
    (first,) = starts(run.start()).values()
    both = starts(run.advance(first.token, Done((1, 2))))
    assert both["both"].kwargs == {"p": 1, "q": 2}


@given(st.data())
def test_any_order_of_ends_starts_every_node_once_and_after_its_inputs(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    takes: list[list[str]] = []
    nodes = []
    for index in range(count):
        known = ["x", *(f"n{earlier}" for earlier in range(index))]
        takes.append(data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True)))
        nodes.append(make(f"n{index}", *takes[-1]))
    run = plan(Graph(data.draw(st.permutations(nodes))), x=0)
    values: dict[str, object] = {"x": 0}
    started: list[str] = []
    running: list[Start] = []

    def take(actions: Sequence[Action]) -> None:
        for action in starts(actions).values():
            started.append(action.name)
            wanted = takes[int(action.name[1:])]
            assert list(action.kwargs.values()) == [values[name] for name in wanted]
            running.append(action)

    actions = run.start()
    take(actions)
    while running:
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        values[ended.name] = len(values)
        actions = run.advance(ended.token, Done(values[ended.name]))
        take(actions)
    del values["x"]
    assert finish(actions) == Done(values)
    assert sorted(started) == sorted(values)


def test_a_graph_of_no_nodes_is_done_at_once() -> None:
    assert finish(plan(Graph([])).start()) == Done({})


def test_defaults_bound_values_and_inputs_reach_nodes_the_later_winning() -> None:
    @node(output_name="out")
    def work(a: int = 1, b: int = 1, c: int = 1) -> None: ...

    run = plan(Graph([work]).bind(b=2, c=2), c=3)
    (started,) = starts(run.start()).values()
    assert started.kwargs == {"a": 1, "b": 2, "c": 3}


def test_several_outputs_are_told_apart() -> None:
    for value in ((1, 2), [1, 2]):
        run = plan(Graph([pair]), p=0)
        (started,) = starts(run.start()).values()
        assert finish(run.advance(started.token, Done(value))) == Done({"left": 1, "right": 2})


@pytest.mark.parametrize("value", [5, (1,), (1, 2, 3), "ab", {"left": 1, "right": 2}, None])
def test_another_number_of_outputs_ends_the_run(value: object) -> None:
    run = plan(Graph([pair]), p=0)
    (started,) = starts(run.start()).values()
    outcome = finish(run.advance(started.token, Done(value)))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, OutputMismatchError)


def test_a_node_that_is_run_for_its_effect_makes_nothing() -> None:
    run = plan(Graph([effect]), p=0)
    (started,) = starts(run.start()).values()
    assert finish(run.advance(started.token, Done("ignored"))) == Done({})


def test_a_failed_node_ends_the_run_as_it_failed() -> None:
    run = plan(Graph([make("a", "x"), make("b", "x")]), x=0)
    started = starts(run.start())
    failed = Failed(LookupError())
    assert finish(run.advance(started["a"].token, failed)) is failed


def test_a_paused_node_lets_the_others_go_on_and_its_questions_are_collected() -> None:
    graph = Graph([make("a", "x"), make("b", "x"), make("c", "b"), make("after", "a"), make("d", "x")])
    run = plan(graph, x=0)
    started = starts(run.start())
    first, second = Question("1", "who?"), Question("2", "why?")
    assert run.advance(started["a"].token, Paused((first,))) == []
    more = starts(run.advance(started["b"].token, Done(1)))
    assert set(more) == {"c"}
    assert run.advance(more["c"].token, Done(1)) == []
    assert finish(run.advance(started["d"].token, Paused((second,)))) == Paused((first, second))


def test_a_selection_prunes_what_it_does_not_need() -> None:
    graph = Graph([make("a", "x"), make("b", "a"), make("unneeded", "a"), make("other", "y")]).select("b")
    run = plan(graph, x=0)
    started = starts(run.start())
    assert set(started) == {"a"}
    after = starts(run.advance(started["a"].token, Done(1)))
    assert set(after) == {"b"}
    assert finish(run.advance(after["b"].token, Done(2))) == Done({"b": 2})


def test_outputs_come_in_the_order_they_were_selected() -> None:
    run = plan(Graph([make("a", "x"), make("b", "x")]).select("b", "a"), x=0)
    started = starts(run.start())
    run.advance(started["a"].token, Done(1))
    outcome = finish(run.advance(started["b"].token, Done(2)))
    assert isinstance(outcome, Done)
    assert list(outcome.value.items()) == [("b", 2), ("a", 1)]  # type: ignore[attr-defined]


# --- nesting --------------------------------------------------------------------------------------------------------


def test_a_graph_of_one_node_collapses_to_a_call_under_both_names() -> None:
    inner = Graph([one.with_name("write").with_inputs(p="text")], name="writer")
    run = plan(Graph([inner.as_node().with_inputs(text="topic").with_outputs(out="page")]), topic="t")
    started = the(Start, run.start())
    assert (started.name, started.target.name, started.kwargs) == ("writer", "write", {"p": "t"})
    assert finish(run.advance(started.token, Done("P"))) == Done({"page": "P"})


def test_a_graph_of_several_nodes_is_a_plan_inside_the_plan() -> None:
    inner = Graph([make("a", "x"), make("b", "a")], name="inner").select("b")
    run = plan(Graph([inner.as_node().with_inputs(x="y").with_outputs(b="z")]), y=5)
    nest = the(Nest, run.start())
    assert nest.name == "inner"
    (started,) = starts(nest.plan.start()).values()
    assert started.kwargs == {"p": 5}
    (after,) = starts(nest.plan.advance(started.token, Done(6))).values()
    outcome = finish(nest.plan.advance(after.token, Done(7)))
    assert outcome == Done({"b": 7})
    assert finish(run.advance(nest.token, outcome)) == Done({"z": 7})


def test_values_bound_inside_a_graph_are_its_nodes_defaults() -> None:
    inner = Graph([make("a", "x", "y")], name="inner").bind(y=2)
    run = plan(Graph([inner.as_node()]), x=1)
    assert the(Start, run.start()).kwargs == {"p": 1, "q": 2}


def test_a_graph_whose_only_node_is_mapped_or_has_more_outputs_does_not_collapse() -> None:
    mapped = Graph([one.map_over("p")], name="inner")
    chosen = Graph([pair], name="inner").select("right")
    for inner in (mapped, chosen):
        run = plan(Graph([inner.as_node()]), p=[1])
        assert isinstance(run.start()[0], Nest)


# --- maps -----------------------------------------------------------------------------------------------------------


def pulled(action: FanOut) -> list[dict[str, object]]:
    assert isinstance(action.items, Iterator)
    return [dict(item) for item in action.items]


def test_a_mapped_node_is_one_lazy_action() -> None:
    run = plan(Graph([two.map_over("p", max_concurrency=3, on_error="keep")]), p=range(10**6), q="q")
    action = the(FanOut, run.start())
    assert (action.size, action.max_concurrency, action.on_error) == (10**6, 3, "keep")
    assert isinstance(action.items, Iterator)
    assert next(action.items) == {"p": 0, "q": "q"}
    assert finish(run.advance(action.token, Done([1, None, 3]))) == Done({"out": [1, None, 3]})


def test_an_empty_map_comes_to_empty_lists_and_what_follows_runs() -> None:
    run = plan(Graph([pair.map_over("p"), make("after", "left", "right")]), p=[])
    action = the(FanOut, run.start())
    assert pulled(action) == []
    (after,) = starts(run.advance(action.token, Done([]))).values()
    assert after.kwargs == {"p": [], "q": []}


def test_each_output_of_a_map_is_a_list_in_item_order() -> None:
    run = plan(Graph([pair.map_over("p", on_error="keep")]), p=[0, 1])
    action = the(FanOut, run.start())
    failure = Failure(LookupError(), 1)
    outcome = finish(run.advance(action.token, Done([(1, 2), failure, (3, 4)])))
    assert outcome == Done({"left": [1, failure, 3], "right": [2, failure, 4]})


def test_a_mapped_graph_makes_a_plan_for_each_item() -> None:
    inner = Graph([make("a", "x"), make("b", "x")], name="inner")
    run = plan(Graph([inner.as_node().map_over("x")]), x=[5, 6])
    action = the(FanOut, run.start())
    assert pulled(action) == [{"x": 5}, {"x": 6}]
    assert not hasattr(action.body, "function")
    make_plan: Callable[[dict[str, object]], GraphPlan] = action.body
    assert set(starts(make_plan({"x": 5}).start())) == {"a", "b"}
    outcome = finish(run.advance(action.token, Done([{"a": 1, "b": 2}, {"a": 3}])))
    assert outcome == Done({"a": [1, 3], "b": [2, None]})


@pytest.mark.parametrize("on_error", ["raise", "keep", "drop"])
def test_an_item_with_another_number_of_outputs_is_a_failed_item(on_error: Literal["raise", "keep", "drop"]) -> None:
    run = plan(Graph([pair.map_over("p", on_error=on_error)]), p=[0, 1])
    action = the(FanOut, run.start())
    outcome = finish(run.advance(action.token, Done([(1, 2), 5])))
    if on_error == "raise":
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, OutputMismatchError)
        return
    assert isinstance(outcome, Done)
    values: dict[str, list[object]] = outcome.value  # type: ignore[assignment]
    assert values["left"][0] == 1
    assert values["right"][0] == 2
    assert len(values["left"]) == len(values["right"]) == (2 if on_error == "keep" else 1)
    if on_error == "keep":
        failure = values["left"][1]
        assert isinstance(failure, Failure)
        assert failure.index == 1


@pytest.mark.parametrize("wrong", ["text", {"a": 1}, 5])
def test_what_cannot_be_mapped_over_fails_the_run(wrong: object) -> None:
    run = plan(Graph([one.map_over("p")]), p=wrong)
    outcome = finish(run.start())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, MappingError)


def test_a_collection_that_raises_fails_the_run_as_it_raised() -> None:
    class Broken:
        def __iter__(self) -> Iterator[int]:
            raise LookupError("mine")

    for graph, inputs in (
        (Graph([one.map_over("p")]), {"p": Broken()}),
        (Graph([make("p", "x"), one.map_over("p")]), {"x": 0}),
    ):
        run = GraphPlan(blueprint(graph), inputs)
        actions = run.start()
        if isinstance(actions[0], Start):
            actions = run.advance(actions[0].token, Done(Broken()))
        outcome = finish(actions)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, LookupError)


def test_a_plan_knows_nothing_of_other_runs_of_its_graph() -> None:
    graph = Graph([make("a", "x")])
    first, second = plan(graph, x=1), plan(graph, x=2)
    (one_call,) = starts(first.start()).values()
    (other_call,) = starts(second.start()).values()
    assert (one_call.kwargs, other_call.kwargs) == ({"p": 1}, {"p": 2})
    assert finish(second.advance(other_call.token, Done("2"))) == Done({"a": "2"})
    assert finish(first.advance(one_call.token, Done("1"))) == Done({"a": "1"})


# --- a run that is stopped ------------------------------------------------------------------------------------------


def test_a_plan_of_which_a_call_was_stopped_pauses_when_the_rest_has_ended_and_says_why() -> None:
    run = plan(Graph([make("a", "x"), make("b", "x"), make("c", "a"), make("d", "b")]), x=1)
    started = starts(run.start())
    assert run.advance(started["a"].token, Paused((), stopped="budget")) == []
    (after,) = starts(run.advance(started["b"].token, Done("B"))).values()
    assert finish(run.advance(after.token, Paused((), stopped="budget"))) == Paused((), stopped="budget")


def test_a_plan_that_is_stopped_and_asks_tells_both() -> None:
    question = Question("q", "who?")
    for order in itertools.permutations(["a", "b", "c"]):
        run = plan(Graph([make("a", "x"), make("b", "x"), make("c", "x")]), x=1)
        started = starts(run.start())
        outcomes: dict[str, Outcome] = {
            "a": Paused((question,)),
            "b": Paused((), stopped="budget"),
            "c": Done("C"),
        }
        last: Sequence[Action] = []
        for name in order:
            assert last == []
            last = run.advance(started[name].token, outcomes[name])
        assert finish(last) == Paused((question,), stopped="budget")


def test_a_plan_around_a_stopped_fan_out_is_stopped() -> None:
    run = plan(Graph([one.map_over("p"), make("b", "out")]), p=[1, 2])
    action = the(FanOut, run.start())
    places = ("1", Paused((), stopped="budget"))
    assert finish(run.advance(action.token, Paused((), places, "budget"))) == Paused((), stopped="budget")


def test_a_failure_counts_more_than_a_stop() -> None:
    run = plan(Graph([make("a", "x"), make("b", "x")]), x=1)
    started = starts(run.start())
    run.advance(started["a"].token, Paused((), stopped="budget"))
    failed = Failed(LookupError("gone"))
    assert finish(run.advance(started["b"].token, failed)) == failed


# --- batches --------------------------------------------------------------------------------------------------------


def batch(graph: Graph, inputs: dict[str, object], *names: str, mode: Literal["zip", "product"] = "zip") -> MapPlan:
    return MapPlan(compile_node(graph.as_node("g").map_over(*names, mode=mode)), inputs)


def test_a_batch_is_a_fan_out_over_its_graph() -> None:
    graph = Graph([make("a", "x", "y"), make("b", "a")])
    run = batch(graph, {"x": [1, 2], "y": 3}, "x")
    action = the(FanOut, run.start())
    assert pulled(action) == [{"x": 1, "y": 3}, {"x": 2, "y": 3}]
    done = Done([{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    assert finish(run.advance(action.token, done)) == done
    assert run.outputs(1, {"a": 3, "b": 4}) == {"a": 3, "b": 4}
    assert run.inputs(1) == {"x": 2, "y": 3}


def test_a_batch_tells_the_inputs_by_the_names_that_the_caller_knows() -> None:
    graph = Graph([one.with_inputs(p="page")])
    run = batch(graph, {"page": [1, 2]}, "page")
    pulled(the(FanOut, run.start()))
    assert run.inputs(0) == {"page": 1}
    assert run.outputs(0, "result") == {"out": "result"}


def test_a_batch_over_what_cannot_be_mapped_over_fails() -> None:
    outcome = finish(batch(Graph([one]), {"p": "text"}, "p").start())
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, MappingError)


async def test_an_async_collection_makes_an_async_batch() -> None:
    async def source() -> AsyncIterator[int]:
        for number in itertools.count():
            yield number

    run = batch(Graph([one]), {"p": source()}, "p")
    action = the(FanOut, run.start())
    assert isinstance(action.items, AsyncIterator)
    assert await anext(action.items) == {"p": 0}
    assert run.inputs(0) == {"p": 0}
    await action.items.aclose()  # type: ignore[attr-defined]


def batch_result(outcome: Outcome, **given: object) -> MapResult:
    """What a batch comes to whose runs all began and ended so."""
    how = Mapped(over="x", mode="zip", on_error="raise", max_concurrency=None)
    work = BatchWork(Graph([make("a", "x"), make("b", "a")]), how, given, new=True)
    pulled(the(FanOut, work.work.plan(given).start()))
    return work.result(Ended("run", outcome, given))


def test_the_items_of_a_stopped_batch_are_done_stopped_or_waiting_for_answers() -> None:
    question = Question("q", "who?")
    stopped = Paused((), stopped="budget")
    outcome = Paused((question,), ({"a": 1, "b": 2}, Paused((question,)), stopped), "budget")
    result = batch_result(outcome, x=[1, 2, 3])
    assert [one.status for one in result] == ["completed", "paused", "stopped"]
    assert [one.stopped for one in result] == ["", "", "budget"]
    assert [dict(one.inputs) for one in result] == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert (result.stopped, result.interrupts) == ("budget", (question,))
    assert result["b"] == [2, None, None]


def test_a_batch_that_only_asks_is_not_stopped() -> None:
    question = Question("q", "who?")
    result = batch_result(Paused((question,), (Paused((question,)),)), x=[1])
    assert [one.status for one in result] == ["paused"]
    assert result.stopped == ""


def test_a_stopped_run_of_a_stream_is_told_as_it_ends() -> None:
    how = Mapped(over="x", mode="zip", on_error="raise", max_concurrency=None)
    work = BatchWork(Graph([make("a", "x"), make("b", "a")]), how, {"x": [1]}, new=True)
    pulled(the(FanOut, work.work.plan({"x": [1]}).start()))
    result = work.streamed("run", 0, Paused((), stopped="budget"))
    assert result is not None
    assert (result.status, result.stopped, dict(result.inputs)) == ("stopped", "budget", {"x": 1})
