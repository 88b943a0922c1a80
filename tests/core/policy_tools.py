"""What tests of policies share: things that fail, gauges of what runs at once, and a run on a clock that jumps."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from piecework import MemoryStore, RetryPolicy
from piecework.core.fact import Fact
from piecework.observe import AttemptFailed, CallFinished, CallStarted, Event
from piecework.testing.clock import VirtualClock

T = TypeVar("T")

names = (f"limit-{number}" for number in itertools.count())
"""Names of limits that no other test uses."""

FAST = RetryPolicy(max_attempts=3, initial_interval=0.0, jitter=False)
STEADY = RetryPolicy(max_attempts=4, initial_interval=1.0, backoff_factor=2.0, jitter=False)


class BusyError(Exception):
    """A failure that says how long to wait."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


class Flaky:
    """Fails so many times, then answers; notes when it was tried."""

    def __init__(self, failures: int, error: Callable[[], BaseException] = ConnectionError) -> None:
        self.failures = failures
        self.error = error
        self.times: list[float] = []

    def try_it(self) -> int:
        self.times.append(asyncio.get_running_loop().time())
        if len(self.times) <= self.failures:
            raise self.error()
        return len(self.times)

    def try_blocking(self) -> int:
        self.times.append(0.0)
        if len(self.times) <= self.failures:
            raise self.error()
        return len(self.times)


class TooManyError(Exception):
    """What a server answers that is asked too much."""

    status_code = 429

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("429")
        if retry_after is not None:
            self.retry_after = retry_after


class Gauge:
    """How many are inside at once, and when each came in."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.times: list[float] = []
        self._lock = threading.Lock()

    @contextmanager
    def inside(self) -> Iterator[None]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            yield
        finally:
            with self._lock:
                self.now -= 1


class Watcher:
    """Keeps the events of a run."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def kinds(self) -> list[str]:
        return [
            type(event).__name__
            for event in self.events
            if isinstance(event, CallStarted | CallFinished | AttemptFailed)
        ]


def time() -> float:
    return asyncio.get_running_loop().time()


def on_virtual_time(work: Coroutine[Any, Any, T], *, patience: float = 0.0) -> T:
    return VirtualClock(patience=patience).run(work)


async def calls_of(store: MemoryStore, run_id: str) -> dict[str, Fact]:
    return {fact.address.partition("/")[2]: fact for fact in await store.read(run_id) if fact.kind == "call"}
