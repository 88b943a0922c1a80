"""The line before a limit: who waits, in which order, and who is called next.

Limits of every kind stand on it and say what fits. It works over several event loops and threads: whoever ends an
attempt lets in those it made room for, and where only time makes room, one timer on the loop of the first in line does.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar

from piecework.core.quota.alarm import Alarm, Loop, Setting, is_running, post
from piecework.core.quota.share import Ending
from piecework.errors import InternalError

__all__ = ("Line", "Turn")

_SAME_CLOCK = 60.0
"""Seconds by which a loop's clock may differ from the system's before it is a test's own."""


class Line(ABC):
    """First come, first served: the head blocks all behind it, so nothing large is starved by what is small.

    All of it is guarded by `lock`; methods say where they take it themselves.
    """

    def __init__(self) -> None:
        """Make a line in which nobody stands."""
        # Reentrant: at any point below, the garbage collector may close a waiting coroutine, which leaves the line.
        self.lock = threading.RLock()
        self.order = count()
        self.paused_until = -math.inf
        self.loop: weakref.ref[Loop] | None = None
        self._latest = -math.inf
        self._preferred: list[_Waiter] = []
        self._waiters: deque[_Waiter] = deque()
        self._watchers: deque[tuple[Loop, Callable[[], None]]] = deque()
        self._alarm = Alarm()

    @abstractmethod
    def fits(self, size: int, now: float) -> bool:
        """Whether there is room for one more of this size."""

    @abstractmethod
    def hold(self, size: int) -> None:
        """Reserve room."""

    @abstractmethod
    def give_back(self, size: int) -> None:
        """Give reserved room back."""

    @abstractmethod
    def opens(self, size: int, now: float) -> float | None:
        """When to look again whether a size fits that does not; None where time does not help."""

    @abstractmethod
    def room(self, now: float) -> int:
        """How many more would fit."""

    def forget(self) -> None:
        """Drop what was stamped by another clock."""
        self.paused_until = -math.inf
        self._alarm.clear()

    @property
    def free(self) -> int:
        """How many would be let in at once; takes the lock."""
        with self.lock:
            if self._preferred or self._waiters:
                return 0
            loop = None if self.loop is None else self.loop()
            now = self._read(time.monotonic() if loop is None else loop.time())
            return 0 if now < self.paused_until else self.room(now)

    def when_free(self, loop: Loop, watcher: Callable[[], None]) -> None:
        """Call a watcher once on its loop, the next time that somebody would be let in; takes the lock."""
        with self.lock:
            self._watchers.append((loop, watcher))
            self.pump(self.now(loop))

    def now(self, loop: Loop) -> float:
        """A loop's time, never less than what was read before."""
        return self._read(loop.time())

    def _read(self, now: float) -> float:
        if now < self._latest:
            system = time.monotonic()
            if now > system - _SAME_CLOCK and self._latest < system + _SAME_CLOCK:
                return self._latest  # Some loops read the clock once a turn.
            self.forget()  # A test has a clock of its own, and the next test another one, that starts anew.
        self._latest = now
        return now

    def pause(self, until: float) -> None:
        """Let nobody in before that time."""
        self.paused_until = max(self.paused_until, until)

    def enter(self, turn: Turn[Any]) -> asyncio.Future[None] | None:
        """Let somebody in, or make them stand in line and return what to wait for."""
        now = self.now(turn.loop)
        if not self._waiters and not self._preferred and now >= self.paused_until and self.fits(turn.size, now):
            self.hold(turn.size)
            turn.held = True
            return None
        waiter = _Waiter(turn)
        turn.future = waiter.future
        if turn.preferred:
            heappush(self._preferred, waiter)
        else:
            self._waiters.append(waiter)
        self.pump(now)
        return None if turn.held else waiter.future

    def leave(self, turn: Turn[Any]) -> None:
        """Strike somebody out, who may have been let in without knowing yet; takes the lock."""
        with self.lock:
            turn.future = None
            if turn.held:
                turn.held = False
                self.give_back(turn.size)
            self.pump(self.now(turn.loop))

    def stir(self, loop: Loop) -> None:
        """Look whether anybody can be let in, since there may be more room."""
        if self._waiters or self._preferred or self._watchers:
            self.pump(self.now(loop))

    def pump(self, now: float) -> None:
        """Let in everybody for whom there is room, and see to it that the next one is looked at in time."""
        while (waiter := self._head()) is not None:
            turn = waiter.turn
            if now >= self.paused_until and self.fits(turn.size, now):
                self._strike()
                if waiter.call():
                    self.hold(turn.size)
                    turn.held, turn.future = True, None
            elif self._watch(turn.loop, turn.size, now):
                return
            else:
                self._strike()
        while self._watchers:
            loop, watcher = self._watchers[0]
            if now >= self.paused_until and self.room(now) > 0:
                self._watchers.popleft()
                post(loop, watcher)
            elif self._watch(loop, 1, now):
                return
            else:
                self._watchers.popleft()
        self._alarm.clear()

    def _head(self) -> _Waiter | None:
        """The first who still waits."""
        while self._preferred:
            if self._preferred[0].waits:
                return self._preferred[0]
            heappop(self._preferred)
        while self._waiters:
            if self._waiters[0].waits:
                return self._waiters[0]
            self._waiters.popleft()
        return None

    def _strike(self) -> None:
        """Take the head out of the line."""
        if self._preferred:
            heappop(self._preferred)
        else:
            self._waiters.popleft()

    def _watch(self, loop: Loop, size: int, now: float) -> bool:
        """Have the loop of the first in line look again when time has made room; False where that loop is closed."""
        when = self.paused_until if now < self.paused_until else self.opens(size, now)
        if when is not None:
            return self._alarm.set(loop, when, self._ring)
        self._alarm.clear()
        return True

    def _ring(self, setting: Setting) -> None:
        with self.lock:
            if self._alarm.rang(setting):
                # Loops call a little early, by up to their clock's resolution.
                self.pump(self._read(max(setting.loop.time(), setting.when)))


L = TypeVar("L", bound=Line)


class Turn(Generic[L]):
    """One attempt and where it stands: what the shares of all limits have in common."""

    __slots__ = ("begun", "future", "held", "line", "loop", "number", "preferred", "size")

    def __init__(self, line: L, loop: Loop, size: int = 1) -> None:
        """Stand nowhere yet; `size` is how much room it needs."""
        self.line = line
        self.loop = loop
        self.size = size
        self.number = 0
        self.preferred = False
        self.held = False
        self.begun = False
        self.future: asyncio.Future[None] | None = None
        line.loop = weakref.ref(loop)

    async def take(self) -> None:
        """See `Share.take`."""
        line = self.line
        with line.lock:
            if not self.preferred:
                self.number = next(line.order)
            future = line.enter(self)
        if future is not None:
            await self._called(future)

    def begin(self) -> bool:
        """See `Share.begin`."""
        line = self.line
        with line.lock:
            if not self.held:
                raise InternalError("A share of a limit began that was not taken.")
            now = line.now(self.loop)
            if now < line.paused_until:
                self.held = False
                self.preferred = True
                line.give_back(self.size)
                return False
            self.preferred = False
            self.begun = True
            self._started(now)
            return True

    def end(self, ending: Ending) -> None:
        """See `Share.end`."""
        line = self.line
        with line.lock:
            self.future = None
            if self.held:
                self.held = False
                line.give_back(self.size)
            if self.begun:
                self.begun = False
                self._ended(ending)
            line.stir(self.loop)

    async def _called(self, future: asyncio.Future[None]) -> None:
        """Wait to be let in."""
        try:
            await future
        except BaseException:  # Also where the coroutine is closed with its loop.
            self.line.leave(self)
            raise

    def _started(self, now: float) -> None:
        """The attempt begins; the lock is held."""

    def _ended(self, ending: Ending) -> None:
        """The attempt has ended that began; the lock is held."""


class _Waiter:
    """One who stands in line. Who leaves stays in it, struck out, until it would be their turn."""

    __slots__ = ("future", "number", "turn")

    def __init__(self, turn: Turn[Any]) -> None:
        self.turn = turn
        self.number = turn.number
        self.future: asyncio.Future[None] = turn.loop.create_future()

    def __lt__(self, other: _Waiter) -> bool:
        return self.number < other.number

    @property
    def waits(self) -> bool:
        return self.turn.future is self.future and not self.future.done()

    def call(self) -> bool:
        """Wake it; False where its loop is closed."""
        if is_running(self.turn.loop):
            self.future.set_result(None)
            return True
        return post(self.turn.loop, self._wake)

    def _wake(self) -> None:
        if not self.future.done():  # It may have been cancelled meanwhile, and then gives back what it holds.
            self.future.set_result(None)
