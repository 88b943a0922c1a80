"""Batches and streams: a graph run for each item, results all at once or as they come."""

import asyncio
import gc
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal

import pytest

from piecework import (
    AsyncRunner,
    Failure,
    Graph,
    MappingError,
    NodeCancelledError,
    OutputMismatchError,
    SyncRunner,
    UnknownOutputError,
    node,
)
from tests.core.harness import others_alive, within


@node(output_name="total")
async def add(a: int, b: int = 10) -> int:
    return a + b


@node(output_name="half")
def halve(total: int) -> float:
    return total / 2


ADD = Graph([add, halve], name="sums")


async def map_async(graph: Graph, *given: Any, **named: Any) -> Any:
    return await within(AsyncRunner().map(graph, *given, **named))


async def map_sync(graph: Graph, *given: Any, **named: Any) -> Any:
    return await within(asyncio.to_thread(SyncRunner().map, graph, *given, **named))


maps = pytest.mark.parametrize("run_map", [map_async, map_sync])


@maps
async def test_a_batch_comes_to_results_in_input_order(run_map: Callable[..., Any]) -> None:
    results = await run_map(ADD, {"a": [1, 2, 3]}, b=0, map_over="a")
    assert results["total"] == [1, 2, 3]
    assert [result["half"] for result in results] == [0.5, 1.0, 1.5]
    assert [result["a"] for result in results] == results["a"] == [1, 2, 3]
    assert [dict(result.inputs) for result in results] == [{"a": n, "b": 0} for n in (1, 2, 3)]
    assert {result.status for result in results} == {"completed"}


@maps
async def test_a_batch_may_take_every_combination(run_map: Callable[..., Any]) -> None:
    results = await run_map(ADD, a=[0, 10], b=[1, 2], map_over=["a", "b"], mode="product")
    assert results["total"] == [1, 2, 11, 12]


@maps
async def test_a_batch_of_one_renamed_node_knows_its_inputs_by_their_names_outside(run_map: Callable[..., Any]) -> None:
    results = await run_map(Graph([add.with_inputs(a="start")]), start=[1, 2], map_over="start")
    assert [result["start"] for result in results] == [1, 2]
    assert results["total"] == [11, 12]


@node(output_name="out")
async def odd_fails(x: int) -> int:
    await asyncio.sleep(0)
    if x % 2:
        raise LookupError(x)
    return x


@maps
async def test_failed_runs_of_a_batch_are_kept_in_their_place(run_map: Callable[..., Any]) -> None:
    graph = Graph([odd_fails])
    results = await run_map(graph, x=[0, 1, 2, 3], map_over="x", on_error="keep")
    assert [result.status for result in results] == ["completed", "failed", "completed", "failed"]
    assert [isinstance(value, Failure) for value in results["out"]] == [False, True, False, True]
    assert results["out"][3].index == 3
    assert [result["x"] for result in results] == [0, 1, 2, 3]
    assert isinstance(results[1].error, LookupError)
    with pytest.raises(UnknownOutputError, match="failed"):
        results[1]["out"]


@maps
async def test_failed_runs_of_a_batch_are_dropped_and_the_others_keep_their_inputs(run_map: Callable[..., Any]) -> None:
    results = await run_map(Graph([odd_fails]), x=[0, 1, 2, 3], map_over="x", on_error="drop")
    assert results["out"] == [0, 2]
    assert [result["x"] for result in results] == [0, 2]


@maps
async def test_the_first_failed_run_of_a_batch_is_raised(run_map: Callable[..., Any]) -> None:
    with pytest.raises(LookupError):
        await run_map(Graph([odd_fails]), x=[0, 1, 2], map_over="x")


@maps
async def test_another_number_of_outputs_is_a_failed_run_of_a_batch(run_map: Callable[..., Any]) -> None:
    @node(output_name=("left", "right"))
    async def pair(x: int) -> object:
        return (x, x) if x else 5

    for others in ([], [halve.with_inputs(total="left")]):
        graph = Graph([pair, *others])
        results = await run_map(graph, x=[0, 1], map_over="x", on_error="keep")
        assert [result.status for result in results] == ["failed", "completed"]
        assert isinstance(results[0].error, OutputMismatchError)
        with pytest.raises(OutputMismatchError):
            await run_map(graph, x=[0, 1], map_over="x")


@maps
async def test_a_batch_over_an_unknown_input_or_with_a_wrong_option_is_refused(run_map: Callable[..., Any]) -> None:
    with pytest.raises((MappingError, ValueError), match="'c'"):
        await run_map(ADD, a=[1], map_over="c")
    with pytest.raises(MappingError):
        await run_map(ADD, a=[1], map_over="a", on_error="ignore")
    with pytest.raises(MappingError):
        await run_map(ADD, a=5, map_over="a")


@maps
async def test_an_empty_batch_comes_to_no_results(run_map: Callable[..., Any]) -> None:
    results = await run_map(ADD, a=[], map_over="a")
    assert (len(results), results["total"]) == (0, [])


async def test_a_stream_tells_each_run_as_it_ends() -> None:
    gates = [asyncio.Event() for _ in range(3)]

    @node(output_name="out")
    async def work(x: int) -> int:
        await gates[x].wait()
        return x * 10

    order = [2, 0, 1]
    gates[order[0]].set()
    seen: list[tuple[int, object, object]] = []
    async for index, result in AsyncRunner().map_iter(Graph([work]), x=range(3), map_over="x"):
        seen.append((index, result["out"], result["x"]))
        if len(seen) < 3:
            gates[order[len(seen)]].set()
    assert seen == [(x, x * 10, x) for x in order]


@pytest.mark.parametrize("kind", ["async", "blocking"])
@pytest.mark.parametrize("on_error", ["raise", "keep", "drop"])
async def test_a_stream_treats_failures_as_a_batch_does(kind: str, on_error: Literal["raise", "keep", "drop"]) -> None:
    def on_thread(x: int) -> int:
        if x % 2:
            raise LookupError(x)
        return x

    work = odd_fails if kind == "async" else node(output_name="out", name="work")(on_thread)

    async def collect() -> dict[int, str]:
        results = AsyncRunner().map_iter(Graph([work]), x=range(6), map_over="x", on_error=on_error)
        return {index: result.status async for index, result in results}

    if on_error == "raise":
        with pytest.raises(LookupError):
            await within(collect())
        return
    statuses = await within(collect())
    assert [index for index, status in statuses.items() if status == "completed"] == [0, 2, 4]
    assert len(statuses) == (6 if on_error == "keep" else 3)


class Source:
    """An endless source that knows how far it was read and whether it was closed."""

    def __init__(self) -> None:
        self.read = 0
        self.closed = False

    def plain(self) -> Iterator[int]:
        try:
            for number in itertools.count():
                self.read = number
                assert number < 50_000, "read without bound"
                yield number
        finally:
            self.closed = True

    async def awaitable(self) -> AsyncIterator[int]:
        try:
            for number in itertools.count():
                self.read = number
                assert number < 50_000, "read without bound"
                yield number
        finally:
            self.closed = True


@pytest.mark.parametrize("limit", [None, 1, 10])
@pytest.mark.parametrize("sort", ["plain", "awaitable"])
@pytest.mark.parametrize("kind", ["at once", "suspends", "never ends", "blocking"])
async def test_an_endless_collection_is_read_a_bounded_way_ahead_and_closed_at_the_end(
    limit: int | None, sort: str, kind: str
) -> None:
    source = Source()
    release = threading.Event()

    async def on_loop(x: int) -> int:
        if x and kind == "suspends":
            await asyncio.sleep(0)
        if x and kind == "never ends":
            await asyncio.sleep(60)
        return x

    def on_thread(x: int) -> int:
        return x

    work = node(output_name="out", name="work")(on_thread if kind == "blocking" else on_loop)
    collection = source.plain() if sort == "plain" else source.awaitable()
    results = AsyncRunner(max_concurrency=limit).map_iter(Graph([work]), x=collection, map_over="x")
    seen = 0
    async for _, result in results:
        assert result.status == "completed"
        seen += 1
        if kind == "never ends" or seen == 3000:
            break
    for _ in range(50):
        await asyncio.sleep(0)
    assert source.read <= seen + 4200
    await within(results.aclose())
    release.set()
    if sort == "awaitable":
        assert source.closed
    assert not others_alive()


async def test_a_stream_that_is_left_in_the_middle_cancels_its_runs() -> None:
    closed = 0

    @node(output_name="out")
    async def work(x: int) -> int:
        nonlocal closed
        try:
            if x:
                await asyncio.sleep(60)
        finally:
            closed += 1
        return x

    async def leave() -> None:
        async for _ in AsyncRunner().map_iter(Graph([work]), x=range(10), map_over="x"):
            break

    await leave()
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)
    assert closed == 10
    assert not others_alive()


@pytest.mark.parametrize("sort", ["plain", "awaitable"])
@pytest.mark.parametrize("error", [LookupError("mine"), asyncio.CancelledError(), SystemExit(2)])
async def test_a_collection_that_raises_ends_the_run(sort: str, error: BaseException) -> None:
    def plain() -> Iterator[int]:
        yield 1
        raise error

    async def awaitable() -> AsyncIterator[int]:
        yield 1
        raise error

    collection = plain() if sort == "plain" else awaitable()
    wanted = NodeCancelledError if isinstance(error, asyncio.CancelledError) else type(error)
    with pytest.raises(wanted) as caught:
        await AsyncRunner().run(Graph([odd_fails.map_over("x", on_error="keep")]), x=collection)
    assert caught.value is error or caught.value.__cause__ is error
    assert not others_alive()
