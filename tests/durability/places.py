"""Where the durability tests keep runs: memory, a SQLite file, a schema of its own in Postgres."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from piecework import MemoryStore
from piecework.core.ports import RunLog
from piecework.stores.postgres import PostgresStore
from piecework.stores.sql import SqlStore
from piecework.stores.sqlite import SqliteStore

DSN = os.environ.get("PIECEWORK_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@contextmanager
def opening(kind: str, folder: Path) -> Iterator[Callable[[], RunLog]]:
    """A function that opens one place, again at each call; all are closed at the end."""
    if kind == "memory":
        store = MemoryStore()
        yield lambda: store
        return
    opened: list[SqlStore] = []

    def keep(store: SqlStore) -> SqlStore:
        opened.append(store)
        return store

    try:
        if kind == "sqlite":
            yield lambda: keep(SqliteStore(folder / "runs.db"))
        else:
            with postgres_schema() as dsn:
                yield lambda: keep(PostgresStore(dsn))
                _close(opened)
    finally:
        _close(opened)


@contextmanager
def postgres_schema() -> Iterator[str]:
    """The connection string of a new, empty schema; skips the test where there is no server."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    try:
        connection = psycopg.connect(DSN, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL server at {DSN}: {error}")
    name = f"durability_{uuid4().hex[:12]}"
    with connection:
        connection.execute(f'CREATE SCHEMA "{name}"')
        try:
            yield f"{DSN}{'&' if '?' in DSN else '?'}options=-csearch_path%3D{name}"
        finally:
            connection.execute("SET client_min_messages = warning")
            connection.execute(f'DROP SCHEMA "{name}" CASCADE')


def _close(opened: list[SqlStore]) -> None:
    while opened:
        opened.pop().close()
