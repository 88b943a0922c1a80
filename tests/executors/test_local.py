"""Threads of our own: at once, kept for a while, daemons, and good after a fork."""

import gc
import threading
import weakref

import pytest

from piecework.core.call import Target
from piecework.executors import local
from piecework.executors.local import LocalExecutor


class Work:
    """Something to do on a thread, and what it left behind."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None
        self.release = threading.Event()

    def __call__(self) -> None:
        self.thread = threading.current_thread()
        self.release.wait(4)
        self.ended.set()


def test_all_functions_run_here() -> None:
    executor = LocalExecutor()
    target = Target("len", len, "blocking")
    assert executor.place(target) is target
    assert executor.here
    assert repr(executor) == "LocalExecutor()"


def test_work_never_queues_behind_other_work() -> None:
    executor = LocalExecutor()
    works = [Work() for _ in range(10)]
    for work in works:
        executor.thread(work)
    for work in works:
        work.release.set()
        assert work.ended.wait(4)
    threads = {work.thread for work in works}
    assert len(threads) == 10
    assert all(thread is not None and thread.daemon for thread in threads)


def rested(executor: LocalExecutor, count: int) -> None:
    """Wait until so many threads have nothing to do; each says so by itself."""
    for _ in range(1_000_000):
        if len(executor._idle) == count:
            return
    raise AssertionError("threads do not rest")


def test_a_thread_that_has_ended_its_work_is_used_again() -> None:
    executor = LocalExecutor()
    threads = set()
    for _ in range(5):
        work = Work()
        work.release.set()
        executor.thread(work)
        assert work.ended.wait(4)
        rested(executor, 1)
        threads.add(work.thread)
    assert len(threads) == 1


def test_an_idle_thread_keeps_nothing_of_its_last_work_alive() -> None:
    executor = LocalExecutor()
    work = Work()
    work.release.set()
    executor.thread(work)
    assert work.ended.wait(4)
    rested(executor, 1)
    collected = threading.Event()
    weakref.finalize(work, collected.set)
    del work
    gc.collect()
    assert collected.wait(2)


def test_an_idle_thread_ends_after_a_while_and_work_given_meanwhile_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "KEEP", 0.001)
    executor = LocalExecutor()
    works = [Work() for _ in range(200)]
    for work in works:
        work.release.set()
        executor.thread(work)
        assert work.ended.wait(4)
    for work in works:
        assert work.thread is not None
        work.thread.join(4)
        assert not work.thread.is_alive()
    assert executor._idle == []
