"""Virtual time: it jumps when nothing else is to be done, and never before."""

import asyncio
import threading
import time

import pytest

from piecework.testing.clock import VirtualClock


def test_an_hour_passes_at_once() -> None:
    async def main() -> str:
        await asyncio.sleep(3600)
        return "done"

    clock = VirtualClock()
    before = time.monotonic()
    assert clock.run(main()) == "done"
    assert clock.now == clock.time() == 3600
    assert time.monotonic() - before < 4


def test_timers_are_called_in_the_order_of_their_times() -> None:
    heard: list[tuple[float, float]] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        heard.append((seconds, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(*(sleeper(seconds) for seconds in (5, 0.3, 1e5, 2, 0.1, 0)))

    VirtualClock().run(main())
    assert heard == [(0, 0), (0.1, 0.1), (0.3, 0.3), (2, 2), (5, 5), (1e5, 1e5)]


def test_time_stands_still_while_there_is_work() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(0.001, lambda: None)
        for _ in range(100):
            await asyncio.sleep(0)
        assert loop.time() == 0
        alarm.cancel()

    VirtualClock().run(main())


def test_many_small_steps_add_up_without_drift() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0.1)
        return asyncio.get_running_loop().time()

    assert VirtualClock().run(main()) == 100


def test_it_may_start_at_any_time() -> None:
    async def main() -> None:
        await asyncio.sleep(2.5)

    clock = VirtualClock(start=1000)
    clock.run(main())
    assert (clock.time(), clock.now) == (1002.5, 2.5)


def test_a_timeout_is_over_at_once() -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        VirtualClock().run(main())


def test_without_timers_it_waits_for_threads() -> None:
    async def main() -> int:
        return await asyncio.to_thread(threading.get_ident)

    clock = VirtualClock()
    assert clock.run(main()) != threading.get_ident()
    assert clock.now == 0


def test_with_patience_a_thread_answers_before_time_jumps() -> None:
    async def main() -> str:
        async with asyncio.timeout(10):
            return await asyncio.to_thread(slow)

    def slow() -> str:
        time.sleep(0.05)  # Work that takes real time.
        return "done"

    clock = VirtualClock(patience=4)
    assert clock.run(main()) == "done"
    assert clock.now == 0
    impatient = VirtualClock()
    with pytest.raises(TimeoutError):
        impatient.run(main())
    assert impatient.now == 10


def test_what_the_coroutine_leaves_behind_is_cancelled_and_the_loop_closed() -> None:
    ended: list[str] = []

    async def stays() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(1)
            ended.append("stays")

    async def main() -> None:
        ended.append("main")
        main.task = asyncio.create_task(stays())  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    clock = VirtualClock()
    clock.run(main())
    assert ended == ["main", "stays"]
    assert clock.is_closed()
    with pytest.raises(RuntimeError, match="Make another one"):
        clock.run(main())


@pytest.mark.parametrize("name", ["patience", "start"])
@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_a_number_that_is_no_time_is_refused(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        VirtualClock(**{name: seconds})
