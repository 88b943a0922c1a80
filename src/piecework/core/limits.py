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

from piecework.core.call import Call
from piecework.core.current import CURRENT

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
        self._free = limit
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._watchers: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._thread = threading.get_ident()

    @property
    def free(self) -> int:
        """How many slots nobody holds just now."""
        return self._free

    def try_acquire(self) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        with self._lock:
            if self._free <= 0:
                return False
            self._free -= 1
            return True

    async def acquire(self) -> None:
        """Take a slot, waiting in line for it."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()  # The slot was ours already.
            raise

    def release(self) -> None:
        """Give a slot back."""
        watchers: list[Callable[[], None]] = []
        with self._lock:
            waiter = self._next_waiter()
            if waiter is None:
                self._free += 1
                watchers, self._watchers = self._watchers, watchers
        if waiter is not None:
            self._on_loop(self._hand_over, waiter)
        for watcher in watchers:
            self._loop.call_soon_threadsafe(watcher)

    def when_free(self, watcher: Callable[[], None]) -> None:
        """Call `watcher` once on the loop, the next time a slot is left over."""
        with self._lock:
            if self._free <= 0:
                self._watchers.append(watcher)
                return
        self._loop.call_soon_threadsafe(watcher)

    def _next_waiter(self) -> asyncio.Future[None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():  # A cancelled waiter stays in line until its turn comes.
                return waiter
        return None

    def _hand_over(self, waiter: asyncio.Future[None]) -> None:
        if waiter.done():  # It was cancelled while the slot was on its way.
            self.release()
        else:
            waiter.set_result(None)

    def _on_loop(self, callback: Callable[[asyncio.Future[None]], None], waiter: asyncio.Future[None]) -> None:
        if threading.get_ident() == self._thread:
            callback(waiter)
        else:
            self._loop.call_soon_threadsafe(callback, waiter)


async def take(call: Call, limiter: Limiter) -> None:
    """Wait for a slot for a call that is about to run, or that has lent its own and is about to go on."""
    if call.slot != "held":
        await limiter.acquire()
        call.slot = "held"


def lend(call: Call, limiter: Limiter) -> None:
    """Give back the slot of a call that starts to wait for its children."""
    if call.slot == "held":
        call.slot = "lent"
        limiter.release()


async def lending(lane: Callable[[], Coroutine[Any, Any, T]], limiter: Limiter) -> T:
    """Start and drive a lane so that its current call holds no slot while it is suspended and waits for its children.

    Standing below everything the lane runs, it sees each suspension, however the waiting is spelled: `await`,
    `asyncio.gather`, `as_completed`. Tasks that a call makes for itself are covered by its slot, which is lent while
    they wait for children and the call's own task waits for them.
    """
    return await _driven(lane(), limiter)


@coroutine
def _driven(lane: Coroutine[Any, Any, T], limiter: Limiter) -> Generator[Any, Any, T]:
    step: Callable[..., object] = lane.send
    sent: object = None
    while True:
        try:
            waits_for = step(sent)
        except StopIteration as stop:
            return cast("T", stop.value)
        step, sent = lane.send, None
        call = CURRENT.get()
        if call is None:
            try:
                sent = yield waits_for
            except BaseException as error:
                step, sent = lane.throw, error
            continue
        call.suspended = True
        if call.live is not None and call.live.awaits_children:
            lend(call, limiter)
        try:
            sent = yield waits_for
        except BaseException as error:
            step, sent = lane.throw, error
        call.suspended = False
        while call.slot == "lent" and not call.site.owner.closing:
            try:
                yield from take(call, limiter).__await__()
            except BaseException as error:
                step, sent = lane.throw, error
