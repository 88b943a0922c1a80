"""How a call ended, as a value.

The door makes outcomes, plans read them; an exception crosses the loop only at the user's boundary. Nothing here is
raised, and nothing here knows a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

__all__ = ("Done", "Failed", "Outcome", "Paused", "Question")


class Done(Struct, frozen=True):
    """The call returned."""

    value: object
    """What it returned."""


class Failed(Struct, frozen=True):
    """The call raised, or could not be given what it needs."""

    error: BaseException
    """The original exception, with notes that say where it happened."""

    attempts: int = 1
    """How many times the function was tried."""

    item: int | None = None
    """The index of the fan-out item that failed, where there is one."""


class Question(Struct, frozen=True):
    """Something that a call asks before it can go on."""

    id: str
    """Stable over resumes."""

    value: object
    """What is asked."""


class Paused(Struct, frozen=True):
    """The call waits for answers, or was not started since the run is stopped; nothing else in it can go on."""

    questions: tuple[Question, ...]
    """In the order they were asked."""

    places: Sequence[object] = ()
    """For a fan-out: what each item came to; where one is paused, its `Paused`."""

    stopped: str = ""
    """Why the run is stopped, as in `"budget"`; empty where it only waits for answers."""


Outcome: TypeAlias = Done | Failed | Paused
