"""Limits on how many attempts run at once: named ones that nodes and runs of a process share, and private ones.

A named one adapts: it lets fewer in when a server refuses, and more again, one by one, as attempts succeed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from msgspec import Struct, structs

from piecework.core.quota.line import Line, Turn
from piecework.core.quota.names import Names, spelled
from piecework.core.quota.pace import Pace
from piecework.core.quota.share import AnyLimit, Ending, Share

__all__ = ("Limit", "private_limit")


class Bounds(Struct, frozen=True):
    """How many may run at once."""

    max_concurrency: int
    """At most."""

    min_concurrency: int = 1
    """What refusals do not go below."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, number in structs.asdict(self).items():
            if not isinstance(number, int) or isinstance(number, bool):
                raise TypeError(f"{name}={number!r} must be a whole number.")
            if number < 1:
                raise ValueError(f"{name}={number} must be at least 1.")
        if self.min_concurrency > self.max_concurrency:
            raise ValueError(
                f"min_concurrency={self.min_concurrency} must not be above max_concurrency={self.max_concurrency}."
            )


class Places(Line):
    """Places for attempts that run, and who waits for one."""

    def __init__(self, bounds: Bounds) -> None:
        """Have `max_concurrency` places, all free."""
        super().__init__()
        self.declared = self.numbers = bounds
        self.pace = Pace(floor=bounds.min_concurrency, ceiling=bounds.max_concurrency, cut=0.5, step=1)
        self.open = bounds.max_concurrency
        self.used = 0
        self._successes = 0

    def fits(self, size: int, now: float) -> bool:
        """Whether a place is free."""
        del size, now
        return self.used < self.open

    def hold(self, size: int) -> None:
        """Take places."""
        self.used += size

    def give_back(self, size: int) -> None:
        """Give places back."""
        self.used -= size

    def opens(self, size: int, now: float) -> float | None:
        """Never: only what ends makes room."""
        del size, now
        return None

    def room(self, now: float) -> int:
        """How many places are free."""
        del now
        return max(0, self.open - self.used)

    def update(self, bounds: Bounds) -> None:
        """Have other numbers from now on."""
        with self.lock:
            self.numbers = bounds
            self.pace.between(bounds.min_concurrency, bounds.max_concurrency)
            self._adapt()
            self.pump(self._latest)

    def adapt(self, ending: Ending, flight: int) -> None:
        """Let fewer in after a refusal, and one more after as many successes as may run at once."""
        if ending.throttled:
            if self.pace.refused(flight):
                self._adapt()
        elif not ending.failed and flight == self.pace.flight:
            self._successes += 1
            if self._successes >= self.open:
                self.pace.climb()
                self._adapt()

    def _adapt(self) -> None:
        self.open = int(self.pace.value)
        self._successes = 0


class _PrivatePlace(Turn[Places]):
    """A share of a private limit: a place among those that run."""

    __slots__ = ()

    def lend(self) -> None:
        """See `Share.lend`."""
        places = self.line
        with places.lock:
            if self.held and self.begun:
                self.held = False
                places.give_back(self.size)
                places.stir(self.loop)

    async def retake(self) -> None:
        """See `Share.retake`."""
        places = self.line
        with places.lock:
            future = None if self.held or not self.begun else places.enter(self)
        if future is not None:
            await self._called(future)


class _Place(_PrivatePlace):
    """A share of a named limit, which adapts to how its attempts end."""

    __slots__ = ("_flight",)

    def _started(self, now: float) -> None:
        del now
        self._flight = self.line.pace.flight

    def _ended(self, ending: Ending) -> None:
        places = self.line
        places.adapt(ending, self._flight)
        if ending.throttled and ending.wait > 0:
            places.pause(places.now(self.loop) + ending.wait)


_NAMES: Names[Bounds, Places] = Names("Limit", Places)


class Limit:
    """At most so many attempts at once, over all nodes and runs of this process that name it.

    All limits of one name are one limit. When a server refuses since it is asked too much, half as many may run at once
    from then on; each time that as many have succeeded as may run at once, one more may. If the server said how long to
    wait, nothing under the limit begins for so long.

    Raises:
        ValueError: A number is below 1, or `min_concurrency` above `max_concurrency`.
        LimitConflictError: The name stands for other numbers.

    Example:
        >>> api = Limit("api", max_concurrency=8)
        >>> api
        Limit('api', max_concurrency=8, min_concurrency=1)
        >>> api == Limit("api", max_concurrency=8)
        True
    """

    __slots__ = ("_name", "_places")

    def __init__(self, name: str, *, max_concurrency: int, min_concurrency: int = 1) -> None:
        """Declare a limit, or name one that is declared elsewhere.

        Args:
            name: What it is known by in this process.
            max_concurrency: How many attempts may run at once.
            min_concurrency: How many still may however often the server refuses.
        """
        self._name = name
        self._places = _NAMES.state(name, Bounds(max_concurrency, min_concurrency))

    @property
    def name(self) -> str:
        """What it is known by."""
        return self._name

    @property
    def free(self) -> int:
        """How many attempts it would let in at once just now."""
        return self._places.free

    def update(self, *, max_concurrency: int, min_concurrency: int | None = None) -> None:
        """Change the numbers for all who use the limit; what runs already goes on.

        Args:
            max_concurrency: How many attempts may run at once.
            min_concurrency: How many still may when the server refuses; as before if it is left out.
        """
        places = self._places
        least = places.numbers.min_concurrency if min_concurrency is None else min_concurrency
        places.update(Bounds(max_concurrency, least))

    def when_free(self, loop: asyncio.AbstractEventLoop, watcher: Callable[[], None]) -> None:
        """Call `watcher` once on the loop, the next time there is room that nobody waits for."""
        self._places.when_free(loop, watcher)

    def share(self, loop: asyncio.AbstractEventLoop, arguments: Mapping[str, object]) -> Share:
        """A share for one attempt, not yet taken."""
        del arguments
        return _Place(self._places, loop)

    def __eq__(self, other: object) -> bool:
        return self._places is other._places if isinstance(other, Limit) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._places)

    def __reduce__(self) -> tuple[Callable[[str], Limit], tuple[str]]:
        """Go by name: a copy shares the state, and in another process the limit of that name is found or made."""
        bounds = self._places.declared
        limit = partial(Limit, max_concurrency=bounds.max_concurrency, min_concurrency=bounds.min_concurrency)
        return limit, (self._name,)

    def __repr__(self) -> str:
        return f"Limit({self._name!r}, {spelled(self._places.numbers)})"


class _PrivateLimit:
    """A limit without a name: one node's in one run, or one map's. How attempts end does not change it."""

    __slots__ = ("_places",)

    def __init__(self, max_concurrency: int) -> None:
        """Let so many run at once."""
        self._places = Places(Bounds(max_concurrency))

    @property
    def free(self) -> int:
        """See `AnyLimit.free`."""
        return self._places.free

    def when_free(self, loop: asyncio.AbstractEventLoop, watcher: Callable[[], None]) -> None:
        """See `AnyLimit.when_free`."""
        self._places.when_free(loop, watcher)

    def share(self, loop: asyncio.AbstractEventLoop, arguments: Mapping[str, object]) -> Share:
        """See `AnyLimit.share`."""
        del arguments
        return _PrivatePlace(self._places, loop)

    def __repr__(self) -> str:
        return f"private_limit({self._places.numbers.max_concurrency})"


def private_limit(max_concurrency: int) -> AnyLimit:
    """A limit that nobody else has, for one node in one run or for one map; it does not adapt."""
    return _PrivateLimit(max_concurrency)
