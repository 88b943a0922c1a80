"""What durable runs promise over a store when their process dies: nothing finished is done twice, nothing is lost.

`durability` has the list of all checks; each here is one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from piecework.core.outcome import Failed, Outcome
from piecework.core.policy import Durability, KeepPolicy
from piecework.core.ports import RunLog
from piecework.core.runs import Batch
from piecework.testing.crashing import CrashingStore, CrashMoment, StoreCrashError
from piecework.testing.durability_work import PATIENCE, Pattern, recorded, run_once, see_that_it_is_whole
from piecework.testing.storage_log import ConformanceError, OpenStore, expect, new_id, opened, refused, same

__all__ = (
    "a_bounded_fan_out_loses_only_what_was_in_flight",
    "a_run_that_crashes_again_and_again_comes_to_its_end",
    "batches_delivered_twice_change_nothing",
    "nothing_on_record_runs_again_wherever_a_run_crashes",
    "with_async_a_fan_outs_plan_is_committed_before_its_items_start",
    "with_exit_all_is_written_at_the_end",
    "with_sync_a_call_is_committed_before_what_takes_its_output_starts",
)

MANY: Final = 60
"""Workers of the bounded fan-out."""

WIDTH: Final = 8
"""How many of them run at once."""

KILLED_AFTER: Final = 30
"""How many of them finish before the crash."""


async def nothing_on_record_runs_again_wherever_a_run_crashes(open_store: OpenStore) -> None:
    """Before each write in turn, and after it, in a fan-out of calls and of plans."""
    moments: Sequence[CrashMoment] = ("before", "after")
    modes: Sequence[Durability] = ("async", "sync")
    for when in moments:
        for durability in modes:
            at = 1
            while await _crashed(open_store, at, when, Pattern(width=2, nested=at % 2 == 0), durability):
                at += 1
            expect(at > 3, f"a run made {at} writes only, under durability={durability!r}")  # noqa: PLR2004


async def _crashed(open_store: OpenStore, at: int, when: CrashMoment, pattern: Pattern, durability: Durability) -> bool:
    """Crash a run at one write and resume it; False where it ends before."""
    run_id, keep = new_id(), KeepPolicy(durability=durability)
    crashing = CrashingStore(await opened(open_store), at=at, when=when)
    outcome = await _outcome(crashing, pattern, run_id, keep)
    store = await opened(open_store)
    known = await recorded(store, run_id)
    before = pattern.ran.copy()
    if outcome is None:
        outcome = await run_once(store, pattern, run_id, keep=keep)
    await see_that_it_is_whole(store, pattern, run_id, outcome)
    for address in known:
        same(pattern.ran[address], before[address], f"how often {address} ran, on record at a crash {when} write {at}")
    same(sum((pattern.ran - before).values()), pattern.missing(known), f"calls run after a crash {when} write {at}")
    return crashing.crashed


async def _outcome(store: RunLog, pattern: Pattern, run_id: str, keep: KeepPolicy) -> Outcome | None:
    """What a run came to; None where it crashed."""
    try:
        return await run_once(store, pattern, run_id, keep=keep)
    except StoreCrashError:
        return None


async def a_run_that_crashes_again_and_again_comes_to_its_end(open_store: OpenStore) -> None:
    """Each process gets a little further."""
    pattern, run_id, keep = Pattern(items=12, width=2), new_id(), KeepPolicy(durability="sync")
    store, crashes, outcome = await opened(open_store), 0, None
    ran_since: dict[str, int] = {}
    while outcome is None:
        crashing = CrashingStore(await opened(open_store), at=3, when="after" if crashes % 2 else "before")
        outcome = await _outcome(crashing, pattern, run_id, keep)
        for address, times in ran_since.items():
            same(pattern.ran[address], times, f"how often {address} ran, which was on record")
        ran_since = {address: pattern.ran[address] for address in await recorded(store, run_id)}
        crashes += outcome is None
        expect(crashes < 10 * pattern.items, "a run that is resumed again and again gets no further")
    await see_that_it_is_whole(store, pattern, run_id, outcome)
    expect(crashes > 3, f"a run of 14 calls crashed {crashes} times only")  # noqa: PLR2004


class _Twice(CrashingStore):
    """A store to which every batch is delivered twice, as by somebody who did not hear the answer."""

    async def append(self, batch: Batch) -> None:
        await super().append(batch)
        await super().append(batch)


async def batches_delivered_twice_change_nothing(open_store: OpenStore) -> None:
    """Those of a run, of its failure and of its resumption."""
    broken = True

    async def fail(item: int) -> None:
        if broken and item == 1:
            raise LookupError(f"item {item}")

    pattern, run_id = Pattern(during=fail), new_id()
    outcome = await run_once(_Twice(await opened(open_store)), pattern, run_id)
    expect(isinstance(outcome, Failed) and isinstance(outcome.error, LookupError), f"the run came to {outcome}")
    broken = False
    outcome = await run_once(_Twice(await opened(open_store)), pattern, run_id)
    await see_that_it_is_whole(await opened(open_store), pattern, run_id, outcome)


class _Watched(CrashingStore):
    """A store that says when so many calls are on record."""

    def __init__(self, store: RunLog) -> None:
        super().__init__(store)
        self.calls = 0
        """How many calls are on record."""
        self._changed = asyncio.Condition()

    async def append(self, batch: Batch) -> None:
        await super().append(batch)
        async with self._changed:
            self.calls += sum(fact.kind == "call" for fact in batch.facts)
            self._changed.notify_all()

    async def has(self, calls: int) -> None:
        """Wait until so many are."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.calls >= calls)


async def a_bounded_fan_out_loses_only_what_was_in_flight(open_store: OpenStore) -> None:
    """Of 60 workers, 8 at once, 30 finished: at least 22 are on record, and at most 38 run again."""
    enough, forever = asyncio.Event(), asyncio.Event()

    async def wait(item: int) -> None:
        if item < KILLED_AFTER:
            await asyncio.sleep(0)
        elif not forever.is_set():
            if pattern.finished >= KILLED_AFTER:
                enough.set()
            await forever.wait()

    pattern, run_id = Pattern(items=MANY, width=WIDTH, during=wait), new_id()
    store = _Watched(await opened(open_store))
    first = asyncio.create_task(run_once(store, pattern, run_id))
    try:
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
            await store.has(1 + KILLED_AFTER - WIDTH)
    except TimeoutError:
        raise ConformanceError(
            f"{pattern.finished} workers of a bounded fan-out finished, and {store.calls} calls are written."
        ) from None
    store.crash()
    first.cancel()
    await asyncio.wait([first])
    other = await opened(open_store)
    known = await recorded(other, run_id)
    expect(len(known) > KILLED_AFTER - WIDTH, f"of {pattern.finished} finished workers {len(known) - 1} are on record")
    before = pattern.ran.copy()
    forever.set()
    await see_that_it_is_whole(other, pattern, run_id, await run_once(other, pattern, run_id))
    again = pattern.ran - before
    expect(not known & again.keys(), f"calls on record ran again: {sorted(known & again.keys())}")
    expect(again.total() - 1 <= MANY - KILLED_AFTER + WIDTH, f"{again.total() - 1} workers ran again")


async def with_sync_a_call_is_committed_before_what_takes_its_output_starts(open_store: OpenStore) -> None:
    """Workers find the orchestrator on record, and the synthesizer finds the workers."""
    store, seen = await opened(open_store), list[set[str]]()
    run_id = new_id()

    async def look(item: int) -> None:  # noqa: ARG001 - all look
        seen.append(await recorded(store, run_id))

    class Looking(Pattern):
        async def synthesize(self, parts: list[int]) -> int:
            await look(0)
            return await Pattern.synthesize(self, parts)

    pattern = Looking(width=2, during=look)
    outcome = await run_once(await opened(open_store), pattern, run_id, keep=KeepPolicy(durability="sync"))
    await see_that_it_is_whole(store, pattern, run_id, outcome)
    expect(all("kit/orchestrate" in known for known in seen), "a worker started before the orchestrator was on record")
    same(len(seen[-1]), 1 + pattern.items, "how many calls were on record when the synthesizer started")


async def with_async_a_fan_outs_plan_is_committed_before_its_items_start(open_store: OpenStore) -> None:
    """And the caller's result waits for all of it."""
    store, seen = await opened(open_store), list[bool]()
    run_id = new_id()

    async def look(item: int) -> None:  # noqa: ARG001 - all look
        seen.append(any(fact.kind == "plan" for fact in await store.read(run_id)))

    pattern = Pattern(during=look)
    outcome = await run_once(await opened(open_store), pattern, run_id)
    await see_that_it_is_whole(store, pattern, run_id, outcome)
    expect(all(seen), "an item started before the fan-out's plan was on record")


async def with_exit_all_is_written_at_the_end(open_store: OpenStore) -> None:
    """So a crash leaves nothing, and a failure leaves all that finished."""
    store, run_id, keep = await opened(open_store), new_id(), KeepPolicy(durability="exit")
    broken, seen = True, list[int]()

    async def fail(item: int) -> None:
        seen.append(len(await store.read(run_id)))
        if broken and item == 3:  # noqa: PLR2004 - one of them
            raise LookupError(f"item {item}")

    pattern = Pattern(width=1, during=fail)
    with refused(StoreCrashError):
        await run_once(CrashingStore(await opened(open_store), at=2), pattern, run_id, keep=keep)
    same(await store.read(run_id), (), "what a crash left")
    await run_once(await opened(open_store), pattern, run_id, keep=keep)
    same(set(seen), {0}, "how many facts were there while the run went on")
    same(len(await recorded(store, run_id)), 4, "how many calls were on record after the failure")
    broken = False
    outcome = await run_once(await opened(open_store), pattern, run_id, keep=keep)
    await see_that_it_is_whole(store, pattern, run_id, outcome)
