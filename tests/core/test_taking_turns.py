"""Time and room between calls: signs of life, odd times, runs that wait for runs, and who comes late to a limit."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any, TypeVarTuple

import pytest

from piecework import AsyncRunner, Graph, Limit, NodeTimeoutError, RetryPolicy, SyncRunner, TimeoutPolicy, node
from piecework.testing.clock import VirtualClock
from tests.core.harness import within
from tests.core.policy_tools import FAST, names, on_virtual_time, time
from tests.core.watched import Watched

Ts = TypeVarTuple("Ts")


def test_the_chunks_of_a_blocking_generator_are_signs_of_life() -> None:
    ask, asked, threads = threading.Semaphore(0), threading.Semaphore(0), Watched()

    @node(output_name="y", timeout=TimeoutPolicy(idle_timeout=3.0))
    def chunks(x: int) -> Iterator[int]:
        for number in range(x):
            ask.acquire(timeout=4)
            yield number
            asked.release()  # By now the chunk has been taken.

    async def run() -> object:
        running = asyncio.create_task(AsyncRunner(executor=threads).run(Graph([chunks]), x=5))
        for _ in range(5):
            await asyncio.sleep(2.0)
            ask.release()
            assert asked.acquire(timeout=4)
        assert threads.at_rest()
        return (await running)["y"]

    assert on_virtual_time(run()) == [0, 1, 2, 3, 4]


class Patience(VirtualClock):
    """A loop that does not set timers for ever."""

    timers = 0

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.timers += 1
        assert self.timers < 1000
        return super().call_at(when, callback, *args, context=context)


@pytest.mark.parametrize(("start", "most"), [(0.1, 0.2), (0.2, 0.1), (1.1, 0.1), (1.1, 0.3)])
@pytest.mark.parametrize("idle", [False, True])
def test_time_is_over_also_where_it_is_no_binary_fraction(start: float, most: float, idle: bool) -> None:
    policy = TimeoutPolicy(idle_timeout=most) if idle else TimeoutPolicy(run_timeout=most)

    @node(output_name="y", timeout=policy)
    async def sleep(x: int) -> int:
        await asyncio.sleep(5.0)
        return x

    async def run() -> float:
        await asyncio.sleep(start)
        with pytest.raises(NodeTimeoutError):
            await AsyncRunner().run(Graph([sleep]), x=1)
        return time()

    assert Patience().run(run()) == pytest.approx(start + most)


@pytest.mark.parametrize("options", [{}, {"retry": FAST}, {"timeout": 60.0}], ids=["plain", "retry", "timeout"])
@pytest.mark.parametrize("blocking", [False, True])
async def test_a_call_that_waits_for_a_run_of_its_own_lends_its_share(blocking: bool, options: dict[str, Any]) -> None:
    limit = Limit(next(names), max_concurrency=1)

    @node(output_name="y", limits=limit, **options)
    async def leaf(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    inner = Graph([leaf.map_over("x")])

    @node(output_name="z", limits=limit, **options)
    async def waits(x: int) -> object:
        return (await AsyncRunner(max_concurrency=1).run(inner, x=[x, x]))["y"]

    @node(output_name="z", limits=limit, **options)
    def blocks(x: int) -> object:
        return SyncRunner(max_concurrency=1).run(inner, x=[x, x])["y"]

    outer = Graph([(blocks if blocking else waits).map_over("x")])
    result = await within(AsyncRunner(max_concurrency=1).run(outer, x=[1, 2]))
    assert result["z"] == [[2, 2], [3, 3]]
    assert limit.free == 1


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_call_that_waits_for_a_run_of_its_own_lends_its_slot(blocking: bool) -> None:
    began, arrived = threading.Event(), threading.Event()

    @node(output_name="y")
    def leaf(x: int) -> bool:
        return arrived.wait(3)

    inner = Graph([leaf])

    @node(output_name="z")
    async def waits(x: int) -> object:
        began.set()
        return (await AsyncRunner(max_concurrency=1).run(inner, x=x))["y"]

    @node(output_name="z")
    def blocks(x: int) -> object:
        began.set()
        return SyncRunner(max_concurrency=1).run(inner, x=x)["y"]

    @node(output_name="other", retry=RetryPolicy(max_attempts=1000, initial_interval=0.001, backoff_factor=1.0))
    async def other(x: int) -> int:
        if not began.is_set():
            raise ConnectionError
        arrived.set()
        return x

    graph = Graph([blocks if blocking else waits, other])
    assert (await within(AsyncRunner(max_concurrency=1).run(graph, x=1)))["z"] is True


def test_a_run_that_comes_late_to_a_busy_limit_gets_its_turn() -> None:
    done: list[str] = []
    limit = Limit(next(names), max_concurrency=8)

    def graph(name: str) -> Graph:
        @node(name=name, output_name="y", limits=limit)
        async def work(x: int) -> int:
            await asyncio.sleep(1.0)
            done.append(name)
            return x

        return Graph([work.map_over("x")], name=name)

    async def run() -> list[str]:
        first = asyncio.create_task(AsyncRunner().run(graph("first"), x=range(1000)))
        await asyncio.sleep(10.5)
        before = len(done)
        await AsyncRunner().run(graph("late"), x=range(100))
        first.cancel()
        await asyncio.wait([first])
        return done[before:]

    meanwhile = on_virtual_time(run())
    assert meanwhile.count("late") == 100
    assert meanwhile.count("first") <= 200
    assert limit.free == 8
