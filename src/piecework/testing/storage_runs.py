"""What stores promise about runs as wholes: how they are told, listed, and removed.

`storage` has the list of all checks; each here is one of them.
"""

from __future__ import annotations

import asyncio

from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, RunStart, RunStatus, Standing, Tally
from piecework.errors import RunHeldError, RunLostError, UnknownRunError
from piecework.stores.owner import this_process
from piecework.testing.storage_log import (
    LARGE,
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
    "a_run_is_told_as_it_was_made",
    "a_run_nobody_made_is_unknown",
    "a_run_that_nobody_works_on_is_interrupted",
    "deleted_runs_are_gone",
    "old_runs_are_pruned",
    "runs_are_listed_newest_first",
    "status_and_tally_are_kept",
)


async def a_run_is_told_as_it_was_made(open_store: OpenStore) -> None:
    """All that was said of it; what later claims say does not count."""
    store, other = await opened(open_store), await opened(open_store)
    start = RunStart(
        run_id=new_id(),
        name="graph",
        thread_id="thread",
        parent="before",
        position=7,
        shape={"work": "module.work", "\N{SNOWMAN}": ""},
        labels={"who": "me"},
    )
    claim = await store.claim(start, owner=gone_process())
    await store.claim(RunStart(run_id=start.run_id, name="other", labels={"x": "y"}))
    found = await other.find(start.run_id)
    assert found is not None
    same((claim.run_id, claim.epoch, claim.facts), (start.run_id, 1, 0), "the first claim")
    same(found.start, start, "what the run is")
    same((found.run_id, found.name, found.epoch), (start.run_id, "graph", 2), "its id, name and epoch")
    same(found.owner, this_process(), "its owner")
    expect(found.lease > found.created, "its lease does not run")


async def status_and_tally_are_kept(open_store: OpenStore) -> None:
    """As the last batch said them, a batch without facts too."""
    store, other = await opened(open_store), await opened(open_store)
    log = await Log.start(store)
    await store.append(Batch(claim=log.claim, first=0, facts=[Fact("call", "a")], tally=Tally(1, 0, 10)))
    found = await other.find(log.run_id)
    assert found is not None
    same((found.status, found.tally, found.facts), ("running", Tally(1, 0, 10), 1), "status, tally and facts")
    await store.append(Batch(claim=log.claim, first=1, facts=(), tally=Tally(7, 2, 11), status="paused"))
    found = await other.find(log.run_id)
    assert found is not None
    same((found.status, found.tally, found.facts), ("paused", Tally(7, 2, 11), 1), "status, tally and facts")
    same(found.owner, None, "the owner of a run that was given back")
    expect(found.updated >= found.created, "updated is before created")


async def runs_are_listed_newest_first(open_store: OpenStore) -> None:
    """All of them, those of one status, those of one thread, and the first few."""
    store, other = await opened(open_store), await opened(open_store)
    thread = new_id()
    statuses: tuple[RunStatus, ...] = ("completed", "failed", "running", "paused", "completed")
    logs = [await Log.start(store, thread_id=thread) for _ in statuses]
    for log, status in zip(logs, statuses, strict=True):
        await log.add("a", status=status)
    gone = await Log.start(store, owner=gone_process(), thread_id=thread)
    newest = [gone.run_id, *(log.run_id for log in reversed(logs))]
    for limit in (None, 0, 2, 100):
        listed = [info.run_id for info in await other.runs(thread_id=thread, limit=limit)]
        same(listed, newest[:limit], f"runs(thread_id=..., limit={limit})")
    expected: dict[Standing, list[str]] = {
        "running": [logs[2].run_id],
        "interrupted": [gone.run_id],
        "completed": [logs[4].run_id, logs[0].run_id],
        "failed": [logs[1].run_id],
        "paused": [logs[3].run_id],
        "cancelled": [],
    }
    for standing, run_ids in expected.items():
        for limit in (None, 1):
            infos = await other.runs(status=standing, thread_id=thread, limit=limit)
            same([info.run_id for info in infos], run_ids[:limit], f"runs(status={standing!r}, limit={limit})")
            expect(all(info.status == standing for info in infos), f"runs(status={standing!r}) tells of another status")
    listed = [info.run_id for info in await other.runs() if info.start.thread_id == thread]
    same(listed, newest, "runs()")


async def a_run_that_nobody_works_on_is_interrupted(open_store: OpenStore) -> None:
    """Whether somebody works on it is seen when it is asked for, not stored."""
    store = await opened(open_store)
    log = await Log.start(store, owner=gone_process())
    await log.add("a")
    same(await status_of(store, log), "interrupted", "the status of a run whose process is gone")
    taken = await Log.take(store, log.run_id)
    same(await status_of(store, log), "running", "the status of a run that was claimed again")
    await taken.add(status="completed")
    same(await status_of(store, log), "completed", "the status of a run that has ended")


async def a_run_nobody_made_is_unknown(open_store: OpenStore) -> None:
    """It has no facts, and is not found."""
    store = await opened(open_store)
    run_id = new_id()
    same(list(await store.read(run_id)), [], "read()")
    same(await store.find(run_id), None, "find()")
    same(await store.delete([run_id]), 0, "delete()")
    with refused(UnknownRunError):
        await store.ask_to_cancel(run_id)
    with refused(RunLostError):
        await store.renew(Claim(run_id, 1))
    with refused(RunLostError):
        await store.append(Batch(claim=Claim(run_id, 1), first=0, facts=[Fact("call", "a")], tally=Tally()))
    same(list(await store.read(run_id)), [], "read() after an append that was refused")


async def deleted_runs_are_gone(open_store: OpenStore) -> None:
    """With their facts; those of others stay. A run that somebody works on keeps all from being deleted."""
    store, other = await opened(open_store), await opened(open_store)
    done, gone, held, rest = [await Log.start(store, owner=owner) for owner in (None, gone_process(), None, None)]
    statuses: tuple[RunStatus, ...] = ("completed", "running", "running", "completed")
    for log, status in zip((done, gone, held, rest), statuses, strict=True):
        await log.add("a", Fact("call", "b", value=LARGE), status=status)
    with refused(RunHeldError):
        await store.delete([done.run_id, held.run_id])
    same(len(await store.read(done.run_id)), 2, "the facts of a run that was not deleted")
    same(await store.delete([done.run_id, gone.run_id, new_id(), done.run_id]), 2, "delete()")
    for log in (done, gone):
        same(await other.find(log.run_id), None, "find() of a deleted run")
        same(list(await other.read(log.run_id)), [], "read() of a deleted run")
    for log in (held, rest):
        same([fact.value for fact in await other.read(log.run_id)], [None, LARGE], "the values of another run")
    again = await Log.take(store, done.run_id)
    same(again.claim.facts, 0, "the facts of a new run with the id of a deleted one")


async def old_runs_are_pruned(open_store: OpenStore) -> None:
    """Those that have ended, and are old, and not among the newest."""
    store = await opened(open_store)
    waiting = [await Log.start(store, owner=owner) for owner in (None, gone_process(), None)]
    await waiting[2].add("a", status="paused")
    logs = [await Log.start(store) for _ in range(6)]
    statuses: tuple[RunStatus, ...] = ("completed", "failed", "cancelled")
    for number, log in enumerate(logs):
        await log.add("a", Fact("call", "b", value=LARGE), status=statuses[number % 3])
    mine = {log.run_id for log in logs}
    for older_than, keep in ((3600, 0), (3600, None), (0, 6)):
        pruned = set(await store.prune(older_than=older_than, keep=keep))
        same(pruned & mine, set[str](), f"prune(older_than={older_than}, keep={keep})")
    pruned = set(await store.prune(keep=2))
    same(pruned & mine, {log.run_id for log in logs[:4]}, "what prune(keep=2) returned")
    await asyncio.sleep(0.002)
    same(set(await store.prune(older_than=0.001)) & mine, {log.run_id for log in logs[4:]}, "prune(older_than=0.001)")
    for log in logs:
        same(await store.find(log.run_id), None, "find() of a pruned run")
    for log in waiting:
        expect(await store.find(log.run_id) is not None, "a run that could go on was pruned")
