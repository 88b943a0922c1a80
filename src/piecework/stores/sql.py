"""The store over a database, whichever of the two it is.

`SqliteStore` and `PostgresStore` are this with a database of theirs. Each method is one job for the store's thread;
what is done for it stands in `holding`, `segments`, `standing` and `removal`.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, Owner, RunInfo, RunStart, Standing
from piecework.stores.database import Database
from piecework.stores.holding import CANCEL, CLAIM, RENEW, ClaimRequest
from piecework.stores.owner import give_up, this_process
from piecework.stores.removal import DELETE, PRUNE, Pruning
from piecework.stores.segments import APPEND, READ, Reading
from piecework.stores.standing import FIND, RUNS, Query
from piecework.stores.writer import Action, Job, WriterThread

__all__ = ("Asking", "SqlStore")

A = TypeVar("A")
R = TypeVar("R")


class Asking:
    """Has a thread of its own do all its jobs in a database; may be used from any event loop and thread at once.

    It connects when it is first used. Use it as a context manager, or call `close`.
    """

    def __init__(self, database: Database) -> None:
        """Make one over a database that is not connected yet."""
        self._name = database.name
        self._thread = WriterThread(database, partial(_resolve, database.name))
        # One that nobody closed ends its thread when it is collected; at the end of the process the thread's own
        # module closes what is open.
        self._end = weakref.finalize(self, self._thread.stop)
        self._end.atexit = False

    def close(self) -> None:
        """Finish what was asked for, and close the database; this cannot be used again."""
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


class SqlStore(Asking):
    """Keeps the logs of runs in a database; may be used from any event loop and thread at once.

    It connects when it is first used. Use it as a context manager, or call `close`.
    """

    async def claim(self, start: RunStart, *, owner: Owner | None = None) -> Claim:
        """Get the right to write a run: make it if nobody has, or take it over from whoever no longer works on it.

        Args:
            start: What the run is; counts where nobody made it yet.
            owner: Who claims it; by default this process.

        Raises:
            RunHeldError: Somebody else works on it.
            StoreError: The store cannot be written.
        """
        return await self._ask(CLAIM, ClaimRequest(start, owner or this_process()))

    def give_up(self, claim: Claim) -> None:
        """This process works on the run no longer, though that could not be recorded: it may claim it again at once."""
        give_up(self._name, claim.run_id, claim.epoch)

    async def renew(self, claim: Claim) -> bool:
        """Tell that the claim's owner still works on it; returns whether somebody asked the run to be cancelled.

        Raises:
            RunLostError: Somebody else has claimed or ended it since.
            StoreError: The store cannot be written.
        """
        return await self._ask(RENEW, claim)

    async def append(self, batch: Batch) -> None:
        """Add facts to a run's log, in order, all or none; they are durable on return. Renews the claim.

        Raises:
            RunLostError: Somebody else has claimed or ended the run since.
            StoreError: The store cannot be written, or the facts do not follow on those it has.
        """
        await self._ask(APPEND, batch)

    async def read(self, run_id: str, *, after: int = 0, values: bool = True) -> Sequence[Fact]:
        """The facts of a run in the order they were recorded; empty for a run nobody recorded.

        Args:
            run_id: The run.
            after: How many facts to leave out at the beginning.
            values: Whether to fill in large values; without, such facts have their `ref` alone.

        Raises:
            StoreError: The store cannot be read.
        """
        return await self._ask(READ, Reading(run_id, after, values))

    async def find(self, run_id: str) -> RunInfo | None:
        """How a run stands; None where there is no such run.

        Raises:
            StoreError: The store cannot be read.
        """
        return await self._ask(FIND, run_id)

    async def runs(
        self, *, status: Standing | None = None, thread_id: str | None = None, limit: int | None = None
    ) -> Sequence[RunInfo]:
        """How runs stand, the one that was made last coming first.

        Args:
            status: Only those that stand so.
            thread_id: Only those of this thread.
            limit: At most so many.

        Raises:
            StoreError: The store cannot be read.
        """
        return await self._ask(RUNS, Query(status, thread_id, limit))

    async def ask_to_cancel(self, run_id: str) -> bool:
        """Ask whoever works on a run to cancel it; a run that nobody works on is cancelled. False where it has ended.

        Raises:
            UnknownRunError: There is no such run.
            StoreError: The store cannot be written.
        """
        return await self._ask(CANCEL, run_id)

    async def delete(self, run_ids: Sequence[str]) -> int:
        """Remove all of some runs, and values that no other run has; returns how many there were.

        Raises:
            RunHeldError: Somebody works on one of them; none is removed.
            StoreError: The store cannot be written.
        """
        return await self._ask(DELETE, tuple(run_ids))

    async def prune(self, *, older_than: float | None = None, keep: int | None = None) -> Sequence[str]:
        """Remove runs that have ended: those not written for some seconds, and all but so many of the newest.

        With both, a run is removed if it is old and not among the newest; with none, none is. A run that somebody
        works on, and one that could still be resumed (interrupted or paused), is never removed.

        Returns:
            The ids of the runs that were removed.

        Raises:
            StoreError: The store cannot be written.
        """
        return await self._ask(PRUNE, Pruning(older_than, keep))


def _resolve(store: str, jobs: list[Job]) -> None:
    """Let those who wait on this loop go on."""
    for job in jobs:
        if job.future.done():
            if isinstance(job.answer, Claim):  # Whoever wanted it was cancelled, and will not work on the run.
                give_up(store, job.answer.run_id, job.answer.epoch)
        elif isinstance(job.answer, BaseException):
            job.future.set_exception(job.answer)
        else:
            job.future.set_result(job.answer)
