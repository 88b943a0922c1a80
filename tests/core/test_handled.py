"""Error handlers as calls of their own: under the runner's policies, counted, and asked their own questions."""

import asyncio
from itertools import count
from typing import Any

import pytest

from piecework import (
    AsyncRunner,
    Budget,
    Failure,
    Graph,
    Limit,
    MemoryStore,
    NodeTimeoutError,
    Usage,
    add_usage,
    interrupt,
    node,
)
from tests.core.harness import within
from tests.core.policy_tools import FAST, Flaky, Gauge, names, on_virtual_time, time

PLENTY = Budget(max_tokens=1_000_000)


def failing(handler: Any) -> Any:
    """A node that fails each time, at some expense, with its error handler."""

    @node(output_name="y", error_handler=handler)
    async def bad(x: int) -> int:
        add_usage(input_tokens=100)
        raise LookupError(x)

    return bad


def test_a_handler_has_the_time_that_the_runner_gives() -> None:
    async def instead(x: int, error: BaseException) -> int:
        await asyncio.sleep(100.0)
        return x

    async def run() -> float:
        with pytest.raises(NodeTimeoutError, match="took longer than 3 s"):
            await AsyncRunner(timeout=3.0).run(Graph([failing(instead)]), x=1)
        return time()

    assert on_virtual_time(run()) == 3.0


async def test_a_handler_is_tried_again_as_the_runner_says() -> None:
    flaky = Flaky(2)

    async def instead(x: int, error: BaseException) -> int:
        return flaky.try_it()

    assert (await within(AsyncRunner(retry=FAST).run(Graph([failing(instead)]), x=1)))["y"] == 3


async def test_a_blocking_handler_is_tried_again_as_the_runner_says() -> None:
    flaky = Flaky(2)

    def instead(x: int, error: BaseException) -> int:
        return flaky.try_blocking()

    assert (await within(AsyncRunner(retry=FAST).run(Graph([failing(instead)]), x=1)))["y"] == 3


def test_handlers_count_under_the_runners_limits() -> None:
    gauge, limit = Gauge(), Limit(next(names), max_concurrency=2)

    async def instead(x: int, error: BaseException) -> int:
        with gauge.inside():
            await asyncio.sleep(1.0)
        return -x

    async def run() -> float:
        await AsyncRunner(limits=limit).run(Graph([failing(instead).map_over("x")]), x=range(10))
        return time()

    assert on_virtual_time(run()) == 5.0
    assert (gauge.most, limit.free) == (2, 2)


async def test_what_a_handler_uses_up_counts() -> None:
    async def instead(x: int, error: BaseException) -> int:
        add_usage(input_tokens=400, output_tokens=100)
        return -x

    async def answers(x: int, error: BaseException) -> dict[str, object]:
        return {"usage": {"input_tokens": 7, "output_tokens": 2}}

    used = [
        (await within(AsyncRunner(budget=PLENTY).run(Graph([failing(each)]), x=1))).used for each in (instead, answers)
    ]
    assert used == [Usage(500, 100), Usage(107, 2)]


async def test_no_handler_starts_when_the_budget_is_spent() -> None:
    handled: list[int] = []

    async def instead(x: int, error: BaseException) -> int:
        handled.append(x)
        return -x

    store = MemoryStore()
    runner = AsyncRunner(store=store, budget=Budget(max_tokens=100), max_concurrency=1)
    graph = Graph([failing(instead).map_over("x")], name="g")
    stopped = await within(runner.run(graph, x=[1, 2, 3], run_id="r"))
    assert (stopped.status, stopped.used, handled) == ("stopped", Usage(100), [])
    rest = await within(AsyncRunner(store=store, budget=PLENTY).resume("r", graph))
    assert rest["y"] == [-1, -2, -3]


async def test_an_answer_to_a_handlers_question_counts_though_the_failure_is_told_in_other_words() -> None:
    requests = count()

    async def go_on(x: int, error: BaseException) -> object:
        return interrupt("Go on?")

    @node(output_name="y", error_handler=go_on)
    async def ask(x: int) -> object:
        raise ConnectionError(f"request {next(requests)} failed")

    runner = AsyncRunner(store=MemoryStore())
    paused = await within(runner.run(Graph([ask.map_over("x")], name="g"), x=[1, 2], run_id="r"))
    answers = {question.id: number for number, question in enumerate(paused.interrupts)}
    resumed = await within(runner.resume("r", answers=answers))
    assert (resumed.status, resumed["y"]) == ("completed", [0, 1])


def test_a_handler_that_takes_too_long_is_a_failure_like_any_other() -> None:
    async def instead(x: int, error: BaseException) -> int:
        await asyncio.sleep(100.0 if x else 1.0)
        return -x

    mapped = failing(instead).map_over("x", on_error="keep")
    values = on_virtual_time(AsyncRunner(timeout=3.0).run(Graph([mapped]), x=[0, 1]))["y"]
    assert isinstance(values, list)
    assert values[0] == 0
    assert isinstance(values[1], Failure)
    assert isinstance(values[1].error, NodeTimeoutError)
