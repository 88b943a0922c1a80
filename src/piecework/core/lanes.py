"""Lanes, and the groups of calls that they work for.

A lane is an asyncio task that works a source off, one piece after the other. A pool starts with one lane and widens
while work waits and its lanes are stuck, so that work that never suspends costs no task of its own and work that waits
is all in flight. A lane that finds nothing retires; whoever has new work pokes the pool.

A group is calls that live and end together: a plan's, or a fan-out's. Whoever performs it lends it the running task as
its first lane. It ends when its outcome is there and all its lanes have ended; no coroutine outlives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence, Sized
from contextvars import Context, copy_context
from time import perf_counter
from typing import Any, Protocol, TypeAlias

from piecework.core.call import Call, Owner
from piecework.core.current import CURRENT
from piecework.core.limits import lending
from piecework.core.outcome import Failed, Outcome
from piecework.core.quota import AnyLimit
from piecework.core.run import Run
from piecework.core.waiting import absorb, see_out

__all__ = ("Ending", "Group", "Lanes", "Pool", "Source", "Work")

Work: TypeAlias = Coroutine[Any, Any, None]
"""One piece of work: awaited by a lane, it does everything, the handing-in included."""

FIRST_WIDTH = 64
"""How wide the first widening makes a pool."""


class Source(Protocol):
    """Where lanes get their work."""

    @property
    def waiting(self) -> object:
        """True in the sense of `bool` when `next` might give something now."""
        ...

    def next(self) -> Work | None:
        """The next piece of work, to be awaited at once; None when there is nothing now."""
        ...


class Lanes(Protocol):
    """A pool, of tasks or of threads, as its group sees it."""

    @property
    def alive(self) -> Sized:
        """The lanes that are tasks or threads of the pool's own."""
        ...

    def poke(self) -> None:
        """There may be work."""
        ...

    async def lane(self) -> None:
        """Work in this task, if the pool works in tasks."""
        ...

    def cancel(self) -> None:
        """Stop all lanes that can be stopped."""
        ...

    async def close(self) -> None:
        """Wait until all lanes have ended or were given up.

        Raises:
            asyncio.CancelledError: This task was cancelled meanwhile; raised when all have ended.
        """
        ...


class Ending(Protocol):
    """Something inside a group that must end with it: the children of a call on a thread, say."""

    def stop(self) -> None:
        """Cancel what runs in it."""
        ...

    async def ended(self) -> None:
        """Wait until nothing of it runs."""
        ...


class Group:
    """Calls with one outcome. Owned by the loop; only `fail_soon` may be called from other threads."""

    lanes: list[Lanes]
    """Its pools; the first takes the performing task in."""

    def __init__(self, run: Run, outer: Owner | None) -> None:
        """Make a group inside of another."""
        self.run = run
        self.outer = outer
        self.context = copy_context()
        """The context that it was started in, in which none of its own calls runs."""
        self.context.run(CURRENT.set, None)
        self.outcome: Outcome | None = None
        self.idle: asyncio.Future[None] | None = None
        """What the performing task waits for while it finds no work."""
        self.ending = False
        """Whether its calls are being cancelled by its own end."""
        self.inside: set[Ending] = set()
        """What must end with it beside its lanes."""
        self.inner: set[Group] = set()
        """Groups that are being performed inside of it."""
        self._performer: asyncio.Task[object] | None = None
        self._interrupted = False
        self._stopped = False
        self._coming: Outcome | None = None
        """The outcome that it will have when the loop comes to it."""

    @property
    def closing(self) -> bool:
        """Whether the calls in it are being cancelled, by its own end or by that of what is around it."""
        return self.ending or (self.outer is not None and self.outer.closing)

    @property
    def calling(self) -> Call | None:
        """The running call that it is a part of, where one started it."""
        return None if self.outer is None else self.outer.calling

    @property
    def cancelled(self) -> bool:
        """Whether somebody who may has cancelled the task that performs it."""
        return self._interrupted or (self.outer is not None and self.outer.closing)

    async def perform(self) -> Outcome:
        """Run the group to its end in this task and those it needs beside it.

        Raises:
            asyncio.CancelledError: What is around the group is closing; all its lanes have ended.
        """
        task = self._performer = asyncio.current_task()
        around = self.outer if isinstance(self.outer, Group) else None
        assert task is not None
        cancelled: asyncio.CancelledError | None = None
        if around is not None:
            around.inner.add(self)
        try:
            self.begin()
            while self.outcome is None and not self.closing:
                try:
                    await self.lanes[0].lane()
                    over = self._stopped or self.cancelled
                    if self.outcome is None and not over:  # type: ignore[redundant-expr]  # It is set meanwhile.
                        self.idle = self.run.loop.create_future()
                        await self.idle
                except asyncio.CancelledError:
                    if self.closing:
                        raise
                    await absorb()  # Somebody cancelled this task who had it from an earlier call.
                finally:
                    self.idle = None
        except asyncio.CancelledError as error:
            cancelled = error
        finally:
            self._performer = None
            try:
                await self.end()
            except asyncio.CancelledError as error:
                cancelled = error
            if around is not None:
                around.inner.discard(self)
        self.outcome = self.outcome or self._coming
        # Taken back also where a function has swallowed it: whoever is around counts its own.
        by_others = task.uncancel() if self._interrupted else task.cancelling()
        if self.outcome is None or (cancelled is not None and by_others):
            raise asyncio.CancelledError if cancelled is None else cancelled
        return self.outcome

    def begin(self) -> None:
        """What to do before the first lane looks for work."""

    def finish(self, outcome: Outcome) -> None:
        """The outcome is there: wake whoever performs the group, and cancel what still runs in it."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        self.stop()

    def stop(self) -> None:
        """Cancel all calls in the group at once; whoever performs it sees to their end."""
        if self._stopped:
            return
        self._stopped = self.ending = True
        for group in tuple(self.inner):
            group.stop()
        if self.idle is not None:
            self.wake()
        elif self._performer is not None and self._performer is not asyncio.current_task() and not self._interrupted:
            self._interrupted = True
            self._performer.cancel()
        for ending in tuple(self.inside):
            ending.stop()
        for lanes in self.lanes:
            if lanes.alive:
                lanes.cancel()

    def fail_soon(self, outcome: Outcome) -> None:
        """Stop starting work now, and finish as soon as the loop comes to it; safe from any thread."""
        self.ending = True
        self._coming = self._coming or outcome
        self.run.loop.call_soon_threadsafe(self.finish, outcome)

    def crash(self, error: BaseException) -> None:
        """A piece of work raised, which is a bug of ours: end with it rather than lose it."""
        self.finish(Failed(error))

    def tainted(self) -> None:
        """The running task's context was changed by a call: it must run no other."""
        task = asyncio.current_task()
        if task is not None:
            self.run.tainted.add(task)

    def wake(self) -> None:
        """Let the performing task look for work again."""
        if self.idle is not None and not self.idle.done():
            self.idle.set_result(None)

    async def end(self) -> None:
        """Cancel all lanes but the running one, and wait until they and whatever else is inside have ended.

        Raises:
            asyncio.CancelledError: This task was cancelled meanwhile; it is raised when all have ended.
        """
        self.stop()
        inside = tuple(self.inside)
        interrupted: asyncio.CancelledError | None = None
        for lanes in self.lanes:
            if lanes.alive:
                try:
                    await lanes.close()
                except asyncio.CancelledError as error:
                    interrupted = error
        for ending in inside:
            await ending.ended()
        if interrupted is not None:
            raise interrupted


class Pool:
    """Lanes that are asyncio tasks, the performing one among them.

    Each turn of the loop in which fewer pieces finished than there are lanes, the pool doubles, as far as work, its own
    width and the run's free slots reach. A pool whose lanes all turned over within one turn is wide enough.
    """

    def __init__(
        self,
        group: Group,
        source: Source,
        *,
        width: int | None,
        context: Context,
        on_empty: Callable[[], None] | None = None,
        limits: Sequence[AnyLimit] = (),
    ) -> None:
        """Make a group's pool over a source.

        Args:
            group: What it works for.
            source: What it works off.
            width: The most lanes it has; None leaves that to the run's limit.
            context: The lanes work in copies of it.
            on_empty: Called on the loop when the last lane has found nothing and is gone.
            limits: What its pieces wait for beside the run's slots.
        """
        self._limits = limits
        self.size = 0
        """Lanes at work."""
        self._group = group
        self._source = source
        self._width = width
        self._run = group.run
        self._context = context
        self._on_empty = on_empty
        self.alive: set[asyncio.Task[None]] = set()
        """Its lanes that are tasks of its own."""
        self._finished = 0
        self._held = 0
        """Lanes that wait for the writer, which are not stuck."""
        self._turnover = 0
        """What `finished` reaches if every lane that is at work now finishes a piece before the next tick."""
        self._ticking = False
        self._hungry = False

    def poke(self) -> None:
        """There may be work: see that a lane takes it, and that the pool widens if one is not enough."""
        if self._source.waiting and not self._group.closing:
            if self.size == 0:
                self._spawn()
            if not self._ticking:
                self._watch()

    async def lane(self) -> None:
        """Work the source off in this task until it has nothing more for now."""
        source, task, tainted = self._source, asyncio.current_task(), self._run.tainted
        assert task is not None
        if task in tainted:
            self.poke()
            return
        turn, journal = self._run.turn, self._run.door.journal
        self.size += 1
        try:
            work = source.next()
            if source.waiting:
                self._watch()
            while work is not None:
                await work
                self._finished += 1
                if task.cancelling() and not self._group.cancelled:
                    await absorb()  # A function cancelled its own task.
                if perf_counter() > turn.until:
                    turn.over(self._run.loop)
                    await asyncio.sleep(0)
                    self._finished += 1  # A lane that pauses is not stuck.
                if journal.crowded:
                    self._held += 1
                    try:
                        await journal.room()
                    finally:
                        self._held -= 1
                    self._watch()
                if tainted and task in tainted:
                    break
                work = source.next()
        finally:
            self.size -= 1
            if source.waiting:
                self.poke()
            elif self.size == 0 and self._on_empty is not None:
                self._on_empty()

    def cancel(self) -> None:
        """Cancel the lanes that are tasks of the pool's own, all but the running one."""
        for task in self.alive:
            if task is not asyncio.current_task():
                task.cancel()

    async def close(self) -> None:
        """Wait until all lanes that are tasks of the pool's own have ended; they must have been cancelled.

        Raises:
            asyncio.CancelledError: This task was cancelled meanwhile; raised when the lanes have ended.
        """
        await see_out(self.alive - {asyncio.current_task()})

    def _spawn(self) -> None:
        limiter = self._run.door.limiter
        driven = self._guarded_lane() if limiter is None else lending(self._guarded_lane, limiter)
        task = self._run.loop.create_task(driven, context=self._context.copy())
        self.alive.add(task)
        task.add_done_callback(self._ended)

    async def _guarded_lane(self) -> None:
        try:
            await self.lane()
        except asyncio.CancelledError:
            pass  # Unless the group is closing, somebody did it who had this task from an earlier call.
        except BaseException as error:
            self._group.crash(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.alive.discard(task)
        self._run.tainted.discard(task)

    def _watch(self) -> None:
        """Look again in the next turn of the loop, unless there is nothing to widen for."""
        full = self._width is not None and self.size >= self._width
        if not self._ticking and not full and self._source.waiting:
            self._ticking = True
            self._turnover = self._finished + self.size
            self._run.loop.call_soon(self._tick)

    def _tick(self) -> None:
        self._ticking = False
        if self._held or not self._source.waiting or self._group.closing:
            return  # A lane that is held watches again when it goes on.
        if self._finished >= self._turnover or self._widen():
            self._watch()

    def _widen(self) -> bool:
        """Add as many lanes as there are; False when the run has no free slot for another."""
        journal = self._run.door.journal
        if journal.crowded:  # More lanes would only wait for the writer.
            if not self._hungry:
                self._hungry = True
                journal.when_room(self._fed)
            return False
        wanted = max(self.size, FIRST_WIDTH - self.size)
        if self._width is not None:
            wanted = min(wanted, self._width - self.size)
        limiter = self._run.door.limiter
        if limiter is not None:
            wanted = min(wanted, limiter.free)
            if wanted <= 0 and not self._hungry:
                self._hungry = True
                limiter.when_free(self._fed)
        for limit in self._limits:
            # Some stand in line all the same: others do too, and who is not in line gets nothing.
            wanted = min(wanted, max(limit.free, FIRST_WIDTH - self.size))
            if wanted <= 0 and not self._hungry:
                self._hungry = True
                limit.when_free(self._run.loop, self._fed)
        for _ in range(wanted):
            self._spawn()
        return wanted > 0

    def _fed(self) -> None:
        self._hungry = False
        self._watch()
