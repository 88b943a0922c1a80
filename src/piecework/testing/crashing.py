"""A store whose process dies at a chosen write, for tests of what survives that.

Tests wrap any store in it and run a workflow: it ends as if the process had been killed there, without the process
being killed. It stands for one process; whoever goes on with the run opens the store beneath anew.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal, TypeAlias

from piecework.core.fact import Fact
from piecework.core.ports import RunLog
from piecework.core.runs import Batch, Claim, Owner, RunInfo, RunStart, Standing
from piecework.errors import StoreError
from piecework.testing.storage_log import gone_process

__all__ = ("CrashMoment", "CrashingStore", "StoreCrashError")

CrashMoment: TypeAlias = Literal["before", "after"]
"""Whether the process dies before a write, of which nothing is written, or after it, and never hears of it."""


class StoreCrashError(StoreError):
    """The process that this store belongs to counts as dead: it writes and reads nothing any more."""


class CrashingStore:
    """Any store, as a process sees it that dies at a chosen write.

    Claims and batches are writes. From the crash on every method raises `StoreCrashError`, so the run ends, and nothing
    that it still does is kept. Claims are made for a process of this machine that is gone, so another runner, with the
    store itself, takes the run over at once, even while this one still works: it is then one that was taken over.

    Example:
        >>> import asyncio
        >>> from piecework import AsyncRunner, Graph, MemoryStore, node
        >>> @node(output_name="double")
        ... def twice(number: int) -> int:
        ...     return 2 * number
        >>> graph, store = Graph([twice], name="doubling"), MemoryStore()
        >>> async def main() -> None:
        ...     try:
        ...         await AsyncRunner(store=CrashingStore(store, at=2, when="after")).run(graph, number=5, run_id="a")
        ...     except StoreCrashError as error:
        ...         print(error)
        ...     print((await AsyncRunner(store=store).run(graph, number=5, run_id="a"))["double"])
        >>> asyncio.run(main())
        the process has crashed after write 2.
        10
    """

    def __init__(self, store: RunLog, *, at: int | None = None, when: CrashMoment = "before") -> None:
        """Wrap a store.

        Args:
            store: Keeps what is written until the crash.
            at: The number of the write to crash at, from 1; None crashes when `crash` is called.
            when: Whether that write still happens.
        """
        self.crashed = False
        """Whether it has crashed."""
        self.writes = 0
        """How many writes were asked for, the one that it crashed at included."""
        self._store = store
        self._at = at
        self._when = when
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Show the store and where it crashes."""
        where = "" if self._at is None else f", at={self._at}, when={self._when!r}"
        return f"CrashingStore({self._store!r}{where})"

    def crash(self) -> None:
        """Crash now."""
        self.crashed = True

    async def claim(self, start: RunStart, *, owner: Owner | None = None) -> Claim:
        """Claim a run, for a process that is gone; a write."""
        last = self._next_write()
        claim = await self._store.claim(start, owner=owner or gone_process())
        if last:
            raise self._dead()
        return claim

    def give_up(self, claim: Claim) -> None:
        """Say that this process works on a run no longer; a dead one says nothing."""
        if not self.crashed:
            self._store.give_up(claim)

    async def append(self, batch: Batch) -> None:
        """Add facts; a write."""
        last = self._next_write()
        await self._store.append(batch)
        if last:
            raise self._dead()

    async def renew(self, claim: Claim) -> bool:
        """Renew a claim."""
        self._see_that_it_lives()
        return await self._store.renew(claim)

    async def read(self, run_id: str, *, after: int = 0, values: bool = True) -> Sequence[Fact]:
        """Read facts."""
        self._see_that_it_lives()
        return await self._store.read(run_id, after=after, values=values)

    async def find(self, run_id: str) -> RunInfo | None:
        """Find a run."""
        self._see_that_it_lives()
        return await self._store.find(run_id)

    async def runs(
        self, *, status: Standing | None = None, thread_id: str | None = None, limit: int | None = None
    ) -> Sequence[RunInfo]:
        """List runs."""
        self._see_that_it_lives()
        return await self._store.runs(status=status, thread_id=thread_id, limit=limit)

    async def ask_to_cancel(self, run_id: str) -> bool:
        """Ask for a run to be cancelled."""
        self._see_that_it_lives()
        return await self._store.ask_to_cancel(run_id)

    async def delete(self, run_ids: Sequence[str]) -> int:
        """Remove runs."""
        self._see_that_it_lives()
        return await self._store.delete(run_ids)

    async def prune(self, *, older_than: float | None = None, keep: int | None = None) -> Sequence[str]:
        """Remove old runs."""
        self._see_that_it_lives()
        return await self._store.prune(older_than=older_than, keep=keep)

    def _next_write(self) -> bool:
        """Count a write, and crash before it if that is due; whether to crash after it."""
        with self._lock:
            self._see_that_it_lives()
            self.writes += 1
            due = self.writes == self._at
            self.crashed = due  # At once: nothing else is written while this write is on its way.
        if due and self._when == "before":
            raise self._dead()
        return due

    def _see_that_it_lives(self) -> None:
        if self.crashed:
            raise self._dead()

    def _dead(self) -> StoreCrashError:
        where = "" if self._at is None else f" {self._when} write {self._at}"
        return StoreCrashError(f"the process has crashed{where}.", store=repr(self._store))
