"""Every store of ours keeps what stores promise, and the checks notice one that does not."""

from pathlib import Path

import pytest

from piecework import MemoryStore
from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, Owner, RunStart
from piecework.stores.postgres import PostgresStore
from piecework.stores.sqlite import SqliteStore
from piecework.testing import STORE_CHECKS, ConformanceError, check_store
from piecework.testing.storage import OpenStore, StoreCheck
from tests.stores.durable import Track


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def open_store(request: pytest.FixtureRequest, tmp_path: Path, track: Track) -> OpenStore:
    """Opens a store of one kind, the same place each time."""
    if request.param == "memory":
        memory = MemoryStore()
        return lambda: memory
    if request.param == "sqlite":
        return lambda: track(SqliteStore(tmp_path / "runs.db"))
    dsn: str = request.getfixturevalue("postgres")
    return lambda: track(PostgresStore(dsn))


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
async def test_our_stores_keep_what_stores_promise(check: StoreCheck, open_store: OpenStore) -> None:
    await check(open_store)


async def test_all_promises_can_be_checked_in_one_place(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "runs.db") as store, SqliteStore(tmp_path / "runs.db") as other:
        turns = iter((store, other) * 100)

        async def open_either() -> SqliteStore:
            return next(turns)

        await check_store(open_either)


def test_each_promise_is_said_in_a_sentence() -> None:
    assert all((check.__doc__ or "").endswith(".") for check in STORE_CHECKS)
    assert len({check.__name__ for check in STORE_CHECKS}) == len(STORE_CHECKS)


class Careless(MemoryStore):
    """Lets everybody have every run, and writes whatever it is given."""

    async def claim(self, start: RunStart, *, owner: Owner | None = None) -> Claim:
        self._runs.pop(start.run_id, None)
        return await super().claim(start, owner=owner)

    async def append(self, batch: Batch) -> None:
        kept = self._runs.get(batch.claim.run_id)
        if kept is not None:
            kept.facts.extend(Fact(fact.kind, fact.address) for fact in batch.facts)


async def test_broken_promises_are_all_told() -> None:
    store = Careless()
    with pytest.raises(ConformanceError) as caught:
        await check_store(lambda: store)
    told = str(caught.value)
    for name in (
        "facts_come_back_as_they_were",
        "a_batch_delivered_twice_is_written_once",
        "an_older_claim_is_fenced_off",
        "of_many_claims_one_wins",
        "status_and_tally_are_kept",
    ):
        assert name in told
    assert "facts_are_read_from_a_position" not in told
    assert f"of {len(STORE_CHECKS)} promises are broken" in told
