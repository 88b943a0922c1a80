"""Attempts whose blocking functions outlive their time: what they hold, and what they may still do."""

import asyncio
import threading
from contextlib import suppress

import pytest

from piecework import (
    AsyncRunner,
    Failure,
    Graph,
    Limit,
    MemoryStore,
    NodeTimeoutError,
    OutsideRunError,
    RetryPolicy,
    SyncRunner,
    interrupt,
    node,
)
from piecework.observe import AttemptFailed, Event
from piecework.testing.clock import VirtualClock
from tests.core.cached import turns
from tests.core.harness import within
from tests.core.policy_tools import FAST, names, on_virtual_time
from tests.core.watched import in_time, leaving


@node(output_name="z")
async def child(a: int) -> int:
    return a


CHILD = Graph([child])


class Hears:
    """Waits on a thread until an attempt has failed: given up, where its function goes on."""

    def __init__(self) -> None:
        self.failed = threading.Event()

    def on_event(self, event: Event) -> None:
        if isinstance(event, AttemptFailed):
            self.failed.set()


def test_a_share_comes_back_though_the_loop_of_the_call_that_held_it_is_closed() -> None:
    limit, release = Limit(next(names), max_concurrency=1), threading.Event()

    @node(output_name="y", limits=limit, timeout=1.0)
    def hang(x: int) -> int:
        release.wait(20)
        return x

    @node(output_name="y", limits=limit)
    async def quick(x: int) -> int:
        return x

    try:
        with pytest.raises(NodeTimeoutError):
            on_virtual_time(AsyncRunner(grace=1.0).run(Graph([hang]), x=1), patience=0.01)
        assert limit.free == 0
    finally:
        release.set()
    assert asyncio.run(within(AsyncRunner().run(Graph([quick]), x=2)))["y"] == 2
    assert limit.free == 1


async def test_an_attempt_that_was_given_up_can_start_nothing_and_ask_nothing() -> None:
    hears, tried, refused = Hears(), list[int](), list[str]()

    @node(output_name="y", retry=FAST, timeout=0.1)
    def ask(x: int) -> str:
        tried.append(x)
        if len(tried) > 1:
            return "the second"
        hears.failed.wait(4)
        for what in (lambda: SyncRunner().run(CHILD, a=x), lambda: interrupt("still there?")):
            try:
                what()
            except OutsideRunError as error:
                refused.append(str(error))
        return "the first"

    runner = AsyncRunner(grace=0.01, max_concurrency=1, store=MemoryStore(), observers=[hears])
    assert (await within(runner.run(Graph([ask]), x=1)))["y"] == "the second"
    assert [word.partition("given up: ")[2] for word in refused] == [
        "it can start nothing more.",
        "it can ask nothing more.",
    ]


async def test_an_attempt_that_was_given_up_does_not_lend_what_the_next_one_holds() -> None:
    limit, tried, seen = Limit(next(names), max_concurrency=2), list[int](), list[bool]()
    second, lined_up, let_in, over = (threading.Event() for _ in range(4))

    @node(output_name="b")
    async def waits(a: int) -> bool:
        return await asyncio.to_thread(let_in.wait, 2)

    inner = Graph([waits])

    @node(output_name="y", retry=FAST, timeout=0.3, limits=limit)
    def ask(x: int) -> str:
        tried.append(x)
        if len(tried) > 1:
            second.set()
            over.wait(4)
            return "the second"
        lined_up.wait(4)
        with suppress(OutsideRunError):
            SyncRunner().run(inner, a=x)
        seen.append(let_in.is_set())
        over.set()
        return "the first"

    @node(output_name="z", limits=limit)
    async def bystander(x: int) -> int:
        let_in.set()
        return x

    running = asyncio.create_task(AsyncRunner(grace=0.01).run(Graph([ask]), x=1))
    assert await asyncio.to_thread(second.wait, 4)
    other = asyncio.create_task(AsyncRunner().run(Graph([bystander]), x=2))
    await turns()
    lined_up.set()
    assert (await within(running))["y"] == "the second"
    assert (await within(other))["z"] == 2
    assert seen == [False]
    assert limit.free == 2


def test_nothing_is_lost_by_an_attempt_that_is_given_up_while_its_thread_waits_for_its_slot() -> None:
    running = asyncio.Event()

    @node(output_name="a")
    async def brief(x: int) -> int:
        running.set()
        await asyncio.sleep(1.0)
        return x

    inner = Graph([brief])

    @node(output_name="y", timeout=20.0)
    def parent(x: int) -> object:
        return SyncRunner().run(inner, x=x)["a"]

    @node(output_name="long", retry=RetryPolicy(max_attempts=1000, initial_interval=0.25, backoff_factor=1.0))
    async def stands_in_line_before(n: int) -> int:
        if not running.is_set():
            raise ConnectionError
        await asyncio.sleep(100.0)
        return n

    @node(output_name="z")
    async def after(long: int) -> int:
        return long + 1

    async def run() -> tuple[object, object]:
        graph = Graph([stands_in_line_before, parent.map_over("x", on_error="keep"), after])
        runner = AsyncRunner(max_concurrency=1, grace=1.0)
        whole = asyncio.create_task(runner.run(graph, x=[1], n=2))
        await in_time(whole, 1000.0)
        return whole.result()["y"], whole.result()["z"]

    values, z = leaving(VirtualClock(patience=0.02), run())
    assert isinstance(values, list)
    assert isinstance(values[0], Failure)
    assert isinstance(values[0].error, NodeTimeoutError)
    assert z == 3
