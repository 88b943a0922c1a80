"""Limits at the door: shared by nodes, runs, loops and threads; on a clock that jumps."""

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piecework import (
    AsyncRunner,
    Graph,
    Limit,
    PolicyFunctionError,
    RateLimit,
    RetryPolicy,
    SyncRunner,
    node,
)
from piecework.testing.clock import VirtualClock
from tests.core.harness import within
from tests.core.policy_tools import Gauge, TooManyError, names, on_virtual_time, time

worked: list[Any] = []
"""What cached functions have done: a global, since what one closes over is a part of its fingerprint."""


def test_runs_that_name_one_limit_share_it() -> None:
    gauge, limit = Gauge(), Limit(next(names), max_concurrency=3)

    @node(output_name="y", limits=limit)
    async def work(x: int) -> int:
        with gauge.inside():
            await asyncio.sleep(1.0)
        return x

    async def both() -> float:
        graph = Graph([work.map_over("x")])
        await asyncio.gather(*(AsyncRunner().run(graph, x=list(range(6))) for _ in range(2)))
        return time()

    assert on_virtual_time(both()) == 4.0
    assert gauge.most == 3


def test_two_runs_on_two_loops_in_two_threads_share_one_limit() -> None:
    gauge, limit, both = Gauge(), Limit(next(names), max_concurrency=3), threading.Barrier(2)

    @node(output_name="y", limits=limit)
    async def work(x: int) -> int:
        with gauge.inside():
            await asyncio.sleep(0.002)
        return x

    results: list[object] = []

    def run() -> None:
        both.wait(5)
        results.append(asyncio.run(within(AsyncRunner().run(Graph([work.map_over("x")]), x=list(range(30)))))["y"])

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results == [list(range(30))] * 2
    assert gauge.most == 3


def test_a_node_may_have_a_bound_of_its_own() -> None:
    gauge, others = Gauge(), Gauge()

    @node(output_name="y", max_concurrency=2)
    async def narrow(x: int) -> int:
        with gauge.inside():
            await asyncio.sleep(1.0)
        return x

    @node(output_name="z")
    async def wide(x: int) -> int:
        with others.inside():
            await asyncio.sleep(1.0)
        return x

    on_virtual_time(AsyncRunner().run(Graph([narrow.map_over("x"), wide.map_over("x")]), x=list(range(8))))
    assert (gauge.most, others.most) == (2, 8)


def test_a_call_that_waits_for_its_children_lends_its_share() -> None:
    limit, gauge = Limit(next(names), max_concurrency=1), Gauge()

    @node(output_name="y", limits=limit)
    async def inner(x: int) -> int:
        with gauge.inside():
            await asyncio.sleep(1.0)
        return x + 1

    graph = Graph([inner])

    @node(output_name="z", limits=limit)
    async def outer(x: int) -> object:
        return (await AsyncRunner().run(graph, x=x))["y"]

    for runner in (AsyncRunner(), AsyncRunner(max_concurrency=1)):
        result = on_virtual_time(runner.run(Graph([outer.map_over("x")]), x=list(range(4))))
        assert result["z"] == [1, 2, 3, 4]
    assert gauge.most == 1


def test_a_blocking_call_that_waits_for_its_children_lends_its_share_too() -> None:
    limit = Limit(next(names), max_concurrency=1)

    @node(output_name="y", limits=limit)
    def inner(x: int) -> int:
        return x + 1

    graph = Graph([inner])

    @node(output_name="z", limits=limit)
    def outer(x: int) -> object:
        return SyncRunner().run(graph, x=x)["y"]

    for runner in (SyncRunner(), SyncRunner(max_concurrency=1)):
        assert runner.run(Graph([outer.map_over("x")]), x=list(range(4)))["z"] == [1, 2, 3, 4]


def test_no_more_calls_begin_in_a_minute_and_a_little_than_the_rate_allows() -> None:
    began: list[float] = []

    @node(output_name="y", limits=RateLimit(next(names), requests_per_minute=10))
    async def ask(x: int) -> int:
        began.append(time())
        await asyncio.sleep(0.5)
        return x

    on_virtual_time(AsyncRunner().run(Graph([ask.map_over("x")]), x=list(range(25))))
    assert began == [0.0] * 10 + [60.1] * 10 + [120.2] * 5


def test_tokens_are_settled_with_what_the_result_reports() -> None:
    began: list[float] = []
    rate = RateLimit(next(names), tokens_per_minute=1000, estimate=lambda arguments: 500)

    @node(output_name="y", limits=rate)
    async def ask(x: int) -> dict[str, object]:
        began.append(time())
        await asyncio.sleep(1.0)
        return {"usage": {"input_tokens": 6, "output_tokens": 4}}

    on_virtual_time(AsyncRunner().run(Graph([ask.map_over("x")]), x=list(range(10))))
    assert began[:2] == [0.0, 0.0]
    assert max(began) < 60.0  # By the estimate alone, the tenth would begin after four minutes.


def test_an_estimate_that_raises_is_an_error_that_names_it() -> None:
    def broken(arguments: object) -> int:
        raise LookupError("no tokens")

    @node(output_name="y", limits=RateLimit(next(names), tokens_per_minute=10, estimate=broken))
    async def ask(x: int) -> int:
        return x

    with pytest.raises(PolicyFunctionError, match="estimate function of node 'ask' raised LookupError: no tokens"):
        on_virtual_time(AsyncRunner().run(Graph([ask]), x=1))


def test_a_429_pauses_all_calls_under_the_limit() -> None:
    began: list[tuple[float, int]] = []
    limit = Limit(next(names), max_concurrency=2)

    @node(
        output_name="y",
        limits=limit,
        retry=RetryPolicy(max_attempts=5, initial_interval=1.0, jitter=False, retry_on=TooManyError),
    )
    async def ask(x: int) -> int:
        began.append((time(), x))
        await asyncio.sleep(1.0)
        if x == 0 and len(began) <= 2:
            raise TooManyError(retry_after=30.0)
        return x

    result = on_virtual_time(AsyncRunner().run(Graph([ask.map_over("x")]), x=list(range(6))))
    assert result["y"] == list(range(6))
    assert [time for time, _ in began[:2]] == [0.0, 0.0]
    assert all(time >= 31.0 for time, _ in began[2:])


@settings(max_examples=60, deadline=None)
@given(
    durations=st.lists(st.integers(0, 5), min_size=1, max_size=25),
    failing=st.sets(st.tuples(st.integers(0, 24), st.integers(1, 3))),
    throttled=st.sets(st.tuples(st.integers(0, 24), st.integers(1, 3))),
    run_limit=st.none() | st.integers(1, 4),
    map_limit=st.none() | st.integers(1, 4),
    node_limit=st.none() | st.integers(1, 4),
    named=st.none() | st.integers(1, 4),
    rate=st.none() | st.integers(2, 30),
    nested=st.booleans(),
)
def test_no_limit_is_exceeded_and_no_call_starves(  # noqa: PLR0917 - hypothesis gives them by name
    durations: list[int],
    failing: set[tuple[int, int]],
    throttled: set[tuple[int, int]],
    run_limit: int | None,
    map_limit: int | None,
    node_limit: int | None,
    named: int | None,
    rate: int | None,
    *,
    nested: bool,
) -> None:
    gauge, began, tries = Gauge(), list[float](), dict[int, int]()
    limits = [Limit(next(names), max_concurrency=named)] if named is not None else []
    rates = [RateLimit(next(names), requests_per_minute=rate)] if rate is not None else []

    async def work(x: int) -> int:
        tries[x] = tries.get(x, 0) + 1
        began.append(time())
        with gauge.inside():
            await asyncio.sleep(durations[x])
            if (x, tries[x]) in throttled:
                raise TooManyError(retry_after=7.0)
            if (x, tries[x]) in failing:
                raise ConnectionError
        return x

    inner = node(
        work,
        output_name="y",
        limits=[*rates, *limits],
        max_concurrency=node_limit,
        retry=RetryPolicy(max_attempts=4, initial_interval=1.0, retry_on=(ConnectionError, TooManyError)),
    )
    graph = Graph([inner])

    async def around(x: int) -> object:
        return (await AsyncRunner().run(graph, x=x))["y"]

    outer = node(around, output_name="y", limits=limits) if nested else inner
    mapped = outer.map_over("x", max_concurrency=map_limit)
    clock = VirtualClock()
    result = clock.run(AsyncRunner(max_concurrency=run_limit).run(Graph([mapped]), x=range(len(durations))))
    assert result["y"] == list(range(len(durations)))
    bounds = [limit for limit in (run_limit, None if nested else map_limit, node_limit, named) if limit is not None]
    assert gauge.most <= min(bounds, default=len(durations))
    if rate is not None:
        assert all(later - earlier >= 60.0 - 1e-6 for earlier, later in zip(began, began[rate:], strict=False))
