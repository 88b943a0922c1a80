"""Groups and their lanes: structure, everything in flight at once, and a loop that stays alive."""

import asyncio
import gc
from contextvars import ContextVar
from typing import Literal, Self

import pytest

from piecework import AsyncRunner, Graph, MemoryStore, node
from piecework.core.children import start
from piecework.core.outcome import Done, Failed
from piecework.dataflow import Node
from tests.core.harness import (
    OneFanOut,
    async_target,
    blocking_target,
    cancelled,
    fan,
    others_alive,
    run_plan,
    within,
)


async def calls_of(store: MemoryStore) -> dict[str, str]:
    """The status of each call in a store's only run, by address."""
    (run_id,) = store._runs
    return {fact.address: fact.status for fact in await store.read(run_id) if fact.kind == "call"}


async def test_a_cancelled_run_cancels_its_calls_runs_their_finally_blocks_and_keeps_what_finished() -> None:
    closed: list[int] = []
    busy = asyncio.Event()

    @node(output_name="result")
    async def work(item: int) -> int:
        try:
            if item:
                if item == 3:
                    busy.set()
                await asyncio.sleep(60)
            return item
        finally:
            closed.append(item)

    store = MemoryStore()
    runner = AsyncRunner(store=store)
    run = asyncio.create_task(runner.run(Graph([work.map_over("item")]), item=range(4)))
    await within(busy.wait())
    await cancelled(run)
    assert sorted(closed) == [0, 1, 2, 3]
    assert await calls_of(store) == {"graph/work[0]": "done"}
    assert not others_alive()


@pytest.mark.parametrize("on_error", ["raise", "keep", "drop"])
async def test_a_cancelled_run_starts_no_further_item(on_error: Literal["raise", "keep", "drop"]) -> None:
    started: list[int] = []
    first = asyncio.Event()

    @node(output_name="result")
    async def work(item: int) -> None:
        started.append(item)
        first.set()
        await asyncio.sleep(60)

    graph = Graph([work.map_over("item", on_error=on_error, max_concurrency=1)])
    run = asyncio.create_task(AsyncRunner().run(graph, item=range(10)))
    await within(first.wait())
    await cancelled(run)
    assert started == [0]


async def test_a_cancelled_call_is_not_recorded_as_failed() -> None:
    started = asyncio.Event()

    @node(output_name="result")
    async def work() -> None:
        started.set()
        await asyncio.sleep(60)

    store = MemoryStore()
    run = asyncio.create_task(AsyncRunner(store=store).run(Graph([work])))
    await within(started.wait())
    await cancelled(run)
    assert await calls_of(store) == {}
    (run_id,) = store._runs
    assert [fact.status for fact in await store.read(run_id) if fact.kind == "end"] == ["cancelled"]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_however_often_a_run_is_cancelled_it_ends_after_its_finally_blocks(nested: bool, times: int) -> None:
    started, closed = asyncio.Event(), False

    @node(output_name="result")
    async def work() -> None:
        nonlocal closed
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            closed = True

    @node(output_name="other")
    async def sibling() -> None:
        await asyncio.sleep(60)

    graph = Graph([work, sibling], name="inner")
    if nested:
        graph = Graph([graph.as_node()])
    run = asyncio.create_task(AsyncRunner().run(graph))
    await within(started.wait())
    await cancelled(run, times=times)
    assert closed
    assert not others_alive()


@pytest.mark.parametrize("times", [1, 2])
async def test_children_end_before_their_cancelled_run_does(times: int) -> None:
    started, closed = asyncio.Event(), False

    async def child() -> None:
        nonlocal closed
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            closed = True

    @node(output_name="result")
    async def parent() -> None:
        await start(async_target(child), {})

    run = asyncio.create_task(AsyncRunner().run(Graph([parent])))
    await within(started.wait())
    await cancelled(run, times=times)
    assert closed
    assert not others_alive()


async def test_children_left_running_are_cancelled_with_the_run() -> None:
    started, closed = asyncio.Event(), False

    async def child() -> None:
        nonlocal closed
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            closed = True

    @node(output_name="result")
    async def parent() -> None:
        start(async_target(child), {})

    run = asyncio.create_task(AsyncRunner().run(Graph([parent])))
    await within(started.wait())
    await cancelled(run)
    assert closed
    assert not others_alive()


async def test_a_run_that_is_cancelled_before_it_begins_leaves_nothing_behind() -> None:
    @node(output_name="result")
    async def work(item: int) -> int:
        return item

    for limit in (None, 1):
        run = asyncio.create_task(AsyncRunner(max_concurrency=limit).run(Graph([work.map_over("item")]), item=range(3)))
        await cancelled(run)
    gc.collect()
    assert not others_alive()


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("limit", [None, 1, 2])
async def test_a_run_may_be_cancelled_in_any_turn_of_the_loop(turns: int, limit: int | None) -> None:
    active = 0

    @node(output_name="result")
    async def work(item: int) -> int:
        nonlocal active
        active += 1
        try:
            await asyncio.sleep(0)
            return item
        finally:
            active -= 1

    inner = Graph([work], name="inner")
    again = work.with_name("again").with_outputs(result="other")
    graph = Graph([inner.as_node().map_over("item"), again.map_over("item")])
    store = MemoryStore()
    run = asyncio.create_task(AsyncRunner(max_concurrency=limit, store=store).run(graph, item=range(40)))
    for _ in range(turns):
        await asyncio.sleep(0)
    run.cancel()
    await within(asyncio.wait([run]))
    assert run.cancelled()
    assert active == 0
    assert not others_alive()
    if store._runs:
        assert set((await calls_of(store)).values()) <= {"done"}
    gc.collect()


async def test_a_cancellation_while_waiting_for_a_slot_leaks_none() -> None:
    """Children are cancelled while they wait; the rest of the run still has the whole limit."""
    at_once = most = 0

    async def leaf() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            await asyncio.sleep(0)
        finally:
            at_once -= 1

    async def fails() -> None:
        handles = [start(async_target(leaf), {}) for _ in range(5)]
        await asyncio.sleep(0)
        assert handles
        raise LookupError

    @node(output_name="result")
    async def parent() -> int:
        handle = start(async_target(fails), {})
        with pytest.raises(LookupError):
            await handle
        await asyncio.gather(*[start(async_target(leaf), {}) for _ in range(6)])
        return most

    result = await within(AsyncRunner(max_concurrency=2).run(Graph([parent])))
    assert result["result"] == 2


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 300, 3000])
async def test_async_items_are_all_in_flight_at_once(count: int) -> None:
    barrier = asyncio.Barrier(count)

    @node(output_name="result")
    async def work(item: int) -> int:
        await barrier.wait()
        return item

    result = await within(AsyncRunner().run(Graph([work.map_over("item")]), item=range(count)))
    assert result["result"] == list(range(count))


@pytest.mark.parametrize("limit", [2, 7, 100])
async def test_as_many_items_as_the_limit_allows_are_in_flight(limit: int) -> None:
    for runner, width in ((AsyncRunner(max_concurrency=limit), None), (AsyncRunner(), limit)):
        barrier = asyncio.Barrier(limit)

        @node(output_name="result")
        async def work(item: int, barrier: asyncio.Barrier) -> int:
            await barrier.wait()
            return item

        graph = Graph([work.map_over("item", max_concurrency=width)])
        result = await within(runner.run(graph, item=range(limit * 3), barrier=barrier))
        assert result["result"] == list(range(limit * 3))


async def test_independent_nodes_are_all_in_flight_at_once() -> None:
    barrier = asyncio.Barrier(100)

    @node(output_name="result")
    async def work() -> None:
        await barrier.wait()

    nodes = [work.with_name(f"n{index}").with_outputs(result=f"r{index}") for index in range(100)]
    await within(AsyncRunner().run(Graph(nodes)))


async def test_items_that_change_their_context_are_all_in_flight_too() -> None:
    """Each of them uses its lane up; the pool must stay as wide as it may be."""
    variable: ContextVar[int] = ContextVar("variable")
    sixth = asyncio.Event()

    @node(output_name="result")
    async def work(item: int) -> int:
        variable.set(item)
        if item == 0:
            await sixth.wait()
        if item == 5:
            sixth.set()
        await asyncio.sleep(0)
        return item

    for runner, width in ((AsyncRunner(), 2), (AsyncRunner(max_concurrency=2), None)):
        sixth.clear()
        graph = Graph([work.map_over("item", max_concurrency=width)])
        assert (await within(runner.run(graph, item=range(10))))["result"] == list(range(10))


async def test_a_nodes_consumers_of_both_kinds_run_side_by_side() -> None:
    """The blocking one can only end after the async one, and the other way round."""
    loop = asyncio.get_running_loop()
    from_loop, from_thread = asyncio.Event(), asyncio.Event()

    @node(output_name="a")
    def source() -> int:
        return 1

    @node(output_name="b")
    async def on_loop(a: int) -> int:
        await from_thread.wait()
        from_loop.set()
        return a

    @node(output_name="c")
    def on_thread(a: int) -> int:
        loop.call_soon_threadsafe(from_thread.set)
        asyncio.run_coroutine_threadsafe(from_loop.wait(), loop).result(4)
        return a

    orders: list[list[Node]] = [[source, on_loop, on_thread], [source, on_thread, on_loop]]
    for nodes in orders:
        from_loop.clear()
        from_thread.clear()
        await within(AsyncRunner().run(Graph(nodes)))


class Heartbeat:
    """Counts the items that run between two turns of the loop: the engine's own account, not the clock's."""

    def __init__(self) -> None:
        self.items = 0
        self.most = 0
        self.turns = 0
        self._before = 0
        self._handle: asyncio.Handle | None = None

    def __enter__(self) -> Self:
        self._beat()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._handle is not None
        self._handle.cancel()

    def _beat(self) -> None:
        self.most = max(self.most, self.items - self._before)
        self._before = self.items
        self.turns += 1
        self._handle = asyncio.get_running_loop().call_soon(self._beat)


@pytest.mark.parametrize("warm_up", [0, 500])
async def test_a_fan_out_of_100k_no_ops_lets_the_loop_run_every_few_items(warm_up: int) -> None:
    """With a warm-up, the first items suspend, so that the pool is wide when the others do not."""
    heartbeat = Heartbeat()

    @node(output_name="result")
    async def work(item: int) -> int:
        heartbeat.items += 1
        if item < warm_up:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return item

    with heartbeat:
        await AsyncRunner().run(Graph([work.map_over("item")]), item=range(100_000))
    assert heartbeat.items == 100_000
    assert heartbeat.most < 10_000  # An item costs a microsecond at the least, a turn is to last two milliseconds.


async def test_cancelling_takes_effect_within_few_items() -> None:
    ran, begun = 0, asyncio.Event()

    @node(output_name="result")
    async def work(item: int) -> int:
        nonlocal ran
        ran += 1
        begun.set()
        return item

    run = asyncio.create_task(AsyncRunner().run(Graph([work.map_over("item")]), item=range(1_000_000)))
    await within(begun.wait())
    run.cancel()
    before = ran
    await within(asyncio.wait([run]))
    assert run.cancelled()
    assert ran - before < 10_000


async def test_an_empty_fan_out_is_done_with_an_empty_list() -> None:
    async def work(item: int) -> int:
        return item

    for target in (async_target(work), blocking_target(len)):
        ran = await within(run_plan(OneFanOut(fan(target, []))))
        assert ran.outcome == Done([])


async def test_a_fan_out_says_which_item_failed() -> None:
    async def work(item: int) -> int:
        raise LookupError(item)

    ran = await within(run_plan(OneFanOut(fan(async_target(work), [{"item": 1}, {"item": 2}]))))
    assert isinstance(ran.outcome, Failed)
    assert ran.outcome.item == 0
