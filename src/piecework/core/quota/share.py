"""A limit as the door sees it, and an attempt's share of one.

The kinds of limits beside this module are built to these; whoever waits for them knows no more of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

__all__ = ("AnyLimit", "Ending", "Share")


class Ending(Struct, frozen=True):
    """How an attempt ended, as its limits see it."""

    failed: bool = False
    """Whether it failed."""

    throttled: bool = False
    """Whether the server refused it since it is asked too much."""

    wait: float = 0.0
    """Seconds for which nobody should ask again, where it was refused."""

    tokens: int | None = None
    """Tokens that it used, where the result says so."""


class Share(Protocol):
    """One attempt's share of one limit."""

    async def take(self) -> None:
        """Wait in line, first come first served, until the limit has room; it is reserved on return.

        Awaits nothing but futures of the share's loop. Cancelled, it leaves nothing reserved.
        """
        ...

    def begin(self) -> bool:
        """The attempt starts now, and counts from now on.

        Returns:
            False where the limit has been paused since; then nothing is reserved any more, and the next `take` waits at
            the front of the line.
        """
        ...

    def lend(self) -> None:
        """Give up a place among the calls that run, while the call waits for its children; from any thread."""
        ...

    async def retake(self) -> None:
        """Take the place again. Awaits nothing but futures of the share's loop; from any thread."""
        ...

    def end(self, ending: Ending) -> None:
        """The attempt ended, or will not begin; from any thread, once."""
        ...


class AnyLimit(Protocol):
    """A limit of whatever kind."""

    @property
    def free(self) -> int:
        """How many attempts it would let in at once just now."""
        ...

    def when_free(self, loop: asyncio.AbstractEventLoop, watcher: Callable[[], None]) -> None:
        """Call `watcher` once on the loop, the next time there is room that nobody waits for."""
        ...

    def share(self, loop: asyncio.AbstractEventLoop, arguments: Mapping[str, object]) -> Share:
        """A share for one attempt with these arguments, not yet taken."""
        ...
