"""The engine with no front end: calls that start calls, from coroutines and from threads."""

import asyncio
from collections.abc import Sequence

import pytest

from piecework.core.call import Target
from piecework.core.children import start
from piecework.core.fact import Fact
from piecework.core.outcome import Done, Failed, Outcome
from tests.core.harness import OneCall, run_plan


async def run(target: Target, *, limit: int | None = None) -> tuple[Outcome, Sequence[Fact]]:
    ran = await run_plan(OneCall(target), limit=limit)
    return ran.outcome, ran.facts


def leaf(n: int) -> int:
    return n


async def async_leaf(n: int) -> int:
    await asyncio.sleep(0)
    return n


BLOCKING_LEAF = Target("blocking_leaf", leaf, "blocking")
ASYNC_LEAF = Target("async_leaf", async_leaf, "async")


async def middle() -> list[int]:
    handles = [start(BLOCKING_LEAF if n % 2 else ASYNC_LEAF, {"n": n}) for n in range(3)]
    return await asyncio.gather(*handles)


def blocking_middle() -> list[int]:
    handles = [start(ASYNC_LEAF if n % 2 else BLOCKING_LEAF, {"n": n}) for n in range(3)]
    return [handle.result() for handle in handles]


MIDDLE = Target("middle", middle, "async")
BLOCKING_MIDDLE = Target("blocking_middle", blocking_middle, "blocking")


async def top() -> list[list[int]]:
    handles = [start(target, {}) for target in (MIDDLE, BLOCKING_MIDDLE, MIDDLE)]
    return [await handle for handle in handles]


def blocking_top() -> list[list[int]]:
    handles = [start(target, {}) for target in (MIDDLE, BLOCKING_MIDDLE, BLOCKING_MIDDLE)]
    return [handle.result() for handle in handles]


@pytest.mark.parametrize("limit", [1, 2, None])
@pytest.mark.parametrize("target", [Target("top", top, "async"), Target("top", blocking_top, "blocking")])
async def test_calls_that_start_calls_two_levels_deep_do_not_deadlock_and_are_one_fact_each(
    target: Target, limit: int | None
) -> None:
    outcome, facts = await asyncio.wait_for(run(target, limit=limit), 5)
    assert outcome == Done([[0, 1, 2]] * 3)
    calls = [fact for fact in facts if fact.kind == "call"]
    addresses = {fact.address for fact in calls}
    assert len(calls) == len(addresses) == 1 + 3 + 9
    assert all(fact.parent in addresses | {"root"} for fact in calls)
    assert sorted(fact.parent for fact in calls if fact.name.endswith("middle")) == ["root/top"] * 3
    for fact in calls:
        if fact.name.endswith("leaf"):
            assert fact.address.rpartition("/")[0] == fact.parent


async def test_a_failed_child_fails_the_call_that_awaits_it_and_cancels_the_others() -> None:
    cancelled = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("no such thing")

    async def parent() -> None:
        start(Target("waits", waits, "async"), {})
        await start(Target("fails", fails, "async"), {})

    outcome, _ = await asyncio.wait_for(run(Target("parent", parent, "async")), 5)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, LookupError)
    assert cancelled.is_set()


async def test_a_child_that_nobody_awaited_is_waited_for_and_its_error_is_raised_at_the_end() -> None:
    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise LookupError("no such thing")

    async def parent() -> str:
        start(Target("fails", fails, "async"), {})
        return "done"

    outcome, facts = await asyncio.wait_for(run(Target("parent", parent, "async")), 5)
    assert isinstance(outcome, Failed)
    assert [fact.name for fact in facts if fact.kind == "call"] == ["fails", "parent"]
