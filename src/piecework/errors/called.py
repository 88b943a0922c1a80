"""What can be wrong with one call, and `Failure`, the mark a failed item leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import cast

from piecework.errors.root import PieceworkError
from piecework.wording import listed

__all__ = (
    "CacheKeyError",
    "Failure",
    "InputChangedError",
    "LimitConflictError",
    "NoCacheError",
    "NodeCancelledError",
    "NodeTimeoutError",
    "OutputMismatchError",
    "OutsideRunError",
    "PolicyFunctionError",
    "RunTimeoutError",
    "UnknownPriceError",
)


class OutputMismatchError(PieceworkError, ValueError):
    """A node with several outputs returned something that cannot be told apart into them."""

    def __init__(self, *, node: str, expected: tuple[str, ...], got: object) -> None:
        """Compose the message; of `got`, the returned value, only its type and length are kept."""
        self.node = node
        """The node's name."""
        self.expected = expected
        """The names of its outputs."""
        self.got_type = type(got).__name__
        """The type of what it returned."""
        self.got_length = len(cast("Sized", got)) if isinstance(got, (tuple, list)) else None
        """How many values it returned, where that can be said."""
        what = f"one {self.got_type}" if self.got_length is None else f"a {self.got_type} of {self.got_length}"
        super().__init__(
            f"node {node!r} has {len(expected)} outputs ({listed(expected)}) but returned {what}. "
            f"Return a tuple of {len(expected)} values in that order, or change its output_name."
        )


class NodeCancelledError(PieceworkError, RuntimeError):
    """A call raised `CancelledError` by itself, although nobody cancelled its run."""

    def __init__(self, *, node: str) -> None:
        """Compose the message for `node`."""
        self.node = node
        """The node's name."""
        super().__init__(
            f"node {node!r} raised CancelledError although its run was not cancelled: something it awaited "
            "was cancelled. Catch that inside the node, or await it through asyncio.shield()."
        )


class OutsideRunError(PieceworkError, RuntimeError):
    """Something was asked of the current call where no call runs."""


class InputChangedError(PieceworkError, ValueError):
    """A call is on record as done with other arguments, and the runner's policy is to refuse that."""

    def __init__(self, *, node: str, address: str) -> None:
        """Compose the message."""
        self.node = node
        """The node's name."""
        self.address = address
        """The call's address."""
        super().__init__(
            f"node {node!r} is on record as done at {address}, but with other inputs than it is given now. Resume with "
            'the inputs it had, or let it run again: changed_inputs="rerun".'
        )


class NodeTimeoutError(PieceworkError, TimeoutError):
    """An attempt of a call took longer than its policy allows. It is tried again where the retry policy says so."""

    def __init__(self, *, node: str, seconds: float, idle: bool = False) -> None:
        """Compose the message."""
        self.node = node
        """The node's name."""
        self.seconds = seconds
        """The time that it was given."""
        self.idle = idle
        """Whether it gave no sign of life for that time, rather than took that time in all."""
        how = "gave no sign of life for" if idle else "took longer than"
        advice = "call heartbeat() in it, or give it more time" if idle else "give it more time"
        super().__init__(f"node {node!r} {how} {seconds:g} s. Let it do less at once, or {advice}: timeout=.")


class RunTimeoutError(PieceworkError, TimeoutError):
    """A run took longer than it was given. What finished is recorded, and the run can be resumed."""

    def __init__(self, run_id: str, *, seconds: float) -> None:
        """Compose the message."""
        self.run_id = run_id
        """The run."""
        self.seconds = seconds
        """The time that it was given."""
        super().__init__(
            f"run {run_id!r} took longer than the {seconds:g} s that its runner gives it: run_timeout=. "
            "What finished is recorded where the runner has a store; resume the run to go on."
        )


class PolicyFunctionError(PieceworkError, RuntimeError):
    """A function that belongs to a policy raised; the exception is its cause."""

    def __init__(self, what: str, *, node: str, error: BaseException) -> None:
        """Compose the message from what the function is, such as `retry_on`, and what it raised."""
        self.what = what
        """What the function is for."""
        self.node = node
        """The node whose policy it belongs to."""
        super().__init__(f"the {what} function of node {node!r} raised {type(error).__name__}: {error}")
        self.__cause__ = error


class CacheKeyError(PieceworkError, ValueError):
    """What a cached node is, or is given, cannot be told from other things, so nothing can be kept for it."""

    def __init__(self, message: str, *, node: str) -> None:
        """Keep the place beside `message`."""
        self.node = node
        """The node's name."""
        super().__init__(message)


class NoCacheError(PieceworkError, ValueError):
    """Something needs a cache, such as a node that is to be cached, and the runner has none."""

    def __init__(self, nodes: Iterable[str], *, asked: str = "") -> None:
        """Compose the message from the nodes' names, or from what was asked of the cache."""
        self.nodes = tuple(nodes)
        """The nodes that have a cache policy; none where a method was asked for something."""
        who = f"{asked} is about what a cache keeps" if asked else f"{listed(self.nodes)}: a CachePolicy needs a cache"
        super().__init__(
            f"{who}, and this runner has none. Give it one: AsyncRunner(cache=MemoryCache()), or "
            "SqliteCache('cache.db')."
        )


class LimitConflictError(PieceworkError, ValueError):
    """Two limits of one name say different things."""

    def __init__(self, message: str, *, name: str) -> None:
        """Keep the name beside `message`."""
        self.name = name
        """The name."""
        super().__init__(message)


class UnknownPriceError(PieceworkError, LookupError):
    """A budget counts money, and does not say what a model costs."""

    def __init__(self, model: str) -> None:
        """Compose the message."""
        self.model = model
        """The model that a call has used; empty where the result does not say."""
        which = f"the model {model!r}" if model else "a model whose name its result does not tell"
        advice = (
            "Add it:"
            if model
            else "Tell the name in the node, add_usage(model='a-model', input_tokens=..., output_tokens=...), or say "
            "what answers cost that have none:"
        )
        super().__init__(
            f"the budget has max_cost, and no price for {which}. {advice} "
            f"Budget(max_cost=..., prices={{{model!r}: Price(input=3, output=15)}}), for a million tokens each."
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """What stands in place of an item's result where `on_error="keep"` and the item failed.

    It is falsy, so that `[r for r in results if r]` drops failures and keeps all truthy results.
    """

    error: BaseException
    """The exception of the last attempt."""
    index: int
    """The item's position in the fan-out, from 0."""
    attempts: int = 1
    """How many times the item was tried."""

    def __bool__(self) -> bool:
        """Return False: a failure is no result."""
        return False

    def __repr__(self) -> str:
        """Say which item failed, with what, and after how many attempts where there were several."""
        tried = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"<Failure of item {self.index}{tried}: {self.error!r}>"
