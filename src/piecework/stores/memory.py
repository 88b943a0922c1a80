"""Runs kept in this process's memory, gone with it.

For tests and for programs that want a run's log without a file. The same port as the durable stores.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from time import time

from msgspec import Struct, structs

from piecework.core.fact import Fact
from piecework.core.runs import Batch, Claim, Owner, RunInfo, RunStart, Standing, Tally
from piecework.errors import RunHeldError, RunLostError, StoreError, UnknownRunError
from piecework.stores.owner import described, give_up, this_process, works_on

__all__ = ("MemoryStore",)

LEASE = 30.0
"""Seconds for which a run is held by whoever was last heard from."""


_NUMBERS = itertools.count()


class _Kept(Struct, eq=False):
    """One run."""

    info: RunInfo
    facts: list[Fact]
    cancel: bool = False


class MemoryStore:
    """Runs in memory; safe to share between runs, event loops and threads."""

    def __init__(self) -> None:
        """Make an empty store."""
        self._runs: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._name = f"memory {next(_NUMBERS)}"

    def __repr__(self) -> str:
        """Say how much it holds."""
        facts = sum(len(kept.facts) for kept in self._runs.values())
        return f"MemoryStore({len(self._runs)} runs, {facts} facts)"

    async def claim(self, start: RunStart, *, owner: Owner | None = None) -> Claim:
        """Get the right to write a run; see the port."""
        now, owner = time(), owner or this_process()
        with self._lock:
            kept = self._runs.get(start.run_id)
            if kept is None:
                info = RunInfo(
                    start=start, status="running", created=now, updated=now, facts=0, tally=Tally(), size=0, epoch=0
                )
                kept = self._runs[start.run_id] = _Kept(info, [])
            elif self._held(kept.info, now):
                raise _refusal(kept.info, now)
            kept.cancel = False
            kept.info = structs.replace(
                kept.info, status="running", epoch=kept.info.epoch + 1, owner=owner, lease=now + LEASE, updated=now
            )
            return Claim(start.run_id, kept.info.epoch, len(kept.facts))

    def give_up(self, claim: Claim) -> None:
        """This process works on the run no longer, though that could not be recorded: it may claim it again at once."""
        give_up(self._name, claim.run_id, claim.epoch)

    async def renew(self, claim: Claim) -> bool:
        """Tell that the owner still works on it; whether the run is to be cancelled."""
        with self._lock:
            kept = self._claimed(claim)
            kept.info = structs.replace(kept.info, lease=time() + LEASE)
            return kept.cancel

    async def append(self, batch: Batch) -> None:
        """Add facts to a run's log, in order, all or none."""
        with self._lock:
            kept, now, end = self._claimed(batch.claim), time(), batch.first + len(batch.facts)
            if len(kept.facts) == end and batch.facts and kept.facts[batch.first :] == list(batch.facts):
                return  # It was delivered before.
            if len(kept.facts) != batch.first:
                raise StoreError(
                    f"run {batch.claim.run_id!r} has {len(kept.facts)} facts, where {batch.first} were expected."
                )
            kept.facts.extend(batch.facts)
            working = batch.status == "running"
            kept.info = structs.replace(
                kept.info,
                status=batch.status,
                updated=now,
                facts=end,
                tally=batch.tally,
                size=kept.info.size + sum(len(fact.value or b"") for fact in batch.facts),
                owner=kept.info.owner if working else None,
                lease=now + LEASE if working else 0.0,
            )

    async def read(self, run_id: str, *, after: int = 0, values: bool = True) -> Sequence[Fact]:  # noqa: ARG002 - all are here
        """The facts of a run, in order; empty for a run nobody recorded."""
        kept = self._runs.get(run_id)
        return () if kept is None else tuple(kept.facts[after:])

    async def find(self, run_id: str) -> RunInfo | None:
        """How a run stands; None where there is no such run."""
        kept = self._runs.get(run_id)
        return None if kept is None else self._seen(kept.info, time())

    async def runs(
        self, *, status: Standing | None = None, thread_id: str | None = None, limit: int | None = None
    ) -> Sequence[RunInfo]:
        """How runs stand, the newest first."""
        now = time()
        with self._lock:
            all_runs = [self._seen(kept.info, now) for kept in reversed(self._runs.values())]
        found = [
            info
            for info in all_runs
            if status in {None, info.status} and (thread_id is None or info.start.thread_id == thread_id)
        ]
        return tuple(found[:limit])

    async def ask_to_cancel(self, run_id: str) -> bool:
        """Ask whoever works on a run to cancel it; False where it has ended."""
        now = time()
        with self._lock:
            kept = self._runs.get(run_id)
            if kept is None:
                raise UnknownRunError(run_id)
            info = self._seen(kept.info, now)
            if info.status == "running":
                kept.cancel = True
            elif info.status in {"interrupted", "paused", "stopped"}:
                kept.info = structs.replace(kept.info, status="cancelled", owner=None, lease=0.0, updated=now)
            else:
                return False
            return True

    async def delete(self, run_ids: Sequence[str]) -> int:
        """Remove all of some runs."""
        now = time()
        with self._lock:
            known = {run_id: self._runs[run_id] for run_id in run_ids if run_id in self._runs}
            for kept in known.values():
                if self._held(kept.info, now):
                    raise _refusal(kept.info, now)
            for run_id in known:
                del self._runs[run_id]
            return len(known)

    async def prune(self, *, older_than: float | None = None, keep: int | None = None) -> Sequence[str]:
        """Remove runs that have ended and are old, or not among the newest."""
        before = time() - (older_than or 0.0)
        with self._lock:
            infos = [kept.info for kept in reversed(self._runs.values())]
            ended = [info for info in infos if info.status in {"completed", "failed", "cancelled"}]
            nothing = older_than is None and keep is None
            old = [] if nothing else [info for info in ended[max(keep or 0, 0) :] if info.updated <= before]
            gone = [info.run_id for info in old]
            for run_id in gone:
                del self._runs[run_id]
            return tuple(gone)

    def _held(self, info: RunInfo, now: float) -> bool:
        if info.status != "running" or info.owner is None or info.lease <= now:
            return False
        return works_on(info.owner, self._name, info.run_id, info.epoch)

    def _seen(self, info: RunInfo, now: float) -> RunInfo:
        """A run as it stands now: one that nobody works on any more is interrupted."""
        if info.status == "running" and not self._held(info, now):
            return structs.replace(info, status="interrupted", owner=None, lease=0.0)
        return info

    def _claimed(self, claim: Claim) -> _Kept:
        kept = self._runs.get(claim.run_id)
        if kept is None:
            raise RunLostError(claim.run_id, taken_by="somebody who removed it")
        if kept.info.epoch != claim.epoch:
            raise RunLostError(
                claim.run_id, taken_by="nobody" if kept.info.owner is None else described(kept.info.owner)
            )
        return kept


def _refusal(info: RunInfo, now: float) -> RunHeldError:
    assert info.owner is not None
    return RunHeldError(info.run_id, held_by=described(info.owner), seconds=info.lease - now)
