"""How long an attempt may take: in all, and from one sign of life to the next.

The attempt runs in the task that is cancelled when its time is over. One timer for an attempt, set anew only when it
goes off; a sign of life costs one assignment.
"""

from __future__ import annotations

import asyncio

from piecework.core.call import Call
from piecework.core.policy import TimeoutPolicy
from piecework.errors import NodeTimeoutError

__all__ = ("Deadline",)


class Deadline:
    """The time of one attempt; made in the task that it runs in, when it starts."""

    def __init__(self, call: Call, policy: TimeoutPolicy, loop: asyncio.AbstractEventLoop) -> None:
        """Start the time."""
        self.error: NodeTimeoutError | None = None
        """What to raise where the time is over."""
        self._call = call
        self._loop = loop
        self._task = asyncio.current_task()
        self._idle = policy.idle_seconds
        self._most = policy.run_seconds
        self._signs = policy.refresh_on == "auto"
        self._began = self._last = loop.time()
        self._timer = self._set()

    def sign(self) -> None:
        """The attempt has done something; from any thread."""
        if self._signs:
            self._last = self._loop.time()

    def beat(self) -> None:
        """The attempt said that it is alive; from any thread."""
        self._last = self._loop.time()

    def stop(self) -> None:
        """The attempt has ended: nothing is cancelled any more."""
        self._timer.cancel()
        if self.error is not None and self._task is not None:
            self._task.uncancel()

    def _set(self) -> asyncio.TimerHandle:
        ends = [] if self._most is None else [self._began + self._most]
        if self._idle is not None:
            ends.append(self._last + self._idle)
        return self._loop.call_at(min(ends), self._look)

    def _look(self) -> None:
        """Cancel the attempt if its time is over, else look again when it would be."""
        # Loops call a little early, by up to their clock's resolution.
        now, node = max(self._loop.time(), self._timer.when()), self._call.target.name
        if self._most is not None and now >= self._began + self._most:
            self.error = NodeTimeoutError(node=node, seconds=self._most)
        elif self._idle is not None and now >= self._last + self._idle:
            self.error = NodeTimeoutError(node=node, seconds=self._idle, idle=True)
        else:
            self._timer = self._set()
            return
        if self._task is not None:
            self._task.cancel()
