"""What nodes made, kept in a SQLite file.

For one machine: any number of processes, threads and event loops at once. Each method is one job for the cache's own
thread, the same kind of thread that a store has; the file may be that of a `SqliteStore` as well.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar

from msgspec import Struct

from piecework.errors import StoreError, StoreVersionError
from piecework.stores.database import Database, Trouble, portions, spread
from piecework.stores.sqlite import SETTINGS, SqliteDatabase
from piecework.stores.writer import Action, Job, WriterThread

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


class SqliteCache:
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
        self._thread = WriterThread(CacheDatabase(self._path, timeout=timeout), _resolve)
        self._end = weakref.finalize(self, self._thread.stop)
        self._end.atexit = False  # The thread's module closes at the end of the process what nobody closed.

    def __repr__(self) -> str:
        """Show the path and the options."""
        return f"SqliteCache({self._path!r}, timeout={self._timeout!r})"

    def close(self) -> None:
        """Finish what was asked for, and close the file; the cache cannot be used again."""
        self._end()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

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

    async def _ask(self, action: Action[A, R], argument: A) -> R:
        """Have the thread do a job, and return what it gives."""
        loop, thread = asyncio.get_running_loop(), self._thread
        if not thread.ready:
            thread.make_ready()
        future: asyncio.Future[R] = loop.create_future()
        thread.jobs.put(Job(action, argument, loop, future))
        if thread.ended:
            thread.refuse_rest()
        return await future


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

    def connect(self) -> None:
        """Open the file, make it where there is none, and bring the table up to date."""
        if self._connection is not None:
            return
        if self._identity is None:
            self._make_file()
        else:
            self._look()
        connection = sqlite3.connect(self._absolute, timeout=self.timeout, isolation_level=None)
        self._connection = connection
        for setting in ("PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA synchronous = NORMAL", *SETTINGS):
            connection.execute(setting)
        self._identity = self._look()
        _migrate(self)
        self._write_ahead()

    def trouble(self, error: Exception) -> Trouble | None:
        """What an error of SQLite means for a cache."""
        trouble = super().trouble(error)
        if trouble is None:
            return None
        message = trouble.message.replace("SqliteStore(", "SqliteCache(").replace(", or use PostgresStore", "")
        return Trouble(message, trouble.cure, trouble.stale)


def _migrate(database: Database) -> None:
    """Bring the table up to date; touches nothing that is of a newer version.

    Raises:
        StoreVersionError: The table is of a newer piecework.
    """
    database.begin(writes=False)
    version = _version(database)
    database.commit()
    if version == len(STEPS):
        return
    database.begin(writes=True)
    for step in STEPS[_version(database) :]:  # Another process may have been faster.
        for statement in step:
            database.run(statement)
    database.run("CREATE TABLE IF NOT EXISTS piecework_cache_version (version INTEGER NOT NULL)")
    database.run("DELETE FROM piecework_cache_version")
    database.run("INSERT INTO piecework_cache_version (version) VALUES (?)", (len(STEPS),))
    database.commit()


def _version(database: Database) -> int:
    if not database.exists("piecework_cache_version"):
        return 0
    found = database.rows("SELECT max(version) FROM piecework_cache_version")[0][0]
    version = found if isinstance(found, int) else 0
    if version > len(STEPS):
        raise StoreVersionError(
            f"{database.label} is of version {version}, which a newer piecework made; this one knows versions up to "
            f"{len(STEPS)}. Upgrade piecework, or use another file.",
            store=database.name,
        )
    return version


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


def _resolve(jobs: list[Job]) -> None:
    """Let those who wait on this loop go on."""
    for job in jobs:
        if job.future.done():
            continue
        if isinstance(job.answer, BaseException):
            job.future.set_exception(job.answer)
        else:
            job.future.set_result(job.answer)
