"""What can be wrong with one call, and `Failure`, the mark a failed item leaves behind."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import cast

from piecework.errors.root import PieceworkError
from piecework.wording import listed

__all__ = (
    "Failure",
    "InputChangedError",
    "NodeCancelledError",
    "OutputMismatchError",
    "OutsideRunError",
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
