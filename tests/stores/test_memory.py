"""The store in memory, beside what the storage contract asks of every store."""

import asyncio

from piecework import MemoryStore
from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, RunStart, Tally


def fact(address: str) -> Fact:
    return Fact("call", address)


async def kept(store: MemoryStore, run_id: str, *addresses: str) -> Claim:
    claim = await store.claim(RunStart(run_id=run_id, name="work"))
    facts = [fact(address) for address in addresses]
    await store.append(Batch(claim=claim, first=0, facts=facts, tally=Tally()))
    return claim


async def test_runs_are_kept_apart_and_one_that_nobody_recorded_is_empty() -> None:
    store = MemoryStore()
    await asyncio.gather(*(kept(store, f"run{index}", str(index)) for index in range(5)))
    for index in range(5):
        assert list(await store.read(f"run{index}")) == [fact(str(index))]
    assert list(await store.read("other")) == []


async def test_what_was_read_does_not_change_afterwards() -> None:
    store = MemoryStore()
    claim = await kept(store, "run", "a")
    read = await store.read("run")
    await store.append(Batch(claim=claim, first=1, facts=[fact("b")], tally=Tally()))
    assert list(read) == [fact("a")]
    assert list(await store.read("run")) == [fact("a"), fact("b")]


async def test_the_repr_says_how_much_it_holds() -> None:
    store = MemoryStore()
    await kept(store, "one", "a", "b")
    await kept(store, "two", "a")
    assert repr(store) == "MemoryStore(2 runs, 3 facts)"
