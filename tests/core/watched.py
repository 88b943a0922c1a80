"""What may go on though nobody waits for it: threads that a test sees to their end, and runs that it leaves behind."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from piecework.executors.local import LocalExecutor

__all__ = ("Watched", "in_time", "leaving")

T = TypeVar("T")


def leaving(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new loop, and leave there what does not end: the test fails, and does not hang itself."""
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


async def in_time(running: asyncio.Task[Any], seconds: float) -> None:
    """Wait for the end of a run, but not for ever. It is not cancelled, which it might not heed either."""
    await asyncio.wait([running], timeout=seconds)
    assert running.done()


class Watched(LocalExecutor):
    """Runs functions as ever, and knows which go on although nobody waits for them any more."""

    def __init__(self) -> None:
        super().__init__()
        self._busy = 0
        self._changed = threading.Condition()

    def thread(self, work: Callable[[], None]) -> None:
        """Run `work` on a thread, and count it until it has returned."""

        def counted() -> None:
            try:
                work()
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

        with self._changed:
            self._busy += 1
        super().thread(counted)

    def at_rest(self, seconds: float = 4.0) -> bool:
        """Wait until nothing runs, but not for ever; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, seconds)
