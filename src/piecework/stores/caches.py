"""What nodes made, kept in this process's memory and gone with it.

For programs that make the same things again while they run, and for tests. The same port as the cache in a file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from time import time
from typing import cast

from msgspec import Struct

__all__ = ("MemoryCache",)

SWEEP = 1000
"""How many values there are before those whose time is over are looked for; after that, twice what is left."""


class _Kept(Struct, frozen=True):
    """One value."""

    value: bytes
    node: str
    until: float | None


class MemoryCache:
    """Values in memory; safe to share between runners, event loops and threads."""

    def __init__(self, *, max_items: int | None = None, clock: Callable[[], float] = time) -> None:
        """Make an empty cache.

        Args:
            max_items: How many values it holds at most; the one that was not used for longest goes first. None means
                no limit.
            clock: Tells the time that `ttl` goes by, in seconds.

        Raises:
            ValueError: `max_items` is less than 1.
            TypeError: It is no whole number.
        """
        given = cast("object", max_items)
        if given is not None and (isinstance(given, bool) or not isinstance(given, int)):
            raise TypeError(f"max_items={given!r} must be a whole number, max_items=10_000, or None for no limit.")
        if max_items is not None and max_items < 1:
            raise ValueError(f"max_items={max_items} must be 1 or more, or None for no limit.")
        self._max_items = max_items
        self._clock = clock
        self._values: OrderedDict[bytes, _Kept] = OrderedDict()
        self._sweep_at = SWEEP
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Say how much it holds, and its limit."""
        return f"MemoryCache({len(self._values)} values, max_items={self._max_items})"

    async def get(self, key: bytes) -> bytes | None:
        """What is kept under a key; None where nothing is, or where its time is over."""
        with self._lock:
            kept = self._values.get(key)
            if kept is None:
                return None
            if kept.until is not None and kept.until <= self._clock():
                del self._values[key]
                return None
            if self._max_items is not None:
                self._values.move_to_end(key)
            return kept.value

    async def put(self, key: bytes, value: bytes, *, node: str, ttl: float | None) -> None:
        """Keep a value in place of whatever is kept under its key; see the port."""
        with self._lock:
            now = self._clock()
            self._values[key] = _Kept(value, node, None if ttl is None else now + ttl)
            self._values.move_to_end(key)
            if len(self._values) >= self._sweep_at:
                self._sweep(now)
            if self._max_items is not None and len(self._values) > self._max_items:
                self._values.popitem(last=False)

    async def clear(self, nodes: Collection[str] | None = None) -> int:
        """Forget what some nodes made, by default what all did; returns how many values that were."""
        with self._lock:
            gone = [key for key, kept in self._values.items() if nodes is None or kept.node in nodes]
            for key in gone:
                del self._values[key]
            return len(gone)

    def _sweep(self, now: float) -> None:
        """Forget values whose time is over, that nobody may ask for again."""
        for key in [key for key, kept in self._values.items() if kept.until is not None and kept.until <= now]:
            del self._values[key]
        self._sweep_at = max(SWEEP, 2 * len(self._values))
