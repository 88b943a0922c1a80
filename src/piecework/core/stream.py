"""Outcomes on their way from a fan-out to whoever reads them, a bounded number at a time.

Runners give a stream to a fan-out as its sink and iterate over it. A full stream stops new items from starting; items
that run already still hand in, so it holds at most its capacity, an outcome for each
lane, and the few pieces that threads read ahead.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from piecework.core.outcome import Outcome

__all__ = ("Stream",)


class Stream:
    """A bounded queue of `(index, outcome)`, filled from any thread and read on one loop."""

    def __init__(self, capacity: int = 500) -> None:
        """Make a stream on the running loop that holds `capacity` outcomes before it is full."""
        self._capacity = capacity
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._arrived: deque[tuple[int, Outcome]] = deque()
        self._ended = False
        self._reader: asyncio.Future[None] | None = None
        self._poke: Callable[[], None] | None = None
        self._stopped = False

    @property
    def full(self) -> bool:
        """Whether no new item should start for now."""
        if len(self._arrived) < self._capacity:
            return False
        self._stopped = True
        return len(self._arrived) >= self._capacity  # The reader may have been here meanwhile.

    def put(self, index: int, outcome: Outcome) -> None:
        """Take one item's outcome; from any thread."""
        self._arrived.append((index, outcome))
        reader, self._reader = self._reader, None  # The first of many wakes the reader.
        if reader is None:
            return
        if threading.get_ident() == self._thread:
            _set(reader)
        else:
            self._loop.call_soon_threadsafe(_set, reader)

    def end(self) -> None:
        """Nothing more will come; called on the loop."""
        self._ended = True
        if self._reader is not None:
            _set(self._reader)

    def on_room(self, poke: Callable[[], None]) -> None:
        """Call `poke` on the loop whenever half of a full stream has been read."""
        self._poke = poke

    def __aiter__(self) -> Stream:
        """Iterate over the outcomes in the order they arrive."""
        return self

    async def __anext__(self) -> tuple[int, Outcome]:
        """The next outcome; ends when the stream has ended and all has been read."""
        while not self._arrived:
            if self._ended:
                raise StopAsyncIteration
            reader = self._reader = self._loop.create_future()
            if not self._arrived:  # A thread may have put something in between.
                await reader
            self._reader = None
        arrived = self._arrived.popleft()
        if self._stopped and len(self._arrived) <= self._capacity // 2:
            self._stopped = False
            if self._poke is not None:
                self._poke()
        return arrived


def _set(reader: asyncio.Future[None]) -> None:
    if not reader.done():
        reader.set_result(None)
