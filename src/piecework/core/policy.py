"""What may be asked of a run or of a fan-out, as plain values.

Front ends and the runner build them, the scheduler and the door read them. Nothing here acts.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = ("ChangedInputs", "Durability", "KeepPolicy", "OnError", "RunPolicy")

OnError: TypeAlias = Literal["raise", "keep", "drop"]
"""What a fan-out does with a failed item: stop, keep a `Failure` in its place, or leave it out."""


Durability: TypeAlias = Literal["async", "sync", "exit"]
"""When facts are committed: while the run goes on, before what they enable goes on, or when the run ends."""

ChangedInputs: TypeAlias = Literal["rerun", "error"]
"""What becomes of a call that is on record as done with other arguments: it runs again, or fails."""


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
