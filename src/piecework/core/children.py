"""Calls that a running call starts itself, and the handles it waits for them by.

The scheduler makes the scope with a call's first child; the door joins it before the call counts as finished, so
that no child outlives the call that started it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Sequence
from contextvars import Context, copy_context
from typing import Any, cast

from piecework.core.call import Call
from piecework.core.current import CURRENT, outside
from piecework.core.group import Group, Lanes
from piecework.core.interrupts import Interruption
from piecework.core.limits import lend, retake
from piecework.core.outcome import Done, Failed, Outcome
from piecework.core.plan import Action, Nest, Start
from piecework.core.run import Run
from piecework.core.scope import Line, Scope
from piecework.core.threads import Signal, drive

__all__ = ("ChildScope", "Handle")


class Handle(asyncio.Future[Any]):
    """A child call's result to come: `await` it in a coroutine, ask `.result()` of it on a thread."""

    def __init__(self, scope: ChildScope) -> None:
        """Make the handle of one child of a scope."""
        super().__init__(loop=scope.run.loop)
        self._scope = scope
        self._awaited = False
        self._outcome: Outcome | None = None

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the child; the call that waits lends its slot meanwhile."""
        self._mark()  # Before the lane below sees the suspension: the task adds its callback only after it.
        return super().__await__()

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Call `fn` when the child has ended; it counts as waiting for the child."""
        self._mark()
        super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Call `fn` no more; whoever stops waiting, as after a timeout, holds its slot again."""
        if self._awaited and not self.done():
            self._awaited = False
            self._scope.awaited -= 1
        return super().remove_done_callback(fn)

    def result(self) -> Any:
        """The child's value; a thread waits for it, lending its call's slot meanwhile.

        Raises:
            asyncio.InvalidStateError: On the loop's own thread, before the child has ended: await it there.
            Exception: What the child raised.
        """
        if not self.done() and threading.get_ident() != self._scope.thread:
            self._wait_on_thread()
        return super().result()

    async def outcome(self) -> Outcome:
        """How the child ended, once it has; for a coroutine.

        Raises:
            asyncio.CancelledError: The child, or whoever waits for it, was cancelled.
        """
        if not self.done():
            await asyncio.wait([self])
        return self._looked_at()

    def outcome_on_thread(self) -> Outcome:
        """How the child ended, once it has; for a thread, which lends its call's slot meanwhile.

        Raises:
            asyncio.CancelledError: The child was cancelled.
        """
        if not self.done():
            self._wait_on_thread()
        return self._looked_at()

    def settle(self, outcome: Outcome) -> None:
        """Hand in how the child ended; called on the loop."""
        if self._awaited:
            self._awaited = False
            self._scope.awaited -= 1
        if self.done():
            return
        self._outcome = outcome
        if isinstance(outcome, Done):
            self.set_result(outcome.value)
        elif isinstance(outcome, Failed):
            error = outcome.error
            self.set_exception(RuntimeError(f"raised {error!r}") if isinstance(error, StopIteration) else error)
        else:
            self.set_exception(Interruption(outcome.questions))

    def _mark(self) -> None:
        if not self._awaited and not self.done():
            self._awaited = True
            self._scope.awaited += 1

    def unseen(self) -> BaseException | None:
        """What the child raised, if nobody has looked at it."""
        if self.cancelled() or not self._log_traceback:
            return None
        return self.exception()

    def _looked_at(self) -> Outcome:
        if self._outcome is None:
            raise asyncio.CancelledError
        self.exception()
        return self._outcome

    def _wait_on_thread(self) -> None:
        arrived = threading.Event()
        loop = self._scope.run.loop
        loop.call_soon_threadsafe(super().add_done_callback, Signal(arrived))
        call, limiter = CURRENT.get(), self._scope.run.door.limiter
        if call is None or limiter is None:
            arrived.wait()
            return
        lend(call, limiter)
        arrived.wait()
        drive(retake(call, limiter), loop)


class ChildScope(Scope):
    """The calls that one running call has started."""

    def __init__(self, run: Run, outer: Group, call: Call) -> None:
        """Make the scope of a call's children; they are inside of it."""
        super().__init__(run, outer, call, _HandOver())
        self.awaited = 0
        """How many unfinished children somebody waits for."""
        self.thread = run.thread
        """The loop's thread."""
        self._open: set[Handle] = set()
        self._failed: list[Handle] = []
        self._started_in: Context | None = None
        self._lines = [self._line]
        self._closer: asyncio.Task[None] | None = None
        self._joined: asyncio.Future[None] | None = None

    def add(self, make: Callable[[Handle], Start | Nest]) -> Handle:
        """Start a child at once; from the loop or from the call's thread."""
        handle, context = Handle(self), copy_context()
        if threading.get_ident() == self.thread:
            self._begin(handle, make(handle), context)
        else:
            self.run.loop.call_soon_threadsafe(self._begin, handle, make(handle), context)
        return handle

    async def join(self, *, cancel: bool = False) -> BaseException | None:
        """Wait until all children have ended, having cancelled them first if asked to; from any thread.

        Returns:
            What a child raised that nobody looked at, or None.
        """
        settled: asyncio.Future[BaseException | None] = self.run.loop.create_future()
        self.run.loop.call_soon_threadsafe(self._settle, settled, set[Handle]() if cancel else self._open)
        return await settled

    def feed_back(self, token: object, outcome: Outcome) -> None:
        """A child ended: hand its outcome to its handle."""
        super().feed_back(token, outcome)
        handle = cast("Handle", token)
        self._open.discard(handle)
        if not isinstance(outcome, Done):
            self._failed.append(handle)
        if not self._open and self._joined is not None and not self._joined.done():
            self._joined.set_result(None)

    def lanes(self) -> Sequence[Lanes]:
        """The pools of all contexts that children were started in."""
        return [lanes for line in self._lines for lanes in line.pools]

    def _begin(self, handle: Handle, action: Start | Nest, context: Context) -> None:
        self._open.add(handle)
        if context != self._started_in:
            self._started_in = context
            self._line = Line(self, outside(context))
            self._lines.append(self._line)
        self.take([action])

    def _settle(self, settled: asyncio.Future[BaseException | None], wait_for: set[Handle]) -> None:
        self._closer = self.run.loop.create_task(self._close(settled, wait_for))

    async def _close(self, settled: asyncio.Future[BaseException | None], wait_for: set[Handle]) -> None:
        if wait_for:
            self._joined = self.run.loop.create_future()
            await self._joined
        await self._end()
        for handle in self._open:
            handle.cancel()
        unseen = [error for error in map(Handle.unseen, self._failed) if error is not None]
        if not settled.done():
            settled.set_result(unseen[0] if unseen else None)


class _HandOver:
    """The plan of a call's children: it decides nothing, each outcome goes to its handle."""

    def start(self) -> Sequence[Action]:
        return ()

    def advance(self, token: object, outcome: Outcome) -> Sequence[Action]:
        cast("Handle", token).settle(outcome)
        return ()
