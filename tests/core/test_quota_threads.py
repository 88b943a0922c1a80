"""One limit, several event loops in several threads: together they keep to it, and one that is gone is passed over."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from itertools import count
from typing import Any

import pytest

from piecework.core.quota import AnyLimit, Ending, Share
from piecework.core.quota.concurrency import Limit
from piecework.core.quota.rate import RateLimit

NUMBERS = count()
DONE = Ending()
JITTER = 0.002


def named() -> str:
    return f"threads-{next(NUMBERS)}"


class ReadingLoop(asyncio.SelectorEventLoop):
    """A loop that remembers the time it told last."""

    read = 0.0

    def time(self) -> float:
        self.read = super().time()
        return self.read


def in_threads(main: Callable[[], Coroutine[Any, Any, None]], threads: int = 2) -> None:
    """Run a coroutine on a loop in each of several threads."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=ReadingLoop) as runner:
                runner.run(main())
        except BaseException as error:
            errors.append(error)

    started = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(4)
    assert not errors
    assert not any(thread.is_alive() for thread in started)


def test_two_loops_together_keep_to_a_limit_and_a_rate() -> None:
    places, rate = Limit(named(), max_concurrency=3), RateLimit(named(), requests_per_minute=12_000, window=0.1)
    lock = threading.Lock()
    running: set[int] = set()
    most: list[int] = []
    begins: list[float] = []

    async def attempt(number: int) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ReadingLoop)
        place, request = places.share(loop, {}), rate.share(loop, {})
        await place.take()
        await request.take()
        assert place.begin()
        assert request.begin()
        with lock:
            begins.append(loop.read)
            running.add(number)
            most.append(len(running))
        for turn in range(4):
            await asyncio.sleep(0)
            if turn == 2 and number % 3 == 0:
                with lock:
                    running.discard(number)
                place.lend()
                await place.retake()
                with lock:
                    running.add(number)
                    most.append(len(running))
        with lock:
            running.discard(number)
        place.end(DONE)
        request.end(DONE)

    async def main() -> None:
        async with asyncio.timeout(4):
            await asyncio.gather(*(attempt(next(NUMBERS)) for _ in range(40)))

    in_threads(main)
    assert max(most) <= 3
    assert len(begins) == 80
    begins.sort()
    assert all(last - first >= 0.1 - JITTER for first, last in zip(begins, begins[20:], strict=False))
    assert places.free == 3


def test_many_threads_that_cancel_at_random_lose_no_place() -> None:
    places = Limit(named(), max_concurrency=2)

    async def attempt(number: int) -> None:
        share = places.share(asyncio.get_running_loop(), {})
        try:
            await share.take()
            share.begin()
            for _ in range(number % 4):
                await asyncio.sleep(0)
        finally:
            share.end(DONE)

    async def main() -> None:
        tasks = [asyncio.create_task(attempt(number)) for number in range(200)]
        for number, task in enumerate(tasks):
            if number % 3 == 0:
                await asyncio.sleep(0)
                task.cancel()
        async with asyncio.timeout(4):
            await asyncio.wait(tasks)

    in_threads(main, 4)
    assert places.free == 2


def stepped(share: Share) -> Generator[Any, None, None]:
    """A `take` that is stepped by hand, on no loop."""
    return share.take().__await__()


@pytest.fixture(params=["limit", "rate"])
def limit(request: pytest.FixtureRequest) -> AnyLimit:
    """A limit with room for one."""
    if request.param == "limit":
        return Limit(named(), max_concurrency=1)
    return RateLimit(named(), requests_per_minute=600, window=0.1)


def test_a_waiter_whose_loop_is_closed_is_passed_over(limit: AnyLimit) -> None:
    gone = asyncio.new_event_loop()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first, other = limit.share(loop, {}), limit.share(loop, {})
        await first.take()
        lost = stepped(limit.share(gone, {}))
        next(lost)
        if isinstance(limit, RateLimit):
            assert first.begin()
        waits = asyncio.create_task(other.take())
        await asyncio.sleep(0)
        gone.close()
        first.end(DONE)
        async with asyncio.timeout(4):
            await waits
        lost.close()
        other.end(DONE)
        assert limit.free == 1

    asyncio.run(main())


def test_a_waiter_whose_loop_closes_with_the_place_on_its_way_gives_it_back() -> None:
    limit = Limit(named(), max_concurrency=1)
    gone = asyncio.new_event_loop()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first, other = limit.share(loop, {}), limit.share(loop, {})
        await first.take()
        lost = stepped(limit.share(gone, {}))
        next(lost)
        waits = asyncio.create_task(other.take())
        await asyncio.sleep(0)
        first.end(DONE)
        gone.close()
        assert limit.free == 0
        lost.close()  # As the garbage collector does it.
        async with asyncio.timeout(4):
            await waits
        other.end(DONE)
        assert limit.free == 1

    asyncio.run(main())


def test_a_watcher_whose_loop_is_closed_is_passed_over(limit: AnyLimit) -> None:
    gone = asyncio.new_event_loop()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        share = limit.share(loop, {})
        await share.take()
        share.begin()
        told: asyncio.Future[bool] = loop.create_future()
        limit.when_free(gone, lambda: told.set_result(False))
        gone.close()
        limit.when_free(loop, lambda: told.set_result(True))
        share.end(DONE)
        async with asyncio.timeout(4):
            assert await told

    asyncio.run(main())


def test_a_share_taken_and_retaken_on_a_thread_waits_on_its_loop() -> None:
    limit = Limit(named(), max_concurrency=1)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        holder, share = limit.share(loop, {}), limit.share(loop, {})
        await holder.take()

        def by_hand(step: Callable[[], Coroutine[Any, Any, None]]) -> None:
            steps = step().__await__()
            awaited = next(steps, None)
            if awaited is not None:
                assert awaited.get_loop() is loop
                loop.call_soon_threadsafe(holder.end, DONE)
                deadline = time.monotonic() + 4
                done = threading.Event()
                loop.call_soon_threadsafe(lambda: awaited.add_done_callback(lambda _: done.set()))
                assert done.wait(deadline - time.monotonic())
                assert next(steps, None) is None

        await asyncio.to_thread(by_hand, share.take)
        assert share.begin()
        await asyncio.to_thread(share.lend)
        holder = limit.share(loop, {})
        await holder.take()
        await asyncio.to_thread(by_hand, share.retake)
        assert limit.free == 0
        await asyncio.to_thread(share.end, DONE)
        assert limit.free == 1

    asyncio.run(main())


def test_a_timer_moves_to_the_loop_of_who_is_next() -> None:
    rate = RateLimit(named(), requests_per_minute=600, window=0.1)
    waiting, leave = threading.Event(), threading.Event()

    async def leaves() -> None:
        task = asyncio.create_task(rate.share(asyncio.get_running_loop(), {}).take())
        await asyncio.sleep(0)
        waiting.set()
        await asyncio.to_thread(leave.wait, 4)
        task.cancel()
        await asyncio.wait([task])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first, last = rate.share(loop, {}), rate.share(loop, {})
        await first.take()
        thread = threading.Thread(target=asyncio.run, args=(leaves(),))
        thread.start()
        await asyncio.to_thread(waiting.wait, 4)
        waits = asyncio.create_task(last.take())
        await asyncio.sleep(0)
        assert first.begin()
        leave.set()
        async with asyncio.timeout(4):
            await waits
        await asyncio.to_thread(thread.join)
        last.end(DONE)

    asyncio.run(main())
