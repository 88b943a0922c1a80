"""Leases of the durable stores, and who is fenced off."""

import pytest

from piecework.core.runs import Batch, Owner, Tally
from piecework.errors import RunHeldError, RunLostError, StoreError
from tests.stores.durable import Open, batch, execute, start


async def test_a_run_whose_lease_has_run_out_is_free(opened: Open) -> None:
    store = opened()
    lost = await store.claim(start(), owner=Owner("elsewhere", 1, "1"))
    await execute(store, "UPDATE piecework_run SET lease = lease - 31")
    found = await store.find("run")
    assert found is not None
    assert (found.status, found.owner, found.lease) == ("interrupted", None, 0)
    await store.renew(lost)  # Late, but nobody else came.
    with pytest.raises(RunHeldError) as caught:
        await store.claim(start())
    assert 25 < caught.value.seconds <= 30
    await execute(store, "UPDATE piecework_run SET lease = lease - 31")
    claim = await store.claim(start())
    with pytest.raises(RunLostError, match="this process"):
        await store.renew(lost)
    await store.append(batch(claim, 0, "a"))


async def test_facts_renew_a_lease(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    await execute(store, "UPDATE piecework_run SET lease = lease - 20")
    await store.append(batch(claim, 0, "a"))
    with pytest.raises(RunHeldError) as caught:
        await store.claim(start())
    assert 25 < caught.value.seconds <= 30


async def test_a_slow_owner_cannot_revive_a_run_that_was_cancelled(opened: Open) -> None:
    store = opened()
    slow = await store.claim(start())
    await execute(store, "UPDATE piecework_run SET lease = lease - 31")
    assert await store.ask_to_cancel("run") is True
    for late in (batch(slow, 0, "a"), Batch(claim=slow, first=0, facts=(), tally=Tally(), status="completed")):
        with pytest.raises(RunLostError, match="cancelled"):
            await store.append(late)
    with pytest.raises(RunLostError, match="cancelled"):
        await store.renew(slow)
    assert list(await store.read("run")) == []


async def test_a_removed_run_is_lost_to_its_owner(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    await execute(store, "UPDATE piecework_run SET lease = lease - 31")
    assert await store.delete(["run"]) == 1
    with pytest.raises(RunLostError, match="removed"):
        await store.append(batch(claim, 0, "a"))


async def test_a_repeated_batch_from_before_the_claim_is_a_mistake(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    await store.append(batch(claim, 0, "a", "b"))
    await store.append(Batch(claim=claim, first=2, facts=(), tally=Tally(), status="paused"))
    again = await store.claim(start())
    with pytest.raises(StoreError, match="has 2 facts"):
        await store.append(batch(again, 0, "a", "b"))
