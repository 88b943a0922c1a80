"""Time limits of attempts and of runs, and what becomes of functions that block; on a clock that jumps."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from piecework import (
    AsyncRunner,
    Failure,
    Graph,
    MemoryStore,
    NodeTimeoutError,
    OutsideRunError,
    RetryPolicy,
    RunTimeoutError,
    SyncRunner,
    TimeoutPolicy,
    add_usage,
    heartbeat,
    node,
)
from tests.core.policy_tools import FAST, calls_of, on_virtual_time


def waits(times: Sequence[float]) -> list[float]:
    return [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)]


def test_an_attempt_that_takes_too_long_is_cancelled_and_its_cleanup_runs() -> None:
    seen: list[object] = []

    @node(output_name="y", timeout=3.0)
    async def ask(x: int) -> int:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1.0)
            seen.append(asyncio.get_running_loop().time())
        return x

    with pytest.raises(NodeTimeoutError, match="node 'ask' took longer than 3 s") as caught:
        on_virtual_time(AsyncRunner().run(Graph([ask]), x=1))
    assert seen == [4.0]
    assert (caught.value.node, caught.value.seconds, caught.value.idle) == ("ask", 3.0, False)


def test_a_timeout_is_worth_another_attempt_and_counts_for_each() -> None:
    began: list[float] = []

    @node(output_name="y", timeout=3.0, retry=RetryPolicy(initial_interval=1.0, jitter=False))
    async def ask(x: int) -> int:
        began.append(asyncio.get_running_loop().time())
        await asyncio.sleep(100 if len(began) < 3 else 2)
        return x

    result = on_virtual_time(AsyncRunner().run(Graph([ask]), x=1))
    assert result["y"] == 1
    assert began == [0.0, 4.0, 9.0]


def test_waiting_for_a_slot_is_not_counted_as_time() -> None:
    @node(output_name="y", timeout=3.0)
    async def ask(x: int) -> int:
        await asyncio.sleep(2.0)
        return x

    mapped = ask.map_over("x")
    result = on_virtual_time(AsyncRunner(max_concurrency=1).run(Graph([mapped]), x=range(10)))
    assert result["y"] == list(range(10))


def test_other_items_go_on_when_one_times_out() -> None:
    @node(output_name="y", timeout=3.0)
    async def ask(x: int) -> int:
        await asyncio.sleep(100 if x == 1 else 2)
        return x

    mapped = ask.map_over("x", on_error="keep")
    values = on_virtual_time(AsyncRunner().run(Graph([mapped]), x=range(4)))["y"]
    assert isinstance(values, list)
    assert [values[0], values[2], values[3]] == [0, 2, 3]
    assert isinstance(values[1], Failure)
    assert isinstance(values[1].error, NodeTimeoutError)


def test_a_function_that_ends_by_itself_while_it_is_cancelled_has_its_value_counted() -> None:
    @node(output_name="y", timeout=3.0)
    async def ask(x: int) -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return "made the best of it"
        return "never"

    @node(output_name="z")
    async def after(y: str) -> str:
        await asyncio.sleep(1)
        return y

    assert on_virtual_time(AsyncRunner().run(Graph([ask, after]), x=1))["z"] == "made the best of it"


def test_an_idle_attempt_is_cancelled_and_one_that_beats_is_not() -> None:
    @node(output_name="y", timeout=TimeoutPolicy(idle_timeout=3.0))
    async def ask(x: int) -> int:
        for _ in range(x):
            await asyncio.sleep(2.0)
            heartbeat()
        await asyncio.sleep(2.0 if x else 4.0)
        return x

    async def both() -> object:
        with pytest.raises(NodeTimeoutError, match="gave no sign of life for 3 s"):
            await AsyncRunner().run(Graph([ask]), x=0)
        return (await AsyncRunner().run(Graph([ask]), x=50))["y"]

    assert on_virtual_time(both()) == 50


def test_chunks_are_signs_of_life_unless_heartbeats_alone_count() -> None:
    async def chunks(x: int) -> AsyncIterator[int]:
        for number in range(x):
            await asyncio.sleep(2.0)
            yield number

    lenient = node(chunks, output_name="y", timeout=TimeoutPolicy(idle_timeout=3.0))
    strict = node(chunks, output_name="y", timeout=TimeoutPolicy(idle_timeout=3.0, refresh_on="heartbeat"))

    async def both() -> object:
        with pytest.raises(NodeTimeoutError):
            await AsyncRunner().run(Graph([strict]), x=5)
        return (await AsyncRunner().run(Graph([lenient]), x=5))["y"]

    assert on_virtual_time(both()) == [0, 1, 2, 3, 4]


def test_children_are_signs_of_life_and_are_cancelled_with_their_call() -> None:
    ended: list[int] = []

    @node(output_name="y")
    async def inner(x: int) -> int:
        try:
            await asyncio.sleep(2.0 if x < 5 else 50)
        finally:
            ended.append(x)
        return x

    graph = Graph([inner])

    @node(output_name="z", timeout=TimeoutPolicy(idle_timeout=3.0))
    async def outer(x: int) -> None:
        for number in range(10):
            await AsyncRunner().run(graph, x=number)

    with pytest.raises(NodeTimeoutError):
        on_virtual_time(AsyncRunner().run(Graph([outer]), x=1))
    assert ended == [0, 1, 2, 3, 4, 5]


def test_heartbeat_and_usage_are_for_the_inside_of_nodes() -> None:
    with pytest.raises(OutsideRunError, match="heartbeat"):
        heartbeat()
    with pytest.raises(OutsideRunError, match="add_usage"):
        add_usage(input_tokens=1)


def test_a_blocking_function_that_does_not_return_is_given_up_after_its_grace() -> None:
    release, entered, left = threading.Event(), threading.Event(), threading.Event()

    @node(output_name="y", timeout=1.0)
    def ask(x: int) -> int:
        entered.set()
        release.wait(20)
        left.set()
        return x

    async def run() -> float:
        with pytest.raises(NodeTimeoutError):
            await AsyncRunner(grace=5.0).run(Graph([ask]), x=1)
        return asyncio.get_running_loop().time()

    try:
        assert on_virtual_time(run(), patience=0.01) == 6.0
        assert entered.is_set()
        assert not left.is_set()
    finally:
        release.set()


def test_what_a_blocking_function_returns_within_its_grace_counts() -> None:
    release = threading.Event()

    @node(output_name="y", timeout=1.0)
    def ask(x: int) -> int:
        release.wait(20)
        return x

    async def run() -> object:
        loop = asyncio.get_running_loop()
        loop.call_at(3.0, release.set)
        return (await AsyncRunner(grace=60.0).run(Graph([ask]), x=1))["y"], loop.time() < 60.0

    assert on_virtual_time(run(), patience=0.05) == (1, True)


def test_the_slot_of_a_function_that_was_given_up_returns_when_it_really_ends() -> None:
    release, began = threading.Event(), list[int]()

    @node(output_name="y", timeout=1.0)
    def ask(x: int) -> int:
        began.append(x)
        if x == 0:
            release.wait(20)
        return x

    async def run() -> object:
        loop = asyncio.get_running_loop()
        mapped = ask.map_over("x", on_error="keep")
        running = asyncio.create_task(AsyncRunner(grace=1.0, max_concurrency=1).run(Graph([mapped]), x=[0, 1]))
        await asyncio.sleep(30.0)
        held = list(began)
        release.set()
        values = (await running)["y"]
        assert isinstance(values, list)
        return held, values[1], loop.time() >= 30.0

    try:
        assert on_virtual_time(run(), patience=0.02) == ([0], 1, True)
    finally:
        release.set()


def test_a_blocking_function_with_a_policy_is_abandoned_with_its_run() -> None:
    release, store = threading.Event(), MemoryStore()

    @node(output_name="y", retry=FAST)
    def ask(x: int) -> int:
        release.wait(20)
        return x

    async def run() -> list[str]:
        running = asyncio.create_task(AsyncRunner(grace=1.0, store=store).run(Graph([ask]), x=1, run_id="r"))
        await asyncio.sleep(5.0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return [fact.status for fact in (await calls_of(store, "r")).values()]

    try:
        assert on_virtual_time(run(), patience=0.02) == ["cancelled"]
    finally:
        release.set()


def test_a_blocking_function_with_a_policy_may_run_graphs_itself_under_one_slot() -> None:
    @node(output_name="y")
    def inner(x: int) -> int:
        return x + 1

    graph = Graph([inner])

    @node(output_name="z", retry=FAST)
    def outer(x: int) -> object:
        return SyncRunner().run(graph, x=x)["y"]

    values = SyncRunner(max_concurrency=1).run(Graph([outer.map_over("x")]), x=[1, 2, 3])["z"]
    assert values == [2, 3, 4]


def test_a_run_that_takes_too_long_is_ended_and_can_be_resumed() -> None:
    store, began = MemoryStore(), list[int]()

    @node(output_name="y")
    async def work(x: int) -> int:
        began.append(x)
        await asyncio.sleep(1.0 + x)
        return x

    graph = Graph([work.map_over("x")], name="g")

    async def run() -> object:
        with pytest.raises(RunTimeoutError, match="took longer than the 3 s") as caught:
            await AsyncRunner(store=store, run_timeout=2.5 + 0.5).run(graph, x=[0, 1, 5], run_id="r")
        assert caught.value.run_id == "r"
        assert (await AsyncRunner(store=store).get("r")).status == "failed"
        return (await AsyncRunner(store=store).resume("r", graph))["y"]

    assert on_virtual_time(run()) == [0, 1, 5]
    assert began == [0, 1, 5, 5]
