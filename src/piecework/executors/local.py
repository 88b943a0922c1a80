"""Functions run in this process: async ones on the run's loop, blocking ones on daemon threads of our own.

The default executor. Threads are kept for a while after use; being daemons, a hung one keeps neither a run nor the
process alive.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from piecework.core.call import Target

__all__ = ("LocalExecutor",)

KEEP = 10.0
"""Seconds that an unused thread is kept."""


class LocalExecutor:
    """Runs everything here. Its threads are shared by all runs that are given the same executor."""

    here = True
    """All functions run in this process."""

    def __init__(self) -> None:
        """Make an executor without threads; they come with the first blocking function."""
        self._idle: list[_Thread] = []
        self._lock = threading.Lock()
        self._process = os.getpid()

    def __repr__(self) -> str:
        """Show the class; there is nothing to set."""
        return "LocalExecutor()"

    def place(self, target: Target) -> Target:
        """The target itself: it runs in this process."""
        return target

    def thread(self, work: Callable[[], None]) -> None:
        """Run `work` at once on a daemon thread, an idle one if there is one."""
        if self._process != os.getpid():  # After a fork, the threads are the parent's.
            self._idle, self._lock, self._process = [], threading.Lock(), os.getpid()
        with self._lock:
            thread = self._idle.pop() if self._idle else None
        if thread is None:
            thread = _Thread(self)
            thread.give(work)
            threading.Thread(target=thread.run, name="piecework-worker", daemon=True).start()
        else:
            thread.give(work)

    def rest(self, thread: _Thread) -> None:
        """Put a thread among the idle ones."""
        with self._lock:
            self._idle.append(thread)

    def dismiss(self, thread: _Thread) -> bool:
        """Take a thread from the idle ones; False when it was just given work."""
        with self._lock:
            if thread in self._idle:
                self._idle.remove(thread)
                return True
            return False


class _Thread:
    """One worker thread and the mailbox it gets its work by."""

    def __init__(self, executor: LocalExecutor) -> None:
        self._executor = executor
        self._mailbox: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def give(self, work: Callable[[], None]) -> None:
        self._mailbox.put(work)

    def run(self) -> None:
        work = self._mailbox.get()
        while True:
            work()
            del work  # An idle thread must not keep a run's values alive.
            self._executor.rest(self)
            try:
                work = self._mailbox.get(timeout=KEEP)
            except Empty:
                if self._executor.dismiss(self):
                    return
                work = self._mailbox.get()
