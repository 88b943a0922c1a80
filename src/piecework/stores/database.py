"""What the SQL of the stores needs from a database, as a protocol; SQLite and PostgreSQL implement it.

One connection, used by one thread. A statement is a constant with `?` for a parameter, and `FOR UPDATE` after a SELECT
whose rows nobody else may change until the transaction ends; each database makes of that what it needs. What goes wrong
is told as `Trouble`: what to say of it, and what may help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

__all__ = ("Cure", "Database", "Trouble", "first_of_each", "portions", "spread")

T = TypeVar("T")

VARIABLES = 30_000
"""Parameters in one statement; SQLite takes 32,766."""

BYTES = 4_000_000
"""Bytes in one statement, unless one row alone has more."""

Cure: TypeAlias = Literal["none", "again", "reconnect", "apart"]
"""What may help: nothing, doing it again, connecting again first, or doing each job by itself."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a transaction could not be done."""

    message: str
    """What is wrong with which store, and what to do."""

    cure: Cure = "none"
    """What may help."""

    stale: bool = True
    """Whether the connection had better be made anew before it is used next."""


class Database(Protocol):
    """A connection to be made, and made again."""

    @property
    def name(self) -> str:
        """The store as its user named it; has no password."""
        ...

    @property
    def label(self) -> str:
        """The store as messages name it."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds after which waiting for it is given up."""
        ...

    @property
    def blob(self) -> str:
        """The type of a column for bytes."""
        ...

    def fresh(self) -> Database:
        """One of the same settings that has no connection."""
        ...

    def connect(self) -> None:
        """Connect, and bring the schema up to date; does nothing where that was done."""
        ...

    def close(self) -> None:
        """Drop the connection, if there is one; never raises."""
        ...

    def begin(self, *, writes: bool) -> None:
        """Begin a transaction; one that only reads sees one state of the store."""
        ...

    def commit(self) -> None:
        """Commit what was begun."""
        ...

    def rollback(self) -> None:
        """Undo what was begun, if anything was; never raises."""
        ...

    def now(self) -> float:
        """The clock that leases go by, as the transaction began; each reading is later than the one before."""
        ...

    def rows(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return the rows it gives."""
        ...

    def run(self, statement: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def exists(self, table: str) -> bool:
        """Whether there is a table of that name."""
        ...

    def hold_schema(self) -> None:
        """Let nobody else change the schema until the transaction ends."""
        ...

    def hold_values(self, *, to_remove: bool) -> None:
        """Until the transaction ends, keep who removes large values and those who add some from one another."""
        ...

    def reclaim(self) -> None:
        """After the commit that follows, give the space of what was removed back, as far as that can be done."""
        ...

    def trouble(self, error: Exception) -> Trouble | None:
        """What an error means; None where it is not the database's."""
        ...


def spread(statement: str, width: int, rows: int = 1) -> str:
    """A statement in which each `(...)` is a list of parameters: `(?,?)`, or for two rows `(?,?),(?,?)`."""
    row = f"({','.join('?' * width)})"
    return statement.replace("(...)", ",".join([row] * rows))


def portions(rows: Iterable[T], *, width: int, size: Callable[[T], int] | None = None) -> Iterator[list[T]]:
    """Divide rows so that each portion fits into one statement.

    Args:
        rows: What is to be divided.
        width: How many parameters a row has.
        size: How many bytes a row has, where that matters.
    """
    portion: list[T] = []
    room, most = BYTES, VARIABLES // width
    for row in rows:
        taken = size(row) if size is not None else 0
        if portion and (len(portion) == most or taken > room):
            yield portion
            portion, room = [], BYTES
        portion.append(row)
        room -= taken
    if portion:
        yield portion


def first_of_each(rows: Iterable[T], key: Callable[[T], str]) -> Iterator[list[T]]:
    """Divide rows so that no portion has two of one key; those of one key keep their order."""
    waiting = list(rows)
    while waiting:
        portion: dict[str, T] = {}
        waiting = [row for row in waiting if portion.setdefault(key(row), row) is not row]
        yield list(portion.values())
