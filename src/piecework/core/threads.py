"""Lanes on worker threads, for functions that block.

The same pieces of work as on the loop, driven on a thread, with no hop to the loop for an item. A pool of threads
starts small and widens while work waits, little of it finishes and the process is mostly idle. A thread cannot be
stopped: it is waited for, and then given up.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence, Sized
from contextlib import suppress
from contextvars import Context
from functools import partial
from time import perf_counter, process_time
from typing import Any, TypeVar, cast

from piecework.core.current import CURRENT
from piecework.core.lanes import Group, Source, Work
from piecework.core.quota import AnyLimit
from piecework.core.waiting import see_out

__all__ = ("Signal", "ThreadPool", "drive")

T = TypeVar("T")

FIRST_WIDTH = 4
"""Threads that a pool starts with."""

INTERVAL = 0.001
"""Seconds between two looks at whether more threads are needed."""

PATIENCE = 10
"""Looks without a finished piece after which a pool widens although the process is busy."""

CHUNK = 64
"""Pieces pulled from the source at once while pieces are short."""

ENOUGH = 2
"""Threads that work on short pieces; more would only take the interpreter from one another, and from the loop."""


class ThreadPool:
    """Lanes that are threads."""

    def __init__(
        self,
        group: Group,
        source: Source,
        *,
        width: int,
        context: Context,
        on_empty: Callable[[], None] | None = None,
        limits: Sequence[AnyLimit] = (),
    ) -> None:
        """Make a group's pool of at most `width` threads over a source; arguments as for `Pool`."""
        self.size = 0
        """Threads at work; changed on the loop only."""
        self._group = group
        self._source = source
        self._width = width
        self._limits = limits
        self._run = group.run
        self.journal = group.run.door.journal
        """Takes down what its pieces come to."""
        self._context = context
        self._on_empty = on_empty
        self._lock = threading.Lock()
        self._ready: deque[Work] = deque()
        self._stopped = False
        self._leaving = 0
        self._chunk = 1
        self._refilled = 0.0
        self._finished = 0
        self._finished_before = 0
        self._gauge = _Gauge()
        self._timer: asyncio.TimerHandle | None = None
        self.alive: set[_Lane] = set()
        """Its lanes."""
        self._empty: asyncio.Future[None] | None = None

    def poke(self) -> None:
        """There may be work: see that threads take it, and that the pool widens if they are not enough."""
        if self._waiting() and not self._group.closing:
            if self.size == 0:
                waiting = self._source.waiting
                known = len(waiting) if isinstance(waiting, Sized) else FIRST_WIDTH
                self._spawn(min(known or 1, FIRST_WIDTH, self._width))
            self._watch()

    async def lane(self) -> None:
        """Start the threads; this task itself does no blocking work."""
        self.poke()
        if self.size == 0 and self._on_empty is not None:
            self._on_empty()

    def cancel(self) -> None:
        """Stop what can be stopped: pieces not started, and threads that wait for a slot."""
        self._stopped = True
        self._discard()
        for lane in self.alive:
            if lane.waits_for is not None:
                lane.waits_for.cancel()

    async def close(self) -> None:
        """Wait until all threads are done, or until their grace is over: then they are given up.

        Raises:
            asyncio.CancelledError: This task was cancelled meanwhile; raised when that is so.
        """
        if self._timer is not None:
            self._timer.cancel()
        loop = self._run.loop
        empty = self._empty = loop.create_future()
        patience = loop.call_later(self._run.policy.grace, _set, empty)
        self._run.patient.add(empty)
        try:
            await see_out([empty])
        finally:
            patience.cancel()
            self._run.patient.discard(empty)
            for lane in self.alive:
                self._abandon(lane)
            self.alive.clear()

    def take(self) -> Work | None:
        """The next piece of work, for a thread; pulled ahead a few at a time while pieces are short."""
        while not self._stopped and not self._group.ending:
            try:
                return self._ready.popleft()
            except IndexError:
                pass
            with self._lock:
                if self._ready:
                    continue
                if self._needless() or not self._refill():
                    return None
        self._discard()  # Whoever ends the group sees to threads at work only, and these are leaving.
        return None

    def _needless(self) -> bool:
        """Whether pieces are so short that the asking thread had better leave; else sees how many to pull at once.

        Pieces are short if as many have finished in a moment as were pulled at its beginning.
        """
        now, finished = perf_counter(), self._finished
        short = now - self._refilled < INTERVAL and finished - self._finished_before >= self._chunk
        if short and self._chunk == CHUNK and self.size - self._leaving > ENOUGH:
            self._leaving += 1
            return True
        self._chunk = min(self._chunk * 2, CHUNK) if short else 1
        self._refilled, self._finished_before = now, finished
        return False

    def _refill(self) -> bool:
        for _ in range(self._chunk):
            work = self._source.next()
            if work is None:
                break
            self._ready.append(work)
        if self._stopped:
            self._discard()
        return bool(self._ready)

    def _discard(self) -> None:
        """Drop pieces that were pulled and not started."""
        while self._ready:
            with suppress(IndexError):
                self._ready.popleft().close()

    def _waiting(self) -> bool:
        return bool(self._ready) or bool(self._source.waiting)

    def _spawn(self, count: int) -> None:
        for _ in range(count):
            lane = _Lane(self, self._context.copy())
            self.size += 1
            self.alive.add(lane)
            self._run.executor.thread(partial(lane.context.run, lane.work))

    def finished(self) -> None:
        """A thread has finished a piece. Not exact: threads may overtake one another, and a gauge needs no more."""
        self._finished += 1

    def report(self, lane: _Lane, error: BaseException | None) -> None:
        """A thread has left its lane; called on that thread."""
        with suppress(RuntimeError):  # The loop of an abandoned thread may be closed.
            self._run.loop.call_soon_threadsafe(self._retire, lane, error)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The run's loop."""
        return self._run.loop

    def _retire(self, lane: _Lane, error: BaseException | None) -> None:
        if lane not in self.alive:
            return  # It was abandoned.
        self.alive.discard(lane)
        self.size -= 1
        self._leaving = max(self._leaving - 1, 0)
        if error is not None:
            self._group.crash(error)
        if self.size == 0:
            if self._waiting() and not self._group.closing:
                self.poke()
                return
            if self._empty is not None and not self._empty.done():
                self._empty.set_result(None)
            if self._on_empty is not None:
                self._on_empty()

    def _abandon(self, lane: _Lane) -> None:
        call = lane.context.get(CURRENT) if lane.working else None
        if call is not None:
            call.living().abandoned = True
            self._run.door.journal.record_cancelled(call)

    def _watch(self) -> None:
        if self._timer is None and self._waiting() and self.size < self._width:
            self._gauge.reset(self._finished)
            self._timer = self._run.loop.call_later(INTERVAL, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._group.closing or not self._waiting() or self.size >= self._width:
            return
        limiter = self._run.door.limiter
        if limiter is not None and limiter.free <= 0:
            limiter.when_free(self._watch)  # More threads would only wait for slots.
            return
        full = next((limit for limit in self._limits if limit.free <= 0), None)
        if full is not None:
            full.when_free(self._run.loop, self._watch)  # Or for shares.
            return
        if self.journal.crowded:
            self.journal.when_room(self._watch)  # Or for the writer.
            return
        if self._gauge.stuck(self._finished, self.size):
            most = self._width - self.size if limiter is None else min(limiter.free, self._width - self.size)
            self._spawn(min(3 * self.size, most))
        self._watch()


class _Lane:
    """One thread's way through a pool's work."""

    __slots__ = ("context", "pool", "waits_for", "working")

    def __init__(self, pool: ThreadPool, context: Context) -> None:
        self.pool = pool
        self.context = context
        self.waits_for: asyncio.Future[Any] | None = None
        """What it waits for in the middle of a piece of work, where that is no user code."""
        self.working = False
        """Whether it is in the middle of a piece of work."""

    def work(self) -> None:
        """Work until there is nothing more for now; runs on a thread, in the lane's context."""
        pool, error = self.pool, None
        try:
            while (work := pool.take()) is not None:
                self.working = True
                try:
                    future = work.send(None)
                except StopIteration:  # It waited for nothing.
                    pass
                else:
                    resume(work, future, pool.loop, self)
                self.working = False
                pool.finished()
                if pool.journal.crowded:
                    drive(pool.journal.room(), pool.loop)
        except asyncio.CancelledError:
            pass
        except BaseException as caught:
            error = caught
        pool.report(self, error)


class _Gauge:
    """Tells whether a pool's threads are stuck: little finishes, and not for want of a processor."""

    __slots__ = ("_cpu", "_finished", "_quiet", "_wall")

    def __init__(self) -> None:
        self._quiet = 0
        self.reset(0)

    def reset(self, finished: int) -> None:
        self._finished, self._wall, self._cpu = finished, perf_counter(), process_time()

    def stuck(self, finished: int, size: int) -> bool:
        idle = process_time() - self._cpu < (perf_counter() - self._wall) / 2
        self._quiet = 0 if finished > self._finished else self._quiet + 1
        if self._quiet >= PATIENCE:
            self._quiet = 0
            return True
        return idle and finished - self._finished < size


def drive(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Run a coroutine of the engine on this thread; what it waits for are futures of `loop`.

    Raises:
        asyncio.CancelledError: What it waited for was cancelled.
    """
    try:
        future = work.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    return resume(work, future, loop)


def resume(
    work: Coroutine[Any, Any, T],
    future: asyncio.Future[Any],
    loop: asyncio.AbstractEventLoop,
    lane: _Lane | None = None,
) -> T:
    """Run a coroutine that waits for `future` to its end; see `drive`."""
    while True:
        arrived = threading.Event()
        if lane is not None:
            lane.waits_for = future
        future._asyncio_future_blocking = False
        loop.call_soon_threadsafe(future.add_done_callback, Signal(arrived))
        arrived.wait()
        if lane is not None:
            lane.waits_for = None
        try:
            future = work.send(None)
        except StopIteration as stop:
            return cast("T", stop.value)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Signal:
    """Sets an event when a future is done."""

    __slots__ = ("_event",)

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, _: object) -> None:
        """Set the event."""
        self._event.set()
