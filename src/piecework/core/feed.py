"""An async iterable read a little ahead, for lanes that cannot await it.

A fan-out whose items come from an async iterable pulls through a feed. The feed never holds more than it was told to,
and closes what it reads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from piecework.core.waiting import see_out

__all__ = ("Feed", "Reader")


class Reader(Protocol):
    """The fan-out that pulls."""

    @property
    def closing(self) -> bool:
        """Whether it is being cancelled."""
        ...

    def nudge(self) -> None:
        """Something came, or nothing more will."""
        ...


class Feed:
    """What was read and not yet pulled. Filled on the loop; pulled from the loop or, under a lock, from threads."""

    def __init__(self, items: AsyncIterator[Mapping[str, object]], ahead: int, reader: Reader) -> None:
        """Read `items` at most `ahead` in advance of `reader`."""
        self.exhausted = False
        """Whether everything was read."""
        self.error: BaseException | None = None
        """What reading raised."""
        self._items = items
        self._ahead = ahead
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._read: deque[Mapping[str, object]] = deque()
        self._room: asyncio.Future[None] | None = None
        self._reading: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many items are there to be pulled."""
        return len(self._read)

    def pull(self) -> Mapping[str, object] | None:
        """The next item, or None when none is there now."""
        if not self._read:
            return None
        item = self._read.popleft()
        if self._room is not None and len(self._read) <= self._ahead // 2:
            self._loop.call_soon_threadsafe(self._make_room)
        return item

    def start(self) -> None:
        """Begin to read."""
        self._reading = self._loop.create_task(self._read_all())

    def stop(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()

    async def ended(self) -> None:
        """Wait until nothing is read any more and the items are closed."""
        if self._reading is not None:
            await see_out([self._reading])

    async def _read_all(self) -> None:
        """Read the items to their end, and close them."""
        try:
            async for item in self._items:
                self._read.append(item)
                self._reader.nudge()
                while len(self._read) >= self._ahead:
                    await self._wait_for_room()
        except BaseException as error:
            if self._reader.closing:
                raise
            self.error = error
        finally:
            await self._close()
        self.exhausted = True
        self._reader.nudge()

    async def _wait_for_room(self) -> None:
        self._room = self._loop.create_future()
        if len(self._read) >= self._ahead:  # A thread may have pulled meanwhile.
            await self._room

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _close(self) -> None:
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()
