"""The way in for synchronous code: loops on daemon threads of our own, one for the process unless one is blocked.

The synchronous side of every front end runs its coroutines here and waits for them, interruptibly. Consecutive calls
share one loop, so that an async client made in one is still good in the next.
"""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import copy_context
from typing import Any, Generic, TypeVar

__all__ = ("Portal", "iterate_blocking", "run_blocking")

T = TypeVar("T")

LISTEN = 0.05
"""Seconds after which a waiting thread looks whether it was interrupted."""


class Portal:
    """The way in to one loop, which runs on another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wait: Callable[[threading.Event], object]) -> None:
        """Make the way in to a running loop; `wait` is how this side waits."""
        self._loop = loop
        self._wait = wait

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for it; Ctrl-C cancels it and waits until it has ended."""
        visit = _Visit(work)
        try:
            self._loop.call_soon_threadsafe(visit.begin, context=copy_context())
            self._wait(visit.ended)
        except BaseException:  # Ctrl-C; a second one while waiting goes through at once.
            self._loop.call_soon_threadsafe(visit.cancel)
            visit.ended.wait()
            raise
        return visit.result()


def _open() -> Portal:
    """A portal to a new loop on a daemon thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=_serve, args=(loop,), name="piecework-loop", daemon=True).start()
    return Portal(loop, _wait)


def _wait(ended: threading.Event) -> None:
    """Wait so that Ctrl-C is heard: a signal that arrives just before the wait begins does not interrupt it."""
    while not ended.wait(LISTEN):
        pass


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        with suppress(SystemExit, KeyboardInterrupt):  # A task that raises one ends the loop's turn, not the loop.
            loop.run_forever()


class _Visit(Generic[T]):
    """One coroutine's stay on a portal's loop."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.ended = threading.Event()
        self._work = work
        self._task: asyncio.Task[T] | None = None

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work)
        self._task.add_done_callback(lambda _: self.ended.set())

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:  # The interrupt came before the stay could begin.
            self._work.close()
            self.ended.set()

    def result(self) -> T:
        assert self._task is not None
        return self._task.result()


class _Portals:
    """The process's portals: one for everyone, and spare ones for callers that block another portal's loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._main: Portal | None = None
        self._spare: list[Portal] = []
        self._warned = False

    @contextmanager
    def one(self) -> Generator[Portal, None, None]:
        """A portal to use for a while: the shared one, unless this code would block an event loop by waiting for it."""
        if not _on_a_loop():
            yield self._shared()
            return
        self._warn()
        portal = self._take()
        try:
            yield portal
        finally:
            with self._lock:
                self._spare.append(portal)

    def _shared(self) -> Portal:
        with self._lock:
            if self._main is None:
                self._main = _open()
            return self._main

    def _take(self) -> Portal:
        with self._lock:
            return self._spare.pop() if self._spare else _open()

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                "a synchronous run was started inside a coroutine: its event loop is blocked until the run has ended. "
                "Await the asynchronous form instead.",
                RuntimeWarning,
                stacklevel=7,
            )


_portals = _Portals()


def _renew() -> None:
    """After a fork the threads of the portals are gone."""
    global _portals  # noqa: PLW0603 - one per process, by definition
    _portals = _Portals()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def run_blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a background loop and return what it returns.

    Inside a coroutine, it runs on another loop than the caller's, and a warning says once that the caller's is blocked.

    Raises:
        KeyboardInterrupt: The caller was interrupted; the coroutine was cancelled and has ended.
        BaseException: Whatever the coroutine raised.
    """
    with _portals.one() as portal:
        return portal.run(work)


def iterate_blocking(items: AsyncGenerator[T, None], portal: Portal | None = None) -> Iterator[T]:
    """Iterate over an async generator from synchronous code; closing this iterator closes that one.

    Args:
        items: What to iterate over.
        portal: Where it runs; by default where `run_blocking` runs.
    """
    with nullcontext(portal) if portal is not None else _portals.one() as inside:
        try:
            while True:
                try:
                    yield inside.run(items.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            inside.run(items.aclose())


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
