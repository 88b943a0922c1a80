"""Policies at work, from both runners: what was declared is what happens."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from piecework import (
    AsyncRunner,
    Budget,
    CachePolicy,
    Failure,
    Graph,
    Limit,
    MemoryCache,
    MemoryStore,
    NodeTimeoutError,
    RetryPolicy,
    RunTimeoutError,
    SyncRunner,
    UnknownOutputError,
    add_usage,
    node,
)
from tests.core.harness import within

AT_ONCE = RetryPolicy(max_attempts=3, initial_interval=0, jitter=False, retry_on=OSError)

tried: Counter[object] = Counter()


@pytest.fixture(autouse=True)
def _from_zero() -> None:
    tried.clear()


def fail_first(item: object, times: int = 2) -> None:
    tried[item] += 1
    if tried[item] <= times:
        raise OSError(f"{item}: {tried[item]}")


@node(output_name="out", retry=AT_ONCE)
async def flaky(x: int) -> int:
    fail_first(x)
    return x * 10


@node(output_name="out")
def flaky_blocking(x: int) -> int:
    fail_first(x)
    return x * 10


@node(output_name="out", retry=())
async def hopeless(x: int) -> int:
    fail_first(x, times=99)
    return x


def instead(x: int, error: Exception) -> str:
    return f"{x} after {error}"


async def by_async(options: dict[str, Any], graph: Graph, **inputs: Any) -> Any:
    return await within(AsyncRunner(**options).run(graph, inputs))


async def by_sync(options: dict[str, Any], graph: Graph, **inputs: Any) -> Any:
    return await within(asyncio.to_thread(SyncRunner(**options).run, graph, inputs))


both = pytest.mark.parametrize("run", [by_async, by_sync])


@both
async def test_a_node_is_tried_again_as_it_says(run: Callable[..., Any]) -> None:
    assert (await run({}, Graph([flaky]), x=1))["out"] == 10
    assert tried == {1: 3}


@both
async def test_a_runners_retry_counts_for_nodes_that_say_nothing(run: Callable[..., Any]) -> None:
    assert (await run({"retry": AT_ONCE}, Graph([flaky_blocking]), x=1))["out"] == 10
    with pytest.raises(OSError, match="2: 1"):
        await run({"retry": AT_ONCE}, Graph([hopeless]), x=2)


@both
async def test_the_items_of_a_mapped_node_are_tried_again_one_by_one(run: Callable[..., Any]) -> None:
    for mapped in (flaky.map_over("x"), flaky_blocking.map_over("x", retry=AT_ONCE)):
        tried.clear()
        assert (await run({}, Graph([mapped]), x=[1, 2, 3]))["out"] == [10, 20, 30]
        assert tried == {1: 3, 2: 3, 3: 3}


@both
async def test_the_calls_in_a_mapped_graph_are_tried_again_as_the_mapping_says(run: Callable[..., Any]) -> None:
    after = node(output_name="end", name="after")(lambda out: out + 1)
    inner = Graph([flaky_blocking, after], name="inner")
    mapped = inner.as_node().map_over("x", retry=AT_ONCE)
    assert (await run({}, Graph([mapped]), x=[1, 2]))["end"] == [11, 21]


@both
async def test_a_handler_stands_in_for_a_node_that_failed_for_good(run: Callable[..., Any]) -> None:
    made = hopeless.with_policy(retry=AT_ONCE, error_handler=instead)
    assert (await run({}, Graph([made]), x=1))["out"] == "1 after 1: 3"
    assert tried == {1: 3}


@both
async def test_an_item_that_its_handler_made_good_is_no_failure(run: Callable[..., Any]) -> None:
    def only_two(x: int, error: Exception) -> int:
        if x != 2:
            raise error
        return -x

    mapped = hopeless.map_over("x", on_error="keep", error_handler=only_two)
    first, second = (await run({}, Graph([mapped]), x=[1, 2]))["out"]
    assert isinstance(first, Failure)
    assert second == -2


@both
async def test_the_handler_of_a_mapped_one_call_graph_takes_its_inputs(run: Callable[..., Any]) -> None:
    def given_up(page: int, error: Exception) -> int:
        return -page

    graph = Graph([hopeless.with_inputs(x="page")], name="pages")
    mapped = graph.as_node().map_over("page", error_handler=given_up)
    assert (await run({}, Graph([mapped]), page=[1, 2]))["out"] == [-1, -2]


@both
async def test_an_attempt_that_takes_too_long_is_given_up(run: Callable[..., Any]) -> None:
    @node(output_name="out", timeout=0.02)
    async def endless(x: int) -> int:
        await asyncio.Event().wait()
        return x

    with pytest.raises(NodeTimeoutError, match=r"'endless' took longer than 0\.02 s"):
        await run({}, Graph([endless]), x=1)
    made = endless.with_policy(error_handler=instead)
    assert "took longer" in str((await run({}, Graph([made]), x=1))["out"])


@both
async def test_a_run_that_takes_too_long_is_given_up(run: Callable[..., Any]) -> None:
    @node(output_name="out")
    async def endless(x: int) -> int:
        await asyncio.Event().wait()
        return x

    with pytest.raises(RunTimeoutError):
        await run({"run_timeout": 0.02}, Graph([endless]), x=1)


@both
async def test_what_a_cached_node_made_is_used_by_other_runs_until_it_is_forgotten(run: Callable[..., Any]) -> None:
    @node(output_name="out", cache=CachePolicy())
    def count(x: int) -> int:
        tried[x] += 1
        return x * 10

    options: dict[str, Any] = {"cache": MemoryCache()}
    for _ in range(2):
        assert (await run(options, Graph([count]), x=1))["out"] == 10
    assert tried == {1: 1}
    assert await within(AsyncRunner(**options).clear_cache("other")) == 0
    assert await within(AsyncRunner(**options).clear_cache(["count"])) == 1
    await run(options, Graph([count]), x=1)
    assert tried == {1: 2}


@both
async def test_a_limit_holds_over_nodes(run: Callable[..., Any]) -> None:
    running, most = 0, 0

    async def work(x: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return x

    model = Limit("model of this test", max_concurrency=2)
    nodes = [
        node(work, output_name=f"out{number}", name=f"n{number}", limits=model).with_inputs(x="xs").map_over("xs")
        for number in range(3)
    ]
    await run({}, Graph(nodes), xs=range(20))
    assert most == 2


@both
async def test_a_nodes_own_concurrency_holds_over_its_items(run: Callable[..., Any]) -> None:
    running, most = 0, 0

    @node(output_name="out", max_concurrency=2)
    async def work(x: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return x

    await run({}, Graph([work.map_over("x")]), x=range(20))
    assert most == 2


@node(output_name="first")
def spend(x: int) -> int:
    add_usage(input_tokens=60, output_tokens=60)
    tried[x] += 1
    return x


@node(output_name="last")
def spend_more(first: int) -> int:
    return first * 10


@both
async def test_a_run_whose_budget_is_spent_is_stopped(run: Callable[..., Any]) -> None:
    result = await run({"budget": Budget(max_tokens=100)}, Graph([spend, spend_more]), x=1)
    assert (result.status, result.stopped, dict(result.values)) == ("stopped", "budget", {})
    with pytest.raises(UnknownOutputError, match="its budget is spent"):
        result["last"]


async def test_a_stopped_run_goes_on_with_a_larger_budget() -> None:
    store, graph = MemoryStore(), Graph([spend, spend_more])
    poor, rich = (AsyncRunner(store=store, budget=Budget(max_tokens=most)) for most in (100, 1000))
    stopped = await within(poor.run(graph, x=1))
    assert stopped.status == "stopped"
    again = await within(rich.resume(stopped.run_id, graph))
    assert (again.status, again["last"]) == ("completed", 10)
    assert tried == {1: 1}


async def test_a_batch_whose_budget_is_spent_tells_which_runs_were_not_done() -> None:
    runner = AsyncRunner(budget=Budget(max_tokens=100), max_concurrency=1)
    results = await within(runner.map(Graph([spend]), {"x": [1, 2, 3]}, map_over="x"))
    assert [one.status for one in results] == ["completed", "stopped", "stopped"]
    assert (results.stopped, results["first"]) == ("budget", [1, None, None])


async def test_a_stopped_batch_goes_on_with_a_larger_budget() -> None:
    store, graph = MemoryStore(), Graph([spend, spend_more])
    poor = AsyncRunner(store=store, budget=Budget(max_tokens=300), max_concurrency=1)
    stopped = await within(poor.map(graph, {"x": [1, 2, 3, 4, 5]}, map_over="x"))
    assert stopped.stopped == "budget"
    assert {one.status for one in stopped} >= {"stopped"}
    assert len(stopped) == 5
    rich = AsyncRunner(store=store, budget=Budget(max_tokens=10_000))
    again = await within(rich.map(graph, map_over="x", run_id=stopped.run_id))
    assert (again.stopped, again["last"]) == ("", [10, 20, 30, 40, 50])
    assert tried == {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}


@pytest.mark.parametrize("runner", [AsyncRunner, SyncRunner])
async def test_the_results_of_a_stopped_batch_come_as_its_runs_end(runner: type[Any]) -> None:
    made = runner(budget=Budget(max_tokens=100), max_concurrency=1)
    results = made.map_iter(Graph([spend]), {"x": itertools.count()}, map_over="x")
    if isinstance(made, AsyncRunner):
        told = [result.status async for _, result in results]
    else:
        told = await within(asyncio.to_thread(lambda: [result.status for _, result in results]))
    assert told[0] == "completed"
    assert set(told[1:]) == {"stopped"}


async def test_failed_items_of_a_completed_run_are_tried_again_where_that_is_asked_for() -> None:
    store = MemoryStore()
    runner = AsyncRunner(store=store)
    total = node(output_name="total", name="total")(lambda out: sum(each for each in out if each))
    graph = Graph([flaky_blocking.map_over("x", on_error="keep"), total])
    tried[1] = 5
    result = await within(runner.run(graph, x=[1, 2]))
    assert result["total"] == 10
    kept = await within(runner.resume(result.run_id, graph))
    assert (kept["total"], tried[2]) == (10, 1)
    assert (await within(runner.resume(result.run_id, graph, failed="retry")))["total"] == 10
    again = await asyncio.to_thread(SyncRunner(store=store).resume, result.run_id, graph, failed="retry")
    assert (again["total"], tried[1], tried[2]) == (30, 6, 3)
