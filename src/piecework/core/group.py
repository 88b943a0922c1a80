"""Calls that live and end together: what a scope and a fan-out have in common.

Whoever runs a group lends it its own asyncio task as the first lane. A group ends when it has its outcome and all its
lanes have ended; what still runs when the outcome is there is cancelled. No coroutine outlives its group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from piecework.core.current import outside
from piecework.core.outcome import Failed, Outcome
from piecework.core.run import Run

__all__ = ("Group", "Lanes")


class Lanes(Protocol):
    """What a group needs of a pool, on the loop or on threads."""

    def poke(self) -> None:
        """There may be work."""
        ...

    def cancel(self) -> None:
        """Stop all lanes that can be stopped."""
        ...

    async def lane(self) -> None:
        """Work in this task, if the pool works in tasks."""
        ...

    async def close(self) -> None:
        """Wait until all lanes have ended or were given up."""
        ...


class Group:
    """Calls with one outcome. Owned by the loop; only `fail_soon` may be called from other threads."""

    def __init__(self, run: Run, outer: Group | None) -> None:
        """Make a group inside of another."""
        self.run = run
        self.outer = outer
        self.context = outside()
        """The context that it was started in, in which none of its own calls runs."""
        self.outcome: Outcome | None = None
        self._ending = False
        self._runner: asyncio.Task[object] | None = None
        self._interrupted = False
        self._idle: asyncio.Future[None] | None = None

    @property
    def closing(self) -> bool:
        """Whether the calls in it are being cancelled, by its own end or by that of a group around it."""
        group: Group | None = self
        while group is not None:
            if group._ending:
                return True
            group = group.outer
        return False

    def lanes(self) -> Sequence[Lanes]:
        """The pools that work for this group; the first takes the running task in."""
        raise NotImplementedError

    async def perform(self) -> Outcome:
        """Run the group to its end in this task and those it needs beside it.

        Raises:
            asyncio.CancelledError: This task was cancelled from outside the group; all its lanes have ended.
        """
        task = self._runner = asyncio.current_task()
        assert task is not None
        try:
            while self.outcome is None:
                await self.lanes()[0].lane()
                if self.outcome is None:
                    await self._wait()
        except asyncio.CancelledError:
            if not self._interrupted or task.uncancel() > 0:
                raise
        finally:
            self._runner = None
            await self._end()
        assert self.outcome is not None
        return self.outcome

    def finish(self, outcome: Outcome) -> None:
        """The outcome is there: wake whoever runs the group, and cancel what still runs in it."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        self._ending = True
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        elif self._runner is not None and self._runner is not asyncio.current_task():
            self._interrupted = True
            self._runner.cancel()

    def fail_soon(self, outcome: Outcome) -> None:
        """Stop starting work now, and finish as soon as the loop comes to it; safe from any thread."""
        self._ending = True
        self.run.loop.call_soon_threadsafe(self.finish, outcome)

    def tainted(self) -> None:
        """The running task's context was changed by a call: it must run no other."""
        task = asyncio.current_task()
        if task is not None:
            self.run.tainted.add(task)

    def crash(self, error: BaseException) -> None:
        """A piece of work raised, which is a bug of ours: end with it rather than lose it."""
        self.finish(Failed(error))

    def retired(self) -> None:
        """A pool's last lane found nothing and is gone."""

    def wake(self) -> None:
        """Let the waiting runner look for work again."""
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _wait(self) -> None:
        self._idle = self.run.loop.create_future()
        try:
            await self._idle
        finally:
            self._idle = None

    async def _end(self) -> None:
        self._ending = True
        for lanes in self.lanes():
            lanes.cancel()
        for lanes in self.lanes():
            await lanes.close()
