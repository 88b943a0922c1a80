"""Questions that nodes ask: asked by one process, answered by another, wherever in the graph the node stands."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from piecework import (
    AsyncRunner,
    Failure,
    Graph,
    MemoryStore,
    OutsideRunError,
    SyncRunner,
    UnknownQuestionError,
    interrupt,
    node,
)
from piecework.core.ports import RunLog
from piecework.dataflow import Node
from piecework.testing.crashing import CrashingStore, StoreCrashError
from tests.core.harness import within
from tests.durability.places import opening

ran: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], RunLog]]:
    with opening(request.param, tmp_path) as open_one:
        yield open_one


@node(output_name="approved")
async def approve(draft: str) -> str:
    ran[f"approve {draft}"] += 1
    return f"{draft}: {interrupt({'about': draft})}"


@node(output_name="approved", name="approve")
def approve_on_thread(draft: str) -> str:
    ran[f"approve {draft}"] += 1
    return f"{draft}: {interrupt({'about': draft})}"


@node(output_name="length")
def measure(draft: str) -> int:
    ran["measure"] += 1
    return len(draft)


@node(output_name="both")
def join(approved: Any, length: int) -> str:
    ran["join"] += 1
    return f"{approved} {length}"


def mapped(kind: Node, **options: Any) -> Node:
    return kind.with_inputs(draft="drafts").map_over("drafts", **options)


kinds = pytest.mark.parametrize("kind", [approve, approve_on_thread])


@kinds
async def test_a_node_asks_and_the_rest_of_the_graph_goes_on(open_store: Callable[[], RunLog], kind: Node) -> None:
    graph = Graph([kind, measure, join], name="g")
    result = await within(AsyncRunner(store=open_store()).run(graph, draft="text", run_id="run"))
    assert result.status == "paused"
    (question,) = result.interrupts
    assert (question.id, question.value) == ("g/approve?1", {"about": "text"})
    assert ran == {"approve text": 1, "measure": 1}
    answered = await within(AsyncRunner(store=open_store()).resume("run", graph, answers={question.id: "yes"}))
    assert answered["both"] == "text: yes 4"
    assert ran == {"approve text": 2, "measure": 1, "join": 1}


async def test_a_run_that_is_resumed_without_an_answer_asks_again_and_runs_nothing(
    open_store: Callable[[], RunLog],
) -> None:
    graph = Graph([approve, measure, join], name="g")
    asked = await within(AsyncRunner(store=open_store()).run(graph, draft="text", run_id="run"))
    again = await within(AsyncRunner(store=open_store()).resume("run", graph))
    assert (again.status, again.interrupts) == ("paused", asked.interrupts)
    assert ran == {"approve text": 1, "measure": 1}
    found = await AsyncRunner(store=open_store()).get("run")
    assert found.status == "paused"


@kinds
async def test_items_ask_each_for_itself_and_are_answered_one_by_one(
    open_store: Callable[[], RunLog], kind: Node
) -> None:
    graph = Graph([mapped(kind)], name="g")
    first = await within(AsyncRunner(store=open_store()).run(graph, drafts=["a", "b", "c"], run_id="run"))
    assert sorted(one.id for one in first.interrupts) == [f"g/approve[{index}]?1" for index in range(3)]
    answers: dict[str, object] = {"g/approve[1]?1": "B"}
    second = await within(AsyncRunner(store=open_store()).resume("run", graph, answers=answers))
    assert sorted(one.id for one in second.interrupts) == ["g/approve[0]?1", "g/approve[2]?1"]
    assert ran == {"approve a": 1, "approve b": 2, "approve c": 1}
    answers = {"g/approve[0]?1": "A", "g/approve[2]?1": "C"}
    last = await within(AsyncRunner(store=open_store()).resume("run", graph, answers=answers))
    assert last["approved"] == ["a: A", "b: B", "c: C"]
    assert ran == {"approve a": 2, "approve b": 2, "approve c": 2}


async def test_a_node_inside_graphs_inside_a_map_asks(open_store: Callable[[], RunLog]) -> None:
    inner = Graph([approve, measure, join], name="inner").as_node()
    middle = Graph([inner, measure.with_name("again").with_outputs(length="second")], name="middle").as_node()
    graph = Graph([middle.with_inputs(draft="drafts").map_over("drafts")], name="g")
    asked = await within(AsyncRunner(store=open_store()).run(graph, drafts=["a", "bb"], run_id="run"))
    ids = sorted(one.id for one in asked.interrupts)
    assert ids == [f"g/middle[{index}]/inner/approve?1" for index in range(2)]
    answers = dict.fromkeys(ids, "ok")
    result = await within(AsyncRunner(store=open_store()).resume("run", graph, answers=answers))
    assert result["both"] == ["a: ok 1", "bb: ok 2"]
    assert ran["measure"] == 4


@node(output_name="form")
def fill(topic: str) -> list[object]:
    ran["fill"] += 1
    return [interrupt("name?"), interrupt("age?"), topic]


async def test_several_questions_of_one_node_are_asked_one_after_the_other(open_store: Callable[[], RunLog]) -> None:
    graph = Graph([fill], name="g")
    first = await within(AsyncRunner(store=open_store()).run(graph, topic="t", run_id="run"))
    assert [(one.id, one.value) for one in first.interrupts] == [("g/fill?1", "name?")]
    second = await within(AsyncRunner(store=open_store()).resume("run", graph, answers={"g/fill?1": None}))
    assert [(one.id, one.value) for one in second.interrupts] == [("g/fill?2", "age?")]
    third = await within(AsyncRunner(store=open_store()).resume("run", graph, answers={"g/fill?2": 7}))
    assert third["form"] == [None, 7, "t"]


def test_a_synchronous_runner_asks_and_is_answered(tmp_path: Path) -> None:
    with opening("sqlite", tmp_path) as open_store:
        graph = Graph([fill], name="g")
        assert SyncRunner(store=open_store()).run(graph, topic="t", run_id="run").status == "paused"
        assert SyncRunner(store=open_store()).resume("run", graph, answers={"g/fill?1": 1}).status == "paused"
        assert SyncRunner(store=open_store()).resume("run", graph, answers={"g/fill?2": 2})["form"] == [1, 2, "t"]


async def test_answers_that_nobody_waits_for_are_refused_and_change_nothing(open_store: Callable[[], RunLog]) -> None:
    graph = Graph([fill], name="g")
    await within(AsyncRunner(store=open_store()).run(graph, topic="t", run_id="run"))
    facts = await open_store().read("run")
    with pytest.raises(UnknownQuestionError, match=r"'g/fill\?2'; it waits for 'g/fill\?1'") as refused:
        await within(AsyncRunner(store=open_store()).resume("run", graph, answers={"g/fill?1": 1, "g/fill?2": 2}))
    assert (refused.value.names, refused.value.waiting) == (("g/fill?2",), ("g/fill?1",))
    assert await open_store().read("run") == facts
    assert (await AsyncRunner(store=open_store()).get("run")).status == "paused"


async def test_an_answer_is_not_lost_when_the_process_dies_right_after_it(open_store: Callable[[], RunLog]) -> None:
    graph = Graph([fill], name="g")
    await within(AsyncRunner(store=open_store()).run(graph, topic="t", run_id="run"))
    crashing = CrashingStore(open_store(), at=2, when="after")
    with pytest.raises(StoreCrashError):
        await within(AsyncRunner(store=crashing).resume("run", graph, answers={"g/fill?1": "kept"}))
    second = await within(AsyncRunner(store=open_store()).resume("run", graph))
    assert [one.id for one in second.interrupts] == ["g/fill?2"]
    last = await within(AsyncRunner(store=open_store()).resume("run", graph, answers={"g/fill?2": "too"}))
    assert last["form"] == ["kept", "too", "t"]


async def test_a_failed_item_is_kept_beside_one_that_asks(open_store: Callable[[], RunLog]) -> None:
    @node(output_name="made")
    async def work(number: int) -> object:
        ran[f"work {number}"] += 1
        if number == 0:
            raise LookupError(number)
        return interrupt(number) if number == 1 else number

    graph = Graph([work.with_inputs(number="numbers").map_over("numbers", on_error="keep")], name="g")
    asked = await within(AsyncRunner(store=open_store()).run(graph, numbers=[0, 1, 2], run_id="run"))
    assert asked.status == "paused"
    result = await within(AsyncRunner(store=open_store()).resume("run", graph, answers={"g/work[1]?1": "yes"}))
    made = result["made"]
    assert isinstance(made, list)
    assert isinstance(made[0], Failure)
    assert made[1:] == ["yes", 2]
    assert ran["work 2"] == 1


async def test_a_failure_beside_a_question_fails_the_run_and_the_question_is_asked_again(
    open_store: Callable[[], RunLog],
) -> None:
    failing = {"now": True}

    @node(output_name="checked")
    async def check(draft: str) -> str:
        if failing["now"]:
            raise LookupError(draft)
        return draft

    graph = Graph([approve, check], name="g")
    with pytest.raises(LookupError):
        await within(AsyncRunner(store=open_store(), max_concurrency=1).run(graph, draft="d", run_id="run"))
    failing["now"] = False
    asked = await within(AsyncRunner(store=open_store()).resume("run", graph))
    assert [one.id for one in asked.interrupts] == ["g/approve?1"]
    result = await within(AsyncRunner(store=open_store()).resume("run", graph, answers={"g/approve?1": "yes"}))
    assert (result["approved"], result["checked"]) == ("d: yes", "d")


async def test_what_cannot_be_stored_cannot_be_asked() -> None:
    @node(output_name="x")
    def wonder() -> object:
        return interrupt(object())

    with pytest.raises(ValueError, match="node 'wonder'"):
        await within(AsyncRunner(store=MemoryStore()).run(Graph([wonder], name="g")))


async def test_without_a_store_a_paused_run_tells_its_questions_and_is_over() -> None:
    result = await within(AsyncRunner().run(Graph([fill], name="g"), topic="t"))
    assert (result.status, [one.value for one in result.interrupts]) == ("paused", ["name?"])


def test_outside_of_a_node_nothing_can_be_asked() -> None:
    with pytest.raises(OutsideRunError):
        interrupt("who?")


async def test_a_batch_in_which_a_run_asks_keeps_the_others_and_tells_the_question(
    open_store: Callable[[], RunLog],
) -> None:
    graph = Graph([approve, measure], name="g")
    runner = AsyncRunner(store=open_store())
    batch = await within(runner.map(graph, draft=["a", "b"], map_over="draft", run_id="run"))
    assert [result.status for result in batch] == ["paused", "paused"]
    assert [question.value for result in batch for question in result.interrupts] == [{"about": "a"}, {"about": "b"}]
    answers = {question.id: "yes" for result in batch for question in result.interrupts}
    again = AsyncRunner(store=open_store())
    answered = await within(again.map(graph, draft=["a", "b"], map_over="draft", run_id="run", answers=answers))
    assert answered["approved"] == ["a: yes", "b: yes"]
    assert ran == {"approve a": 2, "approve b": 2, "measure": 2}
