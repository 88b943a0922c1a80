"""What may be asked of a run or of a fan-out, as plain values.

Front ends and the runner build them, the scheduler and the door read them. Nothing here acts.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = ("OnError", "RunPolicy")

OnError: TypeAlias = Literal["raise", "keep", "drop"]
"""What a fan-out does with a failed item: stop, keep a `Failure` in its place, or leave it out."""


class RunPolicy(Struct, frozen=True, kw_only=True):
    """The limits of one run."""

    max_concurrency: int | None = None
    """How many calls may run at once over the whole run, nesting included; None means no limit."""

    grace: float = 5.0
    """Seconds that a cancelled run waits for blocking functions before it abandons them."""

    max_threads: int = 1000
    """The widest that one blocking fan-out grows when the run has no `max_concurrency`."""
