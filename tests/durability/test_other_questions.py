"""An answer belongs to the question that was asked, and a question to whoever waits for it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from piecework import AsyncRunner, Graph, MemoryStore, SyncRunner, UnknownQuestionError, interrupt, node
from tests.core.harness import within


@node(output_name="y")
def ask(x: str) -> str:
    return f"{x}: {interrupt(f'run {x}?')}"


ASK = Graph([ask], name="g")


def test_a_fork_with_other_inputs_asks_what_it_would_ask_now() -> None:
    runner = SyncRunner(store=MemoryStore())
    runner.run(ASK, x="ls", run_id="q")
    fork = runner.fork("q", inputs={"x": "rm"}, new_id="f")
    assert [question.value for question in fork.interrupts] == ["run rm?"]
    assert runner.resume("f", answers={"g/ask?1": "no"})["y"] == "rm: no"


def test_an_answer_to_other_arguments_is_not_taken() -> None:
    runner = SyncRunner(store=MemoryStore())
    runner.run(ASK, x="ls", run_id="q")
    assert runner.resume("q", answers={"g/ask?1": "yes"})["y"] == "ls: yes"
    fork = runner.fork("q", inputs={"x": "rm"})
    assert (fork.status, [question.value for question in fork.interrupts]) == ("paused", ["run rm?"])


def test_a_call_that_asks_something_else_when_it_runs_again_asks_that_anew() -> None:
    careful = True

    @node(output_name="y")
    def f() -> list[object]:
        return [*([interrupt("delete all?")] if careful else []), interrupt("send mail?")]

    runner = SyncRunner(store=MemoryStore())
    runner.run(Graph([f], name="g"), run_id="q")
    careful = False
    again = runner.resume("q", answers={"g/f?1": "yes"})
    assert [question.value for question in again.interrupts] == ["send mail?"]
    assert runner.resume("q", answers={"g/f?1": "no"})["y"] == ["no"]


def test_another_function_in_the_place_of_one_that_was_answered_asks_for_itself() -> None:
    @node(output_name="y", name="f")
    def delete() -> object:
        return interrupt("go on?")

    @node(output_name="y", name="f")
    def publish() -> object:
        return interrupt("go on?")

    @node
    def fails(y: object) -> None:
        raise LookupError

    runner = SyncRunner(store=MemoryStore())
    runner.run(Graph([delete, fails], name="g"), run_id="q")
    with pytest.raises(LookupError):
        runner.resume("q", answers={"g/f?1": "yes"})
    other = runner.resume("q", Graph([publish, fails], name="g"), on_change="continue")
    assert [question.id for question in other.interrupts] == ["g/f?1"]


def test_an_answer_with_which_a_call_failed_may_be_corrected() -> None:
    @node(output_name="y")
    def f() -> int:
        return int(interrupt("a number?"))

    runner = SyncRunner(store=MemoryStore())
    runner.run(Graph([f], name="g"), run_id="q")
    with pytest.raises(ValueError, match="abc"):
        runner.resume("q", answers={"g/f?1": "abc"})
    assert runner.resume("q", answers={"g/f?1": "5"})["y"] == 5
    with pytest.raises(UnknownQuestionError):
        runner.resume("q", answers={"g/f?1": "6"})


def _awaits(inner: Graph) -> Callable[..., Any]:
    async def outer(x: str) -> object:
        return (await AsyncRunner().run(inner, x=x)).get("y", "lost")

    return outer


def _waits(inner: Graph) -> Callable[..., Any]:
    return lambda x: SyncRunner().run(inner, x=x).get("y", "lost")


def _maps(inner: Graph) -> Callable[..., Any]:
    async def outer(x: str) -> object:
        return (await AsyncRunner().map(inner, x=[x], map_over="x"))["y"]

    return outer


@pytest.mark.parametrize("start", [_awaits, _waits, _maps])
async def test_a_question_inside_of_a_run_that_a_node_starts_pauses_the_node(
    start: Callable[[Graph], Callable[..., Any]],
) -> None:
    graph = Graph([node(start(ASK), output_name="z", name="outer")], name="top")
    runner = AsyncRunner(store=MemoryStore())
    paused = await within(runner.run(graph, x="ls", run_id="q"))
    assert paused.status == "paused"
    (question,) = paused.interrupts
    assert question.value == "run ls?"
    answered = await within(runner.resume("q", answers={question.id: "yes"}))
    assert answered["z"] in ("ls: yes", ["ls: yes"])


async def test_a_question_in_a_task_group_pauses_its_node() -> None:
    @node(output_name="y")
    async def both() -> list[object]:
        async def one(value: str) -> object:
            return interrupt(value)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(value)) for value in ("a", "b")]
        return [task.result() for task in tasks]

    runner = AsyncRunner(store=MemoryStore())
    paused = await within(runner.run(Graph([both], name="g"), run_id="q"))
    assert [question.value for question in paused.interrupts] == ["a", "b"]
    answers = {question.id: question.value for question in paused.interrupts}
    assert (await within(runner.resume("q", answers=answers)))["y"] == ["a", "b"]
