"""What stores promise about who may write a run, and about asking for its end.

`storage` has the list of all checks; each here is one of them.
"""

from __future__ import annotations

import asyncio

from piecework.core.ports import RunLog
from piecework.core.runs import Batch, Owner, RunStatus, Tally
from piecework.errors import RunHeldError, RunLostError
from piecework.testing.storage_log import (
    Log,
    OpenStore,
    expect,
    gone_process,
    new_id,
    opened,
    refused,
    same,
    status_of,
)

__all__ = (
    "a_held_run_is_refused_and_says_who_has_it",
    "a_request_to_cancel_reaches_the_owner",
    "a_run_of_a_process_that_is_gone_is_free",
    "a_run_that_ended_can_be_claimed_again",
    "a_run_that_nobody_works_on_is_cancelled_at_once",
    "an_older_claim_is_fenced_off",
    "of_many_claims_one_wins",
)


async def an_older_claim_is_fenced_off(open_store: OpenStore) -> None:
    """Who was taken over can write nothing more, and is told so."""
    store, other = await opened(open_store), await opened(open_store)
    lost = await Log.start(store, owner=gone_process())
    await lost.add("a")
    taken = await Log.take(other, lost.run_id)
    same((taken.claim.epoch, taken.claim.facts), (lost.claim.epoch + 1, 1), "the second claim's epoch and facts")
    for status in ("running", "completed"):
        with refused(RunLostError):
            await lost.add("b", status=status)
    with refused(RunLostError):
        await store.append(Batch(claim=lost.claim, first=1, facts=(), tally=Tally(9, 9, 9), status="failed"))
    with refused(RunLostError):
        await store.renew(lost.claim)
    await taken.add("c")
    with refused(RunLostError):
        await lost.add("b")
    same([fact.address for fact in await store.read(lost.run_id)], ["a", "c"], "the facts")
    same(await status_of(store, lost), "running", "the status")


async def a_held_run_is_refused_and_says_who_has_it(open_store: OpenStore) -> None:
    """Neither this process nor one elsewhere loses a run while its lease runs."""
    store, other = await opened(open_store), await opened(open_store)
    elsewhere = Owner("elsewhere/1", 4711, "1")
    for owner, words in ((None, "this process"), (elsewhere, "process 4711 on elsewhere")):
        log = await Log.start(store, owner=owner)
        with refused(RunHeldError) as errors:
            await Log.take(other, log.run_id)
        error = errors[0]
        expect(isinstance(error, RunHeldError) and error.held_by == words, f"the error does not say {words!r}: {error}")
        expect(isinstance(error, RunHeldError) and error.seconds > 0, "the error does not say for how long")
        await log.add("a")


async def a_run_of_a_process_that_is_gone_is_free(open_store: OpenStore) -> None:
    """On the same machine, at once; its facts are kept."""
    store = await opened(open_store)
    log = await Log.start(store, owner=gone_process())
    await log.add("a", "b")
    taken = await Log.take(store, log.run_id)
    await taken.add("c", status="completed")
    same([fact.address for fact in await store.read(log.run_id)], ["a", "b", "c"], "the facts")


async def a_run_that_ended_can_be_claimed_again(open_store: OpenStore) -> None:
    """Whatever its status was."""
    store = await opened(open_store)
    log = await Log.start(store)
    statuses: tuple[RunStatus, ...] = ("paused", "failed", "cancelled", "completed")
    for status in statuses:
        await log.add(status, status=status)
        same(await status_of(store, log), status, "the status")
        log = await Log.take(store, log.run_id)
        same(await status_of(store, log), "running", "the status after the claim")
    same((log.claim.epoch, log.claim.facts), (5, 4), "the fifth claim's epoch and facts")


async def of_many_claims_one_wins(open_store: OpenStore) -> None:
    """Whoever asks, and however many at once: from one loop, from others, from other openings."""
    store, other = await opened(open_store), await opened(open_store)
    for turn in range(3):
        run_id = new_id()

        async def claim(one: RunLog, run_id: str = run_id) -> bool:
            try:
                await Log.take(one, run_id)
            except RunHeldError:
                return False
            return True

        def claim_elsewhere(one: RunLog) -> bool:
            return asyncio.run(claim(one))

        stores = (store, other) * 3
        won = await asyncio.gather(*map(claim, stores), *(asyncio.to_thread(claim_elsewhere, one) for one in stores))
        same(sum(won), 1, f"how many of 12 claims won, turn {turn}")


async def a_request_to_cancel_reaches_the_owner(open_store: OpenStore) -> None:
    """With the next renewal; a later claim knows nothing of it."""
    store, other = await opened(open_store), await opened(open_store)
    log = await Log.start(store)
    expect(not await store.renew(log.claim), "renew() tells of a request before anybody asked")
    expect(await other.ask_to_cancel(log.run_id), "ask_to_cancel() of a running run says that it has ended")
    expect(await store.renew(log.claim), "renew() does not tell that somebody asked")
    await log.add("a")
    expect(await store.renew(log.claim), "renew() forgets the request when facts are added")
    await log.add(status="paused")
    taken = await Log.take(store, log.run_id)
    expect(not await store.renew(taken.claim), "renew() of a later claim tells of an old request")


async def a_run_that_nobody_works_on_is_cancelled_at_once(open_store: OpenStore) -> None:
    """Where it has not ended; where it has, nothing changes."""
    store = await opened(open_store)
    interrupted = await Log.start(store, owner=gone_process())
    paused = await Log.start(store)
    await paused.add(status="paused")
    for log in (interrupted, paused):
        expect(await store.ask_to_cancel(log.run_id), "ask_to_cancel() says that the run has ended")
        same(await status_of(store, log), "cancelled", "the status")
        expect(
            not await store.ask_to_cancel(log.run_id),
            "ask_to_cancel() says that a cancelled run has not ended",
        )
    statuses: tuple[RunStatus, ...] = ("completed", "failed")
    for status in statuses:
        log = await Log.start(store)
        await log.add(status=status)
        expect(
            not await store.ask_to_cancel(log.run_id),
            f"ask_to_cancel() says that a {status} run has not ended",
        )
        same(await status_of(store, log), status, "the status")
