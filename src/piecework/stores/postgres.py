"""The store in a PostgreSQL database, by psycopg.

For several machines. `PostgresDatabase` is all that is special to PostgreSQL; everything else of the store stands in
`sql`. psycopg is imported when a store is made, since it comes with the extra `piecework[postgres]` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from piecework.errors import StoreError
from piecework.stores.database import Cure, Trouble
from piecework.stores.schema import migrate
from piecework.stores.sql import SqlStore

if TYPE_CHECKING:
    import psycopg

__all__ = ("PostgresDatabase", "PostgresStore")

TICK = 1e-6
"""Seconds between two readings of a transaction's clock."""

SCHEMA_LOCK: Final = 0x7069656365776F72
"""The advisory lock of those who change the schema: "piecewor"."""

_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"

_MESSAGES: Final = {
    "55P03": "{store} is locked: somebody else has held what is to be written for more than {timeout:g} s. End what "
    "holds it, or give it more time: PostgresStore(..., timeout=...).",
    "53100": "{store} cannot grow: the server's disk is full. Make room; nothing was written.",
    "25006": "{store} can only be read: it is a standby, or the user's transactions are read-only. Name the primary.",
    "42501": "{store} refuses: {error}. Grant its user the right to create tables in the schema, and to use them.",
    "3F000": "{store} has no schema to make tables in: {error}. Create the schema that its search_path names.",
}
"""What to say, by the server's code of the error."""


class PostgresStore(SqlStore):
    """Keeps the logs of runs in a PostgreSQL database.

    Any number of processes of any number of machines may use it at once; leases go by the server's clock. It has one
    connection. Where that breaks, or the server restarts, it connects again and delivers again what was not
    acknowledged, once. The tables stand in the first schema of the connection's search_path.

    Example:
        >>> PostgresStore("postgresql://me:secret@localhost/runs")  # doctest: +SKIP
        PostgresStore('postgresql://me@localhost/runs', timeout=30.0)
    """

    def __init__(self, dsn: str, *, timeout: float = 30.0) -> None:
        """Name the database; it is connected when the store is first used.

        Args:
            dsn: A connection string of libpq: an URL, or `host=... dbname=...`.
            timeout: Seconds to wait for a lock, or for a server that went away.

        Raises:
            StoreError: The connection string cannot be read, or psycopg is not installed.
        """
        database = PostgresDatabase(dsn, timeout=timeout)
        self._address = database.name
        self._timeout = timeout
        super().__init__(database)

    def __repr__(self) -> str:
        """Show the server, the database and the options, and no password."""
        return f"PostgresStore({self._address!r}, timeout={self._timeout!r})"


class PostgresDatabase:
    """A connection to a PostgreSQL database."""

    blob = "BYTEA"

    def __init__(self, dsn: str, *, timeout: float) -> None:
        """Make one that is not connected yet; arguments as for `PostgresStore`."""
        try:
            import psycopg  # noqa: PLC0415 - an extra brings it
            from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
        except ImportError as error:
            raise StoreError(
                "PostgresStore needs psycopg, which is not installed: pip install 'piecework[postgres]'."
            ) from error
        try:
            parameters: dict[str, Any] = conninfo_to_dict(dsn)
        except psycopg.Error:
            # What libpq says of it may hold parts of a password.
            raise StoreError(
                "the connection string of a PostgresStore cannot be read. Write it as "
                "postgresql://user:password@host:5432/database, with %-codes for special characters in the password."
            ) from None
        self._psycopg = psycopg
        self._dsn = dsn
        self._parameters = {**_defaults(timeout), **parameters}
        self.name = _address(parameters)
        self.label = f"store {self.name!r}"
        self.timeout = timeout
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._was_connected = False
        self._now = 0.0

    def fresh(self) -> PostgresDatabase:
        """One of the same settings that has no connection."""
        return PostgresDatabase(self._dsn, timeout=self.timeout)

    def connect(self) -> None:
        """Connect to the server, and bring the schema up to date."""
        if self._connection is not None:
            return
        self._connection = self._psycopg.connect(**self._parameters, autocommit=True)
        self._connection.execute(f"SET lock_timeout = {max(int(self.timeout * 1000), 1)}".encode())
        migrate(self)
        self._was_connected = True

    def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._psycopg.Error):
                connection.close()

    def begin(self, *, writes: bool) -> None:
        """Begin a transaction and read the server's clock, in one trip."""
        assert self._connection is not None
        kind = "READ COMMITTED READ WRITE" if writes else "REPEATABLE READ READ ONLY"
        cursor = self._connection.execute(f"BEGIN ISOLATION LEVEL {kind}; {_CLOCK}".encode())
        cursor.nextset()
        row = cursor.fetchone()
        assert row is not None
        self._now = row[0]

    def commit(self) -> None:
        """Commit what was begun."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """Undo what was begun, if anything was."""
        if self._connection is not None:
            with suppress(self._psycopg.Error):
                self._connection.rollback()

    def now(self) -> float:
        """The server's clock, which all that use the database share."""
        self._now += TICK
        return self._now

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return the rows it gives."""
        assert self._connection is not None
        return self._connection.cursor(binary=True).execute(_translated(statement), parameters).fetchall()

    def run(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        assert self._connection is not None
        return self._connection.cursor().execute(_translated(statement), parameters).rowcount

    def exists(self, table: str) -> bool:
        """Whether there is a table of that name in the schema that tables are made in."""
        # Not wherever the search_path finds one: that may be another store, in a schema behind.
        return bool(
            self.rows("SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = ?", (table,))
        )

    def hold_schema(self) -> None:
        """Let nobody else create the tables meanwhile."""
        self.rows("SELECT pg_advisory_xact_lock(?)::text", (SCHEMA_LOCK,))

    def hold_values(self, *, to_remove: bool) -> None:
        """Keep a removal, which looks at who has a value, apart from those who are about to have it."""
        self.run(f"LOCK TABLE piecework_kept IN {'SHARE ROW EXCLUSIVE' if to_remove else 'ROW EXCLUSIVE'} MODE")

    def reclaim(self) -> None:
        """Nothing to do: the server's autovacuum does that."""

    def trouble(self, error: Exception) -> Trouble | None:
        """What an error of psycopg means."""
        if not isinstance(error, self._psycopg.Error):
            return None
        cure = self._cure(error)
        message = _MESSAGES.get(error.sqlstate or "", "{store} failed: {error}.")
        if self._connection is None:
            message = "{store} cannot be reached: {error}. See that the server runs, and what it is called."
        elif cure == "reconnect":
            message = "{store} went away and could not be reached again for {timeout:g} s: {error}."
        told = " ".join(str(error).split()).rstrip(".")
        return Trouble(
            message.format(store=self.label, timeout=self.timeout, error=told),
            cure,
            stale=cure in {"reconnect", "none"},
        )

    def _cure(self, error: psycopg.Error) -> Cure:
        state = error.sqlstate or ""
        if state in {"40001", "40P01"}:
            return "again"
        gone = self._connection is None or self._connection.closed or state.startswith("57P")
        if gone:
            # A server that was never reached has a wrong name, or does not run; one that was may come back.
            return "reconnect" if self._was_connected else "none"
        return "none" if state in _MESSAGES else "apart"


def _defaults(timeout: float) -> dict[str, Any]:
    """Parameters of a connection that the user may set otherwise: that a dead server is noticed in time."""
    return {
        "fallback_application_name": "piecework",
        "connect_timeout": max(int(timeout), 2),
        "tcp_user_timeout": max(int(timeout * 1000), 1000),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }


def _address(parameters: dict[str, Any]) -> str:
    """Where the database is, with nothing that is secret."""
    user, host, port, name = (parameters.get(part) or "" for part in ("user", "host", "port", "dbname"))
    return f"postgresql://{user}{'@' if user else ''}{host}{':' if port else ''}{port}/{name}"


def _translated(statement: str) -> bytes:
    """A statement with parameters as psycopg writes them; no statement of ours has either letter elsewhere."""
    return statement.replace("?", "%s").encode()
