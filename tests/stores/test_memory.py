"""The store in memory: a run log, kept in order and apart."""

import asyncio

from piecework import MemoryStore
from piecework.core.fact import Fact


def fact(address: str) -> Fact:
    return Fact("call", address)


async def test_facts_are_read_in_the_order_they_were_appended() -> None:
    store = MemoryStore()
    await store.append("run", [fact("a"), fact("b")])
    await store.append("run", [])
    await store.append("run", [fact("c")])
    assert [one.address for one in await store.read("run")] == ["a", "b", "c"]


async def test_runs_are_kept_apart_and_one_that_nobody_recorded_is_empty() -> None:
    store = MemoryStore()
    await asyncio.gather(*(store.append(f"run{index}", [fact(str(index))]) for index in range(5)))
    for index in range(5):
        assert list(await store.read(f"run{index}")) == [fact(str(index))]
    assert list(await store.read("other")) == []


async def test_what_was_read_does_not_change_afterwards() -> None:
    store = MemoryStore()
    given = [fact("a")]
    await store.append("run", given)
    read = await store.read("run")
    given.append(fact("b"))
    await store.append("run", [fact("c")])
    assert list(read) == [fact("a")]
    assert list(await store.read("run")) == [fact("a"), fact("c")]


async def test_the_repr_says_how_much_it_holds() -> None:
    store = MemoryStore()
    await store.append("one", [fact("a"), fact("b")])
    await store.append("two", [fact("a")])
    assert repr(store) == "MemoryStore(2 runs, 3 facts)"
