"""What may be asked of a call, a fan-out or a run, as plain values.

Users, front ends and the runner build them, the scheduler and the door read them. Nothing here acts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Literal, TypeAlias, cast

from msgspec import Struct, structs

from piecework.core.budget import Budget
from piecework.core.quota import AnyLimit
from piecework.core.transient import default_retry_on

__all__ = (
    "CachePolicy",
    "CallPolicy",
    "ChangedInputs",
    "Durability",
    "KeepPolicy",
    "OnError",
    "RetryOn",
    "RetryPolicy",
    "RunPolicy",
    "TimeoutPolicy",
)

OnError: TypeAlias = Literal["raise", "keep", "drop"]
"""What a fan-out does with a failed item: stop, keep a `Failure` in its place, or leave it out."""


Durability: TypeAlias = Literal["async", "sync", "exit"]
"""When facts are committed: while the run goes on, before what they enable goes on, or when the run ends."""

ChangedInputs: TypeAlias = Literal["rerun", "error"]
"""What becomes of a call that is on record as done with other arguments: it runs again, or fails."""


RetryOn: TypeAlias = type[BaseException] | Sequence[type[BaseException]] | Callable[[BaseException], bool]
"""Which exceptions to try again after: their class, their classes, or a function that says so of one."""


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """When a call that failed is tried again, and after how long.

    The n-th wait is `initial_interval * backoff_factor ** (n - 1)` seconds, unless the exception or the server's
    response says how long to wait (`Retry-After`); neither is ever longer than `max_interval`.

    Raises:
        ValueError: A number is out of its range.
        TypeError: A time or the factor is no number, or `retry_on` is none of what it may be.
    """

    max_attempts: int = 3
    """How often the function is tried, the first time included."""

    initial_interval: float = 0.5
    """Seconds before the second attempt."""

    backoff_factor: float = 2.0
    """How much longer each further wait is than the one before."""

    max_interval: float = 128.0
    """Seconds that no wait exceeds."""

    jitter: bool = True
    """Whether waits are scattered, so that calls which failed together are not repeated together: between half of the
    wait and all of it; a server's `Retry-After` is only ever lengthened."""

    retry_on: RetryOn = default_retry_on
    """Which exceptions to try again after. By default connection errors, timeouts, and the HTTP statuses 408, 425, 429
    and 5xx of common clients."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        attempts = cast("object", self.max_attempts)
        if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1:
            raise ValueError(f"max_attempts={attempts!r} must be a whole number, at least 1, which is no retry.")
        for name, usual in (("initial_interval", 0.5), ("max_interval", 60)):
            seconds: float = getattr(self, name)
            if not _is_number(seconds):
                raise TypeError(f"{name}={seconds!r} is no number of seconds. Write {name}={_number(seconds, usual)}.")
            if not 0 <= seconds < math.inf:
                raise ValueError(f"{name}={seconds} must be a number of seconds, 0 or more.")
        if not _is_number(self.backoff_factor):
            raise TypeError(
                f"backoff_factor={self.backoff_factor!r} is no number. Write backoff_factor=2.0, which doubles each "
                "wait."
            )
        if not 1 <= self.backoff_factor < math.inf:
            raise ValueError(f"backoff_factor={self.backoff_factor} must be 1 or more.")
        if not _says_when(self.retry_on):
            raise TypeError(
                f"retry_on={self.retry_on!r} must be an exception class, a tuple of them, or a function that is given "
                "an exception and says whether to try again."
            )


class TimeoutPolicy(Struct, frozen=True, kw_only=True):
    """How long one attempt of a call may take, once it has its slot.

    Raises:
        ValueError: No time is given, or one is not above 0.
        TypeError: One is no time.
    """

    run_timeout: float | timedelta | None = None
    """Seconds from the start of the attempt to its end."""

    idle_timeout: float | timedelta | None = None
    """Seconds from one sign of life to the next: a call it starts or that ends, a chunk it yields, `heartbeat()`."""

    refresh_on: Literal["auto", "heartbeat"] = "auto"
    """What counts as a sign of life: all of these, or `heartbeat()` alone."""

    def __post_init__(self) -> None:
        """Check the times."""
        if self.run_timeout is None and self.idle_timeout is None:
            raise ValueError("a TimeoutPolicy needs run_timeout, idle_timeout or both.")
        for name, given in (("run_timeout", self.run_timeout), ("idle_timeout", self.idle_timeout)):
            if not _is_time(given):
                raise TypeError(f"{name}={given!r} is no time. Give seconds, {name}=30, or a timedelta.")
            seconds = in_seconds(given)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name}={seconds} must be a number of seconds above 0.")
        if self.refresh_on not in ("auto", "heartbeat"):
            raise ValueError(f"refresh_on={self.refresh_on!r} is neither 'auto' nor 'heartbeat'.")

    @property
    def run_seconds(self) -> float | None:
        """`run_timeout` in seconds."""
        return in_seconds(self.run_timeout)

    @property
    def idle_seconds(self) -> float | None:
        """`idle_timeout` in seconds."""
        return in_seconds(self.idle_timeout)


class CachePolicy(Struct, frozen=True, kw_only=True):
    """That what a node makes is kept, and used again wherever the same function is given the same inputs.

    Raises:
        ValueError: `ttl` is below 0.
        TypeError: `ttl` is no time, or `key` no function.
    """

    ttl: float | timedelta | None = None
    """Seconds after which a value is made anew; None keeps it for good, and 0 not at all. What was kept with another
    ttl does not count."""

    key: Callable[..., object] | None = None
    """What stands for the inputs: called by name with those of the node's inputs that it has parameters for, it returns
    any value that can be stored. By default all of them count."""

    def __post_init__(self) -> None:
        """Check the time."""
        if not _is_time(self.ttl):
            raise TypeError(
                f"ttl={self.ttl!r} is no time. Give seconds, ttl=3600, a timedelta, 0 to keep nothing, or None to keep "
                "values for good."
            )
        if self.seconds is not None and not self.seconds >= 0:
            raise ValueError(f"ttl={self.ttl} must be a number of seconds, 0 or more, or None.")
        if self.key is not None and not callable(self.key):
            raise TypeError(f"key={self.key!r} must be a function of the node's inputs, or None.")

    @property
    def keeps(self) -> bool:
        """Whether anything is kept."""
        return self.seconds != 0

    @property
    def seconds(self) -> float | None:
        """`ttl` in seconds."""
        return in_seconds(self.ttl)


class CallPolicy(Struct, frozen=True, kw_only=True):
    """What the door does for the calls of a target beside calling it. None leaves that to the runner."""

    retry: tuple[RetryPolicy, ...] | None = None
    """When to try again; the first that matches an exception wins. Empty for never."""

    timeout: TimeoutPolicy | None = None
    """How long an attempt may take."""

    cache: CachePolicy | None = None
    """Whether its values are used again."""

    limits: tuple[AnyLimit, ...] | None = None
    """The named limits that it counts under."""

    max_concurrency: int | None = None
    """How many calls of the target may run at once in one run."""

    def over(self, other: CallPolicy | None) -> CallPolicy:
        """This policy, and what it leaves open as the other has it."""
        if other is None:
            return self
        said = {name: value for name, value in structs.asdict(self).items() if value is not None}
        return structs.replace(other, **said)


class KeepPolicy(Struct, frozen=True, kw_only=True):
    """How a run is kept in its store."""

    durability: Durability = "async"
    """When its facts are committed."""

    changed_inputs: ChangedInputs = "rerun"
    """What becomes of a finished call that is given other arguments when the run is resumed."""


class RunPolicy(Struct, frozen=True, kw_only=True):
    """The limits of one run."""

    max_concurrency: int | None = None
    """How many calls may run at once over the whole run, nesting included; None means no limit."""

    grace: float = 5.0
    """Seconds that a cancelled run waits for blocking functions before it abandons them."""

    max_threads: int = 1000
    """The widest that one blocking fan-out grows when the run has no `max_concurrency`."""

    timeout: float | None = None
    """Seconds that the whole run may take."""

    budget: Budget | None = None
    """What its calls may use up; no new one starts when that is spent."""

    calls: CallPolicy | None = None
    """What calls are given whose own policies leave it open."""


def _says_when(given: object) -> bool:
    """Whether something can be a policy's `retry_on`."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        return all(map(_is_exception, cast("Sequence[object]", given)))
    return _is_exception(given) if isinstance(given, type) else callable(given)


def _is_exception(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _is_time(given: object) -> bool:
    """Whether something is a time, or leaves it open."""
    return given is None or isinstance(given, timedelta) or _is_number(given)


def _number(given: object, usual: float) -> float:
    """A number of seconds that can be written for what was given."""
    return given.total_seconds() if isinstance(given, timedelta) else usual


def in_seconds(time: float | timedelta | None) -> float | None:
    """A time as seconds."""
    return time.total_seconds() if isinstance(time, timedelta) else time
