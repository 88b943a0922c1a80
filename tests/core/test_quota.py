"""Limits on what runs at once: the order of the line, what endings do to them, pauses, lent places."""

import asyncio
import copy
import gc
import pickle
from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from typing import Any

import pytest

from piecework.core.quota import AnyLimit, Ending, Share
from piecework.core.quota.concurrency import Limit, private_limit
from piecework.core.quota.rate import RateLimit
from piecework.errors import InternalError, LimitConflictError
from piecework.testing.clock import VirtualClock

NUMBERS = count()
DONE = Ending()
REFUSED = Ending(failed=True, throttled=True)


def named() -> str:
    """A name that no other test has."""
    return f"quota-{next(NUMBERS)}"


def on_clock(main: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that runs on a virtual clock."""

    def test() -> None:
        VirtualClock().run(main())

    test.__name__ = main.__name__
    return test


def share_of(limit: AnyLimit) -> Share:
    return limit.share(asyncio.get_running_loop(), {})


async def begun(limit: AnyLimit, count: int = 1) -> list[Share]:
    shares = [share_of(limit) for _ in range(count)]
    for share in shares:
        await share.take()
        assert share.begin()
    return shares


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def succeed(limit: AnyLimit, times: int) -> Coroutine[Any, Any, None]:
    async def one_by_one() -> None:
        for _ in range(times):
            (share,) = await begun(limit)
            share.end(DONE)

    return one_by_one()


@on_clock
async def test_a_freed_place_goes_to_whoever_has_waited_longest() -> None:
    limit = Limit(named(), max_concurrency=2)
    first = await begun(limit, 2)
    order: list[int] = []

    async def waits(number: int) -> None:
        (share,) = await begun(limit)
        order.append(number)
        share.end(DONE)

    tasks = [asyncio.create_task(waits(number)) for number in range(20)]
    await turns()
    assert order == []
    assert limit.free == 0
    for share in first:
        share.end(DONE)
    assert limit.free == 0
    await asyncio.gather(*tasks)
    assert order == list(range(20))
    assert limit.free == 2


@on_clock
async def test_whoever_is_cancelled_in_line_or_while_let_in_leaves_nothing_behind() -> None:
    limit = Limit(named(), max_concurrency=1)
    (first,) = await begun(limit)
    shares = [share_of(limit) for _ in range(3)]
    tasks = [asyncio.create_task(share.take()) for share in shares]
    await turns()
    tasks[0].cancel()
    await turns()
    first.end(DONE)
    tasks[1].cancel()  # It was let in, and does not know yet.
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [True, True, False]
    shares[2].end(DONE)
    assert limit.free == 1


@on_clock
async def test_a_place_is_not_offered_to_whoever_was_cancelled_a_moment_ago() -> None:
    limit = Limit(named(), max_concurrency=1)
    (first,) = await begun(limit)
    shares = [share_of(limit) for _ in range(2)]
    tasks = [asyncio.create_task(share.take()) for share in shares]
    await turns()
    tasks[0].cancel()
    first.end(DONE)
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [True, False]
    shares[1].end(DONE)
    assert limit.free == 1


@on_clock
async def test_a_refusal_cuts_once_for_all_that_ran_at_the_same_time() -> None:
    limit = Limit(named(), max_concurrency=16, min_concurrency=3)
    for left in (8, 4, 3, 3):
        for share in await begun(limit, limit.free):
            share.end(REFUSED)
        assert limit.free == left


@on_clock
async def test_each_full_window_of_successes_adds_one_up_to_the_maximum() -> None:
    limit = Limit(named(), max_concurrency=6)
    for _ in range(2):
        (share,) = await begun(limit)
        share.end(REFUSED)
    assert limit.free == 1
    seen = []
    for successes in (1, 2, 3, 4, 5, 6, 100):
        await succeed(limit, successes - 1)
        before = limit.free
        await succeed(limit, 1)
        seen.append((before, limit.free))
    assert seen == [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 6), (6, 6)]


@on_clock
async def test_what_fails_or_began_before_the_cut_or_never_began_raises_nothing() -> None:
    limit = Limit(named(), max_concurrency=4)
    shares = await begun(limit, 4)
    shares[0].end(REFUSED)
    for share in shares[1:]:
        share.end(DONE)
    assert limit.free == 2
    for _ in range(5):
        (share,) = await begun(limit)
        share.end(Ending(failed=True))
        share = share_of(limit)
        await share.take()
        share.end(DONE)
    assert limit.free == 2
    share = share_of(limit)
    await share.take()
    share.end(Ending(failed=True, throttled=True, wait=9))
    assert limit.free == 2


@on_clock
async def test_a_private_limit_does_not_adapt() -> None:
    limit = private_limit(3)
    for share in await begun(limit, 3):
        share.end(Ending(failed=True, throttled=True, wait=60))
    assert limit.free == 3
    assert repr(limit) == "private_limit(3)"
    with pytest.raises(ValueError, match="max_concurrency=0 must be at least 1"):
        private_limit(0)


@pytest.mark.parametrize("kind", ["limit", "rate"])
def test_in_a_pause_nobody_begins_and_those_let_in_already_go_first_in_their_order(kind: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        limit: AnyLimit = (
            Limit(named(), max_concurrency=8) if kind == "limit" else RateLimit(named(), requests_per_minute=8, floor=1)
        )
        shares = await begun(limit, 4)
        begins: list[tuple[float, int]] = []

        async def attempt(number: int, share: Share) -> None:
            while not share.begin():
                await share.take()
            begins.append((loop.time(), number))

        held = [share_of(limit) for _ in range(3)]
        for share in held:
            await share.take()
        shares[0].end(Ending(failed=True, throttled=True, wait=70))
        assert limit.free == 0
        late = share_of(limit)

        async def comes_late() -> None:
            await late.take()
            await attempt(9, late)

        tasks = [asyncio.create_task(comes_late())]
        await turns()
        # They find out in another order than they were let in.
        tasks += [asyncio.create_task(attempt(number, held[number])) for number in (2, 0, 1)]
        await turns()
        shares[1].end(Ending(failed=True, throttled=True, wait=30))  # A shorter one does not shorten it.
        for share in shares[2:]:
            share.end(DONE)
        await asyncio.gather(*tasks)
        assert begins == [(70, 0), (70, 1), (70, 2), (70, 9)]

    VirtualClock().run(main())


@on_clock
async def test_a_pause_that_is_over_lets_a_share_begin_that_was_taken_before() -> None:
    limit = Limit(named(), max_concurrency=4)
    (share, other) = await begun(limit), share_of(limit)
    await other.take()
    share[0].end(Ending(failed=True, throttled=True, wait=5))
    await asyncio.sleep(5)
    assert other.begin()
    other.end(DONE)


@on_clock
async def test_a_lent_place_is_used_by_others_and_waited_for_again() -> None:
    limit = Limit(named(), max_concurrency=1)
    (parent,) = await begun(limit)
    parent.lend()
    parent.lend()
    assert limit.free == 1
    (child,) = await begun(limit)
    back = asyncio.create_task(parent.retake())
    await turns()
    assert not back.done()
    child.end(DONE)
    await back
    assert limit.free == 0
    await parent.retake()
    parent.end(DONE)
    assert limit.free == 1


@on_clock
async def test_a_lent_place_goes_at_once_to_whoever_waits_and_is_taken_back_once() -> None:
    limit = Limit(named(), max_concurrency=2)
    (parent, other) = await begun(limit, 2)
    child = share_of(limit)
    waits = asyncio.create_task(child.take())
    await turns()
    parent.lend()
    await waits
    child.end(DONE)
    other.end(DONE)
    await parent.retake()
    await parent.retake()
    assert limit.free == 1
    parent.end(DONE)
    assert limit.free == 2


@on_clock
async def test_a_call_may_end_with_its_place_lent_and_while_it_waits_for_it() -> None:
    limit = Limit(named(), max_concurrency=1)
    (parent, other) = await begun(limit), share_of(limit)
    parent[0].lend()
    await other.take()
    back = asyncio.create_task(parent[0].retake())
    await turns()
    back.cancel()
    await turns()
    parent[0].end(REFUSED)
    assert limit.free == 0
    other.end(DONE)
    assert limit.free == 1


@on_clock
async def test_an_end_said_twice_counts_once() -> None:
    limit = Limit(named(), max_concurrency=2)
    (share,) = await begun(limit)
    share.end(DONE)
    share.end(REFUSED)
    assert limit.free == 2


@on_clock
async def test_a_share_that_was_not_taken_cannot_begin() -> None:
    with pytest.raises(InternalError, match="not taken"):
        share_of(Limit(named(), max_concurrency=2)).begin()


@on_clock
async def test_a_watcher_is_told_once_when_there_is_room_that_nobody_waits_for() -> None:
    loop = asyncio.get_running_loop()
    limit = Limit(named(), max_concurrency=1)
    told: list[float] = []
    limit.when_free(loop, lambda: told.append(0))
    await turns()
    assert told == [0]
    (share, waiting) = await begun(limit), share_of(limit)
    limit.when_free(loop, lambda: told.append(1))
    task = asyncio.create_task(waiting.take())
    await turns()
    share[0].end(DONE)
    await task
    await turns()
    assert told == [0]
    waiting.end(DONE)
    await turns()
    assert told == [0, 1]


@on_clock
async def test_a_watcher_is_told_when_a_pause_is_over() -> None:
    loop = asyncio.get_running_loop()
    limit = Limit(named(), max_concurrency=4)
    (share,) = await begun(limit)
    share.end(Ending(failed=True, throttled=True, wait=8))
    told: asyncio.Future[float] = loop.create_future()
    limit.when_free(loop, lambda: told.set_result(loop.time()))
    assert await told == 8


@on_clock
async def test_limits_of_one_name_are_one_limit() -> None:
    name = named()
    limit, same = Limit(name, max_concurrency=2), Limit(name, max_concurrency=2)
    (share,) = await begun(limit)
    assert same.free == 1
    assert same == limit
    assert len({same, limit}) == 1
    assert Limit(named(), max_concurrency=2) != limit
    rate = RateLimit(name, requests_per_minute=60)
    assert rate != limit
    assert len({rate, RateLimit(name, requests_per_minute=60)}) == 1
    share.end(DONE)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda limit: pickle.loads(pickle.dumps(limit))])  # noqa: S301
def test_a_copy_of_a_limit_is_the_same_limit(copied: Callable[[object], object]) -> None:
    limits = (
        Limit(named(), max_concurrency=2),
        RateLimit(named(), tokens_per_minute=60, requests_per_minute=6, estimate=len),
    )
    assert tuple(map(copied, limits)) == limits


def test_other_numbers_under_one_name_are_refused_with_both_and_what_to_do() -> None:
    name = named()
    limit = Limit(name, max_concurrency=8)
    with pytest.raises(LimitConflictError) as caught:
        Limit(name, max_concurrency=4)
    assert caught.value.name == name
    assert str(caught.value) == (
        f"Limit {name!r} is declared with max_concurrency=4, min_concurrency=1, and elsewhere with max_concurrency=8, "
        "min_concurrency=1. What has one name is one limit in all of the process: give this one another name, or "
        "change it for all with limit.update(max_concurrency=4)."
    )
    rate = RateLimit(name, requests_per_minute=60)
    with pytest.raises(LimitConflictError, match=r"limit.update\(tokens_per_minute=9\)"):
        RateLimit(name, requests_per_minute=60, tokens_per_minute=9)
    assert (limit.name, rate.name) == (name, name)


@on_clock
async def test_an_update_holds_for_all_who_wait_and_all_who_declare() -> None:
    name = named()
    limit = Limit(name, max_concurrency=1)
    (share,) = await begun(limit)
    others = [asyncio.create_task(share_of(limit).take()) for _ in range(3)]
    await turns()
    Limit(name, max_concurrency=1).update(max_concurrency=3)
    await turns()
    assert [task.done() for task in others] == [True, True, False]
    assert repr(limit) == f"Limit({name!r}, max_concurrency=3, min_concurrency=1)"
    assert Limit(name, max_concurrency=3) == Limit(name, max_concurrency=1) == limit
    with pytest.raises(LimitConflictError):
        Limit(name, max_concurrency=2)
    with pytest.raises(ValueError, match="min_concurrency=9 must not be above"):
        limit.update(max_concurrency=3, min_concurrency=9)
    share.end(DONE)
    await others[2]
    limit.update(max_concurrency=1)
    assert limit.free == 0


@on_clock
async def test_an_update_leaves_a_limit_cut_that_was_cut() -> None:
    limit = Limit(named(), max_concurrency=8)
    (share,) = await begun(limit)
    share.end(REFUSED)
    limit.update(max_concurrency=100)
    assert limit.free == 4
    limit.update(max_concurrency=100, min_concurrency=10)
    assert limit.free == 10


@pytest.mark.parametrize("kept_by", ["another limit", "a share", "nobody"])
def test_a_name_is_known_as_long_as_a_limit_or_a_share_is_there(kept_by: str) -> None:
    name = named()
    limit = Limit(name, max_concurrency=8)
    loop = asyncio.new_event_loop()
    kept = {"another limit": Limit(name, max_concurrency=8), "a share": limit.share(loop, {}), "nobody": None}[kept_by]
    del limit
    gc.collect()
    if kept is None:
        assert Limit(name, max_concurrency=1).free == 1
    else:
        with pytest.raises(LimitConflictError):
            Limit(name, max_concurrency=1)
    loop.close()


def wrong() -> Iterator[tuple[dict[str, Any], type[Exception], str]]:
    yield {"max_concurrency": 0}, ValueError, "max_concurrency=0 must be at least 1"
    yield {"max_concurrency": 2, "min_concurrency": 0}, ValueError, "min_concurrency=0 must be at least 1"
    yield {"max_concurrency": 2, "min_concurrency": 3}, ValueError, "must not be above max_concurrency=2"
    yield {"max_concurrency": 2.5}, TypeError, "max_concurrency=2.5 must be a whole number"
    yield {"max_concurrency": True}, TypeError, "must be a whole number"


@pytest.mark.parametrize(("numbers", "kind", "message"), list(wrong()))
def test_numbers_out_of_range_are_refused(numbers: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        Limit(named(), **numbers)


def test_a_limit_needs_a_name() -> None:
    with pytest.raises(ValueError, match=r"a Limit needs a name"):
        Limit("", max_concurrency=1)
    with pytest.raises(TypeError, match=r"named by a text, not by 3"):
        Limit(3, max_concurrency=1)  # type: ignore[arg-type]
