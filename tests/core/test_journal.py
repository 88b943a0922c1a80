"""The ordered writer: every fact once and in order, waiting for the store, and a store that fails."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from piecework import AsyncRunner, CodecError, Failure, Graph, MemoryStore, StoredError, node
from piecework.core.codec import Codec
from piecework.core.fact import Fact
from piecework.core.journal import BATCH, Journal, Opened
from piecework.core.policy import KeepPolicy
from piecework.core.runs import Batch, RunStart
from tests.core.harness import cancelled, others_alive, within


class SlowStore(MemoryStore):
    """Takes a few turns of the loop for each batch, and keeps how long they were."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.writing = 0

    async def append(self, batch: Batch) -> None:
        assert not self.writing, "two writers at once"
        self.writing += 1
        for _ in range(3):
            await asyncio.sleep(0)
        self.batches.append(len(batch.facts))
        await super().append(batch)
        self.writing -= 1


class FullStore(MemoryStore):
    """Takes so many facts, then fails."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    async def append(self, batch: Batch) -> None:
        await asyncio.sleep(0)
        self.room -= len(batch.facts)
        if self.room < 0:
            raise OSError("disk full")
        await super().append(batch)


async def facts_of(store: MemoryStore) -> Sequence[Fact]:
    (run_id,) = store._runs
    return await store.read(run_id)


async def journal_of(store: MemoryStore) -> Journal:
    claim = await store.claim(RunStart(run_id="run", name="root"))
    return Journal(store, Opened(claim=claim), Codec(), KeepPolicy())


def fact(number: int) -> Fact:
    return Fact("call", f"root/call[{number}]")


async def test_facts_are_stored_in_the_order_they_were_written() -> None:
    store = SlowStore()
    journal = await journal_of(store)
    for number in range(2 * BATCH + 5):
        journal.write(fact(number))
    assert journal.crowded
    await within(journal.commit())
    now_crowded: bool = journal.crowded
    assert not now_crowded
    assert list(await store.read("run")) == [fact(number) for number in range(2 * BATCH + 5)]
    assert max(store.batches) <= BATCH


async def test_facts_from_many_threads_are_all_stored_each_threads_in_order() -> None:
    store = SlowStore()
    journal = await journal_of(store)

    def write(first: int) -> None:
        for number in range(first, first + 1000):
            journal.write(fact(number))

    threads = [threading.Thread(target=write, args=[first]) for first in range(0, 8000, 1000)]
    for thread in threads:
        thread.start()
    await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
    await within(journal.commit())
    stored = await store.read("run")
    assert len(stored) == len(set(stored)) == 8000
    numbers = [int(one.address[10:-1]) for one in stored]
    for first in range(0, 8000, 1000):
        mine = [number for number in numbers if first <= number < first + 1000]
        assert mine == sorted(mine)


async def test_room_waits_until_the_writer_has_caught_up() -> None:
    store = SlowStore()
    journal = await journal_of(store)
    await within(journal.room())  # Nothing is written: there is room.
    for number in range(BATCH + 1):
        journal.write(fact(number))
    await within(journal.room())
    assert not journal.crowded


async def test_without_a_store_nothing_is_kept() -> None:
    journal = Journal(None, None, Codec(), KeepPolicy())
    journal.write(fact(0))
    journal.plan("root/call", 5, None, calls=True)
    journal.end(None)
    await within(journal.commit())
    assert not journal.keeps
    assert not journal.crowded


async def test_a_store_that_fails_fails_the_run_with_its_own_exception() -> None:
    @node(output_name="result")
    async def work(item: int) -> int:
        await asyncio.sleep(0)
        return item

    for room in (0, 1, 5):
        with pytest.raises(OSError, match="disk full"):
            await within(AsyncRunner(store=FullStore(room)).run(Graph([work.map_over("item")]), item=range(3000)))
        assert not others_alive()


async def test_a_failed_store_does_not_stop_threads_for_ever() -> None:
    @node(output_name="result")
    def work(item: int) -> int:
        return item

    store = FullStore(10)
    with pytest.raises(OSError, match="disk full"):
        await within(AsyncRunner(store=store).run(Graph([work.map_over("item")]), item=range(5000)))


async def test_a_slow_store_is_waited_for_and_everything_is_in_it_when_the_run_ends() -> None:
    @node(output_name="result")
    async def work(item: int) -> int:
        return item

    @node(output_name="other")
    def blocking(item: int) -> int:
        return item

    store = SlowStore()
    graph = Graph([work.map_over("item"), blocking.map_over("item")])
    await within(AsyncRunner(store=store).run(graph, item=range(3000)))
    facts = await facts_of(store)
    assert len({one.address for one in facts if one.kind == "call"}) == 6000
    assert facts[-1].kind == "end"
    assert len(store.batches) < 1000


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_cancelled_run_waits_for_its_last_facts(times: int) -> None:
    started = asyncio.Event()

    @node(output_name="result")
    async def work(item: int) -> int:
        if item == 5:
            started.set()
            await asyncio.sleep(60)
        return item

    store = SlowStore()
    run = asyncio.create_task(AsyncRunner(store=store).run(Graph([work.map_over("item")]), item=range(6)))
    await within(started.wait())
    await cancelled(run, times=times)
    facts = await facts_of(store)
    assert [one.kind for one in facts] == ["input", "plan", *["call"] * 5, "end"]
    assert facts[-1].status == "cancelled"
    assert not others_alive()


async def test_facts_are_causally_closed() -> None:
    """Before a call's fact stand those of the calls whose outputs it took, and of the fan-out it is an item of."""

    @node(output_name="items")
    async def plan() -> list[int]:
        return [1, 2, 3]

    @node(output_name="half")
    def work(item: int) -> float:
        return item / 2

    @node(output_name="more")
    async def again(half: float) -> float:
        return half

    @node(output_name="total")
    def join(more: list[float]) -> float:
        return sum(more)

    inner = Graph([work, again], name="inner")
    graph = Graph([plan, inner.as_node().with_inputs(item="items").map_over("items"), join], name="g")
    store = MemoryStore()
    await within(AsyncRunner(store=store, max_concurrency=2).run(graph))
    addresses = [one.address for one in await facts_of(store)]
    assert addresses[:3] == ["", "g/plan", "g/inner"]
    assert addresses[-2:] == ["g/join", ""]
    for index in range(3):
        assert addresses.index(f"g/inner[{index}]/work") < addresses.index(f"g/inner[{index}]/again")
    assert len(addresses) == 1 + 3 + 6 + 1


async def test_a_value_is_recorded_as_it_was_when_the_call_ended() -> None:
    made: list[list[int]] = []

    @node(output_name="first")
    async def make() -> list[int]:
        made.append([1])
        return made[0]

    @node(output_name="second")
    async def change(first: list[int]) -> int:
        first.append(2)
        return 0

    store = MemoryStore()
    await within(AsyncRunner(store=store).run(Graph([make, change])))
    (recorded,) = [one for one in await facts_of(store) if one.name == "make"]
    assert recorded.value is not None
    assert Codec().decode(recorded.value) == [1]


async def test_a_value_that_cannot_be_kept_fails_its_call_and_says_what_to_do() -> None:
    class Odd:
        pass

    @node(output_name="result")
    async def work(item: int) -> object:
        return [Odd()] if item == 1 else item

    graph = Graph([work.map_over("item", on_error="keep")])
    results = (await within(AsyncRunner(store=MemoryStore()).run(graph, item=range(3))))["result"]
    assert isinstance(results, list)
    assert isinstance(results[1], Failure)
    assert isinstance(results[1].error, CodecError)
    assert "record=False" in str(results[1].error)
    assert (await within(AsyncRunner().run(graph, item=range(3))))["result"] != results


async def test_the_output_of_a_node_that_is_not_recorded_is_not_stored() -> None:
    @node(output_name="result", record=False)
    async def work() -> object:
        return object()

    store = MemoryStore()
    await within(AsyncRunner(store=store).run(Graph([work])))
    (recorded,) = [one for one in await facts_of(store) if one.kind == "call"]
    assert (recorded.status, recorded.value) == ("done", None)


async def test_an_exception_that_cannot_be_told_in_words_is_recorded_all_the_same() -> None:
    speechless = True

    class SpeechlessError(Exception):
        def __str__(self) -> str:
            if speechless:
                raise RuntimeError("no words")
            return ""

    @node(output_name="result")
    async def work() -> None:
        raise SpeechlessError

    store = MemoryStore()
    try:
        with pytest.raises(SpeechlessError):
            await within(AsyncRunner(store=store).run(Graph([work])))
    finally:
        speechless = False
    (recorded,) = [one for one in await facts_of(store) if one.kind == "call"]
    assert recorded.value is not None
    told = Codec().decode(recorded.value)
    assert isinstance(told, StoredError)
    assert told.kind.endswith("SpeechlessError")
