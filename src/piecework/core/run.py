"""What all calls of one run share, gathered where the runner made it.

Scopes, fan-outs and the scheduler read it; nothing in it is replaced while the run lasts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

from msgspec import Struct, field

from piecework.core.call import Call
from piecework.core.invoke import Door
from piecework.core.outcome import Done, Question
from piecework.core.placing import Placing
from piecework.core.policy import RunPolicy
from piecework.core.ports import Executor

__all__ = ("UNBROKEN", "Run", "Turn")


UNBROKEN = 0.002
"""Seconds of unbroken work after which lanes let the loop run (law 9)."""


class Turn(Struct, eq=False):
    """How long the loop may still be kept busy in its present turn, by all lanes of a run together."""

    until: float
    """When lanes are to suspend, in `time.perf_counter` seconds."""

    passed: bool = False
    """Whether a lane has seen that the time is up."""

    def over(self, loop: asyncio.AbstractEventLoop) -> None:
        """A lane has seen that the time is up: the next turn of the loop counts anew."""
        if not self.passed:
            self.passed = True
            loop.call_soon(self._renew)

    def _renew(self) -> None:
        self.passed = False
        self.until = perf_counter() + UNBROKEN


class Run(Struct, frozen=True, eq=False):
    """One run's services."""

    run_id: str
    """Names the run."""

    loop: asyncio.AbstractEventLoop
    """The one loop that owns the run's state."""

    thread: int
    """The identity of the loop's thread."""

    door: Door
    """What every call passes."""

    executor: Executor
    """Where functions run."""

    direct: bool
    """Whether targets without a policy are called as they are."""

    placing: Callable[[], Placing]
    """Gives what makes of other targets what is called."""

    policy: RunPolicy
    """The run's limits."""

    caches: bool
    """Whether there is somewhere to keep what cached nodes make."""

    turn: Turn
    """Keeps the loop alive while lanes never suspend."""

    tainted: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    """Tasks whose context a call has changed; no other call may start in them."""

    patient: set[asyncio.Future[None]] = field(default_factory=set[asyncio.Future[None]])
    """What is done when functions that cannot be stopped are waited for no longer."""

    def hurry(self) -> None:
        """Wait for functions that cannot be stopped no longer: whoever cancelled the run has done so again."""
        for future in tuple(self.patient):
            if not future.done():
                future.set_result(None)

    def answer(self, call: Call, question: Question) -> Done | None:
        """The answer to a question that a call asks, where there is one."""
        recall = self.door.journal.recall
        return None if recall is None else recall.answer(call, question)
