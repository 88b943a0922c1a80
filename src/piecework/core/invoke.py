"""The one door: every call of every front end passes here.

recorded? -> cache -> limits -> attempts -> journal -> event. Lanes await it on the loop, inside the one asyncio task
that a call runs in, so that `asyncio.timeout` and `TaskGroup` in user code hold on to the right one; worker threads
drive the same coroutine. It decides nothing about what runs next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from time import perf_counter
from typing import cast

from piecework.core.attempts import Attempts
from piecework.core.call import Call, Children
from piecework.core.current import CURRENT, variables
from piecework.core.events import CallFinished, CallStarted, Event
from piecework.core.interrupts import Interruption, paused_by
from piecework.core.journal import Journal
from piecework.core.limits import Limiter, lend, take
from piecework.core.outcome import Done, Failed, Outcome
from piecework.core.usage import Usage
from piecework.core.waiting import absorb
from piecework.errors import NodeCancelledError, PieceworkError

__all__ = ("Door",)

MOST_NOTES = 10
"""Notes on one exception, from where on no more are added."""


class Door:
    """What every call of a run passes."""

    __slots__ = ("_silent", "attempts", "emit", "fault", "journal", "limiter", "used")

    attempts: Callable[[], Attempts]
    """Gives what sees to calls that have a policy; set by whoever makes the run."""

    def __init__(self, journal: Journal, limiter: Limiter | None, emit: Callable[[Event], None] | None) -> None:
        """Make the door of a run.

        Args:
            journal: Takes down every outcome.
            limiter: The run's concurrency; None means no limit.
            emit: Takes events, from any thread; None when nobody listens.
        """
        self.journal = journal
        self.limiter = limiter
        self.emit = emit
        self.fault: PieceworkError | None = None
        """Why no new call starts, where that is not the run's budget."""
        self.used: Usage | None = None
        """What the run has used up so far, where it has a budget."""
        self._silent = emit is None and not journal.keeps
        """Whether nobody is told of a call."""

    async def invoke(self, call: Call, kwargs: Mapping[str, object]) -> Outcome:
        """Perform one call and say how it ended; only cancellation is raised."""
        journal = self.journal
        if journal.keeps and (known := self.known(call, kwargs)) is not None:
            return known
        policy = call.site.target.policy
        if policy is not None:
            outcome = await self.attempts().perform(call, kwargs, policy)
        else:
            limiter = self.limiter
            if limiter is not None and not self.lets_in(call, limiter):
                await self._admit(call, limiter)
            if not self._silent:
                self._tell_start(call)
            outcome = await self.attempt(call, kwargs)
        if self._silent and type(outcome) is Done:
            return outcome
        outcome = self._record(call, outcome)
        if journal.waits:
            await self._settle(call)
        return outcome

    async def attempt(self, call: Call, kwargs: Mapping[str, object]) -> Outcome:
        """Run the call's function once and its children to their end, and give its slot back.

        An async function runs in the context of the task that drives it, which is cheaper by half than stepping it
        inside another; if it leaves that context changed, the task is marked so that no other call ever runs in it.

        Args:
            call: What to run; it is the current call inside, and has its slot.
            kwargs: The function's keyword arguments.

        Returns:
            `Done` with the function's value, or `Failed` with whatever it raised.

        Raises:
            asyncio.CancelledError: The task that drives this call was cancelled by somebody who may.
        """
        target, limiter = call.site.target, self.limiter
        kind = target.kind
        CURRENT.set(call)
        context = copy_context()
        changes = True
        try:
            if kind == "async":
                outcome: Outcome = Done(await target.function(**kwargs))
            elif kind == "async_generator":
                outcome = Done(await _chunks_in_time(call, kwargs))
            else:
                outcome = _attempt_blocking(call, context, kwargs)
                changes = False  # It ran in a context of its own.
            if call.live is not None and call.live.children is not None:
                outcome = await self._join(call, call.live.children, outcome)
        except BaseException as error:
            outcome = await self._failed(call, error)
        finally:
            if limiter is not None:
                self._give_back(call, limiter)
        if changes and variables(copy_context())[0] is not variables(context)[0]:
            call.site.owner.tainted()
        return outcome

    async def _settle(self, call: Call) -> None:
        """Wait until what was recorded is in the store."""
        while True:
            try:
                await self.journal.settled()
            except asyncio.CancelledError:
                if call.site.owner.closing:
                    raise
                await absorb()  # A function cancelled its own task.
            else:
                return

    def take_down(self, call: Call, outcome: Failed) -> None:
        """Record that a call failed which is not over yet, since its error handler is asked."""
        note_place(call, outcome)
        if self.journal.keeps:
            self.journal.record(call, outcome)

    def _tell_start(self, call: Call) -> None:
        call.began = perf_counter()
        if self.emit is not None:
            self.emit(CallStarted(call))

    def _give_back(self, call: Call, limiter: Limiter) -> None:
        if call.slot == "held":
            limiter.release()
        call.slot = "none"

    def lets_in(self, call: Call, limiter: Limiter) -> bool:
        """Take a slot for the call if nothing has to be waited for."""
        if not limiter.try_acquire():
            return False
        call.slot = "held"
        return True

    async def _admit(self, call: Call, limiter: Limiter) -> None:
        """Wait until there is a slot."""
        while True:
            try:
                await take(call, limiter)
            except asyncio.CancelledError:
                if call.site.owner.closing:
                    raise
                await absorb()  # Somebody cancelled a task of ours that an earlier call gave away.
            else:
                return

    def _record(self, call: Call, outcome: Outcome) -> Outcome:
        """Journal, then event; an abandoned call's fact stands already."""
        if type(outcome) is not Done:
            if type(outcome) is Failed:
                note_place(call, outcome)
            elif not call.began:
                return outcome  # It was never started, since the run is stopped.
        if call.live is not None and call.live.abandoned:
            return outcome
        if self.journal.keeps:
            recorded = self.journal.record(call, outcome)
            if recorded is not outcome and type(recorded) is Failed:  # What it made cannot be kept.
                note_place(call, recorded)
            outcome = recorded
        if self.emit is not None:
            self.emit(CallFinished(call, outcome, cached=call.attempts == 0))
        return outcome

    def known(self, call: Call, kwargs: Mapping[str, object]) -> Outcome | None:
        """How a call ended if that is on record: it is told, and not recorded again. From any thread."""
        outcome = self.journal.known(call, kwargs)
        if outcome is None:
            return None
        if type(outcome) is Failed and not hasattr(outcome.error, "__notes__"):
            note_place(call, outcome)
        if self.emit is not None:
            self.emit(CallFinished(call, outcome, recorded=True))
        return outcome

    async def _join(self, call: Call, children: Children, outcome: Outcome) -> Outcome:
        """Wait for the children that the function left running."""
        lend(call, self.limiter)
        unseen = await children.join(cancel=type(outcome) is not Done)
        call.living().children = None
        if unseen is None or type(outcome) is not Done:
            return outcome
        return unseen.paused if isinstance(unseen, Interruption) else Failed(unseen, call.attempts)

    async def _failed(self, call: Call, error: BaseException) -> Outcome:
        """What an attempt came to that raised; its children are cancelled first.

        Raises:
            asyncio.CancelledError: That is what it raised, and whoever may has asked for it.
        """
        cancelled = isinstance(error, asyncio.CancelledError)
        if isinstance(error, GeneratorExit):
            raise error
        if call.live is not None and call.live.children is not None:
            lend(call, self.limiter)
            try:
                await call.live.children.join(cancel=True)
            except asyncio.CancelledError:
                cancelled = cancelled or call.site.owner.closing
            call.live.children = None
        if cancelled and call.site.owner.closing:
            raise error
        return _raised(call, error)


async def _chunks_in_time(call: Call, kwargs: Mapping[str, object]) -> list[object]:
    """What an async generator yields; each chunk is a sign of life."""
    chunks: list[object] = []
    async for chunk in call.target.function(**kwargs):
        chunks.append(chunk)
        if call.live is not None and call.live.clock is not None:
            call.live.clock.sign()
    return chunks


def _raised(call: Call, error: BaseException) -> Outcome:
    """What a call came to that raised."""
    if isinstance(error, asyncio.CancelledError):
        return Failed(_self_cancelled(call, error), call.attempts)
    return paused_by(error) or Failed(error, call.attempts)


def _attempt_blocking(call: Call, context: Context, kwargs: Mapping[str, object]) -> Outcome:
    """Run a blocking function in `context` on this thread."""
    target = call.target
    function: Callable[..., object] = target.function
    try:
        if target.kind == "generator":
            return Done(context.run(_chunks, function, kwargs))
        return Done(context.run(function, **kwargs))
    except BaseException as error:
        return _raised(call, error)


def _chunks(function: Callable[..., object], kwargs: Mapping[str, object]) -> list[object]:
    return list(cast("Iterable[object]", function(**kwargs)))


def _self_cancelled(call: Call, cause: asyncio.CancelledError) -> NodeCancelledError:
    error = NodeCancelledError(node=call.target.name)
    error.__cause__ = cause
    return error


def note_place(call: Call, outcome: Failed) -> None:
    """Write on the exception where it happened; one that many items share names the first few places."""
    item = "" if call.item is None else f", item {call.item}"
    note = f"in node '{call.target.name}'{item}, attempt {call.attempts} ({call.address})"
    with suppress(Exception):  # An exception may refuse attributes; it is raised all the same.
        notes: list[str] = getattr(outcome.error, "__notes__", [])
        if len(notes) < MOST_NOTES and note not in notes:
            outcome.error.add_note(note)
