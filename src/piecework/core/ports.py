"""What the engine needs from outside, as protocols; stores, executors and observers implement them.

Only code behind these ports touches disk, network, threads or a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, runtime_checkable

from piecework.core.call import Target
from piecework.core.events import Event
from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, Owner, RunInfo, RunStart, Standing

__all__ = ("Cache", "Executor", "Observer", "RunLog")


@runtime_checkable
class RunLog(Protocol):
    """Keeps the facts of runs. Its methods may be called from any event loop and thread.

    Every method raises `StoreError` where the store cannot be read or written, and nothing is written then.
    """

    async def claim(self, start: RunStart, *, owner: Owner | None = None) -> Claim:
        """Get the right to write a run: make it if nobody has, or take it over from whoever no longer works on it.

        A run is free when its last end was recorded, when the lease on it has run out, or when the process that holds
        it was on this machine and is gone. What a run is was said by whoever made it; later claims do not change that.

        Args:
            start: What the run is.
            owner: Who claims it; by default this process.

        Raises:
            RunHeldError: Somebody else works on it.
        """
        ...

    def give_up(self, claim: Claim) -> None:
        """This process works on the run no longer, though that could not be recorded: it may claim it again at once."""
        ...

    async def renew(self, claim: Claim) -> bool:
        """Tell that the claim's owner still works on it; returns whether somebody asked the run to be cancelled.

        Raises:
            RunLostError: Somebody else has claimed it since.
        """
        ...

    async def append(self, batch: Batch) -> None:
        """Add facts to a run's log, in order, all or none; they are durable on return. Renews the claim.

        A batch whose facts are in the log already is not written again. After a batch with a status other than
        `running` the run is free.

        Raises:
            RunLostError: Somebody else has claimed the run since.
        """
        ...

    async def read(self, run_id: str, *, after: int = 0, values: bool = True) -> Sequence[Fact]:
        """The facts of a run in the order they were recorded; empty for a run nobody recorded.

        Args:
            run_id: The run.
            after: How many facts to leave out at the beginning.
            values: Whether to fill in large values; without, such facts have their `ref` alone.
        """
        ...

    async def find(self, run_id: str) -> RunInfo | None:
        """How a run stands; None where there is no such run."""
        ...

    async def runs(
        self, *, status: Standing | None = None, thread_id: str | None = None, limit: int | None = None
    ) -> Sequence[RunInfo]:
        """How runs stand, the one that was made last coming first."""
        ...

    async def ask_to_cancel(self, run_id: str) -> bool:
        """Ask whoever works on a run to cancel it; a run that nobody works on is cancelled. False where it has ended.

        Raises:
            UnknownRunError: There is no such run.
        """
        ...

    async def delete(self, run_ids: Sequence[str]) -> int:
        """Remove all of some runs, and values that no other run has; returns how many there were.

        Raises:
            RunHeldError: Somebody works on one of them; none is removed.
        """
        ...

    async def prune(self, *, older_than: float | None = None, keep: int | None = None) -> Sequence[str]:
        """Remove runs that have ended: those not written for some seconds, and all but so many of the newest.

        With both, a run is removed if it is old and not among the newest; with none, none is. Only completed, failed
        and cancelled runs are removed, and counted: never one that somebody works on, or that waits to be resumed
        (interrupted or paused).

        Returns:
            The ids of the runs that were removed.
        """
        ...


@runtime_checkable
class Cache(Protocol):
    """Keeps what nodes made, to be used again. Its methods may be called from any event loop and thread.

    Every method raises `StoreError` where the cache cannot be read or written.
    """

    async def get(self, key: bytes) -> bytes | None:
        """What is kept under a key; None where nothing is, or where its time is over."""
        ...

    async def put(self, key: bytes, value: bytes, *, node: str, ttl: float | None) -> None:
        """Keep a value in place of whatever is kept under its key.

        Args:
            key: What the value is asked for by.
            value: The value, encoded.
            node: The name of the node that made it.
            ttl: Seconds after which it counts no more; None keeps it for good.
        """
        ...

    async def clear(self, nodes: Collection[str] | None = None) -> int:
        """Forget what some nodes made, by default what all did; returns how many values that were."""
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
