"""What can be wrong with a run that is kept, with its store, or with the values in it."""

from __future__ import annotations

from collections.abc import Iterable

from piecework.errors.root import PieceworkError
from piecework.wording import listed

__all__ = (
    "CodecError",
    "NoStoreError",
    "RunCancelledError",
    "RunChangedError",
    "RunExistsError",
    "RunHeldError",
    "RunLostError",
    "StoreError",
    "StoreVersionError",
    "StoredError",
    "UnknownGraphError",
    "UnknownQuestionError",
    "UnknownRunError",
)


class CodecError(PieceworkError, ValueError):
    """A value cannot be written to a store, or stored bytes cannot be read."""

    def __init__(self, message: str, *, path: str = "") -> None:
        """Keep the place beside `message`."""
        self.path = path
        """Where in the value the trouble lies, such as `sections[3].author`."""
        super().__init__(message)


class StoredError(PieceworkError):
    """An exception that was read from a store and whose class is not registered there: it says what it was."""

    def __init__(self, message: str, *, kind: str, arguments: tuple[object, ...] | None = None) -> None:
        """Keep what is known beside `message`."""
        self.kind = kind
        """The module and name of the exception's class."""
        self.arguments = arguments
        """The exception's `args`; None where they could not be stored."""
        super().__init__(message)


class RunChangedError(PieceworkError, ValueError):
    """A run cannot be resumed as asked, since its graph or its inputs are not those it was started with."""

    def __init__(self, message: str, *, run_id: str, changes: Iterable[str]) -> None:
        """Keep the facts beside `message`."""
        self.run_id = run_id
        """The run."""
        self.changes = tuple(changes)
        """What is different, one sentence each."""
        super().__init__(message)


class RunExistsError(PieceworkError, ValueError):
    """A new run is to have the id of another."""

    def __init__(self, run_id: str) -> None:
        """Compose the message."""
        self.run_id = run_id
        """The id."""
        super().__init__(f"there is a run {run_id!r} already. Give the new one another id.")


class RunCancelledError(PieceworkError, RuntimeError):
    """Somebody else asked for this run to be cancelled. What finished is recorded, and the run can be resumed."""

    def __init__(self, run_id: str) -> None:
        """Compose the message."""
        self.run_id = run_id
        """The run."""
        super().__init__(f"run {run_id!r} was cancelled from outside. What finished is recorded; it can be resumed.")


class StoreError(PieceworkError, OSError):
    """A store cannot be opened, read or written. What was recorded before stays recorded."""

    def __init__(self, message: str, *, store: str = "") -> None:
        """Keep the place beside `message`."""
        self.store = store
        """The store, as the user named it."""
        super().__init__(message)


class StoreVersionError(StoreError):
    """A store was written by a newer piecework, in a form that this one does not know."""


class RunHeldError(PieceworkError, RuntimeError):
    """A run cannot be resumed or removed, since somebody works on it."""

    def __init__(self, run_id: str, *, held_by: str, seconds: float) -> None:
        """Compose the message from who holds the run, and for how long at least."""
        self.run_id = run_id
        """The run."""
        self.held_by = held_by
        """Who works on it: a process and its machine."""
        self.seconds = seconds
        """In how many seconds it is free if that owner is not heard from again."""
        super().__init__(
            f"run {run_id!r} is held by {held_by}. Wait until it has ended, or cancel it: piecework cancel {run_id}. "
            f"If that process no longer works on it, it is free in {max(seconds, 0):.0f} s."
        )


class RunLostError(PieceworkError, RuntimeError):
    """A run was taken over by somebody else while it went on here; what happened since is not recorded."""

    def __init__(self, run_id: str, *, taken_by: str) -> None:
        """Compose the message from who has the run now."""
        self.run_id = run_id
        """The run."""
        self.taken_by = taken_by
        """Who works on it now."""
        super().__init__(
            f"run {run_id!r} was taken over by {taken_by}, since this process was not heard from for too long. "
            "What finished here since then was not recorded."
        )


class NoStoreError(PieceworkError, ValueError):
    """A runner without a store was asked for what only a store can give."""

    def __init__(self, what: str) -> None:
        """Compose the message for `what` needs a store."""
        self.what = what
        """What was asked for."""
        super().__init__(
            f"{what} needs a store, and this runner has none. Give it one: AsyncRunner(store=SqliteStore('runs.db'))."
        )


class UnknownGraphError(PieceworkError, LookupError):
    """A run is to be resumed without its graph, and the runner has run none of that name."""

    def __init__(self, run_id: str, *, name: str) -> None:
        """Compose the message."""
        self.run_id = run_id
        """The run."""
        self.name = name
        """The graph's name in the store."""
        told = (
            f"run {run_id!r} is a batch: go on with it by map(..., run_id={run_id!r})."
            if name == "batch"
            else f"run {run_id!r} is of graph {name!r}, which this runner has not run. Give it the graph: "
            f"resume({run_id!r}, graph)."
        )
        super().__init__(told)


class UnknownQuestionError(PieceworkError, LookupError):
    """An answer is given to a question that the run does not wait for."""

    def __init__(self, run_id: str, names: Iterable[str], *, waiting: Iterable[str]) -> None:
        """Compose the message."""
        self.run_id = run_id
        """The run."""
        self.names = tuple(names)
        """The ids that answers were given for."""
        self.waiting = tuple(waiting)
        """The ids of the questions that the run does wait for."""
        super().__init__(
            f"run {run_id!r} does not wait for an answer to {listed(self.names)}; it waits for {listed(self.waiting)}."
        )


class UnknownRunError(PieceworkError, LookupError):
    """There is no run of that id in the store."""

    def __init__(self, run_id: str, *, store: str = "") -> None:
        """Compose the message."""
        self.run_id = run_id
        """What was asked for."""
        where = f" in {store}" if store else " in the store"
        super().__init__(f"there is no run {run_id!r}{where}. List its runs: piecework runs, or runner.runs().")
