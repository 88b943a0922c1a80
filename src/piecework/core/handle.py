"""The handle of a call or plan that a running call has started: what it is waited for and cancelled by.

The scope of the call's children makes handles and settles them; users' code awaits them in a coroutine or asks them on
a thread. A call that waits lends its slot meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, Protocol

from piecework.core.call import Call, Thread
from piecework.core.current import given_up
from piecework.core.interrupts import Interruption
from piecework.core.limits import lend, take
from piecework.core.outcome import Done, Failed, Outcome
from piecework.core.run import Run
from piecework.core.threads import Signal, drive
from piecework.core.waiting import see_out

__all__ = ("Handle", "Siblings", "lent", "wait_lending")


class Siblings(Protocol):
    """The scope of all children of one call."""

    run: Run
    """The services of the run that it is a part of."""

    call: Call
    """The call that started them."""

    awaited: int
    """How many unfinished ones somebody waits for."""

    @property
    def closing(self) -> bool:
        """Whether they are being cancelled."""
        ...

    def tainted(self) -> None:
        """The running task's context was changed by one of them; it must run no other call."""
        ...


class Handle(asyncio.Future[Any]):
    """A child's result to come: `await` it in a coroutine, ask `.result()` of it on a thread.

    Cancelling it cancels the child; it is done when the child has ended.
    """

    def __init__(self, scope: Siblings) -> None:
        """Make the handle of one child of a scope."""
        super().__init__(loop=scope.run.loop)
        self.scope = scope
        """What the child is a part of."""
        self.task: asyncio.Task[Any] | None = None
        """The lane that runs the child, while one does."""
        self._watchers = 0
        self._awaited = False
        self._cancelling = False
        self._outcome: Outcome | None = None

    @property
    def closing(self) -> bool:
        """Whether the child is being cancelled."""
        return self._cancelling or self.scope.closing

    @property
    def run(self) -> Run:
        """The services of the run that it is a part of."""
        return self.scope.run

    @property
    def calling(self) -> Call | None:
        """The call that started the child."""
        return self.scope.call

    def tainted(self) -> None:
        """The running task's context was changed by the child; it must run no other call."""
        self.scope.tainted()

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the child; the call that waits lends its slot meanwhile."""
        self._mark()  # Before the lane below sees the suspension: the task adds its callback only after it.
        return super().__await__()

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Call `fn` when the child has ended; it counts as waiting for the child."""
        self._watchers += 1
        self._mark()
        super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Call `fn` no more; a call in which nothing waits for children any longer holds its slot again."""
        removed = super().remove_done_callback(fn)
        self._watchers -= removed
        if self._watchers == 0:
            self._unmark()
        return removed

    def result(self) -> Any:
        """The child's value; a thread waits for it, lending its call's slot meanwhile.

        Raises:
            asyncio.InvalidStateError: On the loop's own thread, before the child has ended: await it there.
            asyncio.CancelledError: The child was cancelled.
            Exception: What the child raised.
        """
        if not self.done() and threading.get_ident() != self.run.thread:
            self._wait_on_thread()
        return super().result()

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the child; False when it has ended already. A blocking child goes on, but nobody waits for it."""
        if self.done():
            return False
        if not self._cancelling:
            self._cancelling = True
            if self.task is None:
                self.drop()
            else:
                self.task.cancel(msg)
        return True

    async def outcome(self) -> Outcome:
        """How the child ended, once it has; for a coroutine, which takes the child with it when it is cancelled.

        Raises:
            asyncio.CancelledError: The child, or whoever waits for it, was cancelled.
        """
        await see_out([self], on_cancel=self.cancel)
        return self._looked_at()

    def outcome_on_thread(self) -> Outcome:
        """How the child ended, once it has; for a thread, which lends its call's slot meanwhile.

        Raises:
            asyncio.CancelledError: The child was cancelled.
        """
        if not self.done():
            self._wait_on_thread()
        return self._looked_at()

    def settle(self, outcome: Outcome) -> None:
        """Hand in how the child ended; called on the loop."""
        self._unmark()
        if self.done():
            return
        self._outcome = outcome
        if isinstance(outcome, Done):
            self.set_result(outcome.value)
        elif isinstance(outcome, Failed):
            error = outcome.error
            self.set_exception(RuntimeError(f"raised {error!r}") if isinstance(error, StopIteration) else error)
        else:
            self.set_exception(Interruption(outcome))

    def drop(self) -> None:
        """The child was cancelled and has ended, or will have no effect; called on the loop."""
        self._unmark()
        super().cancel()

    def unseen(self) -> BaseException | None:
        """What the child raised, if nobody has looked at it."""
        if self.cancelled() or not self._log_traceback:
            return None
        return self.exception()

    def _mark(self) -> None:
        if self._awaited or self.done():
            return
        self._awaited = True
        self.scope.awaited += 1
        call = self.scope.call
        if call.suspended:
            # A task that the call made began to wait while the call's own is suspended.
            lend(call, self.run.door.limiter)

    def _unmark(self) -> None:
        if self._awaited:
            self._awaited = False
            self.scope.awaited -= 1

    def _looked_at(self) -> Outcome:
        if self._outcome is None:
            raise asyncio.CancelledError
        self.exception()
        return self._outcome

    def _wait_on_thread(self) -> None:
        arrived = threading.Event()
        call = self.scope.call
        # Where the thread is not the call's own, the lane that the call runs in lends its slot for what it watches.
        watch = super().add_done_callback if _on_own_thread(call) else self.add_done_callback
        self.run.loop.call_soon_threadsafe(watch, Signal(arrived))
        wait_lending(call, self.run, arrived)


def wait_lending(call: Call, run: Run, arrived: threading.Event) -> None:
    """Wait on a thread of a running call; a blocking call lends its slot meanwhile."""
    with lent(call, run):
        arrived.wait()


@contextmanager
def lent(call: Call, run: Run) -> Generator[None]:
    """On a thread of a running call, be without the call's slot for a while, where the thread is the call's own."""
    if not _on_own_thread(call) or given_up(call):
        yield
        return
    limiter, thread = run.door.limiter, call.living().thread
    lend(call, limiter)
    try:
        yield
    finally:
        if call.site.owner.closing or call.living().thread is not thread:  # Else the attempt was given up meanwhile.
            pass
        elif thread is None:
            drive(take(call, limiter), run.loop)
        else:
            _retake(call, run, thread)


def _retake(call: Call, run: Run, thread: Thread) -> None:
    """Take back what a call has lent that runs on a thread of its own, unless it is given up while it waits."""
    taken = threading.Event()

    def begin() -> None:
        thread.retaking = run.loop.create_task(take(call, run.door.limiter, thread=thread))
        thread.retaking.add_done_callback(lambda _: taken.set())

    run.loop.call_soon_threadsafe(begin)
    taken.wait()
    thread.retaking = None


def _on_own_thread(call: Call) -> bool:
    """Whether a call runs on a thread: a pool's, or that of an async stand-in."""
    return call.target.blocking or (call.live is not None and call.live.thread is not None)
