"""What a budget counts: each answer of a model once, however far it is handed on, and before another call starts."""

import asyncio
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from piecework import (
    AsyncRunner,
    Budget,
    CachePolicy,
    Graph,
    Limit,
    MemoryCache,
    MemoryStore,
    RateLimit,
    SqliteStore,
    SyncRunner,
    Usage,
    add_usage,
    node,
)
from tests.core.harness import within
from tests.core.policy_tools import names, on_virtual_time

PLENTY = Budget(max_tokens=1_000_000)

numbers = count()


def without_id() -> AIMessage:
    return AIMessage("Hello.", usage_metadata=UsageMetadata(input_tokens=90, output_tokens=10, total_tokens=100))


def with_id() -> AIMessage:
    answer = without_id()
    answer.id = f"answer-{next(numbers)}"
    return answer


def with_id_of_the_provider() -> AIMessage:
    answer = without_id()
    answer.response_metadata = {"id": f"msg-{next(numbers)}"}
    return answer


def as_dict() -> dict[str, object]:
    return {"content": "Hello.", "usage": {"input_tokens": 90, "output_tokens": 10}}


ANSWERS = pytest.mark.parametrize("answer", [without_id, with_id, with_id_of_the_provider, as_dict])


async def used(graph: Graph, **inputs: object) -> int:
    result = await within(AsyncRunner(budget=PLENTY).run(graph, inputs))
    assert result.used is not None
    return result.used.tokens


@ANSWERS
async def test_an_answer_that_is_passed_on_is_counted_once(answer: Callable[[], object]) -> None:
    @node(output_name="m")
    async def ask(x: int) -> object:
        return answer()

    @node(output_name="best")
    async def choose(m: object) -> object:
        return m

    assert await used(Graph([ask, choose]), x=1) == 100


@ANSWERS
async def test_answers_that_are_collected_are_counted_once(answer: Callable[[], object]) -> None:
    @node(output_name="m")
    async def ask(x: int) -> object:
        return answer()

    @node(output_name="all")
    async def collect(m: list[object]) -> list[object]:
        return list(m)

    assert await used(Graph([ask.map_over("x"), collect]), x=[1, 2, 3]) == 300


@ANSWERS
async def test_of_a_history_that_grows_only_what_is_new_is_counted(answer: Callable[[], object]) -> None:
    @node(output_name="second")
    async def talk(first: list[object]) -> list[object]:
        return [*first, answer()]

    again = talk.with_name("again").with_inputs(first="second").with_outputs(second="third")
    assert await used(Graph([talk, again]), first=[]) == 200


@ANSWERS
async def test_an_answer_that_an_inner_run_returned_is_counted_once(answer: Callable[[], object]) -> None:
    @node(output_name="m")
    async def ask(x: int) -> object:
        return answer()

    inner = Graph([ask])

    @node(output_name="y")
    async def outer(x: int) -> object:
        return (await AsyncRunner().run(inner, x=x))["m"]

    @node(output_name="z")
    def blocking(x: int) -> object:
        return SyncRunner().run(inner, x=x)["m"]

    assert await used(Graph([outer]), x=1) == 100
    assert await used(Graph([blocking]), x=1) == 100


async def test_an_answer_out_of_a_cache_is_not_counted_though_it_is_passed_on() -> None:
    @node(output_name="m", cache=CachePolicy())
    async def ask(x: int) -> AIMessage:
        return without_id()

    @node(output_name="best")
    async def choose(m: AIMessage) -> AIMessage:
        return m

    runner, graph = AsyncRunner(cache=MemoryCache(), budget=PLENTY), Graph([ask, choose])
    amounts = [(await within(runner.run(graph, x=1))).used for _ in range(2)]
    assert amounts == [Usage(90, 10), Usage()]


async def test_an_answer_on_record_is_not_counted_again_where_a_run_goes_on() -> None:
    fails = [True]

    @node(output_name="m")
    async def ask(x: int) -> AIMessage:
        return without_id()

    @node(output_name="best")
    async def choose(m: AIMessage) -> AIMessage:
        if fails:
            raise LookupError(fails.pop())
        return m

    runner = AsyncRunner(store=MemoryStore(), budget=PLENTY)
    with pytest.raises(LookupError):
        await within(runner.run(Graph([ask, choose]), x=1, run_id="r"))
    resumed = await within(runner.resume("r"))
    assert resumed.used == Usage(90, 10)


def spenders(ran: list[int], number: int, **options: Any) -> Graph:
    """Nodes that are all ready at once, each of which spends all there is."""

    @node(output_name="y", **options)
    async def spend(x: int) -> int:
        ran.append(x)
        await asyncio.sleep(1.0)
        add_usage(input_tokens=100)
        return x

    return Graph([spend.with_name(f"n{each}").with_outputs(y=f"y{each}") for each in range(number)])


def test_calls_that_wait_for_a_limit_see_that_the_budget_is_spent_meanwhile() -> None:
    ran: list[int] = []
    limit = Limit(next(names), max_concurrency=1)

    async def run() -> tuple[str, int]:
        runner = AsyncRunner(budget=Budget(max_tokens=100))
        result = await runner.run(spenders(ran, 10, limits=limit), x=1)
        return result.status, limit.free

    assert on_virtual_time(run()) == ("stopped", 1)
    assert len(ran) == 1


def test_runs_of_a_batch_that_wait_for_a_limit_see_that_the_budget_is_spent_meanwhile() -> None:
    ran: list[int] = []

    @node(output_name="a")
    async def before(x: int) -> int:
        return x

    @node(output_name="y", limits=Limit(next(names), max_concurrency=1))
    async def spend(a: int) -> int:
        ran.append(a)
        await asyncio.sleep(1.0)
        add_usage(input_tokens=100)
        return a

    batch = AsyncRunner(budget=Budget(max_tokens=100)).map(Graph([before, spend]), x=range(30), map_over="x")
    assert on_virtual_time(batch).stopped == "budget"
    assert len(ran) == 1


def test_blocking_calls_that_wait_for_a_limit_see_that_the_budget_is_spent_meanwhile() -> None:
    ran, asking = list[int](), threading.Semaphore(0)
    limit = Limit(next(names), max_concurrency=1)

    def estimate(arguments: object) -> int:
        asking.release()
        return 1

    rate = RateLimit(next(names), tokens_per_minute=1_000_000, estimate=estimate)

    @node(output_name="y", limits=[limit, rate])
    def spend(x: int) -> int:
        for _ in range(0 if ran else 3):  # All have seen by then that the budget is not spent.
            asking.acquire(timeout=4)
        ran.append(x)
        add_usage(input_tokens=100)
        return x

    nodes = [spend.with_name(f"n{each}").with_outputs(y=f"y{each}") for each in range(3)]
    result = SyncRunner(budget=Budget(max_tokens=100)).run(Graph(nodes), x=1)
    assert (result.status, len(ran), limit.free) == ("stopped", 1, 1)


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"input_tokens": 1.25}, TypeError),
        ({"output_tokens": "7"}, TypeError),
        ({"input_tokens": True}, TypeError),
        ({"output_tokens": None}, TypeError),
        ({"input_tokens": -1}, ValueError),
        ({"input_tokens": 1, "model": 5}, TypeError),
    ],
)
async def test_what_is_no_usage_is_refused_and_the_log_can_be_read(
    told: dict[str, Any], error: type[Exception], tmp_path: Path
) -> None:
    refused: list[str] = []

    @node(output_name="y")
    async def ask(x: int) -> int:
        try:
            add_usage(**told)
        except error as caught:
            refused.append(str(caught))
        add_usage(input_tokens=2, model="m")
        return x

    with SqliteStore(tmp_path / "runs.db") as store:
        await within(AsyncRunner(store=store).run(Graph([ask]), x=1, run_id="r"))
        facts = [fact for fact in await store.read("r") if fact.kind == "call"]
    assert [fact.usage for fact in facts] == [Usage(2)]
    assert refused
    assert all("add_usage(" in each for each in refused)
