"""What happens in a run, told to observers as it happens.

The scheduler and the door make events; progress, traces and streams are foldings of them. Nothing is made when nobody
listens.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from piecework.core.call import Call
from piecework.core.outcome import Outcome

__all__ = ("AttemptFailed", "CallFinished", "CallStarted", "Event", "FanOutStarted", "RunFinished", "RunStarted")


class RunStarted(Struct, frozen=True):
    """A run began."""

    run_id: str
    """Names the run."""

    name: str
    """The workflow's name."""


class FanOutStarted(Struct, frozen=True):
    """A fan-out's items are about to start."""

    address: str
    """The path of the items, without their keys."""

    size: int | None
    """How many items there are, where it is known."""


class CallStarted(Struct, frozen=True):
    """A call passed the limits and its function is about to run."""

    call: Call
    """The call."""


class AttemptFailed(Struct, frozen=True):
    """An attempt of a call failed, and there will be another."""

    call: Call
    """The call."""

    error: BaseException
    """What the attempt raised."""

    wait: float
    """Seconds until the call gets in line for the next one."""


class CallFinished(Struct, frozen=True):
    """A call ended."""

    call: Call
    """The call."""

    outcome: Outcome
    """How."""

    recorded: bool = False
    """Whether that was on record from before: the function did not run, and no `CallStarted` was told."""

    cached: bool = False
    """Whether that came out of a cache: the function did not run, and no `CallStarted` was told."""


class RunFinished(Struct, frozen=True):
    """The run ended."""

    run_id: str
    """Names the run."""

    outcome: Outcome | None
    """How; None when it was cancelled."""


Event: TypeAlias = RunStarted | FanOutStarted | CallStarted | AttemptFailed | CallFinished | RunFinished
