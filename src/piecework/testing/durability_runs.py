"""What durable runs promise over a store: how they end, fail, pause and are fenced, whoever goes on with them.

`durability` has the list of all checks; each here is one of them.
"""

from __future__ import annotations

import asyncio

from piecework.core.interrupts import interrupt
from piecework.core.outcome import Failed, Paused
from piecework.core.policy import KeepPolicy
from piecework.errors import RunHeldError, RunLostError
from piecework.testing.crashing import CrashingStore, StoreCrashError
from piecework.testing.durability_work import Pattern, recorded, run_once, see_that_it_is_whole
from piecework.testing.storage_log import OpenStore, expect, new_id, opened, refused, same

__all__ = (
    "a_cancelled_run_keeps_what_finished",
    "a_completed_run_gives_its_result_and_runs_nothing",
    "a_failed_call_runs_again_until_it_is_done_and_then_never",
    "a_runner_that_was_taken_over_is_fenced_off",
    "of_two_runners_one_gets_the_run",
    "questions_and_answers_survive",
)


async def a_completed_run_gives_its_result_and_runs_nothing(open_store: OpenStore) -> None:
    """Its result was on record when it was first returned."""
    pattern, run_id = Pattern(), new_id()
    outcome = await run_once(await opened(open_store), pattern, run_id)
    other = await opened(open_store)
    await see_that_it_is_whole(other, pattern, run_id, outcome)
    facts = await other.read(run_id)
    again = await run_once(other, pattern, run_id)
    same(again, outcome, "what the run came to the second time")
    same(max(pattern.ran.values()), 1, "how often a function ran")
    same(await other.read(run_id), facts, "the log after the second time")


async def a_failed_call_runs_again_until_it_is_done_and_then_never(open_store: OpenStore) -> None:
    """The others, finished beside it, do not; its attempts are counted over all runners."""
    broken = True

    async def fail(item: int) -> None:
        if broken and item == 2:  # noqa: PLR2004 - one of them
            raise LookupError(f"item {item}")

    pattern, run_id = Pattern(width=2, during=fail), new_id()
    store = await opened(open_store)
    for attempt in (1, 2):
        outcome = await run_once(await opened(open_store), pattern, run_id)
        expect(isinstance(outcome, Failed) and isinstance(outcome.error, LookupError), f"the run came to {outcome}")
        found = await store.find(run_id)
        same(found and found.status, "failed", "the status")
        same(found and found.tally.failed, 1, "the tally of failed calls")
        same(pattern.ran[pattern.worker(2)], attempt, "how often the failing function ran")
    known, ran = await recorded(store, run_id), pattern.ran.copy()
    broken = False
    outcome = await run_once(await opened(open_store), pattern, run_id)
    await see_that_it_is_whole(store, pattern, run_id, outcome)
    last = [fact for fact in await store.read(run_id) if fact.address == pattern.worker(2)][-1]
    same((last.status, last.attempts), ("done", 3), "status and attempts of the call that failed twice")
    for address in known:
        same(pattern.ran[address], ran[address], f"how often {address}, which was on record, ran")
    same(await run_once(await opened(open_store), pattern, run_id), outcome, "what the run came to once more")
    same(pattern.ran[pattern.worker(2)], 3, "how often the function ran that is done now")


async def of_two_runners_one_gets_the_run(open_store: OpenStore) -> None:
    """The other is told who has it, runs nothing and disturbs nothing."""
    working, go_on = asyncio.Event(), asyncio.Event()

    async def wait(item: int) -> None:  # noqa: ARG001 - whichever is the first waits
        if not working.is_set():
            working.set()
            await go_on.wait()

    pattern, run_id = Pattern(during=wait), new_id()
    first = asyncio.create_task(run_once(await opened(open_store), pattern, run_id))
    await working.wait()
    other = await opened(open_store)
    try:
        with refused(RunHeldError) as errors:
            await run_once(other, pattern, run_id)
    finally:
        go_on.set()
    error = errors[0]
    assert isinstance(error, RunHeldError)
    same((error.run_id, error.held_by), (run_id, "this process"), "run and holder, as the error has them")
    await see_that_it_is_whole(other, pattern, run_id, await first)
    same(max(pattern.ran.values()), 1, "how often a function ran")


async def a_runner_that_was_taken_over_is_fenced_off(open_store: OpenStore) -> None:
    """What it still does is refused, and it is told so; whoever took the run over is not disturbed."""
    working, go_on = asyncio.Event(), asyncio.Event()

    async def wait(item: int) -> None:
        if item > 0:
            working.set()
            await go_on.wait()

    late, run_id = Pattern(width=2, during=wait), new_id()
    first = asyncio.create_task(run_once(CrashingStore(await opened(open_store)), late, run_id))
    await working.wait()
    store, pattern = await opened(open_store), Pattern()
    outcome = await run_once(store, pattern, run_id)
    await see_that_it_is_whole(store, pattern, run_id, outcome)
    facts = await store.read(run_id)
    go_on.set()
    with refused(RunLostError):
        await first
    same(await store.read(run_id), facts, "the log after the late runner ended")
    found = await store.find(run_id)
    same(found and found.status, "completed", "the status after the late runner ended")


async def questions_and_answers_survive(open_store: OpenStore) -> None:
    """Asked by one process, answered by another, one by one; no answer is asked for twice, whatever crashes."""
    told: dict[int, object] = {}

    async def ask(item: int) -> None:
        if item in {1, 4}:
            told[item] = interrupt({"about": item})

    pattern, run_id = Pattern(during=ask), new_id()
    asked = await run_once(await opened(open_store), pattern, run_id)
    expect(isinstance(asked, Paused), f"the run came to {asked} although it has questions")
    assert isinstance(asked, Paused)
    ids = {question.id for question in asked.questions}
    same(ids, {f"{pattern.worker(item)}?1" for item in (1, 4)}, "the questions' ids")
    before = pattern.ran.total()
    again = await run_once(await opened(open_store), pattern, run_id)
    same(isinstance(again, Paused) and {one.id for one in again.questions}, ids, "the questions, asked for once more")
    same(pattern.ran.total(), before, "how many functions had run when nothing was answered")
    one = f"{pattern.worker(1)}?1"
    first_batch = 2  # After the claim.
    crashing = CrashingStore(await opened(open_store), at=first_batch, when="after")
    with refused(StoreCrashError):
        await run_once(crashing, pattern, run_id, answers={one: "yes"})
    half = await run_once(await opened(open_store), pattern, run_id)
    same(isinstance(half, Paused) and {left.id for left in half.questions}, ids - {one}, "the questions that are left")
    same(told, {1: "yes"}, "the answers that came")
    outcome = await run_once(await opened(open_store), pattern, run_id, answers={f"{pattern.worker(4)}?1": ["no", 0]})
    await see_that_it_is_whole(await opened(open_store), pattern, run_id, outcome)
    same(told, {1: "yes", 4: ["no", 0]}, "the answers that came")


async def a_cancelled_run_keeps_what_finished(open_store: OpenStore) -> None:
    """It ends as cancelled, and is resumed as any other."""
    for durability in ("async", "sync", "exit"):
        working, forever = asyncio.Event(), asyncio.Event()

        async def wait(item: int, working: asyncio.Event = working, forever: asyncio.Event = forever) -> None:
            if item > 1 and not forever.is_set():
                working.set()
                await forever.wait()

        pattern, run_id, store = Pattern(width=1, during=wait), new_id(), await opened(open_store)
        keep = KeepPolicy(durability=durability)
        run = asyncio.create_task(run_once(store, pattern, run_id, keep=keep))
        await working.wait()
        run.cancel()
        await asyncio.wait([run])
        expect(run.cancelled(), f"a cancelled run ended otherwise: {run}")
        known = await recorded(store, run_id)
        same(known, {"kit/orchestrate", pattern.worker(0), pattern.worker(1)}, f"on record, durability={durability!r}")
        found = await store.find(run_id)
        same(found and found.status, "cancelled", "the status")
        forever.set()
        outcome = await run_once(await opened(open_store), pattern, run_id)
        await see_that_it_is_whole(store, pattern, run_id, outcome)
        same({pattern.ran[address] for address in known}, {1}, "how often calls ran that were on record")
