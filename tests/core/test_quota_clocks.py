"""Timers and clocks under a limit: those that come too late, those that differ, those that tests make up."""

import asyncio
import threading
import time
from itertools import count

import pytest

from piecework.core.quota import Ending
from piecework.core.quota.alarm import Alarm, Setting
from piecework.core.quota.concurrency import Limit, private_limit
from piecework.core.quota.line import Line
from piecework.core.quota.pace import Pace
from piecework.core.quota.rate import Rate, RateLimit, Rates
from piecework.testing.clock import VirtualClock

NUMBERS = count()
DONE = Ending()


def named() -> str:
    return f"clocks-{next(NUMBERS)}"


def on_thread(function: object, *arguments: object) -> None:
    """Call something on a thread while this one waits, its loop with it."""
    assert callable(function)
    thread = threading.Thread(target=function, args=arguments)
    thread.start()
    thread.join(4)


def test_an_alarm_set_and_cleared_on_a_thread_never_rings() -> None:
    heard: list[float] = []

    async def main() -> None:
        loop, alarm = asyncio.get_running_loop(), Alarm()

        def set_and_clear() -> None:
            alarm.set(loop, 5, lambda setting: heard.append(setting.when))
            alarm.clear()

        on_thread(set_and_clear)
        alarm.set(loop, 7, lambda setting: heard.append(setting.when))
        alarm.set(loop, 9, lambda setting: heard.append(setting.when))
        on_thread(alarm.clear)
        await asyncio.sleep(20)

    VirtualClock().run(main())
    assert heard == []


def test_an_alarm_moves_to_an_earlier_time_and_stays_for_a_later() -> None:
    heard: list[float] = []

    async def main() -> None:
        loop, alarm = asyncio.get_running_loop(), Alarm()
        for when in (9, 5, 7):
            assert alarm.set(loop, when, lambda setting: heard.append(loop.time()))
        await asyncio.sleep(20)

    VirtualClock().run(main())
    assert heard == [5]


def test_steps_up_from_a_cut_end_on_the_ceiling_itself() -> None:
    pace = Pace(floor=0.1, ceiling=1, cut=0.7, step=0.1)
    assert pace.refused(pace.flight)
    for _ in range(3):
        assert pace.value < 1
        pace.climb()
    assert pace.value == 1


def test_a_timer_that_comes_too_late_to_be_cleared_lets_nobody_in() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        line: Line = Rate(Rates(1, None, 60.0, 1.0))
        told: list[bool] = []
        line.pause(50)
        line.when_free(loop, lambda: told.append(True))
        line._ring(Setting(loop, 1000, lambda setting: None))
        await asyncio.sleep(40)
        assert told == []
        await asyncio.sleep(20)
        assert told == [True]

    VirtualClock().run(main())


class ShiftedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock is not the system's."""

    shift = 0.0

    def time(self) -> float:
        return time.monotonic() + self.shift


@pytest.mark.parametrize(
    ("first", "second", "free"),
    [(0, -5, 0), (5, -5, 0), (0, -1e6, 1), (1e6, 0, 1), (0, 5, 0), (0, 100, 1)],
    ids=["a little behind", "both differ a little", "a test's after", "a test's before", "ahead", "later"],
)
def test_clocks_that_differ_a_little_are_one_and_others_start_anew(first: float, second: float, free: int) -> None:
    limit = RateLimit(named(), requests_per_minute=1)
    for shift in (first, second):
        loop = ShiftedLoop()
        loop.shift = shift
        share = limit.share(loop, {})
        if shift is first:
            loop.run_until_complete(share.take())
            share.begin()
            share.end(DONE)
        assert limit.free == (0 if shift is first else free)
        loop.close()


def test_a_limit_outlives_the_loops_that_used_it() -> None:
    limit = Limit(named(), max_concurrency=2)

    async def main() -> None:
        share = limit.share(asyncio.get_running_loop(), {})
        await share.take()
        share.begin()
        share.end(Ending(throttled=True))

    for _ in range(3):
        asyncio.run(main())
    assert limit.free == 1


def test_whoever_is_cancelled_while_a_thread_lets_them_in_gives_it_back() -> None:
    limit = private_limit(1)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first, second, last = (limit.share(loop, {}) for _ in range(3))
        await first.take()
        tasks = [asyncio.create_task(share.take()) for share in (second, last)]
        told: list[bool] = []
        limit.when_free(loop, lambda: told.append(True))
        await asyncio.sleep(0)
        on_thread(first.end, DONE)
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, False]
        assert told == []
        last.end(DONE)
        await asyncio.sleep(1)
        assert told == [True]

    VirtualClock().run(main())


def test_one_that_goes_first_and_is_cancelled_holds_up_nobody() -> None:
    limit = Limit(named(), max_concurrency=4)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        first, preferred, last = (limit.share(loop, {}) for _ in range(3))
        await first.take()
        await preferred.take()
        first.begin()
        first.end(Ending(failed=True, throttled=True, wait=10))
        assert not preferred.begin()
        tasks = [asyncio.create_task(share.take()) for share in (preferred, last)]
        await asyncio.sleep(5)
        tasks[0].cancel()
        await tasks[1]
        assert loop.time() == 10
        assert last.begin()
        last.end(DONE)
        preferred.end(DONE)
        assert limit.free == 2

    VirtualClock().run(main())
