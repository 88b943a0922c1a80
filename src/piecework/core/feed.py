"""A source of items read a little ahead, for lanes that cannot await it.

A fan-out pulls through a feed where its items come from an async iterable, and where they are to be recorded as they
are read. The feed never holds more than it was told to, and closes what it reads.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Protocol

from msgspec import Struct

from piecework.core.plan import Items
from piecework.core.waiting import see_out

__all__ = ("Feed", "Reader", "Recording")

CHUNK = 250
"""Items recorded at once."""

MOMENT = 0.002
"""Seconds for which a source that need not be awaited is read on."""


class Reader(Protocol):
    """The fan-out that pulls."""

    @property
    def closing(self) -> bool:
        """Whether it is being cancelled."""
        ...

    def nudge(self) -> None:
        """Something came, or nothing more will."""
        ...


class Recording(Struct, frozen=True, eq=False):
    """How items are recorded as they are read."""

    record: Callable[[int, Sequence[Mapping[str, object]]], Awaitable[None]]
    """Takes down items, the first of which has this number; they are durable on return."""

    grace: float
    """Seconds that a thread which reads is waited for when nothing more is wanted."""

    on_thread: Callable[[Callable[[], None]], None] | None = None
    """Runs what reads items that need no awaiting, and may block; None reads them on the loop."""


class Feed:
    """What was read and not yet pulled. Filled on the loop; pulled from the loop or, under a lock, from threads."""

    def __init__(self, items: Items, ahead: int, reader: Reader, *, recording: Recording | None = None) -> None:
        """Read `items` at most `ahead` in advance of `reader`; what is recorded can be pulled only after that."""
        self.exhausted = False
        """Whether everything was read."""
        self.error: BaseException | None = None
        """What reading raised."""
        self._items = items
        self._ahead = ahead
        self._reader = reader
        self._recording = recording
        self._loop = asyncio.get_running_loop()
        self._read: deque[Mapping[str, object]] = deque()
        self._unrecorded: deque[Mapping[str, object]] = deque()
        self._recorded = 0
        self._stopped = False
        self._room: asyncio.Future[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._noting: asyncio.Task[None] | None = None

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
        self._stopped = True
        for task in (self._reading, self._noting):
            if task is not None:
                task.cancel()

    async def ended(self) -> None:
        """Wait until nothing is read any more and the items are closed."""
        await see_out([task for task in (self._reading, self._noting) if task is not None])

    @property
    def full(self) -> bool:
        """Whether nothing more is to be read for now."""
        return self._stopped or len(self._read) + len(self._unrecorded) >= self._ahead

    def take(self, item: Mapping[str, object]) -> None:
        """An item was read; from any thread."""
        if self._recording is None:
            self._read.append(item)
            self._reader.nudge()
        else:
            self._unrecorded.append(item)
            if self._noting is None:
                self._loop.call_soon_threadsafe(self._record_soon)

    async def _read_all(self) -> None:
        """Read the items to their end, and close them."""
        try:
            if isinstance(self._items, AsyncIterator):
                async for item in self._items:
                    self.take(item)
                    await self._wait_while_full()
                    if self._stopped:
                        break
            else:
                await self._read_plain(self._items)
        except BaseException as error:
            if self._reader.closing:
                raise
            self.error = error
        finally:
            await self._close()
        while not self._stopped and (self._noting is not None or self._unrecorded):
            self._record_soon()
            if self._noting is not None:
                await see_out([self._noting])
        self.exhausted = True
        self._reader.nudge()

    async def _read_plain(self, items: Iterator[Mapping[str, object]]) -> None:
        """Read items that need no awaiting, on a thread if that may block."""
        assert self._recording is not None
        burst = _Burst(items, self, MOMENT if self._recording.on_thread is None else math.inf)
        while burst.more and not self._stopped:
            if self._recording.on_thread is None:
                burst.read()
                await asyncio.sleep(0)
            else:
                await self._read_on_thread(burst, self._recording.on_thread)
            await self._wait_while_full()
        if burst.error is not None:
            raise burst.error

    async def _read_on_thread(self, burst: _Burst, on_thread: Callable[[Callable[[], None]], None]) -> None:
        """Read a burst on a thread, which is given up if it outlives its grace once this is cancelled."""
        assert self._recording is not None
        arrived = self._loop.create_future()

        def read() -> None:
            burst.read()
            with suppress(RuntimeError):  # The loop of a thread that was given up may be closed.
                self._loop.call_soon_threadsafe(_set, arrived)

        on_thread(read)
        try:
            await asyncio.wait([arrived])
        except asyncio.CancelledError:
            patience = self._loop.call_later(self._recording.grace, _set, arrived)
            with suppress(asyncio.CancelledError):  # This one is on its way already.
                await see_out([arrived])
            patience.cancel()
            raise

    def _record_soon(self) -> None:
        """See that what was read is recorded; called on the loop."""
        if self._noting is None and self._unrecorded and not self._stopped:
            self._noting = self._loop.create_task(self._record())

    async def _record(self) -> None:
        """Record what was read, all that has gathered at a time."""
        assert self._recording is not None
        try:
            while self._unrecorded:
                chunk = [self._unrecorded[place] for place in range(min(len(self._unrecorded), CHUNK))]
                await self._recording.record(self._recorded, chunk)
                self._recorded += len(chunk)
                for item in chunk:
                    self._unrecorded.popleft()
                    self._read.append(item)
                self._reader.nudge()
        except Exception as error:
            self.error = error
            self._unrecorded.clear()
            self._stopped = True
            self._make_room()
        finally:
            self._noting = None
            self._record_soon()  # A thread may have read something just now.

    async def _wait_while_full(self) -> None:
        while self.full and not self._stopped:
            self._room = self._loop.create_future()
            if self.full:  # A thread may have pulled meanwhile.
                await self._room

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _close(self) -> None:
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


class _Burst:
    """What is read at once of items that need no awaiting."""

    def __init__(self, items: Iterator[Mapping[str, object]], feed: Feed, seconds: float) -> None:
        self.more = True
        self.error: BaseException | None = None
        self._items = items
        self._feed = feed
        self._seconds = seconds

    def read(self) -> None:
        """Read until enough is read, the time is up, or there is nothing more."""
        until = perf_counter() + self._seconds
        try:
            while not self._feed.full and perf_counter() < until:
                item = next(self._items)
                self._feed.take(item)
        except StopIteration:
            self.more = False
        except BaseException as error:
            self.more, self.error = False, error


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
