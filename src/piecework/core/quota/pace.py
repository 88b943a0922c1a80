"""How far a limit keeps below what it may do since a server refused: cut at once, raised again bit by bit.

Additive increase, multiplicative decrease, as TCP does it. The limits ask here when an attempt has ended; nothing here
knows a clock or a lock.
"""

from __future__ import annotations

__all__ = ("Pace",)


class Pace:
    """A number between a floor and a ceiling that refusals cut and successes raise."""

    __slots__ = ("_cut", "_step", "ceiling", "flight", "floor", "value")

    def __init__(self, *, floor: float, ceiling: float, cut: float, step: float) -> None:
        """Start at the ceiling; a cut multiplies by `cut`, a climb adds `step`."""
        self.floor = floor
        self.ceiling = ceiling
        self._cut = cut
        self._step = step
        self.value = ceiling
        self.flight: int = 0

    def refused(self, flight: int) -> bool:
        """Cut once for all attempts that were under way together.

        Args:
            flight: What `self.flight` was when the refused attempt began.

        Returns:
            Whether it was cut; not for an attempt that began before the last cut, which tells nothing about it.
        """
        if flight != self.flight:
            return False
        self.flight += 1
        self.value = max(self.floor, self.value * self._cut)
        return True

    def climb(self) -> None:
        """Go up one step."""
        # Rounded, so that the sum of many steps is the ceiling and not a hair below.
        self.value = min(self.ceiling, round(self.value + self._step, 6))

    def between(self, floor: float, ceiling: float) -> None:
        """Take other bounds; what stood at the ceiling stands at the new one."""
        at_top = self.value >= self.ceiling
        self.floor, self.ceiling = floor, ceiling
        self.value = ceiling if at_top else min(max(self.value, floor), ceiling)
