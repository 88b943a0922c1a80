"""The budget of slots: never more than the limit, first come first served, none lost."""

import asyncio
import threading

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


@given(
    limit=st.integers(1, 4),
    steps=st.lists(
        st.tuples(st.sampled_from(["acquire", "release", "cancel", "turn", "release on a thread"]), st.integers(0, 20)),
        max_size=60,
    ),
)
def test_never_more_than_the_limit_and_no_slot_lost_under_cancellation(
    limit: int, steps: list[tuple[str, int]]
) -> None:
    async def main() -> None:
        limiter = Limiter(limit, asyncio.get_running_loop())
        waiting: list[asyncio.Task[None]] = []
        held = 0

        async def settle() -> None:
            nonlocal held, waiting
            await turns()
            for task in waiting:
                if task.done() and not task.cancelled():
                    held += 1
            waiting = [task for task in waiting if not task.done()]
            assert held <= limit
            assert held + limiter.free == limit
            assert not waiting or held == limit

        for step, number in steps:
            if step == "acquire":
                waiting.append(asyncio.create_task(limiter.acquire()))
            elif step == "cancel" and waiting:
                waiting[number % len(waiting)].cancel()
            elif step.startswith("release") and held:
                held -= 1
                if step == "release":
                    limiter.release()
                else:
                    thread = threading.Thread(target=limiter.release)
                    thread.start()
                    thread.join()
                if number % 2 and waiting:
                    waiting[0].cancel()  # The slot may be on its way to it.
            elif step == "turn":
                await settle()
        await settle()
        for task in waiting:
            task.cancel()
        await turns()
        for _ in range(held):
            limiter.release()
        await turns()
        assert limiter.free == limit

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
