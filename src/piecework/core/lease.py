"""A run's claim on its log, kept alive while the run goes on.

The scheduler starts a timer for each run that is written to a store; short runs end before it ever fires. Here, too, a
run hears that somebody else wants it cancelled, or has taken it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from piecework.core.journal import Journal
from piecework.core.ports import RunLog
from piecework.core.runs import Claim
from piecework.core.waiting import see_out
from piecework.errors import RunLostError, StoreError

__all__ = ("BEAT", "Lease")

BEAT = 3.0
"""Seconds between two signs of life."""


class Lease(Struct, eq=False):
    """One run's claim."""

    loop: asyncio.AbstractEventLoop
    """The run's loop."""

    store: RunLog
    """Where the run is claimed."""

    claim: Claim
    """The claim."""

    journal: Journal
    """Is told when the run was lost."""

    stop: Callable[[], None]
    """Cancels the run."""

    cancelled: bool = False
    """Whether somebody asked for the run to be cancelled, and it was."""

    timer: asyncio.TimerHandle | None = None
    """What fires next."""

    renewing: asyncio.Task[None] | None = None
    """A sign of life on its way."""

    def beat(self) -> None:
        """Give a sign of life; called by the timer."""
        self.renewing = self.loop.create_task(self._renew())

    async def end(self) -> None:
        """Give no more."""
        if self.timer is not None:
            self.timer.cancel()
        if self.renewing is not None:
            self.renewing.cancel()
            await see_out([self.renewing])

    async def _renew(self) -> None:
        try:
            asked = await self.store.renew(self.claim)
        except RunLostError as error:
            self.journal.fail(error)
            return
        except StoreError:
            asked = False  # Facts may still come through later; if not, writing them says so.
        if asked and not self.cancelled:
            self.cancelled = True
            self.stop()
        self.timer = self.loop.call_later(BEAT, self.beat)
