"""The one door: every call of every front end passes here.

recorded? -> cache -> limits -> attempts -> journal -> event. Lanes await it on the loop; worker threads drive the same
coroutine. It decides nothing about what runs next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from piecework.core.attempt import attempt
from piecework.core.call import Call, Children
from piecework.core.events import CallFinished, CallStarted, Event
from piecework.core.interrupts import Interruption
from piecework.core.journal import Journal
from piecework.core.limits import Limiter, lend, retake
from piecework.core.outcome import Done, Failed, Outcome, Paused

__all__ = ("Door",)


class Door:
    """What every call of a run passes."""

    __slots__ = ("emit", "journal", "limiter")

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

    async def invoke(self, call: Call, kwargs: Mapping[str, object]) -> Outcome:
        """Perform one call and say how it ended; only cancellation is raised."""
        limiter = self.limiter
        if limiter is not None:
            await retake(call, limiter)
        if self.emit is not None:
            self.emit(CallStarted(call))
        try:
            outcome = await attempt(call, kwargs)
            if call.live is not None and call.live.children is not None:
                outcome = await self._join(call, call.live.children, outcome)
        except asyncio.CancelledError:
            if call.live is not None and call.live.children is not None:
                await call.live.children.join(cancel=True)
            raise
        finally:
            if limiter is not None:
                lend(call, limiter)
        if self.journal.crowded:
            await self.journal.room()
        return self._record(call, outcome)

    def _record(self, call: Call, outcome: Outcome) -> Outcome:
        """Journal, then event; an abandoned call's fact stands already."""
        if type(outcome) is Failed:
            note_place(call, outcome)
        if call.live is not None and call.live.abandoned:
            return outcome
        outcome = self.journal.record(call, outcome)
        if self.emit is not None:
            self.emit(CallFinished(call, outcome))
        return outcome

    async def _join(self, call: Call, children: Children, outcome: Outcome) -> Outcome:
        """Wait for the children that the function left running; a failed call cancels them first."""
        if self.limiter is not None:
            lend(call, self.limiter)
        unseen = await children.join(cancel=type(outcome) is not Done)
        call.living().children = None
        if unseen is None or type(outcome) is not Done:
            return outcome
        return Paused(unseen.questions) if isinstance(unseen, Interruption) else Failed(unseen)


def note_place(call: Call, outcome: Failed) -> None:
    """Write on the exception where it happened, once for each place."""
    item = "" if call.item is None else f", item {call.item}"
    note = f"in node '{call.target.name}'{item}, attempt {call.attempts} ({call.address})"
    if note not in getattr(outcome.error, "__notes__", ()):
        outcome.error.add_note(note)
