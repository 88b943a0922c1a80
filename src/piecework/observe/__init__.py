"""What happens in a run, for those who watch: what an observer is told, and the port it implements.

Users pass observers to a runner. An observer is called on the run's event loop for each event, in order, so it must
not block; one that raises is told nothing more of that run.
"""

from __future__ import annotations

from piecework.core.events import (
    AttemptFailed,
    CallFinished,
    CallStarted,
    Event,
    FanOutStarted,
    RunFinished,
    RunStarted,
)
from piecework.core.outcome import Done, Failed, Outcome, Paused
from piecework.core.ports import Observer

__all__ = (
    "AttemptFailed",
    "CallFinished",
    "CallStarted",
    "Done",
    "Event",
    "Failed",
    "FanOutStarted",
    "Observer",
    "Outcome",
    "Paused",
    "RunFinished",
    "RunStarted",
)
