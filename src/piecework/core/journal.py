"""A run's log as it is written: outcomes to facts, facts to the store, in one order, many in one commit.

The door records calls here, the scope fan-outs and ends. One writer task drains what has gathered while the last batch
was being committed; it stands outside every limit. Without a store, nothing is made or kept.
"""

from __future__ import annotations

import asyncio
import threading

from piecework.core.call import Call
from piecework.core.codec import Codec
from piecework.core.fact import Fact, Status
from piecework.core.outcome import Done, Failed, Outcome
from piecework.core.ports import RunLog
from piecework.errors import CodecError

__all__ = ("Journal",)

BATCH = 1000
"""Facts in one commit, and the queue's length above which calls wait for the writer."""


class Journal:
    """The ordered writer of one run's facts."""

    def __init__(self, store: RunLog | None, run_id: str, codec: Codec) -> None:
        """Make the journal of a run; `store=None` keeps nothing."""
        self.keeps = store is not None
        """Whether facts are kept anywhere."""
        self._store = store
        self._run_id = run_id
        self._codec = codec
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._pending: list[Fact] = []
        self._writer: asyncio.Task[None] | None = None
        self.crowded = False
        """Whether so much waits to be written that calls should wait for the writer."""
        self._waiters: list[asyncio.Future[None]] = []
        self._error: BaseException | None = None

    def record(self, call: Call, outcome: Outcome) -> Outcome:
        """Take a finished call's outcome into the log; safe from any thread.

        Returns:
            The outcome, or `Failed` with a `CodecError` when its value cannot be kept.
        """
        if not self.keeps:
            return outcome
        site, attempts = call.site, 1 if call.live is None else call.live.attempts
        value: bytes | None = None
        if type(outcome) is Done and site.target.record:
            try:
                value = self._codec.encode(outcome.value)
            except CodecError as fault:
                outcome = Failed(fault, attempts)
        status, error = _told(outcome)
        self.write(Fact("call", call.address, site.frame, site.target.name, status, value, error, attempts))
        return outcome

    def record_cancelled(self, call: Call) -> None:
        """Take down that a blocking call was abandoned."""
        if self.keeps:
            self.write(
                Fact(
                    "call",
                    call.address,
                    call.site.frame,
                    call.target.name,
                    "cancelled",
                    attempts=call.attempts,
                )
            )

    def plan(self, address: str, name: str, size: int | None) -> None:
        """Take down that a fan-out of so many items is about to start."""
        if self.keeps:
            self.write(Fact("plan", address, name=name, value=self._codec.encode(size)))

    def end(self, outcome: Outcome | None) -> None:
        """Take down how the run ended; None says that it was cancelled."""
        if self.keeps:
            status, error = ("cancelled", None) if outcome is None else _told(outcome)
            self.write(Fact("end", "", status=status, error=error))

    def write(self, fact: Fact) -> None:
        """Queue a fact and see that the writer runs."""
        if not self.keeps or self._error is not None:
            return
        self._pending.append(fact)
        self.crowded = len(self._pending) > BATCH
        if len(self._pending) == 1:
            if threading.get_ident() == self._thread:
                self._loop.call_soon(self._wake)  # Not at once: what comes in this turn goes into one batch.
            else:
                self._loop.call_soon_threadsafe(self._wake)

    async def room(self) -> None:
        """Wait until the writer has caught up; from any thread."""
        caught_up = self._loop.create_future()
        self._waiters.append(caught_up)
        self._loop.call_soon_threadsafe(self._wake)
        await caught_up

    async def commit(self) -> None:
        """Return once everything recorded so far is in the store; called on the loop.

        Raises:
            Exception: Whatever the store raised; nothing after it was written.
        """
        while self._error is None and (self._pending or self._writer is not None):
            if self._writer is None:
                self._writer = self._loop.create_task(self._write())
            await asyncio.wait([self._writer])
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        if self._writer is None and self._error is None and self._pending:
            self._writer = self._loop.create_task(self._write())
        elif self._waiters and (self._error is not None or not self._pending):
            self._let_go()

    async def _write(self) -> None:
        """Write what waits, batch by batch, until nothing does."""
        assert self._store is not None
        try:
            while self._pending:
                batch = self._pending[:BATCH]
                await self._store.append(self._run_id, batch)
                del self._pending[: len(batch)]
                self.crowded = len(self._pending) > BATCH
        except Exception as error:
            self._error = error
            self._pending.clear()  # Nothing more is written, so nobody waits for room.
            self.crowded = False
        finally:
            self._writer = None
            if self._waiters:
                self._let_go()

    def _let_go(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def _told(outcome: Outcome) -> tuple[Status, str | None]:
    """An outcome's status, and its error in words."""
    if isinstance(outcome, Failed):
        return "failed", _in_words(outcome.error)
    return ("done" if isinstance(outcome, Done) else "paused"), None


def _in_words(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except Exception:  # The exception's own text may fail; that it happened must be told all the same.
        return kind
