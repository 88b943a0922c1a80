"""Fan-outs over sources whose size nobody knows: recorded as they are read, given again to a run that is resumed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from piecework import AsyncRunner, Graph, InputChangedError, MemoryStore, SyncRunner, node
from piecework.core.recorded import Recorded
from piecework.dataflow import Node
from piecework.testing.crashing import CrashingStore, StoreCrashError
from tests.core.harness import within
from tests.durability.places import opening

ran: Counter[int] = Counter()
given: list[int] = []
broken: set[int] = set()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()
    given.clear()
    broken.clear()


def one(item: int) -> int:
    ran[item] += 1
    if item in broken:
        raise LookupError(item)
    return item * item


@node(output_name="made", name="work")
async def on_loop(item: int) -> int:
    return one(item)


@node(output_name="made", name="work")
def on_thread(item: int) -> int:
    return one(item)


def generator(items: Iterable[int]) -> Iterator[int]:
    for item in items:
        given.append(item)
        yield item


async def async_generator(items: Iterable[int]) -> AsyncIterator[int]:
    for item in items:
        given.append(item)
        yield item


sources = pytest.mark.parametrize("source", [generator, async_generator])
kinds = pytest.mark.parametrize("work", [on_loop, on_thread], ids=["async", "blocking"])


def graph(work: Node, **options: Any) -> Graph:
    return Graph([work.with_inputs(item="items").map_over("items", **options)], name="g")


def nested(work: Node) -> Graph:
    @node(output_name="twice")
    def double(made: int) -> int:
        return 2 * made

    inner = Graph([work, double], name="inner").as_node()
    return Graph([inner.with_inputs(item="items").map_over("items")], name="g")


async def pulled(store: MemoryStore) -> int:
    """How many items of the source are on record."""
    recorded = Recorded(await store.read("run"))
    return sum(map(len, recorded.pulled.values()))


@sources
@kinds
async def test_a_source_is_given_again_and_only_what_is_missing_runs(work: Node, source: Callable[..., Any]) -> None:
    store, size = MemoryStore(), 700
    broken.add(size - 1)
    with pytest.raises(LookupError):
        await within(
            AsyncRunner(store=store, max_concurrency=4).run(graph(work), items=source(range(size)), run_id="run")
        )
    before = ran.copy()
    recorded = [fact for fact in await store.read("run") if (fact.kind, fact.status) == ("call", "done")]
    assert await pulled(store) == size
    broken.clear()
    result = await within(AsyncRunner(store=store).resume("run", graph(work), inputs={"items": source(range(size))}))
    assert result["made"] == [item * item for item in range(size)]
    assert (ran - before).total() == size - len(recorded)
    found = await store.find("run")
    assert found is not None
    assert (found.status, found.tally.done) == ("completed", size)


@sources
async def test_a_source_that_was_not_given_again_is_asked_for(source: Callable[..., Any]) -> None:
    store = MemoryStore()
    broken.add(1)
    with pytest.raises(LookupError):
        await within(AsyncRunner(store=store).run(graph(on_loop), items=source([1]), run_id="run"))
    with pytest.raises(ValueError, match="'items', which could not be stored") as missing:
        await within(AsyncRunner(store=store).resume("run", graph(on_loop)))
    assert type(missing.value).__name__ == "MissingInputError"


@sources
async def test_a_source_that_has_changed_runs_what_changed(source: Callable[..., Any]) -> None:
    store = MemoryStore()
    broken.add(3)
    runner = AsyncRunner(store=store, max_concurrency=1)
    with pytest.raises(LookupError):
        await within(runner.run(graph(on_loop), items=source([0, 1, 2, 3]), run_id="run"))
    broken.clear()
    before = ran.copy()
    result = await within(runner.resume("run", graph(on_loop), inputs={"items": source([0, 7, 2, 3, 4])}))
    assert result["made"] == [0, 49, 4, 9, 16]
    assert ran - before == Counter([7, 3, 4])


@sources
@kinds
async def test_a_source_that_has_changed_is_refused_where_that_is_asked_for(
    work: Node, source: Callable[..., Any]
) -> None:
    store = MemoryStore()
    broken.add(3)
    with pytest.raises(LookupError):
        await within(AsyncRunner(store=store, max_concurrency=1).run(graph(work), items=source(range(4)), run_id="run"))
    runner = AsyncRunner(store=store, changed_inputs="error")
    with pytest.raises(InputChangedError, match=r"g/work\[1\]"):
        await within(runner.resume("run", graph(work), inputs={"items": source([0, 7, 2, 3])}))


@sources
async def test_a_completed_run_gives_what_it_made_of_a_source_and_reads_none(source: Callable[..., Any]) -> None:
    store = MemoryStore()
    runner = AsyncRunner(store=store)
    await within(runner.run(graph(on_loop), items=source(range(5)), run_id="run"))
    before, read = ran.copy(), len(given)
    result = await within(runner.resume("run", graph(on_loop), inputs={"items": source(range(5))}))
    assert result["made"] == [0, 1, 4, 9, 16]
    assert ran == before
    result = await within(runner.resume("run", graph(on_loop)))
    assert result["made"] == [0, 1, 4, 9, 16]
    assert (ran, len(given) <= 2 * read) == (before, True)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@sources
async def test_a_source_is_read_only_a_little_ahead_of_what_runs(
    source: Callable[..., Any], kind: str, tmp_path: Path
) -> None:
    stop = asyncio.Event()
    started = asyncio.Event()

    @node(output_name="made", name="work")
    async def wait(item: int) -> int:
        started.set()
        await stop.wait()
        return item

    with opening(kind, tmp_path) as open_store:
        runner = AsyncRunner(store=open_store(), max_concurrency=3)
        run = asyncio.create_task(runner.run(graph(wait), items=source(range(100_000)), run_id="run"))
        await within(started.wait())
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(given) <= 2 * 250
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(run)


@pytest.mark.parametrize("shape", [graph, nested])
@pytest.mark.parametrize("when", ["before", "after"])
@sources
@kinds
async def test_wherever_it_crashes_no_item_on_record_runs_again(
    work: Node, source: Callable[..., Any], when: Any, shape: Callable[[Node], Graph]
) -> None:
    crashed, at, built = True, 1, shape(work)
    while crashed:
        store, seen = MemoryStore(), ran.copy()
        crashing = CrashingStore(store, at=at, when=when)
        try:
            runner = AsyncRunner(store=crashing, max_concurrency=2, durability="sync")
            await within(runner.run(built, items=source(range(6)), run_id="run"))
        except StoreCrashError:
            facts = await store.read("run")
            known = {fact.address for fact in facts if (fact.kind, fact.status) == ("call", "done")}
            before = ran.copy()
            await within(AsyncRunner(store=store).run(built, items=source(range(6)), run_id="run"))
            again = {f"g/work[{item}]" for item in ran - before}
            again |= {f"g/inner[{item}]/work" for item in ran - before}
            assert not known & again
        crashed = crashing.crashed
        assert (ran - seen).keys() == set(range(6))
        at += 1
    assert at > 4


def test_a_synchronous_runner_goes_on_with_a_generator(tmp_path: Path) -> None:
    broken.add(5)
    with opening("sqlite", tmp_path) as open_store:
        with pytest.raises(LookupError):
            SyncRunner(store=open_store(), max_concurrency=2).run(
                graph(on_thread), items=generator(range(9)), run_id="run"
            )
        broken.clear()
        runner = SyncRunner(store=open_store())
        result = runner.resume("run", graph(on_thread), inputs={"items": generator(range(9))})
        assert result["made"] == [item * item for item in range(9)]
        assert ran[0] == 1


async def test_a_source_that_fails_fails_the_run_and_what_came_before_is_kept() -> None:
    def failing() -> Iterator[int]:
        yield 0
        yield 1
        if broken:
            raise OSError("the line is down")
        yield 2

    store = MemoryStore()
    broken.add(-1)
    runner = AsyncRunner(store=store)
    with pytest.raises(OSError, match="the line is down") as failed:
        await within(runner.run(graph(on_loop), items=failing(), run_id="run"))
    assert any("raised by the collection that 'work' maps over" in note for note in failed.value.__notes__)
    broken.clear()
    result = await within(runner.resume("run", graph(on_loop), inputs={"items": failing()}))
    assert result["made"] == [0, 1, 4]


async def test_a_generator_node_that_feeds_a_map_is_on_record_with_all_it_made() -> None:
    @node(output_name="items")
    def produce() -> Iterator[int]:
        yield from generator(range(4))

    store = MemoryStore()
    made = Graph([produce, on_loop.with_inputs(item="items").map_over("items")], name="g")
    broken.add(3)
    with pytest.raises(LookupError):
        await within(AsyncRunner(store=store).run(made, run_id="run"))
    broken.clear()
    result = await within(AsyncRunner(store=store).resume("run", made))
    assert result["made"] == [0, 1, 4, 9]
    assert (given, ran[0]) == ([0, 1, 2, 3], 1)
