"""What the engine needs from outside, as protocols; stores, executors and observers implement them.

Only code behind these ports touches disk, network, threads or a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from piecework.core.call import Target
from piecework.core.events import Event
from piecework.core.fact import Fact

__all__ = ("Executor", "Observer", "RunLog")


class RunLog(Protocol):
    """Keeps the facts of runs."""

    async def append(self, run_id: str, facts: Sequence[Fact]) -> None:
        """Add facts to a run's log, in order, all or none; they are durable on return."""
        ...

    async def read(self, run_id: str) -> Sequence[Fact]:
        """All facts of a run in the order they were recorded; empty for a run nobody recorded."""
        ...


class Executor(Protocol):
    """Decides where functions run."""

    @property
    def here(self) -> bool:
        """Whether all functions run in this process, so that no target need be placed."""
        ...

    def place(self, target: Target) -> Target:
        """The target as this executor runs it: itself in this process, or an async stand-in for one elsewhere."""
        ...

    def thread(self, work: Callable[[], None]) -> None:
        """Run `work` at once on a daemon thread; never waits, never queues behind other work."""
        ...


class Observer(Protocol):
    """Is told what happens."""

    def on_event(self, event: Event) -> None:
        """Take one event; called on the run's loop, in order, so it must not block."""
        ...
