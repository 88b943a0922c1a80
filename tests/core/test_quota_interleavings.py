"""Random attempts under several limits at once, held against a plain reading of what happened.

What began, ended, was lent and refused is written down by the attempts themselves; the checks know nothing of how
limits work.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations, count
from typing import Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.core.quota import AnyLimit, Ending, Share
from piecework.core.quota.concurrency import Limit, private_limit
from piecework.core.quota.rate import RateLimit
from piecework.testing.clock import VirtualClock


@pytest.fixture(autouse=True)
def nothing_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests read windows to the moment."""
    monkeypatch.setattr("piecework.core.quota.rate.ON_THE_WAY", 0.0)


NUMBERS = count()
PLACES = (2, 3)
REQUESTS = (2, 10.0)
TOKENS = (50, 10.0)
BOTH = (4, 60, 5.0)
HAIR = 1e-6

What: TypeAlias = Literal["asks", "in", "begins", "lends", "asks back", "back", "ends", "pauses"]


@dataclass(frozen=True)
class Try:
    """One attempt as it is going to be."""

    seconds: float
    tokens: int
    used: int | None
    end: Literal["done", "failed", "refused", "unbegun"]
    wait: float
    lends: float | None


@dataclass(frozen=True)
class Call:
    """Attempts one after the other, under some limits."""

    start: float
    limits: tuple[int, ...]
    tries: tuple[Try, ...]
    cancelled: float | None


@dataclass(frozen=True)
class Event:
    """What happened to a share."""

    time: float
    what: What
    limit: int
    share: int
    amount: float = 0
    preferred: bool = False


@dataclass
class World:
    """Limits, and all that happened."""

    limits: tuple[AnyLimit, ...]
    events: list[Event] = field(default_factory=list)

    def of(self, limit: int, *what: What) -> list[Event]:
        return [event for event in self.events if event.limit == limit and event.what in what]


def moments(most: int) -> st.SearchStrategy[float]:
    return st.integers(0, most * 4).map(lambda quarters: quarters / 4)


TRIES = st.builds(
    Try,
    seconds=moments(12),
    tokens=st.integers(0, 80),
    used=st.none() | st.integers(0, 120),
    end=st.sampled_from(["done", "done", "done", "done", "failed", "refused", "unbegun"]),
    wait=moments(8),
    lends=st.none() | moments(3),
)
CALLS = st.builds(
    Call,
    start=moments(15),
    limits=st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True).map(lambda some: tuple(sorted(some))),
    tries=st.lists(TRIES, min_size=1, max_size=3).map(tuple),
    cancelled=st.none() | st.none() | moments(30),
)


def size(arguments: Mapping[str, object]) -> int:
    tokens = arguments["tokens"]
    assert isinstance(tokens, int)
    return tokens


def world() -> World:
    def name() -> str:
        return f"world-{next(NUMBERS)}"

    return World(
        (
            Limit(name(), max_concurrency=PLACES[0]),
            private_limit(PLACES[1]),
            RateLimit(name(), requests_per_minute=REQUESTS[0] * 60 / REQUESTS[1], window=REQUESTS[1]),
            RateLimit(name(), tokens_per_minute=TOKENS[0] * 60 / TOKENS[1], window=TOKENS[1], estimate=size),
            RateLimit(
                name(),
                requests_per_minute=BOTH[0] * 60 / BOTH[2],
                tokens_per_minute=BOTH[1] * 60 / BOTH[2],
                window=BOTH[2],
                estimate=size,
            ),
        )
    )


class Attempt:
    """Goes through one try, and writes down what happens."""

    def __init__(self, world: World, limits: tuple[int, ...], plan: Try) -> None:
        self.world = world
        self.plan = plan
        loop = asyncio.get_running_loop()
        self.clock = loop.time
        self.shares: dict[int, Share] = {
            number: world.limits[number].share(loop, {"tokens": plan.tokens}) for number in limits
        }
        self.number = next(NUMBERS)

    def tell(self, what: What, limit: int, amount: float = 0, *, preferred: bool = False) -> None:
        self.world.events.append(Event(self.clock(), what, limit, self.number, amount, preferred))

    async def go(self) -> None:
        ending = Ending(failed=True)
        try:
            await self._begin()
            if self.plan.end != "unbegun":
                await self._work()
                refused = self.plan.end == "refused"
                ending = Ending(
                    failed=self.plan.end != "done",
                    throttled=refused,
                    wait=self.plan.wait if refused else 0,
                    tokens=self.plan.used,
                )
        finally:
            for limit, share in self.shares.items():
                share.end(ending)
                self.tell("ends", limit, -1 if ending.tokens is None else ending.tokens)
                if ending.wait and limit != 1:
                    self.tell("pauses", limit, ending.wait)

    async def _begin(self) -> None:
        for limit, share in self.shares.items():
            await self._take(limit, share, preferred=False)
        if self.plan.end == "unbegun":
            return
        for limit, share in self.shares.items():
            while not share.begin():
                await self._take(limit, share, preferred=True)
            self.tell("begins", limit, self.plan.tokens)

    async def _take(self, limit: int, share: Share, *, preferred: bool) -> None:
        self.tell("asks", limit, preferred=preferred)
        await share.take()
        self.tell("in", limit, preferred=preferred)

    async def _work(self) -> None:
        await asyncio.sleep(self.plan.seconds)
        if self.plan.lends is None:
            return
        for limit, share in self.shares.items():
            share.lend()
            self.tell("lends", limit)
        await asyncio.sleep(self.plan.lends)
        for limit, share in self.shares.items():
            self.tell("asks back", limit)
            await share.retake()
            self.tell("back", limit)


async def perform(world: World, calls: list[Call]) -> list[bool]:
    """Perform all calls and say which of them came to their end."""

    async def one(call: Call) -> None:
        await asyncio.sleep(call.start)
        for plan in call.tries:
            await Attempt(world, call.limits, plan).go()
            if plan.end == "done":
                return
            await asyncio.sleep(plan.wait)

    tasks = [asyncio.create_task(one(call)) for call in calls]
    for call, task in zip(calls, tasks, strict=True):
        if call.cancelled is not None:
            asyncio.get_running_loop().call_later(call.cancelled, task.cancel)
    async with asyncio.timeout(1e6):
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
    return [not task.cancelled() for task in tasks]


def check_places(world: World, limit: int, most: int) -> None:
    running: set[int] = set()
    for event in world.of(limit, "begins", "lends", "back", "ends"):
        if event.what in {"begins", "back"}:
            running.add(event.share)
        else:
            running.discard(event.share)
        assert len(running) <= most


def check_requests(world: World, limit: int, most: int, window: float) -> None:
    times = [event.time for event in world.of(limit, "begins")]
    for first, last in zip(times, times[most:], strict=False):
        assert last - first >= window - HAIR


def check_tokens(world: World, limit: int, most: int, window: float) -> None:
    used = {event.share: event.amount for event in world.of(limit, "ends")}
    begins = world.of(limit, "begins")
    # What was given back counts no more; an excess is charged later, so here the estimate stands for it.
    charges = [min(e.amount, used[e.share]) if used[e.share] >= 0 else e.amount for e in begins]
    for start, event in enumerate(begins):
        within = [
            charge
            for other, charge in zip(begins[start:], charges[start:], strict=True)
            if other.time < event.time + window - HAIR
        ]
        assert sum(within) <= most or sum(charge > 0 for charge in within) == 1


def check_order(world: World, limit: int) -> None:
    """Nobody is let in after one who asked later, unless that one goes first since it was let in already."""
    asked = world.of(limit, "asks", "asks back") if limit < 2 else world.of(limit, "asks")
    answers = world.of(limit, "in", "back")
    lines: list[tuple[Event, float]] = []
    for event in asked:
        later = world.events.index(event)
        wanted = "in" if event.what == "asks" else "back"
        found = next(
            (e for e in answers if e.share == event.share and e.what == wanted and world.events.index(e) > later), None
        )
        if found is not None:
            lines.append((event, found.time))
    for (_, first), (other, second) in combinations(lines, 2):
        assert first <= second or other.preferred


def check_pauses(world: World, limit: int) -> None:
    until = since = -1.0
    for event in world.of(limit, "begins", "pauses", "in"):
        if event.what == "pauses":
            until = max(until, event.time + event.amount)
            since = event.time
        elif event.what == "begins":
            assert event.time >= until - HAIR
        else:
            assert event.time >= until - HAIR or event.time == since


@given(calls=st.lists(CALLS, min_size=1, max_size=14))
def test_limits_hold_in_order_and_nothing_starves_or_leaks(calls: list[Call]) -> None:
    clock = VirtualClock()
    made = world()
    free: list[int] = []

    async def main() -> None:
        came = await perform(made, calls)
        assert [call for call, ended in zip(calls, came, strict=True) if not ended and call.cancelled is None] == []
        await asyncio.sleep(1000)
        free.extend(limit.free for limit in made.limits)
        # Slowed down they may be, but nothing is left in them: all that they let in begins at once.
        for limit in made.limits:
            share = limit.share(asyncio.get_running_loop(), {"tokens": 1000})
            async with asyncio.timeout(0):
                await share.take()
            share.end(Ending())

    clock.run(main())
    check_places(made, 0, PLACES[0])
    check_places(made, 1, PLACES[1])
    check_requests(made, 2, *REQUESTS)
    check_requests(made, 4, BOTH[0], BOTH[2])
    check_tokens(made, 3, *TOKENS)
    check_tokens(made, 4, BOTH[1], BOTH[2])
    for limit in range(5):
        check_order(made, limit)
        check_pauses(made, limit)
    refused = any(plan.end == "refused" for call in calls for plan in call.tries)
    assert free[1] == PLACES[1]
    assert refused or (free[0], free[2], free[4]) == (PLACES[0], REQUESTS[0], BOTH[0])


@given(
    sizes=st.lists(st.integers(0, 70), min_size=1, max_size=30),
    gaps=st.lists(moments(6), min_size=30, max_size=30),
)
def test_requests_begin_no_later_than_a_reading_by_hand_allows(sizes: list[int], gaps: list[float]) -> None:
    limit = RateLimit(f"world-{next(NUMBERS)}", tokens_per_minute=300, window=10, estimate=size)
    begins: list[float] = []

    async def request(tokens: int) -> None:
        loop = asyncio.get_running_loop()
        share = limit.share(loop, {"tokens": tokens})
        await share.take()
        assert share.begin()
        begins.append(loop.time())
        share.end(Ending())

    async def main() -> None:
        tasks: list[asyncio.Task[None]] = []
        for tokens, gap in zip(sizes, gaps, strict=False):
            tasks.append(asyncio.create_task(request(tokens)))
            await asyncio.sleep(gap)
        await asyncio.gather(*tasks)

    VirtualClock().run(main())
    starts = [sum(gaps[:number]) for number in range(len(sizes))]
    assert begins == by_hand(starts, sizes, most=50, window=10)


def by_hand(starts: list[float], sizes: list[int], *, most: int, window: float) -> list[float]:
    """When each of them begins: at the first moment, not before who came earlier, at which it fits."""
    begins: list[float] = []
    for start, tokens in zip(starts, sizes, strict=True):
        for now in sorted({start, *begins, *(begin + window for begin in begins)}):
            used = sum(other for begin, other in zip(begins, sizes, strict=False) if now < begin + window)
            if now >= max([start, *begins]) and (used == 0 or used + tokens <= most):
                begins.append(now)
                break
    return begins
