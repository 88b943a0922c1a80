"""Versions of the durable stores: older ones are brought up to date, newer ones are left alone."""

import asyncio
from collections.abc import Sequence

import pytest

from piecework.errors import StoreError, StoreVersionError
from piecework.stores.database import Database
from piecework.stores.schema import STEPS, migrate
from piecework.stores.writer import Action
from tests.stores.durable import Open, batch, execute, start


async def test_a_store_of_a_newer_piecework_is_left_alone(opened: Open) -> None:
    store = opened()
    await store.claim(start())
    await execute(store, "UPDATE piecework_version SET version = 99")
    store.close()
    for _ in range(2):
        newer = opened()
        with pytest.raises(StoreVersionError, match=f"version 99.*up to {len(STEPS)}"):
            await newer.runs()
        with pytest.raises(StoreVersionError):
            await newer.claim(start())


async def test_a_version_table_that_was_tampered_with_is_an_error(opened: Open) -> None:
    store = opened()
    await store.claim(start())
    await execute(store, "DELETE FROM piecework_version")
    store.close()
    with pytest.raises(StoreError, match="of 0 rows"):
        await opened().runs()


async def test_a_schema_of_an_older_version_is_brought_up_to_date(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    await store.append(batch(claim, 0, "a"))
    steps = (*STEPS, ("CREATE TABLE piecework_more (a {blob})",), ("ALTER TABLE piecework_more ADD b {blob}",))

    def perform(database: Database, _: Sequence[None]) -> list[None]:
        database.commit()
        migrate(database, steps)
        migrate(database, steps)
        database.begin(writes=True)
        return [None]

    await store._ask(Action(perform), None)
    assert await execute(store, "SELECT version FROM piecework_version") == [(len(STEPS) + 2,)]
    assert await execute(store, "SELECT a, b FROM piecework_more") == []
    with pytest.raises(StoreVersionError):
        await opened().read("run")


async def test_many_may_open_a_new_store_at_once(opened: Open) -> None:
    stores = [opened() for _ in range(6)]
    await asyncio.gather(*(store.claim(start(str(number))) for number, store in enumerate(stores)))
    assert len(await stores[0].runs()) == 6
