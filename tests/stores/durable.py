"""Jobs for the durable stores: facts to write, statements of a test's own, many jobs in one transaction."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import pytest

from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, RunStart, Tally
from piecework.stores.database import Database
from piecework.stores.postgres import PostgresStore
from piecework.stores.sql import SqlStore
from piecework.stores.writer import Action

__all__ = (
    "LARGE",
    "Open",
    "Track",
    "at_next_commit",
    "batch",
    "count_commits",
    "disk_full",
    "execute",
    "start",
    "together",
)

Open: TypeAlias = Callable[[], SqlStore]
"""Opens a store, the same place each time."""

Track: TypeAlias = Callable[[SqlStore], SqlStore]
"""Sees that a store is closed at the end of the test."""

LARGE: Final = b"large" * 10_000


def start(run_id: str = "run") -> RunStart:
    return RunStart(run_id=run_id, name="graph")


def batch(claim: Claim, first: int, *addresses: str, value: bytes | None = None) -> Batch:
    facts = [Fact("call", address, value=value) for address in addresses]
    return Batch(claim=claim, first=first, facts=facts, tally=Tally())


async def execute(store: SqlStore, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement of the test's own on the store's connection."""

    def perform(database: Database, _: Sequence[None]) -> list[list[tuple[Any, ...]]]:
        if statement.startswith("SELECT"):
            return [database.rows(statement, parameters)]
        database.run(statement, parameters)
        return [[]]

    return await store._ask(Action(perform), None)


async def together(store: SqlStore, *jobs: Any) -> list[Any]:
    """Have jobs done in one transaction, and return what they gave or raised."""
    with store._thread.quiet:
        first = asyncio.ensure_future(store.find("nobody"))
        await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(job) for job in jobs]
        await asyncio.sleep(0)
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


def count_commits(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """A list that grows with each transaction."""
    commits: list[None] = []
    commit = store._thread._database.commit

    def counted() -> None:
        commits.append(None)
        commit()

    monkeypatch.setattr(store._thread._database, "commit", counted)
    return commits


def at_next_commit(store: SqlStore, monkeypatch: pytest.MonkeyPatch, act: Callable[[Callable[[], None]], None]) -> None:
    """Have `act` done in place of the next commit of a transaction that writes; it is given the commit."""
    database = store._thread._database
    begin, commit, kinds = database.begin, database.commit, [False]

    def begun(*, writes: bool) -> None:
        kinds[0] = writes
        begin(writes=writes)

    def committed() -> None:
        if not kinds[0]:
            commit()
            return
        monkeypatch.setattr(database, "commit", commit)
        act(commit)

    monkeypatch.setattr(database, "begin", begun)
    monkeypatch.setattr(database, "commit", committed)


def disk_full(store: SqlStore) -> Exception:
    """What the driver raises where the disk is full."""
    if isinstance(store, PostgresStore):
        import psycopg

        return psycopg.errors.DiskFull("no space left")
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error
