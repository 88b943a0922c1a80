"""Runs that are cancelled while policies are at work: what starts no more, and how long that takes."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from piecework import AsyncRunner, Graph, Limit, MemoryStore, RetryPolicy, node
from piecework.testing.clock import VirtualClock
from tests.core.cached import turns
from tests.core.harness import within
from tests.core.policy_tools import FAST, STEADY, names, time
from tests.core.watched import Watched, in_time, leaving


async def cancelled_at(moment: float, run: Coroutine[Any, Any, object]) -> float:
    """Cancel a run when it is so late, and see it out; returns the time of its end."""
    running = asyncio.create_task(run)
    await asyncio.sleep(moment - time())
    running.cancel()
    await in_time(running, 1000.0)
    assert running.cancelled()
    return time()


def test_a_cancelled_run_does_not_try_again_what_calls_its_cancellation_a_lost_connection() -> None:
    tried: list[float] = []

    @node(output_name="y", retry=STEADY)
    async def ask(x: int) -> int:
        tried.append(time())
        try:
            await asyncio.sleep(100.0)
        except asyncio.CancelledError:
            raise ConnectionError from None
        return x

    assert leaving(VirtualClock(), cancelled_at(1.0, AsyncRunner().run(Graph([ask]), x=1))) == 1.0
    assert tried == [0.0]


@pytest.mark.parametrize("most", [None, 60.0])
@pytest.mark.parametrize("grace", [0.01, 60.0])
async def test_a_blocking_function_is_not_tried_again_that_fails_after_its_run_was_cancelled(
    grace: float, most: float | None
) -> None:
    entered, release, tried = threading.Event(), threading.Event(), list[int]()
    threads = Watched()

    @node(output_name="y", retry=FAST, timeout=most)
    def ask(x: int) -> int:
        tried.append(x)
        entered.set()
        release.wait(20)
        raise ConnectionError

    running = asyncio.create_task(AsyncRunner(grace=grace, executor=threads).run(Graph([ask]), x=1))
    assert await asyncio.to_thread(entered.wait, 4)
    running.cancel()
    await turns()
    if grace < 1:
        await within(asyncio.wait([running]))
    release.set()
    await within(asyncio.wait([running]))
    assert await asyncio.to_thread(threads.at_rest)
    assert running.cancelled()
    assert tried == [1]


@pytest.mark.parametrize(
    ("runner", "options"),
    [
        (lambda: AsyncRunner(max_concurrency=8), dict[str, object]),
        (lambda: AsyncRunner(max_concurrency=8), lambda: {"retry": RetryPolicy()}),
        (AsyncRunner, lambda: {"max_concurrency": 8}),
        (AsyncRunner, lambda: {"limits": Limit(next(names), max_concurrency=8)}),
    ],
    ids=["slots", "retry", "own", "limit"],
)
def test_no_item_starts_while_another_that_was_cancelled_cleans_up(
    runner: Callable[[], AsyncRunner], options: Callable[[], dict[str, Any]]
) -> None:
    began: list[float] = []

    @node(output_name="y", **options())
    async def work(x: int) -> int:
        began.append(time())
        if x == 0:
            try:
                await asyncio.sleep(100.0)
            finally:
                await asyncio.sleep(1.5)
        await asyncio.sleep(0.25)
        return x

    run = runner().run(Graph([work.map_over("x")]), x=range(1000))
    assert leaving(VirtualClock(), cancelled_at(10.1, run)) == 11.6
    assert 0 < max(began) < 10.1


def test_functions_that_do_not_return_have_their_grace_side_by_side() -> None:
    release, threads = threading.Event(), Watched()

    @node(output_name="y", timeout=60.0)
    def hang(x: int) -> int:
        release.wait(20)
        return x

    async def run() -> float:
        mapped = hang.map_over("x")
        running = AsyncRunner(grace=4.0, executor=threads).run(Graph([mapped]), x=[1, 2, 3])
        return await cancelled_at(1.0, running)

    try:
        assert leaving(VirtualClock(patience=0.05), run()) == 5.0
    finally:
        release.set()
    assert threads.at_rest()


@pytest.mark.parametrize("most", [None, 60.0])
async def test_who_cancels_twice_does_not_wait_for_functions_that_cannot_be_stopped(most: float | None) -> None:
    release, entered = threading.Event(), threading.Event()

    @node(output_name="y", timeout=most)
    def hang(x: int) -> int:
        entered.set()
        release.wait(20)
        return x

    running = asyncio.create_task(AsyncRunner(grace=60.0).run(Graph([hang.map_over("x")]), x=[1, 2]))
    try:
        assert await asyncio.to_thread(entered.wait, 4)
        for _ in range(2):
            assert not running.done()
            running.cancel()
            await turns()
        await within(asyncio.wait([running]))
        assert running.cancelled()
    finally:
        release.set()


@pytest.mark.parametrize("options", [{}, {"retry": FAST}, {"max_concurrency": 3}], ids=["plain", "retry", "own"])
def test_a_run_ends_whose_functions_swallow_their_cancellation(options: dict[str, Any]) -> None:
    began: list[int] = []

    @node(output_name="y", **options)
    async def work(x: int) -> int:
        began.append(x)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100.0)
        return x

    run = AsyncRunner(max_concurrency=3).run(Graph([work.map_over("x")]), x=range(20))
    assert leaving(VirtualClock(), cancelled_at(1.0, run)) == 1.0
    assert sorted(began) == [0, 1, 2]


@pytest.mark.parametrize("limit", [None, 1])
def test_a_run_ends_whose_blocking_functions_return_within_their_grace(limit: int | None) -> None:
    entered, release, began = threading.Event(), threading.Event(), list[int]()

    @node(output_name="y", timeout=60.0, limits=Limit(next(names), max_concurrency=2))
    def work(x: int) -> int:
        began.append(x)
        entered.set()
        release.wait(20)
        return x

    async def run() -> None:
        runner = AsyncRunner(grace=60.0, max_concurrency=limit)
        running = asyncio.create_task(runner.run(Graph([work.map_over("x", on_error="keep")]), x=range(12)))
        assert await asyncio.to_thread(entered.wait, 4)
        running.cancel()
        await turns()
        release.set()
        await in_time(running, 4.0)
        assert running.cancelled()

    leaving(asyncio.new_event_loop(), run())
    assert len(began) <= (limit or 2)


async def test_a_batch_whose_items_fail_inside_of_fan_outs_always_ends() -> None:
    @node(output_name="parts")
    def split(x: int) -> list[int]:
        return [x, x + 1, x + 2]

    @node(output_name="y")
    async def work(part: int) -> int:
        if part == 1:
            raise ConnectionError
        return part

    graph = Graph([split, work.with_inputs(part="parts").map_over("parts")], name="g")
    runner = AsyncRunner(store=MemoryStore())
    for number in range(100):  # It hung where a failure met the end of another item.
        with pytest.raises(ConnectionError):
            await within(runner.map(graph, {"x": [0, 1]}, map_over="x", run_id=f"batch {number}"))
