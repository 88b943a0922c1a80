"""The options of runners and of their methods, checked.

Runners come here when they are made and when they are asked for a run. Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Literal, TypeAlias, cast, get_args

from piecework.core.budget import Budget
from piecework.core.policy import CachePolicy, CallPolicy, ChangedInputs, Durability, KeepPolicy, RunPolicy, in_seconds
from piecework.core.ports import Cache, RunLog
from piecework.dataflow.graph import GraphNode
from piecework.dataflow.node import Node
from piecework.dataflow.policies import (
    LimitsOption,
    RetryOption,
    TimeoutOption,
    read_cache,
    read_limits,
    read_retry,
    read_seconds,
    read_timeout,
)
from piecework.wording import did_you_mean, listed

__all__ = (
    "Forgotten",
    "OnFailed",
    "check_choice",
    "check_keepers",
    "check_text",
    "forgotten_names",
    "keep_policy",
    "run_policy",
)

OnFailed: TypeAlias = Literal["keep", "retry"]
"""What becomes of items that failed in a run that has completed all the same, when it is resumed."""

Forgotten: TypeAlias = str | Node | Sequence[str | Node] | None
"""Nodes whose values a cache is to forget, by name or themselves; None for all."""

LONGEST = 1000
"""Letters in the name of a run or thread."""


def run_policy(
    *,
    max_concurrency: int | None,
    grace: float,
    run_timeout: float | timedelta | None,
    budget: Budget | None,
    retry: RetryOption,
    timeout: TimeoutOption,
    cache_policy: CachePolicy | None,
    limits: LimitsOption,
) -> RunPolicy:
    """The limits of a runner's runs, out of its options of the same names.

    Raises:
        ValueError: A number is out of its range.
        TypeError: An option is none of what it may be.
    """
    _check_numbers(max_concurrency, grace)
    if not isinstance(budget, Budget | None):  # pyright: ignore[reportUnnecessaryIsInstance] - not everyone checks types
        raise TypeError(f"budget={budget!r} is no Budget. Write budget=Budget(max_tokens=...), or max_cost=... .")
    calls = CallPolicy(
        retry=read_retry(retry),
        timeout=read_timeout(timeout),
        cache=read_cache(cache_policy, option="cache_policy"),
        limits=read_limits(limits),
    )
    return RunPolicy(
        max_concurrency=max_concurrency,
        grace=grace,
        timeout=None if run_timeout is None else in_seconds(read_seconds("run_timeout", run_timeout)),
        budget=budget,
        calls=None if calls == CallPolicy() else calls,
    )


def _check_numbers(max_concurrency: object, grace: object) -> None:
    """See that a runner's concurrency and grace are numbers that they may be."""
    if max_concurrency is not None:
        if isinstance(max_concurrency, bool) or not isinstance(max_concurrency, int):
            raise TypeError(
                f"max_concurrency={max_concurrency!r} must be a whole number, max_concurrency=10, or None for no limit."
            )
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency={max_concurrency} must be at least 1, or None for no limit.")
    if isinstance(grace, bool) or not isinstance(grace, int | float):
        seconds = f"{grace.total_seconds():g}" if isinstance(grace, timedelta) else "5.0"
        raise TypeError(f"grace={grace!r} is no number of seconds. Write grace={seconds}.")
    if not grace >= 0:
        raise ValueError(f"grace={grace} must not be negative.")


def keep_policy(durability: Durability, changed_inputs: ChangedInputs) -> KeepPolicy:
    """How a runner's runs are kept.

    Raises:
        ValueError: One is none of what it may be.
    """
    check_choice("durability", durability, get_args(Durability))
    check_choice("changed_inputs", changed_inputs, get_args(ChangedInputs))
    return KeepPolicy(durability=durability, changed_inputs=changed_inputs)


def check_keepers(*, store: object, cache: object, labels: Mapping[str, str] | None) -> None:
    """See that runs and values can be kept where a runner was told to keep them.

    Raises:
        TypeError: There is no store, no cache, or a label that is no text.
    """
    if store is not None and not isinstance(store, RunLog):
        raise TypeError(f"store={store!r} is no store. Open one: SqliteStore('runs.db').")
    if cache is not None and not isinstance(cache, Cache):
        told = " What is to be cached by default is said by cache_policy=." if isinstance(cache, CachePolicy) else ""
        raise TypeError(f"cache={cache!r} is no cache. Make one: MemoryCache(), or SqliteCache('cache.db').{told}")
    texts: list[object] = [*(labels or {}), *(labels or {}).values()]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"labels={labels!r}: names and values are texts.")


def forgotten_names(nodes: Forgotten) -> tuple[str, ...] | None:
    """The names under which a cache has what some nodes made: those of functions; None for all.

    Raises:
        TypeError: Something is neither a name nor a node.
    """
    if nodes is None:
        return None
    if isinstance(nodes, GraphNode):
        return forgotten_names(nodes.graph.nodes)
    if isinstance(nodes, str | Node):
        return (nodes if isinstance(nodes, str) else nodes.name,)
    given = cast("object", nodes)  # Not everyone checks types.
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise TypeError(f"nodes={given!r} is no node. Give nodes, or their names: clear_cache('summarize').")
    return tuple(name for one in cast("Iterable[str | Node]", given) for name in forgotten_names(one) or ())


def check_text(option: str, given: object) -> None:
    """See that something can name a run.

    Raises:
        TypeError: It is no text.
        ValueError: It is empty, too long, or cannot be printed.
    """
    if not isinstance(given, str):
        raise TypeError(f"{option}={given!r} is no text.")
    if not given or len(given) > LONGEST or "\0" in given or not given.isprintable():
        raise ValueError(f"{option}={given[:80]!r} must be 1 to {LONGEST} letters that can be printed.")


def check_choice(option: str, given: str, choices: Sequence[str]) -> None:
    """See that something is one of the values that an option may have.

    Raises:
        ValueError: It is none of them.
    """
    if given not in choices:
        raise ValueError(f"{option}={given!r} is none of {listed(choices)}.{did_you_mean(given, choices)}")
