"""Who performs of the calls that ask for one key at once: one, while the others wait in line.

Caching joins a flight for every call. Flights are the whole process's, over all runs, event loops and threads that use
the same cache object; nothing here reads or writes a cache.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter, OrderedDict
from typing import TypeAlias

from piecework.core.call import Call
from piecework.core.ports import Cache
from piecework.core.recorded import places

__all__ = ("Flight", "Waiter")

Leader: TypeAlias = tuple[int, str]
"""A call that performs: its run, and its address there."""


class Flight:
    """The calls of one key that are made at once: one performs, the others wait in line."""

    def __init__(self, cache: Cache, key: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        """Where it is performed."""
        self._leader: Leader | None = None
        self._cache = cache  # It lives as long as its id stands for it.
        self._place = id(cache), key
        self._waiting: OrderedDict[Waiter, None] = OrderedDict()  # One that is cancelled leaves without a search.

    @classmethod
    def join(cls, cache: Cache, key: bytes, call: Call) -> tuple[Flight | None, Waiter | None]:
        """Get in line for a key; without a waiter it is the caller's turn, who must call `land` in the end.

        Without either, the call is to be performed beside: one around it performs for others, and must not wait for
        anybody, since it could be for itself.
        """
        place = id(cache), key
        with _lock:
            while (flight := _FLIGHTS.get(place)) is not None:
                if flight._loop.is_closed():  # Whoever performed will not come back.
                    flight.land(None)
                    continue
                if _is_inside(call):
                    return None, None
                waiter = Waiter(asyncio.get_running_loop())
                flight._waiting[waiter] = None
                if _FLIGHTS.get(place) is flight:  # Or it landed just now, on this thread; see `_lock`.
                    return flight, waiter
            flight = _FLIGHTS[place] = cls(cache, key)
            return flight, None

    def lead(self, call: Call) -> None:
        """It is this call's turn to perform."""
        with _lock:
            self._loop = asyncio.get_running_loop()
            self._leader = _leader(call)
            _LEADERS[self._leader] += 1

    def land(self, data: bytes | None) -> None:
        """Give all who wait what was made; without it, the next in line performs."""
        with _lock:
            self._retire()
            if data is None and self._hand_over():
                return
            if _FLIGHTS.get(self._place) is self:
                del _FLIGHTS[self._place]
            while self._waiting:
                self._waiting.popitem(last=False)[0].tell(data)

    def _retire(self) -> None:
        leader, self._leader = self._leader, None
        if leader is not None:
            _LEADERS[leader] -= 1
            if not _LEADERS[leader]:
                del _LEADERS[leader]

    def leave(self, waiter: Waiter) -> None:
        """Wait no longer; if it has become the waiter's turn, it is the next one's."""
        with _lock:
            if not waiter.told:
                del self._waiting[waiter]
            elif waiter.data is None:
                self.land(None)

    def _hand_over(self) -> bool:
        """Let the next in line perform whose loop is not closed; returns whether there is one."""
        while self._waiting:
            if self._waiting.popitem(last=False)[0].tell(None):
                return True
        return False


class Waiter:
    """One call that waits for another."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.told = False
        """Whether the flight is done with it."""
        self.data: bytes | None = None
        """What it was told: what the other call made; with None it is its own turn."""
        self._future: asyncio.Future[None] = loop.create_future()

    async def wait(self, flight: Flight) -> bytes | None:
        """Wait for what another call makes; None where it has become this one's turn."""
        try:
            await self._future
        except BaseException:  # Cancelled, or its loop is gone and the garbage collector closes it.
            flight.leave(self)
            raise
        return self.data

    def tell(self, data: bytes | None) -> bool:
        """Let it go on; returns False where its loop was closed. Called from any thread."""
        self.told, self.data = True, data
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return False
        return True

    def _wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


def _leader(call: Call) -> Leader:
    """A call as one that performs."""
    return id(getattr(call.site.owner, "run", None)), call.address


def _is_inside(call: Call) -> bool:
    """Whether a call around this one performs for others."""
    run = id(getattr(call.site.owner, "run", None))
    return bool(_LEADERS) and any((run, place) in _LEADERS for place in places(call.site.frame))


_LEADERS: Counter[Leader] = Counter()
"""The calls that perform, and for how many keys."""

_FLIGHTS: dict[tuple[int, bytes], Flight] = {}
"""What is being performed in this process, by the cache and the key."""

_lock = threading.RLock()
"""Guards all flights. Reentrant, since the garbage collector may close a coroutine, which then lands or leaves, at any
allocation on a thread that holds it."""


def _renew() -> None:
    """Forget who performs, and the lock, in the child of a fork: the threads that did and held it are not there."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    _FLIGHTS.clear()
    _LEADERS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
