"""What was begun in the last so many seconds, by weight: a sliding window.

A rate limit has one for requests and one for tokens. It is told the time, and waits for nothing.
"""

from __future__ import annotations

from collections import deque

__all__ = ("Entry", "Window")

_HAIR = 1e-9
"""A bound computed from a rate a minute may come out this much too low; 0.99999 requests are one."""


class Entry:
    """What one attempt has begun, or was charged for later."""

    __slots__ = ("counts", "size", "time")

    def __init__(self, time: float, size: int) -> None:
        """Stand in a window since `time` with the weight `size`."""
        self.time = time
        self.size = size
        self.counts = True


class Window:
    """A bound on the weight of all that begins within any `span` seconds.

    What is held for attempts that have not begun counts without growing old, so that however late they begin, the
    bound is kept.
    """

    __slots__ = ("_entries", "_span", "_whole", "bound", "span", "used")

    def __init__(self, whole: float, span: float) -> None:
        """Allow a weight of `whole` in any `span` seconds."""
        self._whole = whole
        self._span = span
        self._entries: deque[Entry] = deque()
        self.used = 0
        self.keep_to(1.0)

    def allow(self, whole: float, factor: float) -> None:
        """Allow another weight from now on, times `factor`."""
        self._whole = whole
        self.keep_to(factor)

    def keep_to(self, factor: float) -> None:
        """Keep to a part of the rate.

        Where that is less than a weight of 1, it is 1 in a longer span, so that something goes and the rate is kept.
        """
        bound = self._whole * factor + _HAIR
        self.bound = max(1.0, bound)
        self.span = self._span if bound >= 1 else self._span / bound

    def fits(self, size: int, now: float) -> bool:
        """Whether so much can begin now; what is larger than the whole window fits when that is empty."""
        entries = self._entries
        while entries and entries[0].time + self.span <= now:  # As `opens` adds it up: no rounding lies between.
            entry = entries.popleft()
            entry.counts = False
            self.used -= entry.size
        return self.used == 0 or self.used + size <= self.bound

    def room(self, now: float) -> int:
        """How much more of weight 1 each can begin now."""
        return max(0, int(self.bound) - self.used) if self.fits(1, now) else 0

    def opens(self) -> float | None:
        """When the oldest entry grows too old to count; None where there is none."""
        return self._entries[0].time + self.span if self._entries else None

    def hold(self, size: int) -> None:
        """Keep room for an attempt that will begin."""
        self.used += size

    def give_back(self, size: int) -> None:
        """Give up the room of an attempt that will not begin."""
        self.used -= size

    def begin(self, size: int, now: float) -> Entry:
        """Stamp what was held so far with the time."""
        entry = Entry(now, size)
        self._entries.append(entry)
        return entry

    def settle(self, entry: Entry, size: int, now: float) -> None:
        """Set right what an entry weighs: less while it counts, more as an entry of its own from now on."""
        if size > entry.size:
            self.used += size - entry.size
            self.begin(size - entry.size, now)
        elif entry.counts:
            self.used -= entry.size - size
            entry.size = size

    def forget(self) -> None:
        """Drop everything that has begun."""
        for entry in self._entries:
            entry.counts = False
            self.used -= entry.size
        self._entries.clear()
