"""Nodes that fail, cancel themselves or are cancelled, and what becomes of the others."""

import asyncio
from collections.abc import Callable
from typing import Literal

import pytest

from piecework import AsyncRunner, Failure, Graph, MemoryStore, NodeCancelledError, node
from tests.core.harness import (
    others_alive,
    within,
)


async def calls_of(store: MemoryStore) -> dict[str, str]:
    """The status of each call in a store's only run, by address."""
    (run_id,) = store._runs
    return {fact.address: fact.status for fact in await store.read(run_id) if fact.kind == "call"}


async def test_a_failing_node_cancels_its_siblings_and_its_own_exception_is_raised_with_a_note() -> None:
    closed = False
    waiting = asyncio.Event()
    error = LookupError("gone")

    @node(output_name="one")
    async def waits() -> None:
        nonlocal closed
        waiting.set()
        try:
            await asyncio.sleep(60)
        finally:
            closed = True

    @node(output_name="two")
    async def fails() -> None:
        await waiting.wait()
        raise error

    with pytest.raises(LookupError) as caught:
        await within(AsyncRunner().run(Graph([waits, fails], name="g")))
    assert caught.value is error
    assert closed
    assert any("'fails'" in note and "attempt 1" in note for note in error.__notes__)
    assert not others_alive()


async def test_the_note_of_a_failed_item_says_which() -> None:
    @node(output_name="result")
    async def work(item: int) -> int:
        return 1 // (item - 2)

    inner = Graph([work, work.with_name("more").with_outputs(result="other")], name="inner")
    for mapped in (work, inner.as_node()):
        with pytest.raises(ZeroDivisionError) as caught:
            await within(AsyncRunner().run(Graph([mapped.map_over("item")]), item=[1, 2, 3]))
        (note,) = [note for note in caught.value.__notes__ if note.startswith("in node")]
        assert "[1]" in note or "item 1" in note


async def test_siblings_that_have_not_begun_when_a_node_fails_never_do() -> None:
    started: list[str] = []

    @node(output_name="one")
    async def fails() -> None:
        started.append("fails")
        raise LookupError

    @node(output_name="two")
    async def late() -> None:
        started.append("late")

    with pytest.raises(LookupError):
        await within(AsyncRunner().run(Graph([fails, late])))
    assert started == ["fails"]


@pytest.mark.parametrize("on_error", ["raise", "keep", "drop"])
async def test_no_item_starts_after_the_first_failure_unless_failures_are_taken(
    on_error: Literal["raise", "keep", "drop"],
) -> None:
    started: list[int] = []
    done = object()

    @node(output_name="result")
    async def work(item: int) -> object:
        started.append(item)
        if item == 2:
            raise LookupError(item)
        return done

    run = AsyncRunner().run(Graph([work.map_over("item", on_error=on_error)]), item=range(6))
    if on_error == "raise":
        with pytest.raises(LookupError):
            await within(run)
        assert started == [0, 1, 2]
        return
    results = (await within(run))["result"]
    assert started == list(range(6))
    assert isinstance(results, list)
    assert results.count(done) == 5
    assert len(results) == (6 if on_error == "keep" else 5)
    if on_error == "keep":
        failure = results[2]
        assert isinstance(failure, Failure)
        assert (failure.index, failure.attempts, bool(failure)) == (2, 1, False)


async def test_items_in_flight_are_cancelled_by_the_first_failure_and_what_finished_is_kept() -> None:
    closed: list[int] = []
    in_flight = asyncio.Barrier(4)

    @node(output_name="result")
    async def work(item: int) -> int:
        if item == 0:
            return item
        await in_flight.wait()
        if item == 2:
            raise LookupError(item)
        try:
            await asyncio.sleep(60)
        finally:
            closed.append(item)
        return item

    store = MemoryStore()
    with pytest.raises(LookupError):
        await within(AsyncRunner(store=store).run(Graph([work.map_over("item")]), item=range(5)))
    assert sorted(closed) == [1, 3, 4]
    assert await calls_of(store) == {"graph/work[0]": "done", "graph/work[2]": "failed"}


def raise_cancelled() -> None:
    raise asyncio.CancelledError


def cancel_and_return() -> None:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()


def cancel_and_fail() -> None:
    cancel_and_return()
    raise LookupError


@pytest.mark.parametrize(
    ("misbehave", "error"),
    [(raise_cancelled, NodeCancelledError), (cancel_and_return, None), (cancel_and_fail, LookupError)],
)
@pytest.mark.parametrize("shape", ["alone", "nested", "mapped"])
async def test_a_node_that_cancels_itself_is_a_matter_of_that_node_alone(
    misbehave: Callable[[], None], error: type[Exception] | None, shape: str
) -> None:
    @node(output_name="result")
    async def work(item: int) -> int:
        if item == 1:
            misbehave()
        return item

    graph = Graph([work], name="inner")
    if shape == "nested":
        graph = Graph([Graph([work, work.with_name("b").with_outputs(result="b")], name="inner").as_node()])
    if shape == "mapped":
        graph = Graph([work.map_over("item", on_error="keep")])
        results = (await within(AsyncRunner().run(graph, item=[0, 1, 2, 3])))["result"]
        assert isinstance(results, list)
        assert [results[0], *results[2:]] == [0, 2, 3]
        assert results[1] == 1 if error is None else isinstance(results[1].error, error)
        return
    run = AsyncRunner().run(graph, item=1)
    if error is None:
        assert (await within(run))["result"] == 1
    else:
        with pytest.raises(error):
            await within(run)
    me = asyncio.current_task()
    assert me is not None
    assert me.cancelling() == 0


async def test_a_node_that_awaits_after_it_cancelled_its_own_task_fails_and_the_run_goes_on() -> None:
    @node(output_name="result")
    async def work(item: int) -> int:
        if item % 2:
            cancel_and_return()
            await asyncio.sleep(0)
        return item

    graph = Graph([work.map_over("item", on_error="keep", max_concurrency=2)])
    results = (await within(AsyncRunner().run(graph, item=range(6))))["result"]
    assert isinstance(results, list)
    assert results[::2] == [0, 2, 4]
    assert all(isinstance(failure.error, NodeCancelledError) for failure in results[1::2])


@pytest.mark.parametrize("limit", [None, 1, 2])
async def test_a_task_that_a_node_kept_and_cancels_later_neither_ends_the_run_nor_loses_an_item(
    limit: int | None,
) -> None:
    kept: list[asyncio.Task[object]] = []

    @node(output_name="result")
    async def work(item: int) -> int:
        current = asyncio.current_task()
        assert current is not None
        if item == 5:
            for task in kept:
                if task is not current:
                    task.cancel()
        kept.append(current)
        await asyncio.sleep(0)
        return item

    graph = Graph([work.map_over("item", on_error="keep", max_concurrency=2)])
    results = (await within(AsyncRunner(max_concurrency=limit).run(graph, item=range(12))))["result"]
    assert isinstance(results, list)
    assert len(results) == 12
    assert all(result == index or isinstance(result.error, NodeCancelledError) for index, result in enumerate(results))
    assert sum(isinstance(result, Failure) for result in results) <= 2


@pytest.mark.parametrize("kind", ["async", "blocking"])
@pytest.mark.parametrize("error", [KeyboardInterrupt("stop"), SystemExit(3)])
async def test_even_an_exception_that_ends_programs_is_an_outcome_until_it_reaches_the_caller(
    kind: str, error: BaseException
) -> None:
    closed = False

    @node(output_name="other")
    async def waits() -> None:
        nonlocal closed
        try:
            await asyncio.sleep(60)
        finally:
            closed = True

    async def on_loop() -> None:
        await asyncio.sleep(0)
        raise error

    def on_thread() -> None:
        raise error

    fails = node(output_name="result", name="fails")(on_loop if kind == "async" else on_thread)
    with pytest.raises(type(error)) as caught:
        await AsyncRunner().run(Graph([waits, fails]))  # In this task: in another it would end the loop.
    assert caught.value is error
    assert closed
    assert not others_alive()


@pytest.mark.parametrize("kind", ["async", "blocking", "generator"])
async def test_a_node_that_raises_stop_iteration_fails_and_ends_nothing_early(kind: str) -> None:
    def stops() -> None:
        raise StopIteration("mine")

    async def stops_on_loop() -> None:
        raise StopIteration("mine")

    def generates() -> object:
        yield 1
        stops()

    functions: dict[str, Callable[..., object]] = {
        "async": stops_on_loop,
        "blocking": stops,
        "generator": generates,
    }
    fails = node(output_name="result", name="fails")(functions[kind])
    with pytest.raises((StopIteration, RuntimeError)) as caught:
        await within(AsyncRunner().run(Graph([fails])))
    chain = caught.value if caught.value.__cause__ is None else caught.value.__cause__
    assert "mine" in repr(chain)


@pytest.mark.parametrize("kind", ["async", "blocking"])
async def test_an_exception_shared_by_many_items_does_not_grow_with_them(kind: str) -> None:
    error = LookupError("shared")

    async def on_loop(item: int) -> None:
        raise error

    def on_thread(item: int) -> None:
        raise error

    work = node(output_name="result", name="work")(on_loop if kind == "async" else on_thread)
    graph = Graph([work.map_over("item", on_error="keep")])
    results = (await within(AsyncRunner().run(graph, item=range(2000))))["result"]
    assert isinstance(results, list)
    assert [failure.index for failure in results] == list(range(2000))
    assert all(failure.error is error for failure in results)
    assert len(error.__notes__) < 20


async def test_an_exception_that_takes_no_notes_is_still_the_one_that_is_raised() -> None:
    class ClosedError(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(name)

        def add_note(self, note: str, /) -> None:
            raise AttributeError("no notes")

    @node(output_name="result")
    async def work() -> None:
        raise ClosedError

    with pytest.raises(ClosedError):
        await within(AsyncRunner().run(Graph([work])))
