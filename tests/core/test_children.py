"""Handles: every way of waiting for a child, of not waiting for it, and of cancelling it."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from piecework import AsyncRunner, Graph, InternalError, SyncRunner, node
from piecework.core.call import Target
from piecework.core.children import current_run, start, start_plan
from piecework.core.handle import Handle
from piecework.core.outcome import Done, Failed, Outcome, Paused
from tests.core.harness import OneCall, async_target, blocking_target, others_alive, run_call, within


class MineError(Exception):
    pass


async def quick() -> int:
    await asyncio.sleep(0)
    return 1


async def fails() -> None:
    await asyncio.sleep(0)
    raise MineError


def quick_blocking() -> int:
    return 2


QUICK, FAILS, BLOCKING = async_target(quick), async_target(fails), blocking_target(quick_blocking)


class Forever:
    """A child that waits until it is cancelled, and tells so."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.closed = False

    async def child(self) -> None:
        self.started.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            self.closed = True

    def start(self) -> Handle:
        return start(async_target(self.child), {})


def test_a_call_cannot_be_started_outside_of_one() -> None:
    with pytest.raises(InternalError):
        start(QUICK, {})
    with pytest.raises(InternalError):
        start_plan(OneCall(QUICK), name="p")
    assert current_run() is None


async def test_children_are_numbered_in_the_order_they_were_started() -> None:
    async def parent() -> None:
        start(QUICK, {})
        await start(BLOCKING, {}, name="other")
        start_plan(OneCall(QUICK), name="plan")

    ran = await run_call(async_target(parent))
    assert sorted(fact.address for fact in ran.calls) == [
        "root/parent",
        "root/parent/other[1]/quick_blocking",
        "root/parent/plan[2]/quick",
        "root/parent/quick[0]",
    ]


async def in_order(handles: list[Handle]) -> list[Any]:
    return [await handle for handle in handles]


async def gathered(handles: list[Handle]) -> list[Any]:
    return await asyncio.gather(*handles)


async def gathered_in_tasks(handles: list[Handle]) -> list[Any]:
    async def one(handle: Handle) -> Any:
        return await handle

    return await asyncio.gather(*map(one, handles))


async def shielded(handles: list[Handle]) -> list[Any]:
    return [await asyncio.shield(handle) for handle in handles]


async def timed(handles: list[Handle]) -> list[Any]:
    return [await asyncio.wait_for(handle, 60) for handle in handles]


async def first_by_first(handles: list[Handle]) -> list[Any]:
    pending: set[Handle] = set(handles)
    while pending:
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    return [handle.result() for handle in handles]


async def twice(handles: list[Handle]) -> list[Any]:
    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.gather(*map(asyncio.shield, handles))

    waiting = asyncio.create_task(impatient())
    values = await gathered(handles)
    await waiting
    return values


async def by_callback(handles: list[Handle]) -> list[Any]:
    for handle in handles:
        arrived = asyncio.Event()
        handle.add_done_callback(lambda _, arrived=arrived: arrived.set())  # type: ignore[misc]
        await arrived.wait()
    return [handle.result() for handle in handles]


@pytest.mark.parametrize(
    "wait",
    [in_order, gathered, gathered_in_tasks, shielded, timed, first_by_first, twice, by_callback],
)
@pytest.mark.parametrize("limit", [None, 1, 2])
async def test_a_coroutine_may_wait_for_its_children_in_any_way(
    wait: Callable[[list[Handle]], Any], limit: int | None
) -> None:
    async def parent() -> object:
        return await wait([start(QUICK, {}), start(BLOCKING, {}), start(QUICK, {})])

    ran = await run_call(async_target(parent), limit=limit)
    assert ran.outcome == Done([1, 2, 1])


@pytest.mark.parametrize("limit", [1, 2])
async def test_a_call_that_stopped_waiting_holds_its_slot_again(limit: int) -> None:
    active = most = 0

    def enter() -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)

    async def child() -> None:
        nonlocal active
        enter()
        for _ in range(20):
            await asyncio.sleep(0)
        active -= 1

    async def parent() -> None:
        nonlocal active
        enter()
        handles = [start(async_target(child), {}) for _ in range(3)]
        active -= 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.shield(handles[0])
        enter()
        for _ in range(10):
            await asyncio.sleep(0)
        active -= 1
        await asyncio.gather(*handles)

    ran = await run_call(async_target(parent), limit=limit)
    assert ran.outcome == Done(None)
    assert most <= limit


async def test_a_thread_waits_with_result_and_a_failed_child_raises_there() -> None:
    def parent() -> list[object]:
        handles = [start(QUICK, {}), start(BLOCKING, {})]
        with pytest.raises(MineError):
            start(FAILS, {}).result()
        return [handle.result() for handle in handles]

    for limit in (None, 1):
        ran = await run_call(blocking_target(parent), limit=limit)
        assert ran.outcome == Done([1, 2])


async def test_result_on_the_loop_before_the_end_says_to_await() -> None:
    async def parent() -> int:
        handle = start(QUICK, {})
        with pytest.raises(asyncio.InvalidStateError):
            handle.result()
        await handle
        return int(handle.result())

    assert (await run_call(async_target(parent))).outcome == Done(1)


async def test_outcomes_are_values() -> None:
    async def on_loop() -> list[Outcome]:
        return [await start(target, {}).outcome() for target in (QUICK, FAILS)]

    def on_thread() -> list[Outcome]:
        handles = [start(target, {}) for target in (QUICK, FAILS)]
        return [handle.outcome_on_thread() for handle in (*handles, *handles)][:2]

    for parent in (async_target(on_loop), blocking_target(on_thread)):
        ran = await run_call(unrecorded(parent), limit=1)
        assert isinstance(ran.outcome, Done)
        outcomes = ran.outcome.value
        assert isinstance(outcomes, list)
        done, failed = outcomes
        assert done == Done(1)
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, MineError)


def unrecorded(target: Target) -> Target:
    return Target(target.name, target.function, target.kind, record=False)


async def test_a_failed_child_that_was_looked_at_does_not_fail_its_parent() -> None:
    async def parent() -> str:
        with pytest.raises(MineError):
            await start(FAILS, {})
        results = await asyncio.gather(start(FAILS, {}), return_exceptions=True)
        assert isinstance(results[0], MineError)
        handle = start(FAILS, {})
        await asyncio.wait([handle])
        assert isinstance(handle.exception(), MineError)
        return "fine"

    assert (await run_call(async_target(parent))).outcome == Done("fine")


@pytest.mark.parametrize("count", [1, 5])
async def test_a_failed_child_that_nobody_looked_at_fails_its_parent(count: int) -> None:
    def parent() -> str:
        for _ in range(count):
            start(FAILS, {})
        return "fine"

    async def parent_on_loop() -> str:
        return parent()

    for target in (blocking_target(parent), async_target(parent_on_loop)):
        ran = await run_call(target, limit=1)
        assert isinstance(ran.outcome, Failed)
        assert isinstance(ran.outcome.error, MineError)


async def test_children_that_were_left_running_end_before_their_parent_counts_as_ended() -> None:
    order: list[str] = []

    async def slow() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        order.append("child")

    @node(output_name="first")
    async def parent() -> None:
        start(async_target(slow), {})

    @node(output_name="second")
    async def follows(first: None) -> None:
        order.append("follower")

    await within(AsyncRunner(max_concurrency=1).run(Graph([parent, follows])))
    assert order == ["child", "follower"]


async def test_a_failed_call_cancels_the_children_it_left_running() -> None:
    forever = Forever()

    async def parent() -> None:
        forever.start()
        await forever.started.wait()
        raise MineError

    ran = await run_call(async_target(parent))
    assert isinstance(ran.outcome, Failed)
    assert forever.closed


async def test_cancelling_a_handle_cancels_the_child_and_waits_for_its_end() -> None:
    forever, waiting = Forever(), Forever()

    async def parent() -> str:
        handle = forever.start()
        await forever.started.wait()
        assert handle.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handle
        assert forever.closed
        assert not handle.cancel()
        not_begun = waiting.start()
        not_begun.cancel()
        with pytest.raises(asyncio.CancelledError):
            await not_begun
        assert not waiting.started.is_set()
        return "fine"

    ran = await run_call(async_target(parent))
    assert ran.outcome == Done("fine")
    assert [fact.name for fact in ran.calls] == ["parent"]


async def test_a_timeout_around_a_child_cancels_it_and_its_siblings_go_on() -> None:
    forever = Forever()

    async def parent() -> int:
        other = start(QUICK, {})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever.start(), 0.01)
        assert forever.closed
        return int(await other)

    for limit in (None, 2):
        assert (await run_call(async_target(parent), limit=limit)).outcome == Done(1)


async def test_a_timeout_around_a_child_that_holds_the_only_slot_is_heard() -> None:
    async def parent() -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Forever().start(), 0.01)
        return "fine"

    assert (await run_call(async_target(parent), limit=1)).outcome == Done("fine")


async def test_a_cancelled_child_frees_its_slot() -> None:
    async def parent() -> int:
        for _ in range(5):
            forever = Forever()
            handle = forever.start()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(handle, 0.005)
        return sum(await asyncio.gather(*(start(QUICK, {}) for _ in range(4))))

    assert (await run_call(async_target(parent), limit=2)).outcome == Done(4)


async def test_a_child_that_raises_stop_iteration_raises_something_that_can_be_awaited() -> None:
    def stops() -> None:
        raise StopIteration("mine")

    async def parent() -> str:
        with pytest.raises(RuntimeError, match="mine"):
            await start(blocking_target(stops), {})
        return "fine"

    assert (await run_call(async_target(parent))).outcome == Done("fine")


async def test_a_runner_inside_a_node_joins_the_run_around_it() -> None:
    @node(output_name="inner")
    async def leaf(item: int) -> int:
        await asyncio.sleep(0)
        return item + 1

    graph = Graph([leaf], name="leaves")

    async def parent() -> int:
        run = current_run()
        assert run is not None
        one = await AsyncRunner().run(graph, item=1)
        assert one.run_id == run.run_id
        many = await AsyncRunner().map(graph, item=[1, 2], map_over="item")
        total = sum(many["inner"])  # type: ignore[arg-type]
        async for _, each in AsyncRunner().map_iter(graph, item=[1, 2], map_over="item"):
            total += each["inner"]  # type: ignore[operator]
        return total

    ran = await run_call(async_target(parent), limit=1)
    assert ran.outcome == Done(10)
    assert "root/parent/leaves[0]/leaf" in {fact.address for fact in ran.calls}
    assert len(ran.calls) == 1 + 1 + 2 + 2


async def test_a_blocking_runner_in_the_thread_of_a_node_joins_the_run_around_it() -> None:
    @node(output_name="inner")
    async def leaf(item: int) -> int:
        await asyncio.sleep(0)
        return item + 1

    graph = Graph([leaf], name="leaves")

    def parent() -> int:
        run = current_run()
        assert run is not None
        one = SyncRunner().run(graph, item=1)
        assert one.run_id == run.run_id
        many = SyncRunner().map(graph, item=[1, 2], map_over="item")
        total = sum(many["inner"])  # type: ignore[arg-type]
        for _, each in SyncRunner().map_iter(graph, item=[1, 2], map_over="item"):
            total += each["inner"]  # type: ignore[operator]
        return total

    ran = await run_call(blocking_target(parent), limit=1)
    assert ran.outcome == Done(10)
    assert len(ran.calls) == 1 + 1 + 2 + 2


async def test_threads_that_a_call_makes_for_itself_may_wait_for_children_side_by_side() -> None:
    @node(output_name="inner")
    def leaf() -> int:
        return 1

    graph = Graph([leaf], name="leaves")

    async def parent() -> int:
        runs = [asyncio.to_thread(SyncRunner().run, graph) for _ in range(3)]
        return sum(result["inner"] for result in await asyncio.gather(*runs))  # type: ignore[misc]

    for limit in (None, 1, 2):
        assert (await run_call(async_target(parent), limit=limit)).outcome == Done(3)


async def test_leaving_an_inner_stream_early_ends_its_runs() -> None:
    started = closed = 0

    @node(output_name="inner")
    async def leaf(item: int) -> int:
        nonlocal started, closed
        started += 1
        try:
            if item:
                await asyncio.sleep(60)
        finally:
            closed += 1
        return item

    graph = Graph([leaf], name="leaves")

    async def parent() -> str:
        results = AsyncRunner().map_iter(graph, item=range(5), map_over="item")
        async for _, result in results:
            assert result["inner"] == 0
            break
        await results.aclose()
        assert closed == started >= 1
        return "fine"

    for limit in (None, 2):
        ran = await run_call(async_target(parent), limit=limit)
        assert ran.outcome == Done("fine")


async def test_a_child_that_pauses_pauses_the_call_that_waits_for_it() -> None:
    from piecework import interrupt

    async def asks() -> object:
        return interrupt("what?")

    async def parent() -> object:
        return await start(async_target(asks), {})

    ran = await run_call(async_target(parent))
    assert isinstance(ran.outcome, Paused)
    (question,) = ran.outcome.questions
    assert question.value == "what?"
    assert question.id.startswith("root/parent/asks[0]")
    assert not others_alive()


async def test_a_thread_that_a_call_made_may_start_no_child_without_its_context() -> None:
    async def parent() -> str:
        caught: list[BaseException] = []

        def stranger() -> None:
            try:
                start(QUICK, {})
            except InternalError as error:
                caught.append(error)

        thread = threading.Thread(target=stranger)
        thread.start()
        await asyncio.to_thread(thread.join)
        return type(caught[0]).__name__

    assert (await run_call(async_target(parent))).outcome == Done("InternalError")
