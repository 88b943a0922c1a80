"""The store in a file, by SQLite.

For one machine: many runs, threads and processes at once, nothing to install. `SqliteDatabase` is all that is special
to SQLite; everything else of the store stands in `sql`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from piecework.errors import StoreError
from piecework.stores.database import Trouble
from piecework.stores.schema import migrate
from piecework.stores.sql import SqlStore

__all__ = ("SqliteDatabase", "SqliteStore")

OLDEST: Final = (3, 35, 0)
"""The first SQLite that has all that the statements use."""

SETTINGS: Final = (
    # A checkpoint waits for the disk once or twice; at 16 MB there are a quarter as many as by default.
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 33554432",
)
"""What each connection is told."""

TICK = 1e-6
"""Seconds between two readings of a transaction's clock."""

_MESSAGES: Final = {
    sqlite3.SQLITE_BUSY: "{store} is locked: another process has been writing for more than {timeout:g} s. End what "
    "holds it, or give it more time: SqliteStore(..., timeout=...).",
    sqlite3.SQLITE_FULL: "{store} cannot grow: its disk or quota is full. Make room; nothing was written.",
    sqlite3.SQLITE_READONLY: "{store} can only be read by this process. Allow it to write the file, those beside it "
    "that begin with the same name, and their folder.",
    sqlite3.SQLITE_CANTOPEN: "{store} cannot be opened. See that its folder is there, and that this process may write "
    "in it.",
    sqlite3.SQLITE_CORRUPT: "{store} is damaged. Restore it from a copy, or save what can be read: "
    "sqlite3 FILE .recover.",
    sqlite3.SQLITE_NOTADB: "{store} is no SQLite database. Give the path of one, or of a new file.",
    sqlite3.SQLITE_IOERR: "{store} cannot be read or written: {error}. See that its disk works and has room.",
    sqlite3.SQLITE_PROTOCOL: "{store} cannot be locked: {error}. Keep it on a disk of this machine, not on a network "
    "file system, or use PostgresStore.",
    sqlite3.SQLITE_TOOBIG: "{store} was given a value that SQLite cannot take: {error}. Keep such values in files, "
    "and their paths in the run.",
}
"""What to say, by the primary code of SQLite's error."""

_ALIASES: Final = {
    sqlite3.SQLITE_LOCKED: sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_IOERR_SHMOPEN: sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_IOERR_SHMMAP: sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_IOERR_SHMLOCK: sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM: sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOLFS: sqlite3.SQLITE_FULL,
}

_SOUND: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_TOOBIG)
"""Those of the codes above after which the connection is as good as before."""


class SqliteStore(SqlStore):
    """Keeps the logs of runs in a SQLite file, in write-ahead mode.

    Any number of processes of one machine may use the file at once. A process that is killed, at whatever moment, loses
    nothing that was acknowledged. What a power cut or a crash of the operating system may lose is a choice:
    `synchronous="NORMAL"` may lose the commits of the last moments, though the file stays sound, and the runs go on
    from what is left; `"FULL"` waits for the disk at each commit and loses nothing, at some milliseconds a commit.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, SqliteStore(f"{folder}/runs.db") as store:
        ...     print(type(store).__name__)
        SqliteStore
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        timeout: float = 30.0,
    ) -> None:
        """Name the file; it is opened when the store is first used, and made where there is none.

        Args:
            path: The file. Its folder must exist. A new file can be read by its owner only.
            synchronous: Whether each commit waits for the disk.
            timeout: Seconds to wait for another process that is writing.

        Raises:
            StoreError: The path names no file, or this Python's SQLite is too old.
        """
        self._path = os.fspath(path)
        self._synchronous = synchronous
        self._timeout = timeout
        super().__init__(SqliteDatabase(self._path, synchronous=synchronous, timeout=timeout))

    def __repr__(self) -> str:
        """Show the path and the options."""
        return f"SqliteStore({self._path!r}, synchronous={self._synchronous!r}, timeout={self._timeout!r})"


class SqliteDatabase:
    """A connection to a SQLite file."""

    blob = "BLOB"

    def __init__(self, path: str, *, synchronous: str, timeout: float) -> None:
        """Make one that is not connected yet; arguments as for `SqliteStore`."""
        self.name, self.label = path, f"store {path!r}"
        self.timeout = timeout
        if path in {"", ":memory:"} or "\0" in path:
            raise StoreError(
                f"{path!r} names no file. Give the path of one; a store in memory is MemoryStore().", store=path
            )
        if synchronous not in {"NORMAL", "FULL"}:
            raise StoreError(f"synchronous={synchronous!r} is not known. Use 'NORMAL' or 'FULL'.", store=path)
        if sqlite3.sqlite_version_info < OLDEST:
            raise StoreError(
                f"this Python has SQLite {sqlite3.sqlite_version}, and SqliteStore needs 3.35. Use a newer Python, or "
                "PostgresStore.",
                store=path,
            )
        self._path = path
        self._absolute = os.path.abspath(path)  # The working folder may change before the first use.
        self._synchronous = synchronous
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._now = 0.0
        self._removed = False

    def fresh(self) -> SqliteDatabase:
        """One of the same settings that has no connection."""
        other = SqliteDatabase(self._path, synchronous=self._synchronous, timeout=self.timeout)
        other._absolute = self._absolute
        return other

    def connect(self) -> None:
        """Open the file, make it where there is none, and bring its schema up to date."""
        if self._connection is not None:
            return
        if self._identity is None:
            self._make_file()
        else:
            self._look()  # It was open before: if it is gone, a new one would only hide that.
        connection = sqlite3.connect(self._absolute, timeout=self.timeout, isolation_level=None)
        self._connection = connection
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # Counts in a file without tables only.
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        for setting in SETTINGS:
            connection.execute(setting)
        self._identity = self._look()
        self.prepare()
        self._write_ahead()

    def prepare(self) -> None:
        """Bring the schema up to date."""
        migrate(self)

    def _make_file(self) -> None:
        """See that there is a file, and if it is made now, that nobody else can read it."""
        try:
            os.close(os.open(self._absolute, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            if Path(self._absolute).is_dir():
                raise StoreError(f"{self.label} is a folder. Give the path of a file in it.", store=self.name) from None
        except FileNotFoundError as error:
            folder = os.path.dirname(self._absolute)
            raise StoreError(
                f"{self.label} cannot be made: there is no folder {folder!r}. Make it first.", store=self.name
            ) from error
        except OSError as error:
            raise StoreError(
                f"{self.label} cannot be made: {error.strerror}. See that this process may write in its folder.",
                store=self.name,
            ) from error

    def _write_ahead(self) -> None:
        """Let readers and a writer not wait for each other; the file remembers it."""
        deadline = time.monotonic() + self.timeout
        mode = ""
        while not mode:
            try:
                mode = self.rows("PRAGMA journal_mode = WAL")[0][0]
            except sqlite3.OperationalError as error:
                # While another process does the same, SQLite fails at once, whatever the timeout.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        if mode != "wal":
            raise StoreError(
                f"{self.label} cannot be used by several processes where it is: its file system has no shared memory. "
                "Keep it on a disk of this machine, not on a network file system, or use PostgresStore.",
                store=self.name,
            )

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def begin(self, *, writes: bool) -> None:
        """Begin a transaction; one that writes waits until no other does."""
        if writes and self._look() != self._identity:
            raise self._gone()
        self.rows("BEGIN IMMEDIATE" if writes else "BEGIN")
        self._now = time.time()
        self._removed = False

    def _look(self) -> tuple[int, int]:
        """Which file is there. What is written to one that was removed while it was open, nobody finds again."""
        try:
            found = os.stat(self._absolute)
        except OSError as error:
            raise self._gone() from error
        return found.st_dev, found.st_ino

    def _gone(self) -> StoreError:
        return StoreError(
            f"{self.label} was removed or replaced while it was open. Put it back; nothing was written.",
            store=self.name,
        )

    def commit(self) -> None:
        """Commit, and after a removal give free pages back."""
        self.rows("COMMIT")
        if self._removed:
            with suppress(sqlite3.Error):  # Another process may be faster to write; then the next removal does it.
                assert self._connection is not None
                # It gives back one page with each step, and `execute` does only the first one.
                self._connection.executescript("PRAGMA incremental_vacuum")
                self.rows("PRAGMA wal_checkpoint(PASSIVE)")

    def rollback(self) -> None:
        """Undo what was begun; SQLite has done so itself after some errors."""
        if self._connection is not None and self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def now(self) -> float:
        """This machine's clock, which all processes that use the file share."""
        self._now += TICK
        return self._now

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement to its end and return the rows it gives."""
        assert self._connection is not None
        return self._connection.execute(_translated(statement), parameters).fetchall()

    def run(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        assert self._connection is not None
        return self._connection.execute(statement, parameters).rowcount

    def exists(self, table: str) -> bool:
        """Whether there is a table of that name."""
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)))

    def hold_schema(self) -> None:
        """Nothing to do: a transaction that writes is alone."""

    def hold_values(self, *, to_remove: bool) -> None:
        """Nothing to do: a transaction that writes is alone."""

    def reclaim(self) -> None:
        """Have the commit that follows make the file smaller."""
        self._removed = True

    def trouble(self, error: Exception) -> Trouble | None:
        """What an error of SQLite means."""
        if not isinstance(error, sqlite3.Error):
            return None
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)
        code = _ALIASES.get(code, code & 0xFF)
        message = _MESSAGES.get(code, "{store} failed: {error}.")
        return Trouble(
            message.format(store=self.label, timeout=self.timeout, error=error),
            cure="none" if code in _MESSAGES and code != sqlite3.SQLITE_TOOBIG else "apart",
            stale=code in _MESSAGES and code not in _SOUND,
        )


def _translated(statement: str) -> str:
    """A statement without row locks: a transaction that writes is alone from its beginning."""
    return statement.removesuffix(" FOR UPDATE")
