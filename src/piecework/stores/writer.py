"""The one thread that speaks to a store's database, and the way to it from any event loop.

The stores' methods ask here for one job each and wait. The thread takes all jobs that wait and does their writes in one
transaction; while it commits, the next ones gather. It knows no SQL and nothing of runs.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from msgspec import Struct

from piecework.errors import PieceworkError, StoreError
from piecework.stores.database import Database, Trouble

__all__ = ("Action", "Job", "WriterThread")

A = TypeVar("A")
R = TypeVar("R")

MOST = 1000
"""Jobs in one transaction. More may wait: each is kept by the coroutine that waits for it, not by the queue."""

PAUSES = (0.02, 1.0)
"""Seconds before a transaction is tried again for the first time, and at most; doubled in between."""

PATIENCE = 2.0
"""Seconds that a fork, or the end of the process, waits for a transaction in progress."""


@dataclass(frozen=True, slots=True, eq=False)
class Action(Generic[A, R]):
    """One kind of job: how all that wait of it are done together."""

    perform: Callable[[Database, Sequence[Any]], Sequence[R | PieceworkError]]
    """Returns what each argument gives, in their order; an error is one job's refusal, for which nothing was written.

    A transaction that failed may be done again with the same arguments, also one that was committed although the
    answer was lost.
    """

    prepare: Callable[[A], Any] | None = None
    """Makes of an argument what `perform` is given; done once for each job, before the transaction begins."""

    writes: bool = True
    """Whether it writes. What only reads has a transaction of its own, after the writes."""


class Job(Struct, eq=False):
    """Something to be done, and who waits for it."""

    action: Action[Any, Any]
    """What to do."""

    argument: Any
    """With what."""

    loop: asyncio.AbstractEventLoop
    """Whose future it is."""

    future: asyncio.Future[Any]
    """What waits for the answer."""

    answer: object = None
    """What came of it; an exception is raised for whoever waits."""


class WriterThread:
    """A daemon thread with a database; it starts with the first job."""

    def __init__(self, database: Database, resolve: Callable[[list[Job]], None]) -> None:
        """Make one that has not started yet; `resolve` is called on a loop with those of its jobs that are done."""
        self._database = database
        self._resolve = resolve
        self._renew()
        self._closed = False
        _THREADS.add(self)

    def _renew(self) -> None:
        """Begin without a thread; in the child of a fork, where the old one is not running."""
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        """What waits to be done."""
        self.ready = False
        """Whether the thread runs and takes jobs."""
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._ending = self.ended = False
        self.quiet = threading.Lock()
        """Held by the thread while it works with the database."""

    def make_ready(self) -> None:
        """See that the thread runs.

        Raises:
            StoreError: The store is closed.
        """
        if self._closed:
            raise self._is_closed()
        if self._thread is None:
            self._start()

    def refuse_rest(self) -> None:
        """Answer jobs that came while the thread ended; nobody else would."""
        jobs, _ = _gather(self.jobs, wait=False)
        for job in jobs:
            job.answer = self._is_closed()
        self._answer(jobs)

    def stop(self) -> None:
        """Have the thread end once all that waits is done, without waiting; the garbage collector may call this."""
        self._closed = True
        self.ready = False
        self.jobs.put(None)

    def join(self, seconds: float | None = None) -> None:
        """Wait until the thread has ended."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def renew_after_fork(self) -> None:
        """Leave the parent's thread, queue and connection alone: to close that here would break it there."""
        _INHERITED.append((self._database, self.jobs, self._thread))
        self._database = self._database.fresh()
        self._renew()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="piecework-store", daemon=True)
                thread.start()
                self._thread = thread
                self.ready = not self._closed

    def _work(self) -> None:
        reads: deque[Job] = deque()
        while self._turn(reads):
            pass
        with self.quiet:
            self._database.close()
        self.ended = True
        self.refuse_rest()

    def _turn(self, reads: deque[Job]) -> bool:
        """Wait for jobs and do them; returns whether there may be more. What it did is not held while it waits."""
        jobs, told_to_end = _gather(self.jobs, wait=not reads and not self._ending)
        self._ending = self._ending or told_to_end
        reads += [job for job in jobs if not job.action.writes]
        writes = [job for job in jobs if job.action.writes]
        with self.quiet:
            if writes:
                self._do(writes)
            if reads:  # One at a time, so that a long one lets writes through.
                self._do([reads.popleft()])
        return not self._ending or bool(reads) or bool(jobs)

    def _is_closed(self) -> StoreError:
        return StoreError(f"{self._database.label} is closed. Open it again.", store=self._database.name)

    def _do(self, jobs: list[Job]) -> None:
        ready = [job for job in jobs if not job.future.cancelled() and self._prepare(job)]
        if ready:
            self._perform(ready)
        self._answer(jobs)

    def _answer(self, jobs: Iterable[Job]) -> None:
        """Let those who wait go on, with one hop to each loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, some in by_loop.items():
            with suppress(RuntimeError):  # Its loop was closed: nobody waits any more.
                loop.call_soon_threadsafe(self._resolve, some)

    def _prepare(self, job: Job) -> bool:
        """Make a job's argument ready; returns False where that failed, which is its answer then."""
        if job.action.prepare is not None:
            try:
                job.argument = job.action.prepare(job.argument)
            except Exception as error:
                job.answer = _told(error, _trouble(self._database, error), self._database.name)
                return False
        return True

    def _perform(self, jobs: list[Job]) -> None:
        """Do jobs in one transaction, again and again if that may help, and leave the answer in each."""
        database = self._database
        pause, most = PAUSES
        deadline = time.monotonic() + database.timeout
        while True:
            try:
                self._transact(jobs)
            except Exception as error:
                database.rollback()
                trouble = _trouble(database, error)
                if trouble.stale:
                    database.close()
                if trouble.cure in {"again", "reconnect"} and time.monotonic() + pause < deadline:
                    time.sleep(pause)
                    pause = min(2 * pause, most)
                    continue
                if trouble.cure == "apart" and len(jobs) > 1:
                    for job in jobs:
                        self._perform([job])
                    return
                for job in jobs:
                    job.answer = _told(error, trouble, database.name)
            return

    def _transact(self, jobs: list[Job]) -> None:
        database = self._database
        database.connect()
        together: dict[Action[Any, Any], list[Job]] = {}
        for job in jobs:
            together.setdefault(job.action, []).append(job)
        database.begin(writes=jobs[0].action.writes)
        for action, some in together.items():
            answers = action.perform(database, [job.argument for job in some])
            for job, answer in zip(some, answers, strict=True):
                job.answer = answer
        database.commit()


def _gather(jobs: SimpleQueue[Job | None], *, wait: bool) -> tuple[list[Job], bool]:
    """Take the jobs that wait, not too many; the second says whether the thread was told to end."""
    taken: list[Job] = []
    told_to_end = False
    while len(taken) < MOST:
        try:
            job = jobs.get(block=wait and not taken and not told_to_end)
        except Empty:
            break
        if job is None:
            told_to_end = True
        else:
            taken.append(job)
    return taken, told_to_end


def _trouble(database: Database, error: Exception) -> Trouble:
    trouble = database.trouble(error)
    if trouble is not None:
        return trouble
    if isinstance(error, PieceworkError):
        return Trouble(str(error))
    return Trouble(f"{database.label} cannot take what it was given: {error!r}.", "apart", stale=False)


def _told(error: Exception, trouble: Trouble, store: str) -> Exception:
    """The error as one job's caller gets it."""
    if isinstance(error, PieceworkError):
        return error
    told = StoreError(trouble.message, store=store)
    told.__cause__ = error
    return told


_THREADS: WeakSet[WriterThread] = WeakSet()

_INHERITED: list[object] = []
"""What the parent of a fork works with; kept, since to collect it would close it."""

_HELD: list[threading.Lock] = []
"""Locks taken for a fork."""


def _before_fork() -> None:
    """Let transactions end first: a lock inside the driver that is held during a fork is never free in the child."""
    deadline = time.monotonic() + PATIENCE
    for thread in list(_THREADS):
        quiet = thread.quiet
        if quiet.acquire(timeout=max(deadline - time.monotonic(), 0)):
            _HELD.append(quiet)


def _after_fork_in_parent() -> None:
    while _HELD:
        _HELD.pop().release()


def _after_fork_in_child() -> None:
    _HELD.clear()
    for thread in list(_THREADS):
        thread.renew_after_fork()


def _at_end() -> None:
    """Close what was left open, so that the files are left as a closed store leaves them."""
    threads = list(_THREADS)
    for thread in threads:
        thread.stop()
    deadline = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)

atexit.register(_at_end)
