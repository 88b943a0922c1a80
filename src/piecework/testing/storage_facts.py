"""What stores promise about the facts of runs: that they are written whole and once, and read as they were.

`storage` has the list of all checks; each here is one of them.
"""

from __future__ import annotations

import asyncio

from piecework.core.fact import Fact
from piecework.core.ports import RunLog
from piecework.errors import StoreError
from piecework.testing.storage_log import (
    LARGE,
    Log,
    OpenStore,
    expect,
    opened,
    refused,
    same,
    status_of,
)

__all__ = (
    "a_batch_delivered_twice_is_written_once",
    "a_batch_with_a_gap_before_it_is_refused",
    "another_opening_sees_what_was_written",
    "facts_are_copied_without_their_large_values",
    "facts_are_read_from_a_position",
    "facts_are_read_in_the_order_they_were_added",
    "facts_come_back_as_they_were",
    "large_values_are_read_with_the_facts_and_without",
    "many_runs_are_written_at_once",
)


async def facts_are_read_in_the_order_they_were_added(open_store: OpenStore) -> None:
    """Batch after batch, in the order inside each, each run by itself."""
    store = await opened(open_store)
    one, other = await Log.start(store), await Log.start(store)
    for turn in range(3):
        await asyncio.gather(one.add(f"a{turn}", f"b{turn}"), other.add(f"c{turn}"))
    same([fact.address for fact in await store.read(one.run_id)], ["a0", "b0", "a1", "b1", "a2", "b2"], "the facts")
    same([fact.address for fact in await store.read(other.run_id)], ["c0", "c1", "c2"], "the other run's facts")


async def facts_come_back_as_they_were(open_store: OpenStore) -> None:
    """Every field of every kind of fact."""
    store = await opened(open_store)
    log = await Log.start(store)
    facts = (
        Fact("input", "", value=b"\x80"),
        Fact("plan", "graph/\N{GREEK SMALL LETTER PI}", value=b"\x03", ended=1763735000000),
        Fact("call", "graph/work[a/b]@7", "failed", b"\x00\xff", 3, bytes(range(16)), 1763735000001, 2**40),
        Fact("call", "graph/work['']", "cancelled", None, 0),
        Fact("question", "graph/ask", "paused", b""),
        Fact("answer", "0198-question", value=b"\x05" * 5000),
        Fact("update", "thread", value=b"\x01"),
        Fact("snapshot", "thread@2"),
        Fact("end", "", "failed", b"error"),
    )
    await log.add(*facts)
    same(tuple(await store.read(log.run_id)), facts, "the facts")


async def another_opening_sees_what_was_written(open_store: OpenStore) -> None:
    """What was acknowledged is there for everybody, at once."""
    store, other = await opened(open_store), await opened(open_store)
    log = await Log.start(store)
    for turn in range(3):
        await log.add(f"a{turn}")
        same(len(await other.read(log.run_id)), turn + 1, "the number of facts seen from outside")
    found = await other.find(log.run_id)
    same(found and found.facts, 3, "the number of facts that find() tells from outside")


async def facts_are_read_from_a_position(open_store: OpenStore) -> None:
    """`read(after=n)` leaves out n facts, also in the middle of a batch."""
    store = await opened(open_store)
    log = await Log.start(store)
    await log.add("a", "b", "c")
    await log.add("d")
    for after, expected in ((0, "abcd"), (1, "bcd"), (3, "d"), (4, ""), (9, "")):
        read = await store.read(log.run_id, after=after)
        same("".join(fact.address for fact in read), expected, f"read(after={after})")


async def a_batch_delivered_twice_is_written_once(open_store: OpenStore) -> None:
    """A writer that did not hear the answer delivers again, and is told that all is well."""
    store, other = await opened(open_store), await opened(open_store)
    log = await Log.start(store)
    await log.add("a")
    batch = log.batch("b", "c")
    await store.append(batch)
    await store.append(batch)
    await other.append(batch)
    log.first = 3
    last = log.batch("d", status="completed")
    await store.append(last)
    await store.append(last)
    same([fact.address for fact in await store.read(log.run_id)], ["a", "b", "c", "d"], "the facts")
    same(await status_of(store, log), "completed", "the status")


async def a_batch_with_a_gap_before_it_is_refused(open_store: OpenStore) -> None:
    """Nothing of it is written, and the run goes on."""
    store = await opened(open_store)
    log = await Log.start(store)
    await log.add("a")
    log.first = 5
    with refused(StoreError):
        await log.add("f", status="completed")
    same(len(await store.read(log.run_id)), 1, "the number of facts")
    same(await status_of(store, log), "running", "the status")
    log.first = 1
    await log.add("b")
    same(len(await store.read(log.run_id)), 2, "the number of facts")


async def large_values_are_read_with_the_facts_and_without(open_store: OpenStore) -> None:
    """`read(values=False)` may leave out what is large, and nothing else."""
    store, other = await opened(open_store), await opened(open_store)
    log = await Log.start(store)
    values = [b"small", LARGE, bytes(1_000_000), LARGE, b"end"]
    await log.add(*(Fact("call", str(number), value=value) for number, value in enumerate(values[:2])))
    await log.add(*(Fact("call", str(number), value=value) for number, value in enumerate(values[2:], 2)))
    for after in (0, 1, 3):
        read = await other.read(log.run_id, after=after)
        same([fact.value for fact in read], values[after:], f"the values of read(after={after})")
    for fact, value in zip(await other.read(log.run_id, values=False), values, strict=True):
        left_out = fact.value is None and fact.ref is not None and len(value) >= len(LARGE)
        expect(left_out or fact.value == value, f"fact {fact.address} has neither its value nor a ref")


async def facts_are_copied_without_their_large_values(open_store: OpenStore) -> None:
    """What `read(values=False)` gave can be added to another run, and outlives the first."""
    store = await opened(open_store)
    log, copy, late = [await Log.start(store) for _ in range(3)]
    await log.add("a", Fact("call", "b", value=LARGE), status="completed")
    read = await store.read(log.run_id, values=False)
    for one in (copy, late):
        await one.add(*read)
    await store.delete([log.run_id])
    await copy.add(status="completed")
    await store.delete([copy.run_id])
    same([fact.value for fact in await store.read(late.run_id)], [None, LARGE], "the values of the last copy")


async def many_runs_are_written_at_once(open_store: OpenStore) -> None:
    """From several event loops, threads and openings; each run's facts are in order and complete."""
    stores = [await opened(open_store) for _ in range(2)]

    async def write(store: RunLog) -> str:
        log = await Log.start(store)
        for turn in range(5):
            await log.add(*(f"{turn}.{number}" for number in range(4)))
        await log.add(status="completed")
        return log.run_id

    async def write_some(store: RunLog) -> list[str]:
        return await asyncio.gather(*(write(store) for _ in range(10)))

    def write_elsewhere(store: RunLog) -> list[str]:
        return asyncio.run(write_some(store))

    written = await asyncio.gather(
        *(write_some(store) for store in stores), *(asyncio.to_thread(write_elsewhere, store) for store in stores * 2)
    )
    expected = [f"{turn}.{number}" for turn in range(5) for number in range(4)]
    for run_id in (run_id for some in written for run_id in some):
        same([fact.address for fact in await stores[0].read(run_id)], expected, "a run's facts")
        found = await stores[1].find(run_id)
        expect(found is not None and (found.status, found.facts) == ("completed", 20), "a run is not told as it ended")
