"""What a resume or a fork refuses, and what it must not take for the same."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from piecework import (
    AsyncRunner,
    Graph,
    MissingInputError,
    RunChangedError,
    SqliteStore,
    SyncRunner,
    UnknownGraphError,
    UnknownQuestionError,
    node,
)
from piecework.core.ports import RunLog
from tests.durability.places import opening

ran: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunLog]:
    with opening(request.param, tmp_path) as open_one:
        yield open_one()


class Client:
    """Something that no store can keep."""

    def __init__(self, name: str) -> None:
        self.name = name


@node(output_name="y")
def ask(client: Client, x: int) -> str:
    ran["ask"] += 1
    return f"{client.name}{x}"


@node(output_name="z")
def fails_at_first(y: str) -> str:
    ran["fails_at_first"] += 1
    if ran["fails_at_first"] == 1:
        raise LookupError(y)
    return y.upper()


@node(output_name="y")
def with_model(x: int, model: str) -> str:
    ran["with_model"] += 1
    return f"{x} by {model}"


@pytest.mark.parametrize("run_id", [42, b"x", "", "a\0b", "x" * 2000, "a\ud800"])
def test_a_run_has_a_name_that_can_be_told(store: RunLog, run_id: Any) -> None:
    runner = SyncRunner(store=store)
    calls: list[Callable[[], object]] = [
        lambda: runner.run(Graph([ask], name="g"), client=Client("a"), x=1, run_id=run_id),
        lambda: runner.run(Graph([ask], name="g"), client=Client("a"), x=1, thread_id=run_id),
        lambda: runner.resume(run_id),
        lambda: runner.fork("r", new_id=run_id),
    ]
    for call in calls:
        with pytest.raises((TypeError, ValueError), match=r"run_id|thread_id|new_id"):
            call()


def test_options_are_checked_when_a_runner_is_made(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="labels"):
        SyncRunner(labels={"attempt": 1})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="SqliteStore"):
        SyncRunner(store="runs.db")  # type: ignore[arg-type]
    runner = SyncRunner(store=SqliteStore(tmp_path / "runs.db"))
    with pytest.raises(ValueError, match="completed"):
        runner.runs(status="done")  # type: ignore[arg-type]
    for call in (runner.resume, runner.fork):
        with pytest.raises(ValueError, match="continue"):
            call("r", on_change="contnue")  # type: ignore[arg-type]


def test_a_completed_run_whose_input_was_not_kept_is_told_again_without_it(store: RunLog) -> None:
    runner, graph = SyncRunner(store=store), Graph([ask], name="g")
    runner.run(graph, client=Client("a"), x=1, run_id="r")
    assert runner.resume("r")["y"] == "a1"
    with pytest.raises(RunChangedError, match="'x'"):
        runner.run(graph, client=Client("a"), x=2, run_id="r")
    with pytest.raises(UnknownQuestionError):
        runner.resume("r", answers={"g/ask?1": 1})
    assert ran["ask"] == 1


def test_a_run_that_completed_when_it_was_resumed_is_told_again_too(store: RunLog) -> None:
    runner, graph = SyncRunner(store=store), Graph([ask, fails_at_first], name="g")
    with pytest.raises(LookupError):
        runner.run(graph, client=Client("a"), x=1, run_id="r")
    assert runner.resume("r", inputs={"client": Client("a")})["z"] == "A1"
    assert runner.resume("r")["z"] == "A1"


def test_of_a_completed_run_what_was_not_selected_needs_its_inputs_again(store: RunLog) -> None:
    runner, graph = SyncRunner(store=store), Graph([ask, fails_at_first], name="g")
    ran["fails_at_first"] = 1
    runner.run(graph.select("z"), client=Client("a"), x=1, run_id="r")
    with pytest.raises(MissingInputError, match="client"):
        runner.resume("r", graph)


def test_a_value_that_is_bound_otherwise_now_is_refused_and_taken_by_a_fork(store: RunLog) -> None:
    runner, graph = SyncRunner(store=store), Graph([with_model, fails_at_first], name="g")
    with pytest.raises(LookupError):
        runner.run(graph.bind(model="old"), x=1, run_id="r")
    with pytest.raises(RunChangedError, match="'model'"):
        runner.resume("r", graph.bind(model="new"))
    assert runner.resume("r", graph)["y"] == "1 by old"  # What was bound is on record.
    assert runner.fork("r", graph.bind(model="new"))["y"] == "1 by new"


def test_a_fork_runs_again_what_takes_an_input_that_cannot_be_compared(store: RunLog) -> None:
    runner, graph = SyncRunner(store=store), Graph([ask], name="g")
    runner.run(graph, client=Client("a"), x=1, run_id="r")
    assert runner.fork("r", inputs={"client": Client("b")})["y"] == "b1"


def test_a_graph_that_changed_may_have_inputs_that_it_had_not(store: RunLog) -> None:
    @node(output_name="w")
    def late(z: str, newly: int) -> str:
        return f"{z}{newly}"

    runner = SyncRunner(store=store)
    with pytest.raises(LookupError):
        runner.run(Graph([with_model, fails_at_first], name="g"), x=1, model="m", run_id="r")
    grown = Graph([with_model, fails_at_first, late], name="g")
    with pytest.raises(MissingInputError, match="newly"):
        runner.resume("r", grown, on_change="continue")
    assert runner.resume("r", grown, inputs={"newly": 7}, on_change="continue")["w"] == "1 BY M7"
    assert ran["with_model"] == 1


def test_a_run_that_went_on_with_another_graph_is_a_run_of_that_graph(store: RunLog) -> None:
    @node(output_name="y", name="with_model")
    def other_model(x: int, model: str) -> str:
        ran["other_model"] += 1
        return f"{x} by another {model}"

    runner = SyncRunner(store=store)
    before, after = (Graph([one, fails_at_first], name="g") for one in (with_model, other_model))
    with pytest.raises(LookupError):
        runner.run(before, x=1, model="m", run_id="r")
    assert runner.resume("r", after, on_change="continue")["y"] == "1 by another m"
    assert runner.resume("r", after)["y"] == "1 by another m"
    with pytest.raises(RunChangedError, match="other_model"):
        runner.resume("r", before)
    assert ran["other_model"] == 1


def test_how_a_node_is_mapped_is_part_of_a_graph(store: RunLog) -> None:
    @node(output_name="out")
    def pair(a: int, b: int) -> int:
        return a + b

    @node
    def fails(out: list[int]) -> None:
        raise LookupError

    runner = SyncRunner(store=store)
    with pytest.raises(LookupError):
        runner.run(Graph([pair.map_over("a", "b"), fails], name="g"), a=[1], b=[2], run_id="r")
    for other in (pair.map_over("a", "b", mode="product"), pair.map_over("a", "b", key=lambda a, b: a)):
        with pytest.raises(RunChangedError, match="'pair'"):
            runner.resume("r", Graph([other, fails], name="g"))


def test_a_node_inside_a_graph_of_one_is_part_of_it_too(store: RunLog) -> None:
    def around(name: str) -> Graph:
        return Graph([Graph([with_model.with_name(name)], name="inner").as_node(), fails_at_first], name="g")

    runner = SyncRunner(store=store)
    with pytest.raises(LookupError):
        runner.run(around("one"), x=1, model="m", run_id="r")
    with pytest.raises(RunChangedError, match="inner/two"):
        runner.resume("r", around("two"))


def test_of_several_graphs_of_one_name_the_one_that_is_meant_must_be_given(store: RunLog) -> None:
    runner = SyncRunner(store=store)
    with pytest.raises(LookupError):
        runner.run(Graph([with_model, fails_at_first], name="g"), x=1, model="m", run_id="r")
    runner.run(Graph([with_model], name="g"), x=1, model="m")
    with pytest.raises(UnknownGraphError):
        runner.resume("r")


def test_an_effect_that_is_not_recorded_is_not_repeated(store: RunLog) -> None:
    @node(record=False)
    def mail(address: str) -> object:
        ran[address] += 1
        return object()

    graph = Graph([mail.with_inputs(address="addresses").map_over("addresses"), with_model, fails_at_first], name="g")
    runner = SyncRunner(store=store)
    with pytest.raises(LookupError):
        runner.run(graph, addresses=["a", "b"], x=1, model="m", run_id="r")
    before = {name: ran[name] for name in ("a", "b")}
    runner.resume("r")
    runner.resume("r")
    assert all(ran[name] <= max(before[name], 1) for name in before)


async def test_the_attempts_of_a_failure_are_those_on_record(store: RunLog) -> None:
    @node(output_name="out")
    async def fails(item: int) -> int:
        raise LookupError(item)

    @node
    async def last(out: list[Any]) -> None:
        ran["attempts"] = out[0].attempts
        raise OSError("not yet")

    graph = Graph([fails.map_over("item", on_error="keep"), last], name="g")
    runner = AsyncRunner(store=store)
    for attempt in (1, 2, 3):
        with pytest.raises(OSError, match="not yet"):
            await runner.run(graph, item=[0], run_id="r")
        assert ran["attempts"] == attempt


def test_a_run_of_a_thread_is_not_taken_for_one_of_another(store: RunLog) -> None:
    runner, graph = SyncRunner(store=store), Graph([with_model], name="g")
    runner.run(graph, x=1, model="m", run_id="r", thread_id="one")
    with pytest.raises(RunChangedError, match="thread"):
        runner.run(graph, x=1, model="m", run_id="r", thread_id="two")


def test_answers_to_a_run_that_is_new_are_refused(store: RunLog) -> None:
    runner, graph = SyncRunner(store=store), Graph([with_model], name="g")
    with pytest.raises(UnknownQuestionError):
        runner.map(graph, x=[1], model="m", map_over="x", answers={"batch/g[0]?1": 1})
