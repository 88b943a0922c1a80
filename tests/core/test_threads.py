"""Blocking functions: all in flight, abandoned when they hang, and nothing started that should not be."""

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from typing import Literal

import pytest

from piecework import AsyncRunner, Failure, Graph, MemoryStore, node
from piecework.core.children import start
from piecework.core.fact import Fact
from tests.core.harness import async_target, blocking_target, cancelled, others_alive, within


async def facts_of(store: MemoryStore) -> list[Fact]:
    (run_id,) = store._runs
    return list(await store.read(run_id))


@pytest.mark.parametrize("count", [1, 5, 60])
async def test_blocking_items_are_all_in_flight_at_once(count: int) -> None:
    barrier = threading.Barrier(count, timeout=4)

    @node(output_name="result")
    def work(item: int) -> int:
        barrier.wait()
        return item

    result = await within(AsyncRunner().run(Graph([work.map_over("item")]), item=range(count)))
    assert result["result"] == list(range(count))


async def test_a_pool_that_grew_narrow_over_short_items_grows_wide_again_for_long_ones() -> None:
    barrier = threading.Barrier(50, timeout=4)

    @node(output_name="result")
    def work(item: int) -> int:
        if item >= 20_000:
            barrier.wait()
        return item

    result = await within(AsyncRunner().run(Graph([work.map_over("item")]), item=range(20_050)))
    assert result["result"] == list(range(20_050))


async def test_independent_blocking_nodes_are_all_in_flight_at_once() -> None:
    barrier = threading.Barrier(20, timeout=4)

    @node(output_name="result")
    def work() -> None:
        barrier.wait()

    nodes = [work.with_name(f"n{index}").with_outputs(result=f"r{index}") for index in range(20)]
    await within(AsyncRunner().run(Graph(nodes)))


@pytest.mark.parametrize("on_run", [True, False])
async def test_no_more_blocking_items_run_at_once_than_the_limit_allows(on_run: bool) -> None:
    lock, barrier = threading.Lock(), threading.Barrier(3, timeout=4)
    active = most = 0

    @node(output_name="result")
    def work(item: int) -> int:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        barrier.wait()
        with lock:
            active -= 1
        return item

    runner = AsyncRunner(max_concurrency=3 if on_run else None)
    graph = Graph([work.map_over("item", max_concurrency=None if on_run else 3)])
    result = await within(runner.run(graph, item=range(30)))
    assert result["result"] == list(range(30))
    assert most == 3


async def test_a_hung_blocking_call_is_abandoned_after_its_grace_and_its_late_result_dropped() -> None:
    started, release, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @node(output_name="result")
    def hangs() -> str:
        loop.call_soon_threadsafe(started.set)
        release.wait(4)
        ended.set()
        return "too late"

    store = MemoryStore()
    run = asyncio.create_task(AsyncRunner(grace=0.05, store=store).run(Graph([hangs])))
    await within(started.wait())
    await cancelled(run)
    assert not ended.is_set()
    before = await facts_of(store)
    assert [(fact.kind, fact.status) for fact in before] == [
        ("input", "done"),
        ("call", "cancelled"),
        ("end", "cancelled"),
    ]
    release.set()
    assert await asyncio.to_thread(ended.wait, 4)
    await asyncio.sleep(0)
    assert await facts_of(store) == before
    assert not others_alive()


async def test_a_blocking_call_that_ends_within_its_grace_is_recorded_as_done() -> None:
    started, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @node(output_name="result")
    def slow() -> str:
        loop.call_soon_threadsafe(started.set)
        release.wait(4)
        return "in time"

    store = MemoryStore()
    run = asyncio.create_task(AsyncRunner(grace=4, store=store).run(Graph([slow])))
    await within(started.wait())
    run.cancel()
    await asyncio.sleep(0)
    release.set()
    await within(asyncio.wait([run]))
    assert run.cancelled()
    assert [fact.status for fact in await facts_of(store) if fact.kind == "call"] == ["done"]


async def test_the_slot_of_an_abandoned_child_returns_when_it_really_ends() -> None:
    started, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hangs() -> None:
        loop.call_soon_threadsafe(started.set)
        release.wait(4)

    async def quick() -> int:
        return 1

    async def fails() -> None:
        start(blocking_target(hangs), {})
        await started.wait()
        raise LookupError

    @node(output_name="result")
    async def parent() -> int:
        with pytest.raises(LookupError):
            await start(async_target(fails), {})
        first = start(async_target(quick), {})
        second = start(async_target(quick), {})
        loop.call_later(0.02, release.set)
        total: int = await first + await second
        return total

    result = await within(AsyncRunner(max_concurrency=2, grace=0.02).run(Graph([parent])))
    assert result["result"] == 2


async def test_a_blocking_call_that_waits_for_a_child_is_woken_when_its_run_is_cancelled() -> None:
    started, closed = asyncio.Event(), False

    async def child() -> None:
        nonlocal closed
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            closed = True

    @node(output_name="result")
    def parent() -> None:
        start(async_target(child), {}).result()

    for limit in (None, 1):
        started.clear()
        run = asyncio.create_task(AsyncRunner(grace=60, max_concurrency=limit).run(Graph([parent])))
        await within(started.wait())
        await cancelled(run)
        assert closed
        assert not others_alive()


@pytest.mark.parametrize("on_error", ["keep", "drop"])
async def test_failed_blocking_items_are_kept_or_dropped(on_error: Literal["keep", "drop"]) -> None:
    @node(output_name="result")
    def work(item: int) -> int:
        if item % 2:
            raise LookupError(item)
        return item

    graph = Graph([work.map_over("item", on_error=on_error)])
    results = (await within(AsyncRunner().run(graph, item=range(100))))["result"]
    assert isinstance(results, list)
    assert [result for result in results if not isinstance(result, Failure)] == list(range(0, 100, 2))
    failures = [result for result in results if isinstance(result, Failure)]
    assert [failure.index for failure in failures] == (list(range(1, 100, 2)) if on_error == "keep" else [])


async def test_no_blocking_item_starts_after_the_first_failure_though_many_were_pulled_ahead() -> None:
    started: list[int] = []

    @node(output_name="result")
    def work(item: int) -> int:
        started.append(item)
        if item == 500:
            raise LookupError(item)
        return item

    with pytest.raises(LookupError):
        await within(AsyncRunner().run(Graph([work.map_over("item", max_concurrency=1)]), item=range(1_000_000)))
    assert started == list(range(501))


async def test_items_that_were_pulled_ahead_of_a_failure_are_dropped_without_a_warning() -> None:
    @node(output_name="result")
    def work(item: int) -> int:
        if item >= 500:
            raise LookupError(item)
        return item

    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for width in (1, None):
            graph = Graph([work.map_over("item", max_concurrency=width)])
            with pytest.raises(LookupError):
                await within(AsyncRunner().run(graph, item=range(1_000_000)))
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


async def test_nothing_of_a_source_that_blocks_starts_after_the_run_was_cancelled() -> None:
    ran: list[int] = []
    pulling, release, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def source() -> Iterator[int]:
        yield 1
        loop.call_soon_threadsafe(pulling.set)
        release.wait(4)
        try:
            yield 2
        finally:
            ended.set()

    @node(output_name="result")
    def work(item: int) -> None:
        ran.append(item)

    store = MemoryStore()
    run = asyncio.create_task(
        AsyncRunner(grace=0.02, store=store, max_concurrency=1).run(Graph([work.map_over("item")]), item=source())
    )
    await within(pulling.wait())
    await cancelled(run)
    release.set()
    await asyncio.to_thread(ended.wait, 0.2)
    assert ran == [1]
    facts = await facts_of(store)
    assert [fact.status for fact in facts if fact.kind == "call"] == ["done"]
    assert facts[-1].kind == "end"


async def test_a_second_cancellation_still_gives_hung_calls_up_in_order() -> None:
    started, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @node(output_name="a")
    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(20):
                await asyncio.sleep(0)

    @node(output_name="b")
    def hangs() -> None:
        loop.call_soon_threadsafe(started.set)
        release.wait(4)

    store = MemoryStore()
    run = asyncio.create_task(AsyncRunner(grace=0.05, store=store).run(Graph([slow_to_end, hangs])))
    await within(started.wait())
    await cancelled(run, times=2)
    release.set()
    facts = await facts_of(store)
    assert [(fact.name, fact.status) for fact in facts if fact.kind == "call"] == [("hangs", "cancelled")]
    assert facts[-1].kind == "end"
    assert not others_alive()


@pytest.mark.parametrize("runner", ["AsyncRunner", "SyncRunner"])
def test_a_hung_thread_keeps_no_process_alive(runner: str) -> None:
    program = textwrap.dedent(
        """
        import asyncio, threading
        from piecework import AsyncRunner, SyncRunner, Graph, node

        hung = threading.Event()

        @node(output_name="a")
        def hangs():
            hung.set()
            threading.Event().wait()

        @node(output_name="b")
        async def fails():
            while not hung.is_set():
                await asyncio.sleep(0)
            raise LookupError("as it should")

        graph = Graph([hangs, fails])
        try:
            if {runner!r} == "SyncRunner":
                SyncRunner(grace=0.05).run(graph)
            else:
                asyncio.run(AsyncRunner(grace=0.05).run(graph))
        except LookupError as error:
            print(error)
        """
    ).replace("{runner!r}", repr(runner))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=10, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "as it should\n", "")
