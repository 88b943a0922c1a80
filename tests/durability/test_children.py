"""Calls that running calls start: on record by themselves, and not run again when their parent is."""

import asyncio
from collections import Counter

import pytest

from piecework import AsyncRunner, Graph, MemoryStore, SyncRunner, node
from piecework.core.call import Target
from piecework.core.children import start
from piecework.core.current import CURRENT
from piecework.dataflow import Node
from piecework.testing.crashing import CrashingStore, CrashMoment, StoreCrashError
from tests.core.harness import within

ran: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()


def note() -> None:
    call = CURRENT.get()
    assert call is not None
    ran[call.address] += 1


async def leaf(number: int) -> int:
    note()
    return number * number


async def middle(number: int) -> int:
    note()
    handles = [start(Target("leaf", leaf, "async"), {"number": number + index}) for index in range(2)]
    return sum(await asyncio.gather(*handles))


def blocking_middle(number: int) -> int:
    note()
    handles = [start(Target("leaf", leaf, "async"), {"number": number + index}) for index in range(2)]
    return sum(handle.result() for handle in handles)


@node(output_name="whole")
async def of_calls(number: int) -> int:
    note()
    handles = [
        start(Target("middle", middle, "async"), {"number": number}),
        start(Target("blocking", blocking_middle, "blocking"), {"number": number}),
    ]
    return sum([await handle for handle in handles])


@node(output_name="square")
async def square(number: int) -> int:
    note()
    return number * number


@node(output_name="half")
def halve(square: int) -> float:
    note()
    return square / 2


INNER = Graph([square, halve], name="inner")


@node(output_name="whole")
async def of_graphs(number: int) -> float:
    note()
    results = await asyncio.gather(*(AsyncRunner().run(INNER, number=number + index) for index in range(3)))
    return sum(float(str(result["half"])) for result in results)


@node(output_name="whole")
def of_graphs_on_a_thread(number: int) -> float:
    note()
    return sum(float(str(SyncRunner().run(INNER, number=number + index)["half"])) for index in range(3))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("parent", "expected"), [(of_calls, 26), (of_graphs, 14.5), (of_graphs_on_a_thread, 14.5)])
async def test_wherever_it_crashes_a_child_on_record_does_not_run_again(
    parent: Node, expected: float, when: CrashMoment
) -> None:
    graph, crashed, at = Graph([parent], name="g"), True, 1
    while crashed:
        store = MemoryStore()
        crashing = CrashingStore(store, at=at, when=when)
        outcome = None
        ran.clear()
        try:
            outcome = await within(AsyncRunner(store=crashing, durability="sync").run(graph, number=2, run_id="run"))
        except StoreCrashError:
            facts = await store.read("run")
            known = {fact.address for fact in facts if (fact.kind, fact.status) == ("call", "done")}
            before = ran.copy()
            outcome = await within(AsyncRunner(store=store).run(graph, number=2, run_id="run"))
            assert not known & (ran - before).keys()
        assert outcome["whole"] == expected
        done = [fact.address for fact in await store.read("run") if (fact.kind, fact.status) == ("call", "done")]
        assert len(done) == len(set(done)) == 7
        crashed = crashing.crashed
        at += 1
    assert at > 5
