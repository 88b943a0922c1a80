"""Limits on requests and tokens a minute: exact windows, settled estimates, the line, slowing down."""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import pydantic
import pytest
from msgspec import Struct

from piecework.core.quota import Ending, Share
from piecework.core.quota.estimate import estimated_tokens
from piecework.core.quota.rate import RateLimit
from piecework.core.quota.window import Window
from piecework.errors import LimitConflictError
from piecework.testing.clock import VirtualClock


@pytest.fixture(autouse=True)
def nothing_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests read windows to the moment."""
    monkeypatch.setattr("piecework.core.quota.rate.ON_THE_WAY", 0.0)


NUMBERS = count()
DONE = Ending()
REFUSED = Ending(failed=True, throttled=True)


def named() -> str:
    """A name that no other test has."""
    return f"rate-{next(NUMBERS)}"


def on_clock(main: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that runs on a virtual clock."""

    def test() -> None:
        VirtualClock().run(main())

    test.__name__ = main.__name__
    return test


def by_size(arguments: Mapping[str, object]) -> int:
    size = arguments["size"]
    assert isinstance(size, int)
    return size


def tokens(a_minute: float, **options: Any) -> RateLimit:
    """A limit of tokens, whose shares say themselves how many they need."""
    return RateLimit(named(), tokens_per_minute=a_minute, estimate=by_size, **options)


async def begun(limit: RateLimit, size: int = 1) -> Share:
    share = limit.share(asyncio.get_running_loop(), {"size": size})
    await share.take()
    assert share.begin()
    return share


async def times(limit: RateLimit, *sizes: int, ending: Ending = DONE) -> list[float]:
    """When requests of these sizes begin that are all made now."""
    loop = asyncio.get_running_loop()

    async def request(size: int) -> float:
        share = await begun(limit, size)
        share.end(ending)
        return loop.time()

    return await asyncio.gather(*map(request, sizes))


@on_clock
async def test_a_long_window_lets_all_of_it_begin_at_once() -> None:
    limit = RateLimit(named(), requests_per_minute=3)
    assert limit.free == 3
    assert await times(limit, *[1] * 7) == [0, 0, 0, 60, 60, 60, 120]


@on_clock
async def test_a_short_window_spreads_it() -> None:
    limit = RateLimit(named(), requests_per_minute=120, window=1)
    assert await times(limit, *[1] * 7) == [0, 0, 1, 1, 2, 2, 3]


@on_clock
async def test_the_window_slides_with_each_request() -> None:
    limit = RateLimit(named(), requests_per_minute=2)
    await begun(limit)
    await asyncio.sleep(25)
    assert await times(limit, 1, 1, 1) == [25, 60, 85]


@on_clock
async def test_tokens_count_by_weight() -> None:
    assert await times(tokens(100), 60, 40, 30, 60, 20) == [0, 0, 60, 60, 120]


@on_clock
async def test_both_rates_hold_at_once() -> None:
    limit = RateLimit(named(), requests_per_minute=2, tokens_per_minute=100, estimate=by_size)
    assert await times(limit, 10, 10, 90, 20, 1) == [0, 0, 60, 120, 120]


@on_clock
async def test_a_large_request_is_served_in_its_turn_among_small_ones() -> None:
    limit = tokens(100)
    assert await times(limit, *[10] * 5, 95, *[10] * 5) == [0] * 5 + [60] + [120] * 5


@on_clock
async def test_nobody_overtakes_a_large_request_that_goes_first_after_a_pause() -> None:
    loop = asyncio.get_running_loop()
    limit = tokens(100)
    large = limit.share(loop, {"size": 60})
    refused = await begun(limit, 40)
    await large.take()
    refused.end(Ending(failed=True, throttled=True, wait=20, tokens=60))
    assert not large.begin()
    waits = asyncio.create_task(large.take())
    await asyncio.sleep(30)
    small = asyncio.create_task(times(limit, 5))
    await waits
    assert loop.time() == 60
    assert large.begin()
    assert await small == [60]


@on_clock
async def test_a_request_larger_than_the_window_begins_when_that_is_empty() -> None:
    limit = tokens(100)
    assert await times(limit, 10, 500, 10, 10) == [0, 60, 120, 120]


@on_clock
async def test_what_is_reserved_does_not_grow_old_before_it_begins() -> None:
    loop = asyncio.get_running_loop()
    limit = RateLimit(named(), requests_per_minute=2)
    held = [limit.share(loop, {}) for _ in range(2)]
    for share in held:
        await share.take()
    third = asyncio.create_task(times(limit, 1))
    await asyncio.sleep(300)
    assert limit.free == 0
    assert held[0].begin()
    await asyncio.sleep(7)
    assert held[1].begin()
    assert await third == [360]


@on_clock
async def test_what_does_not_begin_is_given_back() -> None:
    loop = asyncio.get_running_loop()
    limit = RateLimit(named(), requests_per_minute=1, tokens_per_minute=100)
    share = limit.share(loop, {})
    await share.take()
    waits = asyncio.create_task(times(limit, 1))
    await asyncio.sleep(5)
    share.end(REFUSED)
    assert await waits == [5]


@on_clock
async def test_an_estimate_too_high_is_given_back_while_it_counts() -> None:
    limit = tokens(100)
    share = await begun(limit, 90)
    waits = asyncio.create_task(times(limit, 80))
    await asyncio.sleep(5)
    assert not waits.done()
    share.end(Ending(tokens=20))
    assert await waits == [5]
    share = await begun(limit, 0)
    share.end(Ending(tokens=-9))
    assert await times(limit, 5) == [60]


@on_clock
async def test_a_refund_of_what_is_too_old_gives_nothing_twice() -> None:
    limit = tokens(100)
    old = await begun(limit, 90)
    await asyncio.sleep(60)
    await begun(limit, 90)
    old.end(Ending(tokens=0))
    assert await times(limit, 20) == [120]


@on_clock
async def test_an_estimate_too_low_is_charged_when_it_is_settled() -> None:
    limit = tokens(100)
    share = await begun(limit, 10)
    await asyncio.sleep(30)
    share.end(Ending(tokens=95))
    assert await times(limit, 10, 10) == [60, 90]


@on_clock
async def test_no_settlement_leaves_the_estimate() -> None:
    limit = tokens(100)
    share = await begun(limit, 90)
    share.end(Ending(failed=True))
    assert await times(limit, 10, 10) == [0, 60]


@on_clock
async def test_a_lent_share_keeps_its_request() -> None:
    limit = RateLimit(named(), requests_per_minute=1)
    share = await begun(limit)
    share.lend()
    assert limit.free == 0
    await share.retake()
    share.end(DONE)
    assert limit.free == 0


@on_clock
async def test_when_the_head_is_cancelled_the_next_one_is_called_in_time() -> None:
    limit = tokens(100)
    await begun(limit, 50)
    await asyncio.sleep(10)
    await begun(limit, 50)
    large = asyncio.create_task(times(limit, 100))
    small = asyncio.create_task(times(limit, 50))
    await asyncio.sleep(20)
    large.cancel()
    assert await small == [60]


@on_clock
async def test_refusals_slow_it_down_once_for_each_flight_and_not_below_the_floor() -> None:
    limit = RateLimit(named(), requests_per_minute=6000, window=1, floor=0.2)
    seen: list[int] = []
    for _ in range(6):
        await times(limit, 1, 1, 1, ending=REFUSED)
        await asyncio.sleep(2)
        seen.append(limit.free)
    # The three of a flight end one after the other here: each began after the cut before.
    assert seen == [34, 20, 20, 20, 20, 20]
    limit = RateLimit(named(), requests_per_minute=6000, window=1, floor=0.2)
    flight = [await begun(limit) for _ in range(3)]
    for share in flight:
        share.end(REFUSED)
    await asyncio.sleep(2)
    assert limit.free == 70


@on_clock
async def test_each_further_window_of_successes_speeds_it_up_again_up_to_the_whole_rate() -> None:
    limit = RateLimit(named(), requests_per_minute=6000, window=1)
    await times(limit, 1, ending=REFUSED)
    seen = []
    for _ in range(8):
        await asyncio.sleep(0.5)
        await times(limit, 1, ending=Ending(failed=True))
        await asyncio.sleep(0.5)
        await times(limit, 1, 1)
        seen.append(limit.free + 3)
    assert seen == [75, 80, 85, 90, 95, 100, 100, 100]


@on_clock
async def test_what_began_before_the_cut_does_not_speed_it_up() -> None:
    limit = RateLimit(named(), requests_per_minute=6000, window=1)
    refused, long = await begun(limit), await begun(limit)
    refused.end(REFUSED)
    await asyncio.sleep(10)
    long.end(DONE)
    assert limit.free == 70


@on_clock
async def test_a_window_of_one_slows_down_as_well() -> None:
    limit = RateLimit(named(), requests_per_minute=60, window=1, floor=0.5)
    for _ in range(4):
        await times(limit, 1, ending=REFUSED)
        await asyncio.sleep(10)
    start = asyncio.get_running_loop().time()
    # Two seconds each at half of the rate; then successes speed it up.
    first, second, third = await times(limit, 1, 1, 1, ending=Ending(failed=True))
    assert (first, second, third) == pytest.approx((start, start + 2, start + 4))


@on_clock
async def test_without_a_limit_of_requests_very_many_are_free_while_there_is_room() -> None:
    limit = tokens(100)
    assert limit.free == sys.maxsize
    await begun(limit, 100)
    assert limit.free == 0


@on_clock
async def test_nothing_is_free_while_somebody_waits() -> None:
    limit = tokens(100)
    await begun(limit, 50)
    waits = asyncio.create_task(times(limit, 90))
    await asyncio.sleep(1)
    assert limit.free == 0
    await waits


@on_clock
async def test_a_watcher_is_told_when_time_makes_room() -> None:
    loop = asyncio.get_running_loop()
    limit = RateLimit(named(), requests_per_minute=1)
    await begun(limit)
    told: list[float] = []
    limit.when_free(loop, lambda: told.append(loop.time()))
    limit.when_free(loop, lambda: told.append(loop.time()))
    await asyncio.sleep(200)
    assert told == [60, 60]


@on_clock
async def test_a_watcher_is_told_nothing_while_somebody_waits() -> None:
    loop = asyncio.get_running_loop()
    limit = RateLimit(named(), requests_per_minute=1)
    await begun(limit)
    told: list[float] = []
    limit.when_free(loop, lambda: told.append(loop.time()))
    await times(limit, 1)
    await asyncio.sleep(100)
    assert told == [120]


def test_a_clock_that_starts_anew_finds_nothing_of_the_one_before() -> None:
    limit = RateLimit(named(), requests_per_minute=1)

    async def main() -> list[float]:
        await asyncio.sleep(30)
        share = await begun(limit)
        share.end(Ending(failed=True, throttled=True, wait=500))
        return await times(limit, 1)

    assert VirtualClock().run(main()) == [530]
    assert VirtualClock().run(main()) == [530]


@on_clock
async def test_an_update_holds_at_once_and_what_has_begun_counts_on() -> None:
    name = named()
    limit = RateLimit(name, requests_per_minute=2)
    waits = asyncio.create_task(times(limit, *[1] * 6))
    await asyncio.sleep(10)
    RateLimit(name, requests_per_minute=2).update(requests_per_minute=5)
    assert await waits == [0, 0, 10, 10, 10, 60]
    assert repr(limit) == f"RateLimit({name!r}, requests_per_minute=5, window=60.0, floor=0.1)"
    with pytest.raises(ValueError, match="has no tokens_per_minute"):
        limit.update(tokens_per_minute=7)
    with pytest.raises(LimitConflictError):
        RateLimit(name, requests_per_minute=7)


@pytest.mark.parametrize(
    ("numbers", "kind", "message"),
    [
        ({}, ValueError, "needs requests_per_minute, tokens_per_minute or both"),
        ({"requests_per_minute": 0}, ValueError, "requests_per_minute=0 must be a number above 0"),
        ({"tokens_per_minute": -1}, ValueError, "tokens_per_minute=-1 must be a number above 0"),
        ({"tokens_per_minute": float("inf")}, ValueError, "tokens_per_minute=inf must be"),
        ({"requests_per_minute": float("nan")}, ValueError, "requests_per_minute=nan must be"),
        ({"requests_per_minute": "9"}, TypeError, "requests_per_minute='9' must be a number"),
        ({"requests_per_minute": 9, "window": None}, TypeError, "window=None must be a number"),
        ({"requests_per_minute": 9, "window": 0}, ValueError, "window=0 must be"),
        ({"requests_per_minute": 9, "floor": 0}, ValueError, "floor=0 must be above 0 and at most 1"),
        ({"requests_per_minute": 9, "floor": 1.1}, ValueError, "floor=1.1 must be"),
        ({"requests_per_minute": 9, "window": 1}, ValueError, "less than one in a window. Give it window=7 or more"),
        ({"requests_per_minute": 9, "estimate": len}, ValueError, "add tokens_per_minute"),
        ({"tokens_per_minute": 9, "estimate": 3}, TypeError, "estimate=3 must be a function"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        RateLimit(named(), **numbers)


def test_a_rate_that_makes_just_one_for_a_window_is_taken() -> None:
    for rate in (0.7, 3, 7, 11, 13, 49, 0.1):
        RateLimit(named(), requests_per_minute=rate, window=60 / rate)


def asked(estimate: Callable[[Mapping[str, object]], int]) -> Share:
    loop = asyncio.new_event_loop()
    try:
        return RateLimit(named(), tokens_per_minute=100, estimate=estimate).share(loop, {"text": "x"})
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("returned", "kind", "message"),
    [
        (-1, ValueError, "returned -1; it must be 0 or more tokens"),
        (1.5, TypeError, "returned 1.5; it must be an int"),
        (True, TypeError, "returned True; it must be an int"),
    ],
)
def test_an_estimate_that_is_none_is_refused(returned: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        asked(lambda arguments: returned)


def test_what_an_estimate_raises_comes_out() -> None:
    with pytest.raises(KeyError, match="prompt"):
        asked(lambda arguments: len(str(arguments["prompt"])))


class Told(Struct):
    text: str


@dataclass
class Said:
    text: str
    more: object = None


class Sent(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    text: str


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", 1),
        ("four", 1),
        ("fives", 2),
        (["four"] * 10, 10),
        (("four", {"four", "more"}, frozenset(["four"]), deque(["four"])), 5),
        ({"keys": "vals", "more": {"keys": ["vals"]}}, 5),
        (Told("four" * 3), 3),
        (Said("four", Said("four", [Told("four")])), 3),
        (Sent.model_validate({"text": "four", "extra": ["four"]}), 2),
        (b"four" * 100, 1),
        (iter(["four"] * 10), 1),
        (Said, 1),
        (12345678901234567890, 1),
    ],
)
def test_tokens_are_guessed_from_the_text_in_the_arguments(value: object, expected: int) -> None:
    assert estimated_tokens({"value": value}) == expected


def test_the_guess_ends_on_what_contains_itself_or_is_endless() -> None:
    ring: list[object] = ["four"]
    ring.append(ring)
    assert estimated_tokens({"ring": ring}) == 1
    assert estimated_tokens({"much": ["four"] * 10**6}) < 10_001


def test_a_window_says_how_much_room_there_is() -> None:
    window = Window(2.5, 10)
    assert (window.room(0), window.opens()) == (2, None)
    window.hold(1)
    entry = window.begin(1, 0)
    assert (window.room(9), window.opens()) == (1, 10)
    window.settle(entry, 4, 9)
    assert (window.room(10), window.used, window.opens()) == (0, 3, 19)
    window.forget()
    assert (window.room(10), window.used) == (2, 0)
