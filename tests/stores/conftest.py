"""Places for stores: files, and schemas of their own in a PostgreSQL server, where one answers."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from piecework.stores.postgres import PostgresStore
from piecework.stores.sql import SqlStore
from piecework.stores.sqlite import SqliteStore
from tests.stores.durable import Open, Track

SERVER = os.environ.get("PIECEWORK_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@pytest.fixture
def track() -> Iterator[Track]:
    """Close what a test opens."""
    opened: list[SqlStore] = []

    def track(store: SqlStore) -> SqlStore:
        opened.append(store)
        return store

    yield track
    for store in opened:
        store.close()


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of a schema that is empty, and dropped afterwards."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed (piecework[postgres])")
    try:
        connection = psycopg.connect(SERVER, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL server answers at {PostgresStore(SERVER)!r}: {error}")
    name = f"piecework_test_{uuid4().hex}"
    with connection:
        connection.execute(f"CREATE SCHEMA {name}")
    options = f"options={quote(f'-c search_path={name}')}"
    yield f"{SERVER}{'&' if '?' in SERVER else '?'}{options}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def opened(request: pytest.FixtureRequest, tmp_path: Path, track: Track) -> Open:
    """Opens a durable store, the same place each time."""
    if request.param == "sqlite":
        return lambda: track(SqliteStore(tmp_path / "runs.db", timeout=2))
    dsn: str = request.getfixturevalue("postgres")
    return lambda: track(PostgresStore(dsn, timeout=2))
