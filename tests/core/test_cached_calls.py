"""Caches at the door; on a clock that jumps."""

import asyncio
from dataclasses import dataclass
from typing import Any

from piecework import (
    AsyncRunner,
    CachePolicy,
    Failure,
    Graph,
    MemoryCache,
    MemoryStore,
    SyncRunner,
    node,
)
from piecework.observe import CallFinished, CallStarted
from tests.core.policy_tools import Watcher, calls_of, on_virtual_time, time

worked: list[Any] = []
"""What cached functions have done: a global, since what one closes over is a part of its fingerprint."""


def test_the_same_inputs_are_not_worked_on_twice_in_any_run() -> None:
    worked.clear()
    cache, watcher, store = MemoryCache(), Watcher(), MemoryStore()

    @node(output_name="y", cache=CachePolicy())
    async def work(x: int) -> list[int]:
        worked.append(x)
        await asyncio.sleep(1.0)
        return [x]

    async def twice() -> list[object]:
        graph = Graph([work.map_over("x")])
        first = await AsyncRunner(cache=cache).run(graph, x=[1, 2, 1, 1])
        second = await AsyncRunner(cache=cache, store=store, observers=[watcher]).run(graph, x=[2, 3], run_id="r")
        return [first["y"], second["y"]]

    assert on_virtual_time(twice()) == [[[1], [2], [1], [1]], [[2], [3]]]
    assert sorted(worked) == [1, 2, 3]
    facts = on_virtual_time(calls_of(store, "r"))
    assert {address: (fact.status, fact.attempts) for address, fact in facts.items()} == {
        "work[0]": ("done", 0),
        "work[1]": ("done", 1),
    }
    assert [event.call.item for event in watcher.events if isinstance(event, CallStarted)] == [1]
    assert {event.call.item: event.cached for event in watcher.events if isinstance(event, CallFinished)} == {
        0: True,
        1: False,
    }


def test_whoever_waits_for_a_call_like_its_own_holds_no_slot() -> None:
    @node(output_name="y", cache=CachePolicy())
    async def slow(x: int) -> int:
        await asyncio.sleep(10.0)
        return x

    @node(output_name="z")
    async def quick(x: int) -> float:
        await asyncio.sleep(1.0)
        return time()

    async def run() -> object:
        graph = Graph([slow.with_inputs(x="xs").map_over("xs"), quick])
        return (await AsyncRunner(cache=MemoryCache(), max_concurrency=2).run(graph, xs=[7, 7, 7, 7], x=1))["z"]

    assert on_virtual_time(run()) == 1.0


def test_a_failure_is_not_kept_and_the_next_in_line_leads() -> None:
    worked.clear()

    @node(output_name="y", cache=CachePolicy())
    async def work(x: int) -> int:
        worked.append(x)
        await asyncio.sleep(1.0)
        if len(worked) == 1:
            raise LookupError
        return x

    mapped = work.map_over("x", on_error="keep")
    values = on_virtual_time(AsyncRunner(cache=MemoryCache()).run(Graph([mapped]), x=[5, 5, 5]))["y"]
    assert isinstance(values, list)
    assert [type(value) for value in values].count(Failure) == 1
    assert len(worked) == 2


def test_the_cache_can_be_cleared_by_node() -> None:
    worked.clear()

    @node(output_name="y", cache=CachePolicy())
    def one(x: int) -> int:
        worked.append("one")
        return x

    @node(output_name="z", cache=CachePolicy())
    def two(x: int) -> int:
        worked.append("two")
        return x

    runner, graph = SyncRunner(cache=MemoryCache()), Graph([one, two])
    runner.run(graph, x=1)
    assert runner.clear_cache(nodes=["one"]) == 1
    runner.run(graph, x=1)
    assert sorted(worked) == ["one", "one", "two"]


def test_a_call_that_starts_one_like_itself_does_not_wait_for_itself() -> None:
    @node(output_name="y", cache=CachePolicy(key=lambda x: 0))
    async def down(x: int) -> object:
        return x if x == 0 else (await AsyncRunner().run(DOWN[0], x=x - 1))["y"]

    DOWN[:] = [Graph([down])]
    assert on_virtual_time(AsyncRunner(cache=MemoryCache()).run(DOWN[0], x=3))["y"] == 0


DOWN: list[Graph] = []


@dataclass
class Kept:
    """What a cached node makes."""

    x: int


async def make_kept(x: int) -> Kept:
    worked.append(x)
    return Kept(x)


def test_a_runners_own_cache_policy_knows_the_types_of_the_nodes_too() -> None:
    worked.clear()
    graph = Graph([node(make_kept, output_name="y")])
    runner = AsyncRunner(cache=MemoryCache(), cache_policy=CachePolicy())
    results = [on_virtual_time(runner.run(graph, {"x": 1}))["y"] for _ in range(2)]
    assert (results, worked) == ([Kept(1), Kept(1)], [1])
