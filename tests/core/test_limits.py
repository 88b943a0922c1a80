"""The budget of slots: never more than the limit, first come first served, none lost."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.core.limits import Limiter
from tests.core.harness import within


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_freed_slot_goes_to_whoever_has_waited_longest() -> None:
    limiter = Limiter(1, asyncio.get_running_loop())
    await limiter.acquire()
    order: list[int] = []

    async def waits(number: int) -> None:
        await limiter.acquire()
        order.append(number)
        limiter.release()

    tasks = [asyncio.create_task(waits(number)) for number in range(10)]
    await turns()
    assert order == []
    assert not limiter.try_acquire()
    limiter.release()
    await within(asyncio.gather(*tasks))
    assert order == list(range(10))
    assert limiter.free == 1


async def test_nobody_overtakes_a_waiter_to_whom_a_slot_is_on_its_way() -> None:
    limiter = Limiter(1, asyncio.get_running_loop())
    await limiter.acquire()
    waiter = asyncio.create_task(limiter.acquire())
    await turns()
    limiter.release()
    assert not limiter.try_acquire()
    await within(waiter)
    limiter.release()
    assert limiter.free == 1


class Crowd:
    """Tasks that wait for slots, and a count of the slots that are held."""

    def __init__(self, limit: int) -> None:
        self.limiter = Limiter(limit, asyncio.get_running_loop())
        self.waiting: list[asyncio.Task[None]] = []
        self.held = 0

    def acquire(self, number: int) -> None:
        self.waiting.append(asyncio.create_task(self.limiter.acquire()))

    def cancel(self, number: int) -> None:
        if self.waiting:
            self.waiting[number % len(self.waiting)].cancel()

    def release(self, number: int) -> None:
        """Give a slot back, and now and then cancel the one that it is on its way to."""
        if self.held:
            self.held -= 1
            self.limiter.release()
            if number % 2:
                self.cancel(0)

    def release_on_a_thread(self, number: int) -> None:
        if self.held:
            self.held -= 1
            thread = threading.Thread(target=self.limiter.release)
            thread.start()
            thread.join()
            if number % 2:
                self.cancel(0)

    async def settle(self) -> None:
        """Let everybody come to rest: no slot is lost, none is idle while somebody waits."""
        await turns()
        self.held += sum(task.done() and not task.cancelled() for task in self.waiting)
        self.waiting = [task for task in self.waiting if not task.done()]
        assert self.held + self.limiter.free == self.limiter.limit
        assert not self.waiting or self.limiter.free == 0

    async def disperse(self) -> None:
        for task in self.waiting:
            task.cancel()
        await self.settle()
        while self.held:
            self.release(0)
        await self.settle()
        assert self.limiter.free == self.limiter.limit


STEPS: list[Callable[[Crowd, int], None]] = [
    Crowd.acquire,
    Crowd.cancel,
    Crowd.release,
    Crowd.release_on_a_thread,
]


@given(
    limit=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from(STEPS) | st.none(), st.integers(0, 20)), max_size=60),
)
def test_never_more_than_the_limit_and_no_slot_lost_under_cancellation(
    limit: int, steps: list[tuple[Callable[[Crowd, int], None] | None, int]]
) -> None:
    async def main() -> None:
        crowd = Crowd(limit)
        for step, number in steps:
            if step is None:
                await crowd.settle()
            else:
                step(crowd, number)
        await crowd.settle()
        await crowd.disperse()

    asyncio.run(main())


async def test_a_watcher_is_called_once_when_a_slot_is_left_over() -> None:
    limiter = Limiter(1, asyncio.get_running_loop())
    await limiter.acquire()
    calls: list[str] = []
    limiter.when_free(lambda: calls.append("busy"))
    await turns()
    assert calls == []
    limiter.release()
    await turns()
    assert calls == ["busy"]
    limiter.when_free(lambda: calls.append("free"))
    await turns()
    assert calls == ["busy", "free"]
    await limiter.acquire()
    limiter.release()
    await turns()
    assert calls == ["busy", "free"]


async def test_a_watcher_is_not_called_while_somebody_waits_for_the_slot() -> None:
    limiter = Limiter(1, asyncio.get_running_loop())
    await limiter.acquire()
    calls: list[str] = []
    limiter.when_free(lambda: calls.append("called"))
    waiter = asyncio.create_task(limiter.acquire())
    await turns()
    limiter.release()
    await within(waiter)
    assert calls == []
    limiter.release()
    await turns()
    assert calls == ["called"]


@pytest.mark.parametrize("limit", [1, 3])
async def test_slots_are_taken_until_there_are_none(limit: int) -> None:
    limiter = Limiter(limit, asyncio.get_running_loop())
    assert [limiter.try_acquire() for _ in range(limit + 1)] == [True] * limit + [False]
    assert limiter.free == 0
