"""What is said of the calls of a node, a mapping or a runner beside their function, checked and made a policy.

`node`, `with_policy`, `map_over` and the runners hand their options to the readers here, which say what to write
instead of what cannot be. Nothing here acts: the engine obeys the policies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias, cast

from msgspec import UNSET, Struct, UnsetType, structs

from piecework.core.policy import CachePolicy, CallPolicy, RetryPolicy, TimeoutPolicy
from piecework.core.quota import AnyLimit
from piecework.errors import Fault

__all__ = (
    "CallOptions",
    "HandlerOption",
    "LimitsOption",
    "RetryOption",
    "TimeoutOption",
    "merged",
    "read_cache",
    "read_limits",
    "read_policy",
    "read_retry",
    "read_seconds",
    "read_timeout",
    "told_shortly",
)

RetryOption: TypeAlias = RetryPolicy | Sequence[RetryPolicy] | None
"""When to try again: one policy, or several of which the first that matches an exception wins; empty for never."""

TimeoutOption: TypeAlias = float | timedelta | TimeoutPolicy | None
"""How long an attempt may take: seconds, or a policy that says more."""

LimitsOption: TypeAlias = AnyLimit | Sequence[AnyLimit] | None
"""The named limits that calls count under; empty for none."""

HandlerOption: TypeAlias = Callable[..., object] | None
"""What is called in the stead of a call that has failed for good."""


class CallOptions(Struct, frozen=True, kw_only=True):
    """What is said of a node's calls; None leaves it to others, and what was not said at all is unset."""

    retry: RetryOption | UnsetType = UNSET
    """When to try again."""

    timeout: TimeoutOption | UnsetType = UNSET
    """How long an attempt may take."""

    cache: CachePolicy | UnsetType | None = UNSET
    """Whether values are used again."""

    limits: LimitsOption | UnsetType = UNSET
    """The limits that calls count under."""

    max_concurrency: int | UnsetType | None = UNSET
    """How many calls may run at once in one run."""

    error_handler: HandlerOption | UnsetType = UNSET
    """What is called in the stead of a call that has failed for good; read by `dataflow.handlers`."""


def read_policy(options: CallOptions, *, before: CallPolicy | None = None) -> tuple[CallPolicy | None, list[Fault]]:
    """A policy as the options say, and what is wrong with them.

    Args:
        options: What was said.
        before: The policy to change; what was not said stays as it has it.

    Returns:
        The policy, None where it says nothing; and the faults.
    """
    said: dict[str, object] = {}
    faults: list[Fault] = []
    for option, read in _READERS.items():
        given: object = getattr(options, option)
        if given is UNSET:
            continue
        try:
            said[option] = read(given)
        except (TypeError, ValueError) as error:
            faults.append(Fault(f"bad-{option.replace('_', '-')}", str(error)))
    policy = structs.replace(before or CallPolicy(), **said)
    return (None if policy == CallPolicy() else policy), faults


def merged(*policies: CallPolicy | None) -> CallPolicy | None:
    """One policy of several, of which the first counts most."""
    result: CallPolicy | None = None
    for policy in reversed(policies):
        result = policy.over(result) if policy is not None else result
    return result


def told_shortly(policy: CallPolicy | None, *, handled: bool) -> str:
    """What is said of calls, in short for a repr: the options that are set, with a leading space."""
    said: dict[str, object] = {} if policy is None else structs.asdict(policy)
    told = [_shortly(option, value) for option, value in said.items() if value is not None]
    if handled:
        told.append("error_handler")
    return f" with {', '.join(told)}" if told else ""


def _shortly(option: str, value: object) -> str:
    """An option as a repr shows it: with its value where that is short."""
    return f"{option}={value!r}" if value == () or isinstance(value, int) else option


def read_retry(given: object) -> tuple[RetryPolicy, ...] | None:
    """Read what was given as `retry`.

    Raises:
        TypeError: It is none of what it may be.
    """
    if given is None:
        return None
    if isinstance(given, RetryPolicy):
        return (given,)
    several = _several(given)
    if several is not None and all(isinstance(each, RetryPolicy) for each in several):
        return cast("tuple[RetryPolicy, ...]", several)
    raise TypeError(f"retry={given!r} is no RetryPolicy. {_retry_advice(given)}")


def _retry_advice(given: object) -> str:
    if given is False:
        return "Write retry=() to never try again."
    if isinstance(given, int) and given > 1:
        return f"For {given} attempts in all write retry=RetryPolicy(max_attempts={given})."
    if isinstance(given, type) and issubclass(given, BaseException):
        return f"Write retry=RetryPolicy(retry_on={given.__name__})."
    return "Write retry=RetryPolicy(), several of them in a list, or () to never try again."


def read_timeout(given: object) -> TimeoutPolicy | None:
    """Read what was given as `timeout`.

    Raises:
        TypeError: It is none of what it may be.
        ValueError: It is not above 0.
    """
    if given is None or isinstance(given, TimeoutPolicy):
        return given
    advice = "For one that also counts signs of life write TimeoutPolicy(idle_timeout=...)."
    return TimeoutPolicy(run_timeout=read_seconds("timeout", given, advice))


def read_seconds(option: str, given: object, advice: str = "") -> float | timedelta:
    """Read a time.

    Args:
        option: What it was given as.
        given: The time.
        advice: What else may be written.

    Raises:
        TypeError: It is no time.
        ValueError: It is not above 0.
    """
    if isinstance(given, bool) or not isinstance(given, int | float | timedelta):
        more = f" {advice}" if advice else ""
        raise TypeError(f"{option}={given!r} is no time. Give seconds, or a timedelta.{more}")
    if not (given.total_seconds() if isinstance(given, timedelta) else given) > 0:
        raise ValueError(f"{option}={given!r} must be above 0 seconds.")
    return given


def read_cache(given: object, *, option: str = "cache") -> CachePolicy | None:
    """Read what was given as the policy of a cache.

    Raises:
        TypeError: It is none.
    """
    if given is None or isinstance(given, CachePolicy):
        return given
    if isinstance(given, bool | type):
        advice = f"Write {option}=CachePolicy()." if given else "Leave it out where nothing is to be cached."
    elif isinstance(given, int | float | timedelta):
        advice = f"For a value that counts so many seconds write {option}=CachePolicy(ttl=...)."
    else:
        advice = (
            f"Write {option}=CachePolicy(); where values are kept is for the runner to say: AsyncRunner(cache=...)."
        )
    raise TypeError(f"{option}={given!r} is no CachePolicy. {advice}")


def read_limits(given: object) -> tuple[AnyLimit, ...] | None:
    """Read what was given as `limits`.

    Raises:
        TypeError: It is none of what it may be.
    """
    if given is None:
        return None
    if _is_limit(given):
        return (cast("AnyLimit", given),)
    several = _several(given)
    if several is not None and all(map(_is_limit, several)):
        return cast("tuple[AnyLimit, ...]", several)
    count = given if isinstance(given, int) and not isinstance(given, bool) else 10
    raise TypeError(
        f"limits={given!r} is no limit. Write limits=Limit('model', max_concurrency={count}), a RateLimit, or several "
        "of them in a list."
    )


def _several(given: object) -> tuple[object, ...] | None:
    """What a sequence holds; None for anything else, a text included."""
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        return None
    return tuple(cast("Sequence[object]", given))


def _is_limit(given: object) -> bool:
    """Whether something is a limit, by its methods: users may bring their own."""
    return all(hasattr(type(given), name) for name in ("free", "when_free", "share"))


def _read_max_concurrency(given: object) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"max_concurrency={given!r} must be a whole number, or None for no limit of its own.")
    if given < 1:
        raise ValueError(f"max_concurrency={given} must be at least 1, or None for no limit of its own.")
    return given


_READERS: Mapping[str, Callable[[object], object]] = {
    "retry": read_retry,
    "timeout": read_timeout,
    "cache": read_cache,
    "limits": read_limits,
    "max_concurrency": _read_max_concurrency,
}
"""What reads each option, and raises a TypeError or ValueError that says what to write instead."""
