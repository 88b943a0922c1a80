"""Runs by name: batches, forks, threads, and runs or graphs that a runner does not know."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from piecework import (
    AsyncRunner,
    Graph,
    MemoryStore,
    NoStoreError,
    PieceworkError,
    RunHeldError,
    StoreError,
    SyncRunner,
    UnknownGraphError,
    UnknownNodeError,
    UnknownRunError,
    node,
)
from piecework.stores.sqlite import SqliteStore
from piecework.testing.crashing import CrashingStore, StoreCrashError
from tests.core.harness import within

ran: Counter[str] = Counter()
broken: set[int] = set()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    ran.clear()
    broken.clear()
    yield
    broken.clear()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def runner(store: MemoryStore, max_concurrency: int | None = None) -> AsyncRunner:
    return AsyncRunner(store=store, max_concurrency=max_concurrency)


@node(output_name="number")
def first() -> int:
    ran["first"] += 1
    return 2


@node(output_name="square")
async def square(number: int) -> int:
    ran[f"square {number}"] += 1
    if number in broken:
        raise LookupError(number)
    return number * number


@node(output_name="half")
def halve(number: int) -> float:
    ran["halve"] += 1
    return number / 2


@node(output_name="total")
def total(squares: list[int]) -> int:
    ran["total"] += 1
    return sum(squares)


GRAPH = Graph(
    [square.with_inputs(number="numbers").with_outputs(square="squares").map_over("numbers"), total], name="sums"
)


async def test_a_run_that_is_not_there_cannot_be_resumed(store: MemoryStore) -> None:
    with pytest.raises(UnknownRunError, match="there is no run 'nothing'"):
        await runner(store).resume("nothing", GRAPH)


async def test_a_runner_knows_the_graphs_it_has_run_and_asks_for_others(store: MemoryStore) -> None:
    one = runner(store)
    broken.add(2)
    with pytest.raises(LookupError):
        await one.run(GRAPH, numbers=[1, 2], run_id="run")
    broken.clear()
    with pytest.raises(UnknownGraphError, match="graph 'sums', which this runner has not run"):
        await runner(store).resume("run")
    assert (await one.resume("run"))["total"] == 5


def test_without_a_store_no_run_has_a_name() -> None:
    with pytest.raises(NoStoreError):
        SyncRunner().run(GRAPH, numbers=[1], run_id="run")
    with pytest.raises(NoStoreError):
        SyncRunner().resume("run", GRAPH)


def test_another_runner_on_another_thread_and_loop_goes_on_with_a_run(tmp_path: Path) -> None:
    broken.add(2)
    with SqliteStore(tmp_path / "runs.db") as store, pytest.raises(LookupError):
        SyncRunner(store=store).run(GRAPH, numbers=[1, 2, 3], run_id="run")
    broken.clear()

    async def main() -> object:
        with SqliteStore(tmp_path / "runs.db") as store:
            return (await AsyncRunner(store=store).resume("run", GRAPH))["total"]

    assert asyncio.run(main()) == 14
    assert ran["square 1"] == 1


# --- batches --------------------------------------------------------------------------------------------------------


async def test_a_batch_goes_on_with_the_runs_that_are_missing(store: MemoryStore) -> None:
    graph = Graph([square, halve.with_inputs(number="square")], name="two")
    broken.add(2)
    with pytest.raises(LookupError):
        await runner(store, max_concurrency=1).map(graph, number=[1, 2, 3], map_over="number", run_id="run")
    broken.clear()
    results = await runner(store).map(graph, number=[1, 2, 3], map_over="number", run_id="run")
    assert results["half"] == [0.5, 2.0, 4.5]
    assert (ran["square 1"], ran["square 2"], ran["square 3"]) == (1, 2, 1)
    again = await runner(store).map(graph, number=[1, 2, 3], map_over="number", run_id="run")
    assert again["half"] == results["half"]
    assert ran["square 3"] == 1
    with pytest.raises(UnknownGraphError, match="is a batch: go on with it by map"):
        await runner(store).resume("run")


# --- forks and threads ----------------------------------------------------------------------------------------------


CHAIN = Graph(
    [first.with_outputs(number="n"), square.with_inputs(number="n"), halve.with_inputs(number="square")], name="chain"
)
ADDED = Graph([square, total.with_inputs(squares="more"), halve], name="added")


async def test_a_fork_runs_a_node_again_and_all_that_comes_after_it(store: MemoryStore) -> None:
    await within(runner(store).run(CHAIN, run_id="run"))
    facts = await store.read("run")
    result = await within(runner(store).fork("run", CHAIN, rerun="square", new_id="fork"))
    assert result.run_id == "fork"
    assert ran == {"first": 1, "square 2": 2, "halve": 2}
    assert await store.read("run") == facts
    forked = await store.find("fork")
    assert forked is not None
    assert (forked.start.parent, forked.start.position, forked.status) == ("run", len(facts), "completed")
    assert (forked.tally.done, forked.tally.planned) == (3, 3)
    with pytest.raises(UnknownNodeError, match="Did you mean 'square'"):
        await runner(store).fork("run", CHAIN, rerun="sqare")


async def test_a_fork_with_another_input_runs_only_what_that_changes(store: MemoryStore) -> None:
    await within(runner(store).run(ADDED, number=4, more=[1, 2], run_id="run"))
    result = await within(runner(store).fork("run", ADDED, inputs={"more": [3]}))
    assert (result["total"], result["square"], result["half"]) == (3, 16, 2.0)
    assert ran == {"square 4": 1, "total": 2, "halve": 1}
    assert result.inputs == {"number": 4, "more": [3]}


async def test_runs_of_a_thread_are_a_chain(store: MemoryStore) -> None:
    one = runner(store)
    names = ["a", "b", "c"]
    for name in names:
        await within(one.run(GRAPH, numbers=[1], run_id=name, thread_id="talk"))
    await within(one.run(GRAPH, numbers=[1], run_id="apart"))
    chain = await one.runs(thread_id="talk")
    assert [info.run_id for info in chain] == names[::-1]
    assert [info.start.parent for info in chain] == ["b", "a", None]
    facts = len(await store.read("a"))
    assert [info.start.position for info in chain] == [facts, facts, None]


async def test_a_fork_does_not_touch_a_run_that_has_its_name_already(store: MemoryStore) -> None:
    one = runner(store)
    await within(one.run(GRAPH, numbers=[1], run_id="a"))
    await within(one.run(GRAPH, numbers=[2], run_id="b"))
    before, facts = await one.get("b"), await store.read("b")
    for new_id in ("a", "b"):
        with pytest.raises(PieceworkError, match=f"run '{new_id}'") as refused:
            await within(one.fork("a", GRAPH, new_id=new_id))
        assert not isinstance(refused.value, StoreError)
    assert (await one.get("b"), await store.read("b")) == (before, facts)
    assert (await within(one.run(GRAPH, numbers=[2], run_id="b")))["total"] == 4


async def test_of_several_runners_that_start_a_run_at_once_one_runs_it(store: MemoryStore) -> None:
    one = runner(store)
    results = await asyncio.gather(
        *(within(one.run(GRAPH, numbers=[1, 2], run_id="run")) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(result, RunHeldError) for result in results) == 4
    assert set(ran.values()) == {1}


async def test_a_stream_of_runs_goes_on_where_its_process_died(store: MemoryStore) -> None:
    graph = Graph([square, halve.with_inputs(number="square")], name="two")
    crashed, at = True, 1
    while crashed:
        place, before = MemoryStore(), ran.copy()
        crashing = CrashingStore(place, at=at, when="after")
        with suppress(StoreCrashError):
            first_part = AsyncRunner(store=crashing, max_concurrency=2, durability="sync")
            async for _ in first_part.map_iter(graph, number=[1, 2, 3], map_over="number", run_id="run"):
                pass
        known = {fact.address for fact in await place.read("run") if (fact.kind, fact.status) == ("call", "done")}
        after = ran.copy()
        rest = runner(place).map_iter(graph, number=[1, 2, 3], map_over="number", run_id="run")
        results = sorted([(index, result["half"]) async for index, result in rest])
        assert results == [(0, 0.5), (1, 2.0), (2, 4.5)]
        again = {f"batch/two[{int(name.split()[1]) - 1}]/square" for name in ran - after if name != "halve"}
        assert not known & again
        assert (ran - before).keys() >= {"square 1", "square 2", "square 3"}
        crashed = crashing.crashed
        at += 1
    assert at > 5
