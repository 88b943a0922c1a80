"""Calls and plans that a running call starts itself.

The one primitive is `start`, from the loop or from a thread. The first child makes the call's scope; the door joins it
before the call counts as finished, so that no child outlives the call that started it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from typing import cast

from piecework.core.call import Call, Owner, Target
from piecework.core.current import current_call, given_up, outside, variables
from piecework.core.handle import Handle
from piecework.core.lanes import Group
from piecework.core.outcome import Done, Outcome
from piecework.core.plan import Action, Nest, Plan, Start
from piecework.core.run import Run
from piecework.core.scheduler import Line, Scope
from piecework.core.waiting import absorb, see_out
from piecework.errors import InternalError, OutsideRunError

__all__ = ("ChildScope", "current_run", "start", "start_plan")


class ChildScope(Scope):
    """The calls that one running call has started. Performed by nobody: it ends when it is joined or stopped."""

    def __init__(self, call: Call) -> None:
        """Make the scope of a call's children, inside of what the call belongs to; from any thread."""
        owner = call.site.owner
        run = owner.run
        assert isinstance(run, Run)
        super().__init__(run, owner, call.address, _HandOver())
        self.call = call
        """The call that started them."""
        self.awaited = 0
        """How many unfinished children somebody waits for."""
        self._around = _group(owner)
        self._around.inside.add(self)
        self._open: set[Handle] = set()
        self._failed: list[Handle] = []
        self._started_in: object = None
        self._closer: asyncio.Task[None] | None = None
        self._joined: asyncio.Future[None] | None = None
        self._waiters: list[asyncio.Future[BaseException | None]] = []
        self._unseen: BaseException | None = None

    @property
    def calling(self) -> Call | None:
        """The call that started them."""
        return self.call

    def add(self, make: Callable[[Handle], Start | Nest]) -> Handle:
        """Start a child at once; from the loop or from the call's thread."""
        handle, context = Handle(self), copy_context()
        self._sign()
        if threading.get_ident() == self.run.thread:
            self._begin(handle, make(handle), context)
        else:
            self.run.loop.call_soon_threadsafe(self._begin, handle, make(handle), context)
        return handle

    async def join(self, *, cancel: bool = False) -> BaseException | None:
        """Wait until all children have ended, having cancelled them first if asked to; from any thread.

        Returns:
            What a child raised that nobody looked at, or None.

        Raises:
            asyncio.CancelledError: The caller was cancelled, and with it the children, which have ended.
        """
        interrupted: asyncio.CancelledError | None = None
        while True:
            settled: asyncio.Future[BaseException | None] = self.run.loop.create_future()
            how = self._settle_cancelled if cancel or interrupted is not None else self._settle
            self.run.loop.call_soon_threadsafe(how, settled)
            try:
                unseen = await settled
            except asyncio.CancelledError as error:
                interrupted = error
                continue
            if interrupted is not None:
                raise interrupted
            return unseen

    def stop(self) -> None:
        """Cancel all children."""
        super().stop()
        self._wake_closer()
        if self._closer is None:
            self._closer = self.run.loop.create_task(self._close())

    async def ended(self) -> None:
        """Wait until no child runs; `stop` was called."""
        if self._closer is not None:
            await see_out([self._closer])

    def owner(self, action: Action) -> Owner:
        """A child belongs to its handle, by which it can be cancelled alone."""
        assert isinstance(action, Start | Nest)
        return cast("Handle", action.token)

    async def work(self, action: Action) -> None:
        """Run one child in this task."""
        assert isinstance(action, Start | Nest)
        handle = cast("Handle", action.token)
        if handle.done():
            self._forget(handle)
            return
        handle.task = asyncio.current_task()
        try:
            await super().work(action)
        except asyncio.CancelledError:
            handle.drop()
            self._forget(handle)
            if self.closing:
                raise
            await absorb()
        finally:
            handle.task = None

    def feed_back(self, token: object, outcome: Outcome, *, by_lane: bool = False) -> None:
        """A child ended: hand its outcome to its handle."""
        super().feed_back(token, outcome, by_lane=by_lane)
        handle = cast("Handle", token)
        self._sign()
        if not isinstance(outcome, Done):
            self._failed.append(handle)
        self._forget(handle)

    def _begin(self, handle: Handle, action: Start | Nest, context: Context) -> None:
        if self.closing:
            handle.drop()
            return
        self._open.add(handle)
        started_in = variables(context)[0]
        if started_in is not self._started_in:
            self._started_in = started_in
            self._line = Line(self, outside(context))
        self._line.add(action)
        self._line.poke()

    def _sign(self) -> None:
        """A child that starts or ends is a sign of life of its call."""
        live = self.call.live
        if live is not None and live.clock is not None:
            live.clock.sign()

    def _forget(self, handle: Handle) -> None:
        self._open.discard(handle)
        if not self._open:
            self._wake_closer()

    def _settle(self, settled: asyncio.Future[BaseException | None]) -> None:
        if self._closer is not None and self._closer.done():
            settled.set_result(self._unseen)
            return
        self._waiters.append(settled)
        if self._closer is None:
            self._closer = self.run.loop.create_task(self._close())

    def _settle_cancelled(self, settled: asyncio.Future[BaseException | None]) -> None:
        self.ending = True
        self._wake_closer()
        self._settle(settled)

    def _wake_closer(self) -> None:
        if self._joined is not None and not self._joined.done():
            self._joined.set_result(None)

    async def _close(self) -> None:
        """See all children to their end, then tell those who wait for it."""
        while self._open and not self.ending:
            self._joined = self.run.loop.create_future()
            await self._joined
        await self.end()
        for handle in tuple(self._open):
            if self.outcome is None:
                handle.drop()
            else:
                handle.settle(self.outcome)
        unseen = [error for error in map(Handle.unseen, self._failed) if error is not None]
        self._unseen = unseen[0] if unseen else None
        self._around.inside.discard(self)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(self._unseen)


def _group(owner: Owner) -> Group:
    group = owner.scope if isinstance(owner, Handle) else owner
    assert isinstance(group, Group)
    return group


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
    run = call.site.owner.run
    assert isinstance(run, Run)
    return run


def _children() -> tuple[ChildScope, int]:
    """The running call's scope of children, and the number of its next child."""
    call = current_call()
    if call is None:
        raise InternalError("a call was started outside of any running call.")
    if given_up(call):
        raise OutsideRunError(
            f"this attempt of node {call.target.name!r} took too long and was given up: it can start nothing more."
        )
    live = call.living()
    if live.children is None:
        live.children = ChildScope(call)
    assert isinstance(live.children, ChildScope)
    number = live.started
    live.started += 1
    return live.children, number
