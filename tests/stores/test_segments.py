"""Logs as rows: large values apart and once, and what is said of a log that is damaged."""

import pytest

from piecework.core.fact import Fact
from piecework.core.runs import Batch, Tally
from piecework.errors import StoreError
from tests.stores.durable import LARGE, Open, batch, execute, start


async def test_large_values_are_kept_once(opened: Open) -> None:
    store = opened()
    for run_id in ("one", "two"):
        claim = await store.claim(start(run_id))
        await store.append(batch(claim, 0, "a", "b", value=LARGE))
        await store.append(batch(claim, 2, "c", value=LARGE))
        await store.append(Batch(claim=claim, first=3, facts=(), tally=Tally(), status="completed"))
    assert await execute(store, "SELECT length(data) FROM piecework_value") == [(len(LARGE),)]
    sizes = [info.size for info in await store.runs()]
    assert sizes[0] == sizes[1]
    assert len(LARGE) < sizes[0] < len(LARGE) + 300
    await store.delete(["one"])
    assert [fact.value for fact in await store.read("two")] == [LARGE] * 3
    await store.delete(["two"])
    for table in ("piecework_run", "piecework_log", "piecework_kept", "piecework_value"):
        assert await execute(store, "SELECT count(*) FROM " + table) == [(0,)]  # noqa: S608


async def test_only_values_above_eight_kilobytes_are_kept_apart(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    await store.append(batch(claim, 0, "a", value=bytes(8192)))
    assert await execute(store, "SELECT count(*) FROM piecework_value") == [(0,)]
    await store.append(batch(claim, 1, "b", value=bytes(8193)))
    assert await execute(store, "SELECT count(*) FROM piecework_value") == [(1,)]
    small, large = await store.read("run", values=False)
    assert (small.value, small.ref, large.value) == (bytes(8192), None, None)
    assert large.ref is not None


async def test_facts_that_refer_to_values_that_are_not_there_are_refused(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    facts = [Fact("call", "a"), Fact("call", "b", ref=bytes(16))]
    with pytest.raises(StoreError, match="large values it does not have"):
        await store.append(Batch(claim=claim, first=0, facts=facts, tally=Tally()))
    assert list(await store.read("run")) == []
    assert await execute(store, "SELECT count(*) FROM piecework_kept") == [(0,)]


async def test_many_large_values_are_read_at_once(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    values = [number.to_bytes(4, "big") * 2500 for number in range(1000)]
    facts = [Fact("call", str(number), value=value) for number, value in enumerate(values)]
    await store.append(Batch(claim=claim, first=0, facts=facts, tally=Tally()))
    assert [fact.value for fact in await store.read("run")] == values
    assert [fact.value for fact in await store.read("run", after=998)] == values[998:]


async def test_a_damaged_log_is_an_error_that_names_the_run(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    for first, address in enumerate("abc"):
        await store.append(batch(claim, first, address, value=LARGE))
    await execute(store, "UPDATE piecework_log SET first = 7 WHERE first = 1")
    with pytest.raises(StoreError, match=r"run 'run' in .* is damaged: facts 1 to 2 are missing"):
        await store.read("run")
    await execute(store, "DELETE FROM piecework_log WHERE first = 0")
    with pytest.raises(StoreError, match="facts 0 to 2 are missing"):
        await store.read("run")
    await execute(store, "DELETE FROM piecework_log WHERE first = 7")
    await execute(store, "UPDATE piecework_log SET first = 0, facts = ?", b"no facts")
    with pytest.raises(StoreError, match="cannot be read"):
        await store.read("run", values=False)


async def test_a_value_that_is_gone_is_an_error(opened: Open) -> None:
    store = opened()
    claim = await store.claim(start())
    await store.append(batch(claim, 0, "a", value=LARGE))
    await execute(store, "DELETE FROM piecework_value")
    with pytest.raises(StoreError, match="1 of its large values are missing"):
        await store.read("run")
    assert len(await store.read("run", values=False)) == 1
