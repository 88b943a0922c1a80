"""The store in a PostgreSQL database: connections that break, servers that are not there, secrets."""

import asyncio
import sys
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, RunStart, Tally
from piecework.errors import StoreError
from piecework.stores.database import Database
from piecework.stores.postgres import PostgresDatabase, PostgresStore
from tests.stores.durable import Track

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed (piecework[postgres])")

NOBODY = "postgresql://me:hush%20hush@127.0.0.1:9/runs?sslpassword=pssst"
"""Where no server listens."""

pytestmark = pytest.mark.postgres


def start(run_id: str = "run") -> RunStart:
    return RunStart(run_id=run_id, name="graph")


def batch(claim: Claim, first: int, size: int = 1) -> Batch:
    facts = [Fact("call", str(first + number)) for number in range(size)]
    return Batch(claim=claim, first=first, facts=facts, tally=Tally())


def end_connections(dsn: str) -> int:
    """End all connections of the store's application from outside."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            (application(dsn),),
        ).fetchall()
    return len(ended)


def application(dsn: str) -> str:
    """A name for the store's connections that no other test has."""
    return dsn.rpartition("piecework_test_")[2]


@pytest.fixture
def named(postgres: str) -> str:
    return f"{postgres}&application_name={application(postgres)}"


async def test_a_store_whose_connection_is_ended_goes_on_and_writes_each_batch_once(postgres: str, named: str) -> None:
    with PostgresStore(named, timeout=10) as store:
        claims = [await store.claim(start(name)) for name in "abc"]
        ended = 0

        async def write(claim: Claim) -> None:
            nonlocal ended
            for first in range(0, 300, 3):
                await store.append(batch(claim, first, 3))
                if claim.run_id == "a" and first % 60 == 0:  # The others are in the middle of something.
                    ended += await asyncio.to_thread(end_connections, postgres)

        await asyncio.gather(*map(write, claims))
        assert ended > 3
        for claim in claims:
            facts = await store.read(claim.run_id)
            assert [fact.address for fact in facts] == [str(number) for number in range(300)]


async def test_a_batch_whose_commit_was_not_answered_is_written_once(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PostgresStore(postgres, timeout=10) as store:
        claim = await store.claim(start())
        database = store._thread._database
        commit = database.commit

        def lose_the_answer() -> None:
            commit()
            monkeypatch.setattr(database, "commit", commit)
            assert isinstance(database, PostgresDatabase)
            assert database._connection is not None
            database._connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(database, "commit", lose_the_answer)
        await store.append(batch(claim, 0, 3))
        monkeypatch.setattr(database, "commit", lose_the_answer)
        assert await store.claim(start("other")) == Claim("other", 1)
        assert [fact.address for fact in await store.read("run")] == ["0", "1", "2"]


@pytest.mark.parametrize("kind", [psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected])
async def test_what_the_server_gave_up_is_done_again(
    postgres: str, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    with PostgresStore(postgres, timeout=10) as store:
        claim = await store.claim(start())
        failures = iter([kind("again"), kind("and again")])
        run = PostgresDatabase.run

        def fail(self: PostgresDatabase, statement: str, parameters: Any = ()) -> int:
            for failure in failures:
                raise failure
            return run(self, statement, parameters)

        monkeypatch.setattr(PostgresDatabase, "run", fail)
        await store.append(batch(claim, 0, 3))
        assert len(await store.read("run")) == 3


async def test_two_processes_that_wait_for_each_other_both_finish(postgres: str) -> None:
    with PostgresStore(postgres, timeout=10) as one, PostgresStore(postgres, timeout=10) as two:
        values = [bytes([number]) * 10_000 for number in range(40)]

        async def write(store: PostgresStore, name: str) -> None:
            for turn in range(5):
                claim = await store.claim(start(f"{name}{turn}"))
                order = values if name == "one" else values[::-1]
                for first, value in enumerate(order):
                    facts = [Fact("call", str(first), value=value)]
                    await store.append(Batch(claim=claim, first=first, facts=facts, tally=Tally()))
                await store.append(Batch(claim=claim, first=40, facts=(), tally=Tally(), status="completed"))
                if turn % 2:
                    await store.delete([f"{name}{turn}"])

        await asyncio.gather(write(one, "one"), write(two, "two"))
        for info in await one.runs():
            assert {fact.value for fact in await two.read(info.run_id)} == set(values)


async def test_a_server_that_does_not_come_back_is_told_within_the_timeout(named: str, postgres: str) -> None:
    with PostgresStore(named, timeout=0.5) as store:
        claim = await store.claim(start())
        database = store._thread._database
        assert isinstance(database, PostgresDatabase)
        parameters, database._parameters = database._parameters, {**database._parameters, "port": "9"}
        assert end_connections(postgres) == 1
        results = await asyncio.gather(store.append(batch(claim, 0)), store.renew(claim), return_exceptions=True)
        for result in results:
            assert isinstance(result, StoreError)
            assert "went away" in str(result) or "cannot be reached" in str(result)
        database._parameters = parameters
        await store.append(batch(claim, 0))
        assert len(await store.read("run")) == 1


async def test_a_server_that_was_never_there_is_told_at_once() -> None:
    with PostgresStore(NOBODY) as store:
        with pytest.raises(StoreError, match=r"cannot be reached.*See that the server runs") as caught:
            await store.claim(start())
        assert isinstance(caught.value.__cause__, psycopg.OperationalError)


async def test_a_password_is_never_shown() -> None:
    with PostgresStore(NOBODY) as store:
        with pytest.raises(StoreError) as caught:
            await store.find("run")
        told = [repr(store), str(caught.value), repr(caught.value), caught.value.store, str(caught.value.__cause__)]
        assert "hush" not in "".join(told)
        assert "pssst" not in "".join(told)
        assert repr(store) == "PostgresStore('postgresql://me@127.0.0.1:9/runs', timeout=30.0)"
    for wrong in ("postgresql://me:hush hush@[host/runs", "host=x password=hush 'hush", "postgresql://me:hush%zz@h/r"):
        with pytest.raises(StoreError, match=r"cannot be read\. Write it as") as caught:
            PostgresStore(wrong)
        assert "hush" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_an_address_may_be_written_as_parameters() -> None:
    store = PostgresStore("host=db.example dbname=runs user=me password=secret", timeout=5)
    assert repr(store) == "PostgresStore('postgresql://me@db.example/runs', timeout=5)"
    assert repr(PostgresStore("")) == "PostgresStore('postgresql:///', timeout=30.0)"


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'piecework\[postgres\]'"):
        PostgresStore(NOBODY)


async def test_what_is_locked_too_long_is_told_and_goes_on_after(postgres: str) -> None:
    with PostgresStore(postgres, timeout=0.2) as store, psycopg.connect(postgres) as other:
        claim = await store.claim(start())
        other.execute("SELECT * FROM piecework_run FOR UPDATE")
        with pytest.raises(StoreError, match=r"is locked: .* for more than 0\.2 s"):
            await store.append(batch(claim, 0))
        other.rollback()
        await store.append(batch(claim, 0))
        assert len(await store.read("run")) == 1


async def test_a_database_that_may_only_be_read_is_told(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        name = f"reader_{application(postgres)}"
        connection.execute(f"CREATE ROLE {name} LOGIN")
    parts = urlsplit(postgres)
    reader = urlunsplit(parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}"))
    try:
        with PostgresStore(reader) as store, pytest.raises(StoreError, match=r"no schema to make tables in|refuses"):
            await store.claim(start())
    finally:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"DROP ROLE {name}")


async def test_stores_in_different_schemas_are_different(postgres: str, track: Track) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        name = f"piecework_test_{application(postgres)}"
        inner = f"{name}_inner"
        connection.execute(f"CREATE SCHEMA {inner}")
    try:
        outer = track(PostgresStore(postgres))
        await outer.claim(start("outer"))
        both = track(PostgresStore(postgres.replace(name, f"{inner}%2C{name}")))
        await both.claim(start("inner"))
        assert [info.run_id for info in await outer.runs()] == ["outer"]
        assert [info.run_id for info in await both.runs()] == ["inner"]
    finally:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("SET client_min_messages = warning")
            connection.execute(f"DROP SCHEMA {inner} CASCADE")


async def test_leases_go_by_the_clock_of_the_server(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    with PostgresStore(postgres) as store:
        await store.claim(start())
        info = await store.find("run")
        assert info is not None
        assert info.created > 1_700_000_000
        assert 29 < info.lease - info.created <= 30


def test_an_inherited_connection_is_left_to_the_parent(postgres: str) -> None:
    import os
    import subprocess

    script = f"""
import asyncio, os
from piecework.core.runs import RunStart
from piecework.stores.postgres import PostgresStore
store = PostgresStore({postgres!r})
asyncio.run(store.claim(RunStart(run_id="parent", name="graph")))
child = os.fork()
if child == 0:
    status = 1
    try:
        asyncio.run(store.claim(RunStart(run_id="child", name="graph")))
        store.close()
        status = 0
    finally:
        os._exit(status)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
connection = store._thread._database._connection
assert len(asyncio.run(store.runs())) == 2
assert store._thread._database._connection is connection
store.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout


def test_the_database_fits_its_port() -> None:
    database: Database = PostgresDatabase(NOBODY, timeout=1)
    assert database.fresh().label == database.label
