"""Calls and plans that a running call starts itself, and the handles it waits for them by.

The one primitive is `start`, from the loop or from a thread. The first child makes the call's scope; the door joins it
before the call counts as finished, so that no child outlives the call that started it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextvars import Context, copy_context
from typing import Any, cast

from piecework.core.call import Call, Target
from piecework.core.current import CURRENT, current_call, outside
from piecework.core.interrupts import Interruption
from piecework.core.lanes import Group
from piecework.core.limits import lend, retake
from piecework.core.outcome import Done, Failed, Outcome
from piecework.core.plan import Action, Nest, Plan, Start
from piecework.core.run import Run
from piecework.core.scheduler import Line, Scope
from piecework.core.threads import Signal, drive
from piecework.errors import InternalError

__all__ = ("ChildScope", "Handle", "current_run", "start", "start_plan")


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
        super().__init__(run, outer, call.address, _HandOver())
        self.awaited = 0
        """How many unfinished children somebody waits for."""
        self.thread = run.thread
        """The loop's thread."""
        self._open: set[Handle] = set()
        self._failed: list[Handle] = []
        self._started_in: Context | None = None
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

    def _begin(self, handle: Handle, action: Start | Nest, context: Context) -> None:
        self._open.add(handle)
        if context != self._started_in:
            self._started_in = context
            self._line = Line(self, outside(context))
        self._line.add(action)
        self._line.poke()

    def _settle(self, settled: asyncio.Future[BaseException | None], wait_for: set[Handle]) -> None:
        self._closer = self.run.loop.create_task(self._close(settled, wait_for))

    async def _close(self, settled: asyncio.Future[BaseException | None], wait_for: set[Handle]) -> None:
        if wait_for:
            self._joined = self.run.loop.create_future()
            await self._joined
        await self.end()
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


def start(target: Target, kwargs: Mapping[str, object], *, name: str | None = None) -> Handle:
    """Start a call from inside a running one, at once; from the loop or from the running call's thread.

    Args:
        target: What to call.
        kwargs: Its keyword arguments.
        name: The name of its address segment; by default the target's.

    Raises:
        InternalError: No call runs here.
    """
    scope, number = _children()
    segment = target.name if name is None else name
    return scope.add(lambda handle: Start(handle, target, kwargs, segment, number))


def start_plan(plan: Plan, *, name: str) -> Handle:
    """Start a plan from inside a running call, as a part of its run.

    Raises:
        InternalError: No call runs here.
    """
    scope, number = _children()
    return scope.add(lambda handle: Nest(handle, name, plan, number))


def current_run() -> Run | None:
    """The run that this code is a part of, or None outside of any call."""
    call = current_call()
    if call is None:
        return None
    owner = call.site.owner
    assert isinstance(owner, Group)
    return owner.run


def _children() -> tuple[ChildScope, int]:
    """The running call's scope of children, and the number of its next child."""
    call = current_call()
    if call is None:
        raise InternalError("a call was started outside of any running call.")
    live = call.living()
    if live.children is None:
        owner = call.site.owner
        assert isinstance(owner, Group)
        live.children = ChildScope(owner.run, owner, call)
    assert isinstance(live.children, ChildScope)
    number = live.started
    live.started += 1
    return live.children, number
