"""Limits on how many requests begin and how many tokens they use in a time, shared by name in a process.

What a request will use is estimated before and settled after. It adapts: refusals slow it down, time without any lets
it speed up again.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias, cast

from msgspec import Struct, structs

from piecework.core.quota.estimate import estimated_tokens
from piecework.core.quota.line import Line, Turn
from piecework.core.quota.names import Names, spelled
from piecework.core.quota.pace import Pace
from piecework.core.quota.share import Ending, Share
from piecework.core.quota.window import Entry, Window

__all__ = ("RateLimit",)

Estimate: TypeAlias = Callable[[Mapping[str, object]], int]

_ENOUGH: Final = 1 - 1e-9
"""What a window must allow: one, but for what is lost when it is computed from a rate a minute."""


ON_THE_WAY = 0.1
"""Seconds by which requests may differ in how long they are on their way; never more than a twentieth of a window."""


class Rates(Struct, frozen=True):
    """How much may begin in a time."""

    requests_per_minute: float | None
    """How many requests."""

    tokens_per_minute: float | None
    """How many tokens they may use."""

    window: float
    """Seconds within which that is held."""

    floor: float
    """The part of it that refusals do not go below."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, number in structs.asdict(self).items():
            left_out = number is None and name.endswith("_per_minute")
            if isinstance(number, bool) or not (left_out or isinstance(number, int | float)):
                raise TypeError(f"{name}={number!r} must be a number.")
        if not 0 < self.window < math.inf:
            raise ValueError(f"window={self.window} must be a number of seconds above 0.")
        if not 0 < self.floor <= 1:
            raise ValueError(f"floor={self.floor} must be above 0 and at most 1: a part of the rate.")
        if self.requests_per_minute is None and self.tokens_per_minute is None:
            raise ValueError("a RateLimit needs requests_per_minute, tokens_per_minute or both.")
        for name, rate in (("requests", self.requests_per_minute), ("tokens", self.tokens_per_minute)):
            if rate is None:
                continue
            if not 0 < rate < math.inf:
                raise ValueError(f"{name}_per_minute={rate} must be a number above 0.")
            if rate * self.window / 60 < _ENOUGH:
                raise ValueError(
                    f"{name}_per_minute={rate} with window={self.window} allows less than one in a window. Give it "
                    f"window={math.ceil(60 / rate)} or more."
                )

    @property
    def span(self) -> float:
        """Seconds for which what has begun counts: a little more than the window.

        A server counts requests when they arrive. One that was slow on its way and one a window later that was not
        arrive within less than a window.
        """
        return self.window + min(ON_THE_WAY, self.window / 20)

    @property
    def requests(self) -> Window | None:
        """A window for the requests."""
        rate = self.requests_per_minute
        return None if rate is None else Window(rate * self.window / 60, self.span)

    @property
    def tokens(self) -> Window | None:
        """A window for their tokens."""
        rate = self.tokens_per_minute
        return None if rate is None else Window(rate * self.window / 60, self.span)


class Rate(Line):
    """What has begun of late, and who waits to begin."""

    def __init__(self, rates: Rates) -> None:
        """Allow these rates, with nothing begun."""
        super().__init__()
        self.declared = self.numbers = rates
        self.pace = Pace(floor=rates.floor, ceiling=1.0, cut=0.7, step=0.05)
        self.requests = rates.requests
        self.tokens = rates.tokens
        self._changed = -math.inf

    def fits(self, size: int, now: float) -> bool:
        """Whether a request of so many tokens can begin."""
        requests, tokens = self.requests, self.tokens
        return (requests is None or requests.fits(1, now)) and (tokens is None or tokens.fits(size, now))

    def hold(self, size: int) -> None:
        """Reserve a request and its tokens."""
        if self.requests is not None:
            self.requests.hold(1)
        if self.tokens is not None:
            self.tokens.hold(size)

    def give_back(self, size: int) -> None:
        """Give them back."""
        if self.requests is not None:
            self.requests.give_back(1)
        if self.tokens is not None:
            self.tokens.give_back(size)

    def opens(self, size: int, now: float) -> float | None:
        """When something grows old in each window that is too full; None while what fills one has not begun."""
        latest = -math.inf
        for window, weight in ((self.requests, 1), (self.tokens, size)):
            if window is not None and not window.fits(weight, now):
                moment = window.opens()
                if moment is None:
                    return None
                latest = max(latest, moment)
        return latest

    def room(self, now: float) -> int:
        """How many requests can begin, of one token each; without end where there is room and they are not counted."""
        if self.tokens is not None and not self.tokens.fits(1, now):
            return 0
        return sys.maxsize if self.requests is None else self.requests.room(now)

    def forget(self) -> None:
        """Drop what was stamped by another clock."""
        super().forget()
        self._changed = -math.inf
        for window in (self.requests, self.tokens):
            if window is not None:
                window.forget()

    def update(self, rates: Rates) -> None:
        """Have other rates from now on; what has begun counts on."""
        with self.lock:
            self.numbers = rates
            self._adapt()
            self.pump(self._latest)

    def adapt(self, ending: Ending, flight: int, now: float) -> None:
        """Slow down after a refusal, and speed up after each further window in which none came."""
        if ending.throttled:
            if self.pace.refused(flight):
                self._changed = now
                self._adapt()
        elif (
            self.pace.value < 1
            and not ending.failed
            and flight == self.pace.flight
            and now >= self._changed + self.numbers.window
        ):
            self.pace.climb()
            self._changed = now
            self._adapt()

    def _adapt(self) -> None:
        rates = self.numbers
        if self.requests is not None and rates.requests_per_minute is not None:
            self.requests.allow(rates.requests_per_minute * rates.window / 60, self.pace.value)
        if self.tokens is not None and rates.tokens_per_minute is not None:
            self.tokens.allow(rates.tokens_per_minute * rates.window / 60, self.pace.value)


class _Request(Turn[Rate]):
    """A share of a rate limit: a request, and the tokens it is thought to use."""

    __slots__ = ("_flight", "_tokens")

    def lend(self) -> None:
        """Nothing: that it began stays true."""

    async def retake(self) -> None:
        """Nothing: nothing was lent."""

    def _started(self, now: float) -> None:
        rate = self.line
        self.held = False
        self._flight = rate.pace.flight
        if rate.requests is not None:
            rate.requests.begin(1, now)
        self._tokens: Entry | None = None if rate.tokens is None else rate.tokens.begin(self.size, now)
        rate.stir(self.loop)  # Who waits for time can only now be told for how long.

    def _ended(self, ending: Ending) -> None:
        rate = self.line
        now = rate.now(self.loop)
        if rate.tokens is not None and self._tokens is not None and ending.tokens is not None:
            rate.tokens.settle(self._tokens, max(0, ending.tokens), now)
        rate.adapt(ending, self._flight, now)
        if ending.throttled and ending.wait > 0:
            rate.pause(now + ending.wait)


_NAMES: Names[Rates, Rate] = Names("RateLimit", Rate)


class RateLimit:
    """So many requests a minute, so many tokens a minute, over all nodes and runs of this process that name it.

    In any `window` seconds no more requests begin than the rate allows for so long, and they use no more tokens. All
    rate limits of one name are one. When a server refuses since it is asked too much, the rate is cut to 0.7 of what it
    was; each further `window` in which requests succeed and none is refused raises it by 0.05 of the full rate. If the
    server said how long to wait, nothing under the limit begins for so long.

    Tokens are estimated before a request and set right when its result tells them: what was too much is given back,
    what was too little is charged then. What is larger than a whole window begins when the window is empty.

    Raises:
        ValueError: A number is out of its range, or there is no rate.
        LimitConflictError: The name stands for other numbers.

    Example:
        >>> RateLimit("model", requests_per_minute=500, tokens_per_minute=200_000)
        RateLimit('model', requests_per_minute=500, tokens_per_minute=200000, window=60.0, floor=0.1)
    """

    __slots__ = ("_estimate", "_name", "_rate")

    def __init__(
        self,
        name: str,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        window: float = 60.0,
        estimate: Estimate | None = None,
        floor: float = 0.1,
    ) -> None:
        """Declare a rate limit, or name one that is declared elsewhere.

        Args:
            name: What it is known by in this process.
            requests_per_minute: How many requests may begin.
            tokens_per_minute: How many tokens they may use.
            window: Seconds within which the rates are held: 60 lets a minute's worth begin at once, 1 spreads it. What
                has begun counts for a little longer, by 0.1 s and at most a twentieth, since requests differ in how
                long they are on their way to whoever counts them.
            estimate: Given a call's arguments by name, says how many tokens it will use; by default one for each 4
                characters of their text. What it raises is raised by the call.
            floor: The part of the rates that refusals do not go below.
        """
        rates = Rates(requests_per_minute, tokens_per_minute, window, floor)
        if estimate is not None and not callable(estimate):
            raise TypeError(f"estimate={estimate!r} must be a function of a call's arguments, or None.")
        if estimate is not None and tokens_per_minute is None:
            raise ValueError(
                "estimate= says how many tokens a call uses, and nothing limits them: add tokens_per_minute."
            )
        self._name = name
        self._estimate = estimate
        self._rate = _NAMES.state(name, rates)

    @property
    def name(self) -> str:
        """What it is known by."""
        return self._name

    @property
    def free(self) -> int:
        """How many requests of one token it would let in at once just now; very many if only tokens are limited."""
        return self._rate.free

    def update(self, *, requests_per_minute: float | None = None, tokens_per_minute: float | None = None) -> None:
        """Change the rates for all who use the limit; one that is left out stays as it is.

        Raises:
            ValueError: A rate is out of its range, or was not limited so far.
        """
        numbers = self._rate.numbers
        given = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
        changes = {name: rate for name, rate in given.items() if rate is not None}
        for name in changes:
            if getattr(numbers, name) is None:
                raise ValueError(f"RateLimit {self._name!r} has no {name}, so it cannot be updated. Use another name.")
        self._rate.update(structs.replace(numbers, **changes))

    def when_free(self, loop: asyncio.AbstractEventLoop, watcher: Callable[[], None]) -> None:
        """Call `watcher` once on the loop, the next time there is room that nobody waits for."""
        self._rate.when_free(loop, watcher)

    def share(self, loop: asyncio.AbstractEventLoop, arguments: Mapping[str, object]) -> Share:
        """A share for one attempt with these arguments, not yet taken.

        Raises:
            TypeError: `estimate` returned no int.
            ValueError: It returned one below 0.
        """
        return _Request(self._rate, loop, 0 if self._rate.tokens is None else self._estimated(arguments))

    def _estimated(self, arguments: Mapping[str, object]) -> int:
        if self._estimate is None:
            return estimated_tokens(arguments)
        size = cast("object", self._estimate(arguments))  # A user's function may return anything.
        if not isinstance(size, int) or isinstance(size, bool):
            raise TypeError(
                f"the estimate of RateLimit {self._name!r} returned {size!r}; it must be an int, of tokens."
            )
        if size < 0:
            raise ValueError(f"the estimate of RateLimit {self._name!r} returned {size}; it must be 0 or more tokens.")
        return size

    def __eq__(self, other: object) -> bool:
        return self._rate is other._rate if isinstance(other, RateLimit) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._rate)

    def __reduce__(self) -> tuple[Callable[[str], RateLimit], tuple[str]]:
        """Go by name: a copy shares the state, and in another process the limit of that name is found or made."""
        limit = partial(RateLimit, estimate=self._estimate, **structs.asdict(self._rate.declared))
        return limit, (self._name,)

    def __repr__(self) -> str:
        return f"RateLimit({self._name!r}, {spelled(self._rate.numbers)})"
