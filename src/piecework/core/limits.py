"""How many calls may run at once: a budget of slots, first come first served.

The door takes a slot before a function runs and gives it back after; a call that waits for its children lends its slot
meanwhile. Callers stand on the loop or on worker threads, so the counters are behind a lock. Nothing here knows what
a call does.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar, cast

from piecework.core.call import Call, Thread
from piecework.core.current import CURRENT
from piecework.core.quota import Share

__all__ = ("Limiter", "lend", "lending", "take")

T = TypeVar("T")


class Limiter:
    """A fixed number of slots shared by the calls of a run.

    A freed slot is handed straight to the longest-waiting caller, so nobody overtakes.
    """

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        """Make a limiter of `limit` slots whose waiters live on `loop`, the running one."""
        self.limit = limit
        self._loop = loop
        self._thread = threading.get_ident()
        self._slots = deque([None] * limit)  # Taking one and giving it back are atomic, so the fast path has no lock.
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._watchers: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """How many slots nobody holds just now."""
        return len(self._slots)

    def try_acquire(self) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        if self._waiters:
            return False
        try:
            self._slots.pop()
        except IndexError:
            return False
        return True

    async def acquire(self) -> None:
        """Take a slot, waiting in line for it."""
        if self.try_acquire():
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        self._pass_on()  # A slot may have come back before the waiter was in line.
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()  # The slot was ours already.
            raise

    def release(self) -> None:
        """Give a slot back."""
        self._slots.append(None)
        if self._waiters or self._watchers:
            self._pass_on()

    def when_free(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` once on the loop, the next time a slot is left over."""
        self._watchers.append(watcher)
        self._pass_on()

    def _pass_on(self) -> None:
        """Hand free slots to those who wait, and tell those who watch if some are left over."""
        with self._lock:
            served: list[asyncio.Future[None]] = []
            while self._waiters and self._slots:
                waiter = self._waiters.popleft()
                if not waiter.done():  # A cancelled waiter stays in line until its turn comes.
                    try:
                        self._slots.pop()
                    except IndexError:  # Somebody was faster, and may have given it back while nobody stood in line.
                        self._waiters.appendleft(waiter)
                        continue
                    served.append(waiter)
            watchers = [self._watchers.popleft() for _ in range(len(self._watchers) if self._slots else 0)]
        for waiter in served:
            if threading.get_ident() == self._thread:
                self._hand_over(waiter)
            else:
                self._loop.call_soon_threadsafe(self._hand_over, waiter)
        for watcher in watchers:
            self._loop.call_soon_threadsafe(watcher)

    def _hand_over(self, waiter: asyncio.Future[None]) -> None:
        if waiter.done():  # It was cancelled while the slot was on its way.
            self.release()
        else:
            waiter.set_result(None)


async def take(call: Call, limiter: Limiter | None, *, thread: Thread | None = None) -> None:
    """Wait for the slot of a call that is about to run, or for all that one has lent that is about to go on.

    Args:
        call: The call.
        limiter: The run's concurrency.
        thread: What the call runs on, where that may be given up meanwhile: then nothing is taken.
    """
    if call.slot == "held":
        return
    lent = call.live.shares if call.slot == "lent" and call.live is not None else ()
    retaken: list[Share] = []
    try:
        for share in lent:
            await share.retake()
            retaken.append(share)
        if limiter is not None:
            await limiter.acquire()
    except asyncio.CancelledError:
        for share in retaken:
            share.lend()
        raise
    if thread is None or (call.live is not None and call.live.thread is thread):
        call.slot = "held"
    elif limiter is not None:
        limiter.release()


def lend(call: Call, limiter: Limiter | None) -> None:
    """Give back what a call holds that starts to wait for its children: its slot, and its shares of named limits."""
    if call.slot == "held":
        call.slot = "lent"
        if limiter is not None:
            limiter.release()
        if call.live is not None:
            for share in call.live.shares:
                share.lend()


async def lending(lane: Callable[[], Coroutine[Any, Any, T]], limiter: Limiter | None) -> T:
    """Start and drive a lane so that its current call holds no slot while it is suspended and waits for its children.

    Standing below everything the lane runs, it sees each suspension, however the waiting is spelled: `await`,
    `asyncio.gather`, `as_completed`. Tasks that a call makes for itself are covered by its slot, which is lent while
    they wait for children and the call's own task waits for them.
    """
    return await _driven(lane(), limiter)


@coroutine
def _driven(lane: Coroutine[Any, Any, T], limiter: Limiter | None) -> Generator[Any, Any, T]:
    send, current = lane.send, CURRENT.get
    error: BaseException | None = None
    sent: Any = None
    while True:
        try:
            waits_for = send(sent) if error is None else lane.throw(error)
        except StopIteration as stop:
            return cast("T", stop.value)
        call, sent, error = current(), None, None
        if call is not None:
            call.suspended = True
            if call.live is not None and call.live.awaits_children:
                lend(call, limiter)
        try:
            sent = yield waits_for
        except BaseException as caught:
            error = caught
        if call is not None:
            call.suspended = False
            while call.slot == "lent" and not _goes_on_without(call, limiter):
                try:
                    yield from take(call, limiter).__await__()
                except BaseException as caught:
                    error = caught


def _goes_on_without(call: Call, limiter: Limiter | None) -> bool:
    """Whether a call that has lent its slot and is resumed need not wait for one.

    It was woken though children that it waits for still run, as by a timeout: were all slots theirs, it could never
    cancel them. So it goes on with its slot still lent, and takes one when it is resumed and waits for them no longer.
    """
    if call.site.owner.closing:
        return True
    if call.live is not None and call.live.thread is not None:
        return True  # Its thread has lent it, and takes it back.
    if call.live is None or not call.live.awaits_children:
        return False
    if limiter is not None and limiter.free == 0:
        return True
    policy = call.target.policy if call.live.shares else None
    return policy is not None and any(limit.free == 0 for limit in policy.limits or ())
