"""Lanes on the event loop: a few asyncio tasks that work a source off, one piece after the other.

A scope drains its ready queue through lanes, a fan-out its items; both are sources. A pool starts with one lane and
widens while work waits and its lanes are stuck, so that work that never suspends costs no task of its own and work
that waits is all in flight. A lane that finds nothing retires; whoever has new work pokes the pool. What the work is,
a pool never knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Context
from time import perf_counter
from typing import Any, Protocol, TypeAlias

from piecework.core.limits import lending
from piecework.core.run import Run

__all__ = ("Pool", "Source", "Work")

Work: TypeAlias = Coroutine[Any, Any, None]
"""One piece of work: awaited by a lane, it does everything, the handing-in included."""

UNBROKEN = 0.002
"""Seconds that a pool works without letting the loop run (law 9)."""

FIRST_WIDTH = 64
"""How wide the first widening makes a pool."""


class Source(Protocol):
    """Where lanes get their work."""

    @property
    def closing(self) -> bool:
        """Whether its work is being cancelled."""
        ...

    @property
    def waiting(self) -> bool:
        """Whether `next` might give something now."""
        ...

    def next(self) -> Work | None:
        """The next piece of work, to be awaited at once; None when there is nothing now."""
        ...

    def retired(self) -> None:
        """The last lane found nothing and is gone; called on the loop."""
        ...

    def crash(self, error: BaseException) -> None:
        """A piece of work raised: a bug of ours, since work returns its outcomes. Called on the loop."""
        ...


class Pool:
    """Lanes that are asyncio tasks, the caller's own among them.

    Each turn of the loop in which fewer pieces finished than there are lanes, the pool doubles, as far as work, its own
    width and the run's free slots reach. A pool whose lanes all turned over within one turn is wide enough.
    """

    def __init__(self, source: Source, width: int | None, run: Run, context: Context) -> None:
        """Make a pool over a source, its lanes in copies of `context`; `width=None` leaves their number to the run."""
        self.size = 0
        """Lanes at work."""
        self._source = source
        self._width = width
        self._run = run
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished = 0
        self._turnover = 0
        """What `finished` reaches if every lane that is at work now finishes a piece before the next tick."""
        self._pause_at = perf_counter() + UNBROKEN
        self._ticking = False
        self._hungry = False

    def poke(self) -> None:
        """There may be work: see that a lane takes it, and that the pool widens if one is not enough."""
        if self._source.waiting and not self._source.closing:
            if self.size == 0:
                self._spawn()
            self._watch()

    async def lane(self) -> None:
        """Work the source off in this task until it has nothing more for now."""
        source, task, tainted = self._source, asyncio.current_task(), self._run.tainted
        assert task is not None
        if task in tainted:
            self.poke()
            return
        self.size += 1
        self._watch()
        try:
            while (work := source.next()) is not None:
                await work
                self._finished += 1
                if task.cancelling() and not source.closing:
                    await _absorb(task)
                if perf_counter() > self._pause_at:
                    self._pause_at = perf_counter() + UNBROKEN
                    await asyncio.sleep(0)
                    self._finished += 1  # A lane that pauses is not stuck.
                if tainted and task in tainted:
                    break
        finally:
            self.size -= 1
        if self.size == 0:
            if source.waiting:
                self.poke()
            else:
                source.retired()

    def cancel(self) -> None:
        """Cancel the lanes that are tasks of the pool's own, all but the running one."""
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def close(self) -> None:
        """Wait until all lanes that are tasks of the pool's own have ended; they must have been cancelled.

        Raises:
            asyncio.CancelledError: This task was cancelled meanwhile; it is raised when the lanes have ended.
        """
        interrupted: asyncio.CancelledError | None = None
        while pending := [task for task in self._tasks if task is not asyncio.current_task()]:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def _spawn(self) -> None:
        limiter = self._run.door.limiter
        lane = self._guarded_lane()
        driven = lane if limiter is None else lending(lane, limiter)
        task = self._run.loop.create_task(driven, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _guarded_lane(self) -> None:
        try:
            await self.lane()
        except asyncio.CancelledError:
            if not self._source.closing:
                raise
        except BaseException as error:
            self._source.crash(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._run.tainted.discard(task)

    def _full(self) -> bool:
        return self._width is not None and self.size >= self._width

    def _watch(self) -> None:
        if not self._ticking and self._source.waiting and not self._full():
            self._ticking = True
            self._turnover = self._finished + self.size
            self._run.loop.call_soon(self._tick)

    def _tick(self) -> None:
        self._ticking = False
        if self._source.closing or not self._source.waiting or self._full():
            return
        if self._finished >= self._turnover or self._widen():
            self._watch()

    def _widen(self) -> bool:
        """Add as many lanes as there are; False when the run has no free slot for another."""
        wanted = max(self.size, FIRST_WIDTH - self.size)
        if self._width is not None:
            wanted = min(wanted, self._width - self.size)
        limiter = self._run.door.limiter
        if limiter is not None:
            wanted = min(wanted, limiter.free)
            if wanted <= 0 and not self._hungry:
                self._hungry = True
                limiter.when_free(self._fed)
        for _ in range(wanted):
            self._spawn()
        return wanted > 0

    def _fed(self) -> None:
        self._hungry = False
        self._watch()


async def _absorb(task: asyncio.Task[Any]) -> None:
    """Swallow a cancellation of this task that nobody here asked for: the item that drew it has failed already."""
    while task.cancelling():
        task.uncancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # On 3.11 an uncancelled task still raises once more.
