"""An event loop whose time jumps: code that waits for an hour is tested in a moment.

Tests run coroutines on it. Only time is made up; files, sockets and threads are real, and are waited for as ever.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Coroutine
from typing import TypeVar

__all__ = ("VirtualClock",)

T = TypeVar("T")

_DIGITS = 9
"""To how many digits time is kept: no worse than loops tell it, and 0.1 + 0.2 seconds are 0.3."""


class VirtualClock(asyncio.SelectorEventLoop):
    """An event loop on which time passes only when there is nothing else to do, and then at once.

    Where no timer is due ever, it waits in earnest, for a thread or a socket. While a timer is due, it does not: give
    it `patience` where threads have to answer before.

    Example:
        >>> async def slow() -> float:
        ...     await asyncio.sleep(3600)
        ...     return asyncio.get_running_loop().time()
        >>> VirtualClock().run(slow())
        3600.0
    """

    def __init__(self, *, patience: float = 0.0, start: float = 0.0) -> None:
        """Make a loop that has not run.

        Args:
            patience: Real seconds to wait for threads and sockets before each jump.
            start: What the loop's time is at first.

        Raises:
            ValueError: A number is no number of seconds, 0 or more.
        """
        self._start = self._now = float(start)
        super().__init__(_JumpingSelector(self, patience))
        for name, seconds in (("patience", patience), ("start", start)):
            if not 0 <= seconds < math.inf:
                self.close()
                raise ValueError(f"{name}={seconds} must be a number of seconds, 0 or more.")

    def time(self) -> float:
        """The loop's time, in seconds."""
        return self._now

    @property
    def now(self) -> float:
        """Seconds that have passed since the start."""
        return round(self._now - self._start, _DIGITS)

    def jump(self, seconds: float) -> None:
        """Let time pass; timers that become due are called on the next turn."""
        self._now = round(self._now + seconds, _DIGITS)

    def run(self, main: Coroutine[object, object, T]) -> T:
        """Run a coroutine to its end, then cancel what it left behind and close the loop, as `asyncio.run` does.

        Raises:
            RuntimeError: The loop is closed, as it is after a run.
        """
        if self.is_closed():
            main.close()
            raise RuntimeError("this VirtualClock has run and is closed. Make another one for each run.")
        with asyncio.Runner(loop_factory=lambda: self) as runner:
            return runner.run(main)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # As the loop has it.
        """Wait for the threads of `to_thread`; a timeout would be over at once, so there is none."""
        del timeout
        await super().shutdown_default_executor()


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for what is ready, and lets time pass instead of waiting for a timer."""

    def __init__(self, clock: VirtualClock, patience: float) -> None:
        super().__init__()
        self._clock = clock
        self._patience = patience

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(self._patience)
        if not ready:
            self._clock.jump(timeout)
        return ready
