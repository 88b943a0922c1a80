"""The durable stores' thread: many jobs in one transaction, each with its own answer; closing and being collected."""

import asyncio
import gc
import os
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, Owner, Tally
from piecework.errors import RunHeldError, RunLostError, StoreError
from piecework.stores.database import Database
from piecework.stores.sqlite import SqliteStore
from piecework.stores.writer import Action
from tests.stores.durable import LARGE, Open, at_next_commit, batch, count_commits, disk_full, execute, start, together


async def test_jobs_that_wait_are_done_in_one_transaction(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened()
    claims = await asyncio.gather(*(store.claim(start(f"run{number}")) for number in range(300)))
    commits = count_commits(store, monkeypatch)
    await together(store, *(store.append(batch(claim, 0, "a")) for claim in claims))
    assert len(commits) == 2  # The other is that of the job that came first.
    assert [info.facts for info in await store.runs()] == [1] * 300


async def test_a_refused_job_does_not_spoil_the_others(opened: Open) -> None:
    store = opened()
    one, two, lost = [await store.claim(start(run_id), owner=owner) for run_id, owner in (
        ("one", None), ("two", None), ("lost", Owner("elsewhere", 1, "1"))
    )]  # fmt: skip
    await execute(store, "UPDATE piecework_run SET lease = 0 WHERE run_id = 'lost'")
    await store.claim(start("lost"))
    results = await together(
        store,
        store.append(batch(one, 0, "a")),
        store.append(batch(lost, 0, "a")),
        store.append(batch(two, 7, "a")),
        store.append(batch(one, 1, "b", "c")),
        store.append(batch(one, 3, "d")),
        store.claim(start("one")),
        store.claim(start("three")),
        store.claim(start("three")),
        store.renew(lost),
        store.renew(one),
        store.append(Batch(claim=two, first=0, facts=[Fact("call", "a", ref=b"nowhere")], tally=Tally())),
        store.append(batch(two, 0, "\ud800")),
        store.delete(["two"]),
    )
    assert [type(result) for result in results] == [
        type(None), RunLostError, StoreError, type(None), type(None), RunHeldError, Claim, RunHeldError,
        RunLostError, bool, StoreError, StoreError, RunHeldError,
    ]  # fmt: skip
    assert [fact.address for fact in await store.read("one")] == ["a", "b", "c", "d"]
    assert list(await store.read("two")) == []


async def test_a_job_that_the_database_refuses_fails_alone(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())

    def perform(database: Database, arguments: Sequence[str]) -> list[None]:
        for argument in arguments:
            database.rows(argument)
        return [None] * len(arguments)

    bad = store._ask(Action(perform), "SELECT * FROM no_such_table")
    results = await together(store, store.append(batch(claim, 0, "a")), bad, store.claim(start("other")))
    assert [type(result) for result in results] == [type(None), StoreError, Claim]
    assert isinstance(results[1].__cause__, Exception)
    assert [fact.address for fact in await store.read("run")] == ["a"]


async def test_a_commit_that_fails_fails_all_its_jobs_and_nothing_is_written(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    one, two = await store.claim(start("one")), await store.claim(start("two"))

    def fail(commit: Callable[[], None]) -> None:
        raise disk_full(store)

    at_next_commit(store, monkeypatch, fail)
    results = await together(store, store.append(batch(one, 0, "a")), store.append(batch(two, 0, "a", value=LARGE)))
    assert [type(result) for result in results] == [StoreError, StoreError]
    assert results[0] is not results[1]
    assert "is full" in str(results[0])
    assert "Make room" in str(results[0])
    assert [list(await store.read(run_id)) for run_id in ("one", "two")] == [[], []]
    await store.append(batch(one, 0, "a"))
    assert len(await opened().read("one")) == 1


async def test_jobs_are_done_once_although_they_were_delivered_again(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    one, two = await store.claim(start("one")), await store.claim(start("two"))
    await store.append(batch(two, 0, "a"))

    def lose_the_answer(commit: Callable[[], None]) -> None:
        commit()
        raise ConnectionError

    at_next_commit(store, monkeypatch, lose_the_answer)
    results = await together(
        store,
        store.append(batch(one, 0, "a", "b", value=LARGE)),
        store.append(Batch(claim=two, first=1, facts=(), tally=Tally(1), status="paused")),
        store.claim(start("new")),
        store.claim(start("newer"), owner=Owner("elsewhere", 1, "1")),
    )
    assert results == [None, None, Claim("new", 1), Claim("newer", 1)]
    assert [fact.address for fact in await store.read("one")] == ["a", "b"]
    found = await store.find("one")
    assert found is not None
    assert (found.facts, found.status) == (2, "running")
    with pytest.raises(RunHeldError):
        await store.claim(start("new"))


async def test_what_nobody_waits_for_any_more_is_not_done(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    with store._thread.quiet:
        first = asyncio.ensure_future(store.find("nobody"))
        await asyncio.sleep(0)
        given_up = asyncio.ensure_future(store.append(batch(claim, 0, "a")))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
    await first
    assert given_up.cancelled()
    await store.append(batch(claim, 0, "b"))
    assert [fact.address for fact in await store.read("run")] == ["b"]


def test_a_loop_that_was_closed_meanwhile_does_no_harm(opened: Open) -> None:
    store = opened()
    claim = asyncio.run(store.claim(start()))
    loop = asyncio.new_event_loop()
    with store._thread.quiet:
        waiting = loop.create_task(store.append(batch(claim, 0, "a")))
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        store._thread.jobs.put(None)
        waiting.get_coro().close()
        waiting._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()
    store.close()
    assert [fact.address for fact in asyncio.run(opened().read("run"))] == ["a"]


async def test_a_closed_store_says_so(opened: Open) -> None:
    store = opened()
    async with store:
        await store.claim(start())
        thread = store._thread._thread
    assert thread is not None
    assert not thread.is_alive()
    with pytest.raises(StoreError, match="is closed"):
        await store.find("run")
    store.close()


async def test_what_was_asked_for_is_done_before_a_store_is_closed(opened: Open) -> None:
    store = opened()
    with store._thread.quiet:
        claims = [asyncio.ensure_future(store.claim(start(str(number)))) for number in range(5)]
        await asyncio.sleep(0)
        store._thread.stop()
    store.close()
    assert len(await asyncio.gather(*claims)) == 5
    assert len(await opened().runs()) == 5


async def test_a_job_that_comes_while_the_thread_ends_is_refused(opened: Open) -> None:
    store = opened()
    await store.find("run")
    store.close()
    store._thread._closed = False  # As it was when the job was about to be queued.
    with pytest.raises(StoreError, match="is closed"):
        await store.find("run")


def test_a_store_that_was_never_used_has_no_thread(opened: Open) -> None:
    store = opened()
    assert store._thread._thread is None
    store.close()


async def test_a_store_that_nobody_has_any_more_ends_its_thread(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "runs.db")
    await store.append(batch(await store.claim(start()), 0, "a"))
    thread = store._thread._thread
    assert thread is not None
    del store
    gc.collect()
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()
    assert os.listdir(tmp_path) == ["runs.db"]  # What SQLite has beside an open file is gone, so it was closed.


class Facts(list[Fact]):
    """A list that can be asked whether it is still there."""


async def test_an_idle_thread_holds_on_to_nothing(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    facts = Facts([Fact("call", "a")])
    there = weakref.ref(facts)
    await store.append(Batch(claim=claim, first=0, facts=facts, tally=Tally()))
    del facts
    await store.find("run")  # The thread begins a new turn with it.
    gc.collect()
    assert there() is None


async def test_more_jobs_than_a_transaction_takes_are_done(opened: Open) -> None:
    store = opened()
    found = await asyncio.gather(*(store.claim(start(str(number))) for number in range(2500)))
    assert len({claim.run_id for claim in found}) == 2500
    assert len(await store.runs(limit=2400)) == 2400
