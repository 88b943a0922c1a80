"""A run's log as it is written: outcomes to facts, facts to the store, in one order, many in one commit.

The door asks here whether a call is on record, and records it here if not; scopes record fan-outs, the runner inputs
and ends. One writer task drains what has gathered while the last batch was being committed; it stands outside every
limit.
Without a store, nothing is made or kept.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from time import perf_counter, time

from msgspec import Raw, Struct, field, msgpack

from piecework.core.call import Call, Shared, Site
from piecework.core.codec import Codec, digest_of
from piecework.core.fact import Fact, Status
from piecework.core.outcome import Done, Failed, Outcome, Paused
from piecework.core.policy import KeepPolicy
from piecework.core.ports import RunLog
from piecework.core.recall import Recall
from piecework.core.runs import Batch, Claim, RunStatus, Tally
from piecework.core.usage import Usage
from piecework.errors import CodecError, StoredError

__all__ = ("Count", "Journal", "Opened", "input_fact")

BATCH = 1000
"""Facts in one commit, and the queue's length above which calls wait for the writer."""

BYTES = 4_000_000
"""The same in bytes of values."""

GIVEN = 1000
"""Bytes of arguments up to which they are kept with their call."""

_ENDED = frozenset({"done", "failed"})
"""What a call's status is when it counts."""

_STATUS: Mapping[Status, RunStatus] = {
    "done": "completed",
    "failed": "failed",
    "paused": "paused",
    "stopped": "stopped",
    "cancelled": "cancelled",
}


class Opened(Struct, frozen=True, kw_only=True):
    """What a run meets in its store."""

    claim: Claim | None
    """The right to write it; None for a run that has completed and is only read."""

    recall: Recall | None = None
    """What is on record; None for a new run."""

    inputs: Mapping[str, object] | None = None
    """The run's inputs, where they are not on record."""

    bound: Collection[str] = ()
    """Those of them that the workflow brings itself."""

    keeps_outputs: bool = False
    """Whether an input is not in the log, so that the run's end is to have its outputs."""

    used: Usage = Usage()
    """What is on record as used up."""

    anew: frozenset[str] = frozenset()
    """The paths of nodes that are to run again, whatever is kept of them in a cache."""

    first: tuple[Fact, ...] = ()
    """What is to be committed before anything starts: answers, and what the workflow is made of now."""


class Count(Struct, eq=False):
    """How far a run has come, kept while its facts pass by."""

    known: Mapping[str, Fact] = {}
    """What is on record from before, by address, and counted already; a call that runs again counts once."""

    done: int = 0
    """Calls that are done."""

    failed: set[str] = field(default_factory=set[str])
    """The addresses of calls that failed."""

    sizes: dict[str, int] = field(default_factory=dict[str, int])
    """For fan-outs whose items are one call each: how many items there are."""

    items: int = 0
    """Calls that are such items."""

    others: int = 0
    """Calls that are not."""

    def take(self, facts: Iterable[Fact]) -> Tally:
        """Facts came; returns how far the run has come with them."""
        for fact in facts:
            if fact.kind != "call":
                continue
            address, step = fact.address, 0
            if self.known and (before := self.known.get(address)) is not None and before.status == "done":
                self.done -= 1
                step -= 1
            if self.failed and address in self.failed:
                self.failed.discard(address)
                step -= 1
            if fact.status == "done":
                self.done += 1
                step += 1
            elif fact.status == "failed":
                self.failed.add(address)
                step += 1
            if self.sizes and address.rpartition("[")[0] in self.sizes:
                self.items += step
            else:
                self.others += step
        planned = max(sum(self.sizes.values()), self.items) + self.others
        return Tally(self.done, len(self.failed), planned)

    @staticmethod
    def recalled(recall: Recall) -> tuple[Count, Tally]:
        """The count of what is on record."""
        calls, sizes = recall.recorded.calls, dict(recall.sizes())
        count = Count(known=calls, sizes=sizes)
        ended = [address for address, fact in calls.items() if fact.status in _ENDED]
        count.failed = {address for address in ended if calls[address].status == "failed"}
        count.done = len(ended) - len(count.failed)
        count.items = sum([address.rpartition("[")[0] in sizes for address in ended]) if sizes else 0
        count.others = len(ended) - count.items
        return count, count.take(())


class Journal:
    """The ordered writer of one run's facts."""

    def __init__(self, store: RunLog | None, opened: Opened | None, codec: Codec, policy: KeepPolicy) -> None:
        """Make the journal of a run; `store=None` keeps nothing."""
        self.keeps = store is not None
        """Whether facts are read or written."""
        self.recall = None if opened is None else opened.recall
        """What is on record from before."""
        self.waits = store is not None and policy.durability == "sync"
        """Whether a call's outcome counts only once it is in the store."""
        self.crowded = False
        """Whether so much waits to be written that calls should wait for the writer."""
        self._on_failure: Callable[[Exception], None] = _nobody
        self._store = store
        self._claim = None if opened is None else opened.claim
        self._written = 0 if self._claim is None else self._claim.facts
        self._codec = codec
        self._outputs = False
        """Whether the end keeps what the run made."""
        self._since = time() - perf_counter()
        self._late = policy.durability == "exit"
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._pending: list[Fact] = []
        self._bytes = 0
        self._flying = 0
        self._woken = False
        self._writer: asyncio.Task[None] | None = None
        self._crowd: deque[asyncio.Future[None]] = deque()
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._error: Exception | None = None
        self._count = Count() if self.recall is None else Count.recalled(self.recall)[0]

    def known(self, call: Call, arguments: Mapping[str, object]) -> Outcome | None:
        """How a call ended if that is on record, else None; takes down what the call is given. Safe from any thread."""
        shared = call.site.shared
        if shared is None:
            given = self._codec.encode_arguments(arguments)
        else:
            given, call.inputs = self._codec.encode_arguments(arguments, apart=shared.names), shared.digest
        if len(given) <= GIVEN:
            call.given = given
        else:
            call.inputs = digest_of(given + (call.inputs or b""))
        return None if self.recall is None else self.recall.outcome(call, arguments)

    async def begin(self, opened: Opened, on_failure: Callable[[Exception], None]) -> None:
        """Take down what comes before everything else; answers are durable on return.

        Args:
            opened: What the run meets in its store.
            on_failure: Told, once and on the loop, that the store has failed.
        """
        self._on_failure = on_failure
        self._outputs = opened.keeps_outputs
        if opened.inputs is not None:
            fact, whole = input_fact(self._codec, opened.inputs, bound=opened.bound)
            self._outputs = not whole
            self.write(fact)
        for fact in opened.first:
            self.write(fact)
        if opened.first:
            await self.commit()

    def record(self, call: Call, outcome: Outcome) -> Outcome:
        """Take a finished call's outcome into the log; safe from any thread.

        Returns:
            The outcome, or `Failed` with a `CodecError` when its value cannot be kept.
        """
        live = call.live
        attempts, usage = (1, None) if live is None else (live.attempts, live.take_usage())
        value: bytes | None = None
        status: Status = "done"
        target = call.site.target
        if type(outcome) is Done and (target.record or target.effect):
            try:
                value = self._codec.encode(None if target.effect else outcome.value)
            except CodecError as fault:
                outcome = Failed(_not_kept(call, fault), attempts)
        if type(outcome) is not Done:
            status, value, outcome = self._undone(call, outcome)
        now = perf_counter()
        took, ended = int((now - call.began) * 1_000_000), int((now + self._since) * 1000)
        given = call.given
        self.write(Fact("call", call.address, status, value, attempts, call.inputs, ended, took, given, None, usage))
        return outcome

    def _undone(self, call: Call, outcome: Outcome) -> tuple[Status, bytes | None, Outcome]:
        """What is kept of a call that failed or paused; questions of its own are taken down first."""
        if type(outcome) is Paused:
            outcome = self._ask(call, outcome)
        if type(outcome) is Failed:
            return "failed", self._told(outcome.error), outcome
        return "paused", None, outcome

    def record_cancelled(self, call: Call) -> None:
        """Take down that a blocking call was abandoned."""
        if self.keeps:
            took, ended = int((perf_counter() - call.began) * 1_000_000), int(time() * 1000)
            usage = None if call.live is None else call.live.take_usage()
            told = (call.attempts, call.inputs, ended, took, call.given)
            self.write(Fact("call", call.address, "cancelled", None, *told, usage=usage))

    def plan(self, address: str, size: int | None, shared: Shared | None, *, calls: bool) -> bool:
        """Take down that a fan-out is about to start; whether that is to be committed before it does.

        Args:
            address: The path of its items, without their keys.
            size: How many items there are, where that is known.
            shared: What all of them are given alike.
            calls: Whether each item is one call, and not a plan of its own.
        """
        digest = None if shared is None else shared.digest
        value = self._codec.encode({"size": size, "calls": calls, "shared": digest})
        if calls and size is not None:
            self._count.sizes[address] = size
        if self.recall is not None and self.recall.planned(address, value):
            return False
        self.write(Fact("plan", address, value=value, ended=int(time() * 1000)))
        return not self._late

    async def pulled(self, address: str, site: Site | None, first: int, items: Sequence[Mapping[str, object]]) -> None:
        """Take down items of a source whose size is not known, before they start; durable on return.

        Args:
            address: The path of the items, without their keys.
            site: Where they are called from, if each is one call.
            first: The number of the first.
            items: Their arguments.

        Raises:
            InputChangedError: The source gave others before, and the policy is to refuse that.
        """
        shared = None if site is None else site.shared
        apart, salt = ((), b"") if shared is None else (shared.names, shared.digest)
        digests = [digest_of(self._codec.encode_arguments(item, apart=apart) + salt) for item in items]
        known = None if self.recall is None else self.recall.pulled(address, first, digests)
        if known:
            return
        self.write(Fact("plan", f"{address}[{first}:]", value=b"".join(digests), ended=int(time() * 1000)))
        if not self._late:
            await self.commit()

    def shared(self, arguments: Mapping[str, object]) -> Shared | None:
        """Arguments that all items of a fan-out are given alike, looked at once."""
        if not self.keeps or not arguments:
            return None
        return Shared(frozenset(arguments), digest_of(self._codec.encode_arguments(arguments)))

    def end(self, outcome: Outcome | None) -> None:
        """Take down how the run ended; None says that it was cancelled."""
        status: Status = "cancelled"
        value = None
        if outcome is not None:
            unfinished: Status = "stopped" if type(outcome) is Paused and outcome.stopped else "paused"
            status = "done" if type(outcome) is Done else "failed" if type(outcome) is Failed else unfinished
            if type(outcome) is Failed:
                value = self._told(outcome.error)
            elif self._outputs:
                value = self._kept_outputs(outcome)
        self.write(Fact("end", "", status, value, ended=int(time() * 1000)))

    def _kept_outputs(self, outcome: Outcome) -> bytes | None:
        """What a run made, where it could not be made of its log again since an input is not in there."""
        if type(outcome) is not Done:
            return None
        try:
            return self._codec.encode(outcome.value)
        except CodecError:
            return None  # Whoever wants it again gives the inputs again.

    def write(self, fact: Fact) -> None:
        """Queue a fact and see that the writer runs; from any thread."""
        if self._claim is None or self._error is not None:
            return
        pending = self._pending
        pending.append(fact)
        if fact.value is not None:
            self._bytes += len(fact.value)
        if self._late:
            return
        if len(pending) > BATCH or self._bytes > BYTES:
            self.crowded = True
            if len(pending) <= BATCH and self._bytes <= BYTES:  # The writer, on its own thread, was faster.
                self._loop.call_soon_threadsafe(self._disperse)
        if self._writer is None and not self._woken:
            self._woken = True
            if threading.get_ident() == self._thread:
                self._loop.call_soon(self._wake)  # Not at once: what comes in this turn goes into one batch.
            else:
                self._loop.call_soon_threadsafe(self._wake)

    async def room(self) -> None:
        """Wait until the writer has caught up so far that calls may go on; from any thread."""
        while self.crowded:
            free = self._loop.create_future()
            self._crowd.append(free)
            if self._is_crowded():  # The writer may have come meanwhile, on its own thread.
                await free

    def _is_crowded(self) -> bool:
        return self.crowded

    def when_room(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` once, when calls may go on; called on the loop."""
        free = self._loop.create_future()
        free.add_done_callback(lambda _: watcher())
        self._crowd.append(free)

    async def settled(self) -> None:
        """Wait until everything recorded so far was written, or the store has failed; from any thread."""
        written = self._loop.create_future()
        self._waiters.append((self._written + self._flying + len(self._pending), written))
        if threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(self._wake)
        elif self._writer is None:
            self._wake()
        await written

    async def commit(self) -> None:
        """Return once everything recorded so far is in the store.

        Raises:
            Exception: Whatever the store raised; nothing after it was written.
        """
        if self._error is None and (self._pending or self._writer is not None):
            await self.settled()
        if self._error is not None:
            raise self._error

    def give_up(self) -> None:
        """What is not in the store will not be: this process works on the run no longer."""
        if self._store is not None and self._claim is not None:
            self._store.give_up(self._claim)

    def fail(self, error: Exception) -> None:
        """Write nothing more, and say so; called on the loop."""
        if self._error is None:
            self._error = error
            self._pending.clear()  # Nothing more is written, so nobody waits for room.
            self._flying = 0
            self._disperse()
            self._on_failure(error)

    def _wake(self) -> None:
        self._woken = False
        if self._writer is not None:
            return  # It wakes those who wait, batch by batch.
        if self._error is None and self._pending:
            self._writer = self._loop.create_task(self._write())
        elif self._waiters:
            self._let_go()

    async def _write(self) -> None:
        """Write what waits, batch by batch, until nothing does."""
        assert self._store is not None
        try:
            while self._pending:
                batch = self._batch()
                await self._store.append(batch)
                self._written += len(batch.facts)
                self._flying = 0
                if self._waiters:
                    self._let_go()
        except Exception as error:
            self.fail(error)
        finally:
            self._writer = None
            if self._pending or self._waiters:  # A thread may have written something just now.
                self._wake()

    def _batch(self) -> Batch:
        assert self._claim is not None
        size = BATCH
        if self._bytes > BYTES:
            held = 0
            for size, fact in enumerate(self._pending[:BATCH], 1):  # noqa: B007 - how many fit
                held += len(fact.value or b"")
                if held > BYTES:
                    break
        facts = self._pending[:size]
        self._flying = len(facts)
        del self._pending[:size]
        self._bytes = 0
        for fact in self._pending:
            self._bytes += 0 if fact.value is None else len(fact.value)
        if self.crowded and len(self._pending) <= BATCH and self._bytes <= BYTES:
            self._disperse()
        tally, last = self._count.take(facts), facts[-1]
        status = _STATUS[last.status] if last.kind == "end" else "running"
        return Batch(claim=self._claim, first=self._written, facts=facts, tally=tally, status=status)

    def _disperse(self) -> None:
        """Let those go on who waited for room."""
        self.crowded = False
        while self._crowd:
            free = self._crowd.popleft()
            if not free.done():
                free.set_result(None)

    def _let_go(self) -> None:
        """Wake those whose facts were written; all of them when nothing more is going to be."""
        idle = self._error is not None or (self._writer is None and not self._pending)
        for _ in range(len(self._waiters)):  # Threads may add some meanwhile.
            until, waiter = self._waiters.popleft()
            if not idle and until > self._written:
                self._waiters.append((until, waiter))
            elif not waiter.done():
                waiter.set_result(None)

    def _ask(self, call: Call, outcome: Paused) -> Outcome:
        """Take down the questions that a call asks itself; those of its children are on record."""
        own = f"{call.address}?"
        for question in outcome.questions:
            if question.id.startswith(own):
                try:
                    value = self._codec.encode(question.value)
                except CodecError as fault:
                    return Failed(_not_kept(call, fault))
                now = int(time() * 1000)
                self.write(Fact("question", question.id, "paused", value, 1, call.inputs, now, given=call.given))
        return outcome

    def _told(self, error: BaseException) -> bytes:
        """An exception as bytes; where it cannot be told, that it happened."""
        try:
            return self._codec.encode(error)
        except CodecError as fault:
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            return self._codec.encode(StoredError(f"an exception that could not be stored: {fault}", kind=kind))


def input_fact(codec: Codec, inputs: Mapping[str, object], *, bound: Collection[str]) -> tuple[Fact, bool]:
    """The fact of a run's inputs, and whether it has all of them: what cannot be encoded is recorded as absent."""
    kept: dict[str, Raw] = {}
    absent: list[str] = []
    for name, value in inputs.items():
        try:
            kept[name] = Raw(codec.encode(value))
        except CodecError:
            absent.append(name)
    told = msgpack.encode({"given": kept, "absent": absent, "bound": sorted(bound)})
    return Fact("input", "", value=told, ended=int(time() * 1000)), not absent


def _nobody(_: Exception) -> None:
    """Tell nobody."""


def _not_kept(call: Call, fault: CodecError) -> CodecError:
    error = CodecError(f"node {call.target.name!r} made what cannot be kept: {fault}", path=fault.path)
    error.__cause__ = fault
    return error
