"""Runners: inputs in, results out, observers; from coroutines and from plain code."""

import asyncio
import itertools
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from piecework import (
    AsyncRunner,
    Graph,
    InputConflictError,
    MemoryStore,
    MissingInputError,
    SyncRunner,
    UnknownInputError,
    interrupt,
    node,
)
from piecework.core.events import CallFinished, CallStarted, Event, FanOutStarted, RunFinished, RunStarted
from piecework.core.outcome import Done
from tests.core.harness import within


@node(output_name="total")
async def add(a: int, b: int = 10) -> int:
    return a + b


@node(output_name="half")
def halve(total: int) -> float:
    return total / 2


ADD = Graph([add, halve], name="sums")


async def by_async(graph: Graph, *given: Any, **named: Any) -> Any:
    return await within(AsyncRunner().run(graph, *given, **named))


async def by_sync(graph: Graph, *given: Any, **named: Any) -> Any:
    return await within(asyncio.to_thread(SyncRunner().run, graph, *given, **named))


both = pytest.mark.parametrize("run", [by_async, by_sync])


@both
async def test_inputs_come_as_a_mapping_as_keywords_or_as_both(run: Callable[..., Any]) -> None:
    for result in (
        await run(ADD, {"a": 1}),
        await run(ADD, a=1),
        await run(ADD, inputs={"a": 1}),
        await run(ADD, {"a": 1}, b=10),
        await run(ADD, inputs={"a": 1}, b=10),
    ):
        assert dict(result.values) == {"total": 11, "half": 5.5}
        assert result.status == "completed"


@both
async def test_an_input_given_twice_is_refused(run: Callable[..., Any]) -> None:
    with pytest.raises(InputConflictError) as caught:
        await run(ADD, {"a": 1}, a=1)
    assert caught.value.names == ("a",)


@both
async def test_an_unknown_input_is_refused_and_the_near_miss_named(run: Callable[..., Any]) -> None:
    with pytest.raises(UnknownInputError, match="'a'"):
        await run(ADD, a=1, A=2)


@both
async def test_a_missing_input_is_refused_and_who_needs_it_named(run: Callable[..., Any]) -> None:
    with pytest.raises(MissingInputError, match="add"):
        await run(ADD, b=1)


@both
async def test_an_input_called_inputs_is_an_input(run: Callable[..., Any]) -> None:
    @node(output_name="keys")
    def keys(inputs: dict[str, int]) -> list[str]:
        return list(inputs)

    result = await run(Graph([keys]), inputs={"a": 1})
    assert result["keys"] == ["a"]


async def test_names_that_are_also_parameters_of_the_runner_may_be_inputs() -> None:
    @node(output_name="out")
    def work(graph: int, self: int) -> int:
        return graph + self

    result = await within(AsyncRunner().run(Graph([work]), {"graph": 1, "self": 2}))
    assert result["out"] == 3


@both
async def test_a_run_is_named_and_its_facts_are_found_under_that_name(run: Callable[..., Any]) -> None:
    store = MemoryStore()
    result = await within(AsyncRunner(store=store).run(ADD, a=1))
    facts = await store.read(result.run_id)
    assert [fact.address for fact in facts] == ["", "sums/add", "sums/halve", ""]
    other = await within(AsyncRunner(store=store).run(ADD, a=1))
    assert other.run_id != result.run_id


@both
async def test_what_a_node_raises_is_raised(run: Callable[..., Any]) -> None:
    error = LookupError("mine")

    @node(output_name="out")
    async def fails() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        await run(Graph([fails]))
    assert caught.value is error
    assert any("'fails'" in note for note in error.__notes__)


@both
async def test_a_run_that_asks_is_paused_with_its_questions(run: Callable[..., Any]) -> None:
    @node(output_name="out")
    async def asks() -> object:
        return interrupt("who?")

    @node(output_name="other")
    def asks_too() -> object:
        return interrupt("why?")

    result = await run(Graph([asks, asks_too]))
    assert result.status == "paused"
    assert {question.value for question in result.interrupts} == {"who?", "why?"}
    assert dict(result.values) == {}


@pytest.mark.parametrize("runner", [AsyncRunner, SyncRunner])
def test_limits_out_of_range_are_refused(runner: type[AsyncRunner] | type[SyncRunner]) -> None:
    with pytest.raises(ValueError, match="max_concurrency"):
        runner(max_concurrency=0)
    with pytest.raises(ValueError, match="grace"):
        runner(grace=-1)
    assert "max_concurrency=3" in repr(runner(max_concurrency=3))


class Notes:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


def told(event: Event) -> str:
    if isinstance(event, (CallStarted, CallFinished)):
        return f"{type(event).__name__} {event.call.address}"
    if isinstance(event, FanOutStarted):
        return f"FanOutStarted {event.address} {event.size}"
    return type(event).__name__


async def test_observers_are_told_everything_in_order() -> None:
    notes = Notes()
    graph = Graph([add.map_over("a", max_concurrency=1), halve.map_over("total", max_concurrency=1)], name="g")
    result = await within(AsyncRunner(observers=[notes]).run(graph, a=[1, 2]))
    assert list(map(told, notes.events)) == [
        "RunStarted",
        "FanOutStarted g/add 2",
        "CallStarted g/add[0]",
        "CallFinished g/add[0]",
        "CallStarted g/add[1]",
        "CallFinished g/add[1]",
        "FanOutStarted g/halve 2",
        "CallStarted g/halve[0]",
        "CallFinished g/halve[0]",
        "CallStarted g/halve[1]",
        "CallFinished g/halve[1]",
        "RunFinished",
    ]
    first, last = notes.events[0], notes.events[-1]
    assert isinstance(first, RunStarted)
    assert isinstance(last, RunFinished)
    assert first.run_id == last.run_id == result.run_id
    assert first.name == "g"
    assert last.outcome == Done(dict(result.values))


async def test_observers_are_told_on_the_loop_only() -> None:
    class Where:
        def __init__(self) -> None:
            self.threads: set[int] = set()

        def on_event(self, event: Event) -> None:
            self.threads.add(threading.get_ident())

    where = Where()
    await within(AsyncRunner(observers=[where]).run(Graph([halve.map_over("total")]), total=range(50)))
    assert where.threads == {threading.get_ident()}


async def test_an_observer_that_raises_is_told_nothing_more_and_the_run_goes_on() -> None:
    class Raises(Notes):
        def on_event(self, event: Event) -> None:
            super().on_event(event)
            if isinstance(event, CallStarted):
                raise LookupError("not me")

    raises, notes = Raises(), Notes()
    with pytest.warns(RuntimeWarning, match="not me"):
        result = await within(AsyncRunner(observers=[raises, notes]).run(ADD, a=1))
    assert result["total"] == 11
    assert len(raises.events) == 2
    assert len(notes.events) == 6


async def test_a_cancelled_run_is_told_as_having_no_outcome() -> None:
    notes, started = Notes(), asyncio.Event()

    @node(output_name="out")
    async def work() -> None:
        started.set()
        await asyncio.sleep(60)

    run = asyncio.create_task(AsyncRunner(observers=[notes]).run(Graph([work])))
    await within(started.wait())
    run.cancel()
    await within(asyncio.wait([run]))
    last = notes.events[-1]
    assert isinstance(last, RunFinished)
    assert last.outcome is None


def test_three_calls_in_a_row_share_one_loop() -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    shared: list[asyncio.Lock] = []

    @node(output_name="out")
    async def work(x: int) -> int:
        loops.append(asyncio.get_running_loop())
        if not shared:
            shared.append(asyncio.Lock())
        lock = shared[0]
        async with lock:
            waiter = asyncio.create_task(lock.acquire())  # Binds the lock to this loop.
            await asyncio.sleep(0)
        await waiter
        lock.release()
        return x

    runner = SyncRunner()
    assert [runner.run(Graph([work]), x=x)["out"] for x in range(3)] == [0, 1, 2]
    assert runner.map(Graph([work]), x=[5, 6], map_over="x")["out"] == [5, 6]
    assert {index for index, _ in runner.map_iter(Graph([work]), x=[5, 6], map_over="x")} == {0, 1}
    assert len(set(map(id, loops))) == 1


def test_runs_from_several_threads_at_once_do_not_wait_for_one_another() -> None:
    barrier = threading.Barrier(4, timeout=4)

    @node(output_name="out")
    def work(x: int) -> int:
        barrier.wait()
        return x

    results: list[object] = []
    threads = [
        threading.Thread(target=lambda x=x: results.append(SyncRunner().run(Graph([work]), x=x)["out"]))
        for x in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4)
    assert sorted(map(str, results)) == ["0", "1", "2", "3"]


async def test_inside_a_coroutine_a_synchronous_run_works_and_warns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from piecework.core import portal

    monkeypatch.setattr(portal, "_portals", portal._Portals())
    with pytest.warns(RuntimeWarning, match="event loop is blocked") as caught:
        assert SyncRunner().run(ADD, a=1)["total"] == 11
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert SyncRunner().run(ADD, a=2)["total"] == 12


def run_thread(thread: threading.Thread) -> None:
    thread.start()
    thread.join(4)


def test_a_synchronous_run_in_an_async_node_in_a_synchronous_run_works(monkeypatch: pytest.MonkeyPatch) -> None:
    from piecework.core import portal

    monkeypatch.setattr(portal, "_portals", portal._Portals())

    @node(output_name="outer")
    async def outer(a: int) -> object:
        return SyncRunner().run(Graph([middle]), a=a)["middle"]

    @node(output_name="middle")
    async def middle(a: int) -> object:
        return SyncRunner().run(ADD, a=a)["total"]

    results: list[object] = []

    def run() -> None:
        results.append(SyncRunner(max_concurrency=1).run(Graph([outer]), a=1)["outer"])

    thread = threading.Thread(target=run, daemon=True)  # So that a deadlock fails this test and no more.
    with pytest.warns(RuntimeWarning, match="event loop is blocked"):
        run_thread(thread)
    assert results == [11]


@pytest.mark.parametrize("limit", [None, 1])
def test_in_the_thread_of_a_call_a_synchronous_run_is_a_part_of_its_run(limit: int | None) -> None:
    @node(output_name="outer")
    def outer(a: int) -> object:
        return SyncRunner().run(ADD, a=a)["half"]

    store = MemoryStore()
    result = SyncRunner(max_concurrency=limit, store=store).run(Graph([outer], name="g"), a=1)
    assert result["outer"] == 5.5
    facts = asyncio.run(read(store, result.run_id))
    assert facts == ["", "g/outer/sums[0]/add", "g/outer/sums[0]/halve", "g/outer", ""]


async def read(store: MemoryStore, run_id: str) -> list[str]:
    return [fact.address for fact in await store.read(run_id)]


def test_a_runner_with_settings_of_its_own_is_a_run_of_its_own() -> None:
    inner_store = MemoryStore()

    @node(output_name="outer")
    def outer(a: int) -> object:
        return SyncRunner(store=inner_store).run(ADD, a=a)["half"]

    store = MemoryStore()
    result = SyncRunner(store=store, max_concurrency=1).run(Graph([outer], name="g"), a=1)
    assert asyncio.run(read(store, result.run_id)) == ["", "g/outer", ""]
    (inner,) = inner_store._runs
    assert asyncio.run(read(inner_store, inner)) == ["", "sums/add", "sums/halve", ""]


def test_values_that_the_caller_set_are_seen_in_a_synchronous_run() -> None:
    from contextvars import ContextVar

    variable: ContextVar[str] = ContextVar("variable", default="unset")

    @node(output_name="a")
    async def on_loop() -> str:
        return variable.get()

    @node(output_name="b")
    def on_thread() -> str:
        return variable.get()

    variable.set("set")
    result = SyncRunner().run(Graph([on_loop, on_thread]))
    assert dict(result.values) == {"a": "set", "b": "set"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), StopIteration(1)])
def test_after_an_exception_that_ends_programs_synchronous_runs_still_work(error: BaseException) -> None:
    @node(output_name="out")
    def fails(x: int) -> int:
        raise error

    @node(output_name="out")
    async def fails_on_loop(x: int) -> int:
        raise error

    for graph in (Graph([fails]), Graph([fails_on_loop])):
        for run in (
            lambda graph=graph: SyncRunner().run(graph, x=1),
            lambda graph=graph: list(SyncRunner().map_iter(graph, x=[1], map_over="x")),
        ):
            with pytest.raises((type(error), RuntimeError)):
                run()
    assert SyncRunner().run(ADD, a=1)["total"] == 11


def test_a_synchronous_stream_that_is_left_early_ends_its_runs() -> None:
    closed = threading.Event()

    @node(output_name="out")
    async def work(x: int) -> int:
        try:
            if x == 3:
                await asyncio.sleep(60)
        finally:
            if x == 3:
                closed.set()
        return x

    results = SyncRunner().map_iter(Graph([work]), x=itertools.count(), map_over="x")
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert closed.is_set()
