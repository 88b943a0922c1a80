"""What nodes made, kept in a SQLite file.

For one machine: any number of processes, threads and event loops at once. Each method is one job for the cache's own
thread, the same kind of thread that a store has; the file may be that of a `SqliteStore` as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from piecework.errors import StoreError
from piecework.stores.database import Database, Trouble, portions, spread
from piecework.stores.schema import migrate
from piecework.stores.sql import Asking
from piecework.stores.sqlite import SqliteDatabase
from piecework.stores.writer import Action

__all__ = ("SqliteCache",)

A = TypeVar("A")
R = TypeVar("R")

EXPIRED = 100
"""Values whose time is over that one transaction removes at most."""

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE piecework_cache (key BLOB PRIMARY KEY, node TEXT NOT NULL, until REAL, value BLOB NOT NULL)",
        "CREATE INDEX piecework_cache_node ON piecework_cache (node)",
        "CREATE INDEX piecework_cache_until ON piecework_cache (until) WHERE until IS NOT NULL",
    ),
)
"""The statements that lead from one version of the table to the next, the first from nothing to version 1."""

_GET = "SELECT value FROM piecework_cache WHERE key = ? AND (until IS NULL OR until > ?)"

_PUT = "INSERT OR REPLACE INTO piecework_cache (key, node, until, value) VALUES (?, ?, ?, ?)"

_REMOVE_EXPIRED = "DELETE FROM piecework_cache WHERE key IN (SELECT key FROM piecework_cache WHERE until <= ? LIMIT ?)"

_CLEAR = "DELETE FROM piecework_cache WHERE node IN (...)"


class _Asked(Struct, frozen=True):
    """What is asked for, and when."""

    key: bytes
    now: float


class _Put(Struct, frozen=True):
    """A value to be kept."""

    key: bytes
    node: str
    until: float | None
    value: bytes
    now: float


class SqliteCache(Asking):
    """Keeps what nodes made in a SQLite file, in write-ahead mode; any number of processes may use it at once.

    It is opened when it is first used. Use it as a context manager, or call `close`. A process that is killed, at
    whatever moment, leaves a sound file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, SqliteCache(f"{folder}/cache.db") as cache:
        ...     print(type(cache).__name__)
        SqliteCache
    """

    def __init__(
        self, path: str | os.PathLike[str], *, timeout: float = 30.0, clock: Callable[[], float] = time.time
    ) -> None:
        """Name the file; it is made where there is none.

        Args:
            path: The file. Its folder must exist. A new file can be read by its owner only.
            timeout: Seconds to wait for another process that is writing.
            clock: Tells the time that `ttl` goes by, in seconds; the same in all processes that use the file.

        Raises:
            StoreError: The path names no file, or this Python's SQLite is too old.
        """
        self._path = os.fspath(path)
        self._timeout = timeout
        self._clock = clock
        super().__init__(CacheDatabase(self._path, timeout=timeout))

    def __repr__(self) -> str:
        """Show the path and the options."""
        return f"SqliteCache({self._path!r}, timeout={self._timeout!r})"

    async def get(self, key: bytes) -> bytes | None:
        """What is kept under a key; None where nothing is, or where its time is over.

        Raises:
            StoreError: The file cannot be read.
        """
        return await self._ask(_GETTING, _Asked(key, self._clock()))

    async def put(self, key: bytes, value: bytes, *, node: str, ttl: float | None) -> None:
        """Keep a value in place of whatever is kept under its key.

        Args:
            key: What the value is asked for by.
            value: The value, encoded.
            node: The name of the node that made it.
            ttl: Seconds after which it counts no more; None keeps it for good.

        Raises:
            StoreError: The file cannot be written.
        """
        now = self._clock()
        await self._ask(_PUTTING, _Put(key, node, None if ttl is None else now + ttl, value, now))

    async def clear(self, nodes: Collection[str] | None = None) -> int:
        """Forget what some nodes made, by default what all did; returns how many values that were.

        Raises:
            StoreError: The file cannot be written.
        """
        return await self._ask(_CLEARING, None if nodes is None else tuple(nodes))


class CacheDatabase(SqliteDatabase):
    """A connection to a SQLite file with the table of a cache, and with no other."""

    def __init__(self, path: str, *, timeout: float) -> None:
        """Make one that is not connected yet; arguments as for `SqliteCache`."""
        if path in {"", ":memory:"} or "\0" in path:
            raise StoreError(
                f"{path!r} names no file. Give the path of one; a cache in memory is MemoryCache().", store=path
            )
        super().__init__(path, synchronous="NORMAL", timeout=timeout)
        self.label = f"cache {path!r}"

    def fresh(self) -> CacheDatabase:
        """One of the same settings that has no connection."""
        other = CacheDatabase(self._path, timeout=self.timeout)
        other._absolute = self._absolute
        return other

    def prepare(self) -> None:
        """Bring the table up to date."""
        migrate(self, STEPS, table="piecework_cache_version")

    def trouble(self, error: Exception) -> Trouble | None:
        """What an error of SQLite means for a cache."""
        trouble = super().trouble(error)
        if trouble is None:
            return None
        message = trouble.message.replace("SqliteStore(", "SqliteCache(").replace(", or use PostgresStore", "")
        return Trouble(message, trouble.cure, trouble.stale)


def _get(database: Database, asked: Sequence[_Asked]) -> list[bytes | None]:
    found = [database.rows(_GET, (one.key, one.now)) for one in asked]
    return [rows[0][0] if rows else None for rows in found]


def _put(database: Database, given: Sequence[_Put]) -> list[None]:
    database.run(_REMOVE_EXPIRED, (max(one.now for one in given), EXPIRED))
    for one in given:
        database.run(_PUT, (one.key, one.node, one.until, one.value))
    return [None] * len(given)


def _clear(database: Database, asked: Sequence[tuple[str, ...] | None]) -> list[int]:
    database.reclaim()
    return [_clear_one(database, nodes) for nodes in asked]


def _clear_one(database: Database, nodes: tuple[str, ...] | None) -> int:
    if nodes is None:
        return database.run("DELETE FROM piecework_cache")
    return sum(database.run(spread(_CLEAR, len(some)), some) for some in portions(nodes, width=1))


_GETTING: Final[Action[_Asked, bytes | None]] = Action(_get, writes=False)
_PUTTING: Final[Action[_Put, None]] = Action(_put)
_CLEARING: Final[Action[tuple[str, ...] | None, int]] = Action(_clear)
