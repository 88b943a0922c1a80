"""Whether a failed call is tried again, by which policy, and after how long.

The door asks here after a failure. Nothing here waits, reads a clock or throws dice: chance is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from piecework.core.policy import RetryOn, RetryPolicy
from piecework.core.transient import retry_after

__all__ = ("choose", "wait_before")

_LENGTHENED: Final = 0.1
"""The largest part by which a wait that a server asked for is lengthened."""


def choose(policies: Sequence[RetryPolicy], error: BaseException) -> RetryPolicy | None:
    """The first policy whose `retry_on` matches an exception, or None.

    Raises:
        Exception: What a function given as `retry_on` raises.
    """
    return next((policy for policy in policies if _matches(policy.retry_on, error)), None)


def wait_before(policy: RetryPolicy, retries_so_far: int, error: BaseException, random: Callable[[], float]) -> float:
    """Seconds to wait before a call is tried again.

    Args:
        policy: The policy by which it is tried again.
        retries_so_far: How often it was tried again before; 0 for the first wait.
        error: What the last attempt raised. Where it says how long to wait, that counts in place of the policy's own
            wait, as far as the policy's `max_interval` lets it.
        random: Gives a number from 0 to 1, 1 excluded, as `random.random` does; asked once, where there is jitter.
    """
    asked = retry_after(error)
    if not asked:  # Told to come back at once, all would: that says no more than the refusal itself.
        wait = min(_grown(policy, retries_so_far), policy.max_interval)
        return wait * (0.5 + random() / 2) if policy.jitter else wait
    if policy.jitter:
        asked *= 1 + _LENGTHENED * random()
    return min(asked, policy.max_interval)


def _matches(retry_on: RetryOn, error: BaseException) -> bool:
    if isinstance(retry_on, type):
        return isinstance(error, retry_on)
    if callable(retry_on):
        return bool(retry_on(error))
    return isinstance(error, tuple(retry_on))


def _grown(policy: RetryPolicy, retries: int) -> float:
    """A policy's own wait, before it is capped."""
    try:
        # A float: a whole number as factor would be raised to thousands of digits before it is capped.
        return policy.initial_interval * float(policy.backoff_factor) ** retries
    except OverflowError:
        return math.inf if policy.initial_interval else 0.0
