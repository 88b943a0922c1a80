"""An async iterable read a little ahead, for lanes that cannot await it.

A fan-out whose items come from an async iterable pulls through a feed. The feed never holds more than it was told to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping

__all__ = ("Feed",)


class Feed:
    """What was read and not yet pulled. Filled on the loop; pulled from the loop or, under a lock, from threads."""

    def __init__(self, items: AsyncIterator[Mapping[str, object]], ahead: int, poke: Callable[[], None]) -> None:
        """Read `items` at most `ahead` in advance; `poke` is called when something came or the items ended."""
        self.ended = False
        """Whether everything was read."""
        self.error: Exception | None = None
        """What reading raised."""
        self._items = items
        self._ahead = ahead
        self._poke = poke
        self._loop = asyncio.get_running_loop()
        self._read: deque[Mapping[str, object]] = deque()
        self._room: asyncio.Future[None] | None = None

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

    async def pump(self) -> None:
        """Read the items to their end; run as a task beside the fan-out."""
        try:
            async for item in self._items:
                self._read.append(item)
                self._poke()
                if len(self._read) >= self._ahead:
                    self._room = self._loop.create_future()
                    await self._room
        except Exception as error:
            self.error = error
        self.ended = True
        self._poke()

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
