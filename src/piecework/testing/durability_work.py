"""The workflow that the durability checks run: an orchestrator, workers, a synthesizer; as a plan of the core's own.

It counts how often each call's function ran, over all the runners that worked on one run, as a user's side effects
would.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from piecework.core.call import Target
from piecework.core.current import CURRENT
from piecework.core.outcome import Done, Outcome
from piecework.core.plan import Action, FanOut, Finish, Plan, Start
from piecework.core.policy import KeepPolicy
from piecework.core.ports import RunLog
from piecework.resumption import Request, Work
from piecework.runner import Engine
from piecework.testing.storage_log import ConformanceError, expect, same

__all__ = ("PATIENCE", "Pattern", "recorded", "run_once", "see_that_it_is_whole")

PATIENCE: Final = 30.0
"""Seconds after which a run counts as hanging."""


@dataclass(slots=True)
class Pattern:
    """One workflow, and what its functions did."""

    items: int = 6
    """How many workers it has."""

    width: int | None = None
    """How many of them may run at once."""

    nested: bool = False
    """Whether each worker is a plan of its own."""

    during: Callable[[int], Awaitable[None]] | None = None
    """What a worker does before it returns."""

    ran: Counter[str] = field(default_factory=Counter[str])
    """How often the function of each call started, by address."""

    finished: int = 0
    """How many workers have returned."""

    @property
    def work(self) -> Work:
        """The workflow, ready to be run."""
        shape = {"orchestrate": "orchestrate", "work": "work", "synthesize": "synthesize"}
        return Work(name="kit", shape=shape, given={"items": self.items}, plan=self._plan)

    @property
    def expected(self) -> Done:
        """What a run of it comes to."""
        return Done(sum(item * item for item in range(self.items)))

    def worker(self, item: int) -> str:
        """The address of a worker's call."""
        return f"kit/work[{item}]/inner" if self.nested else f"kit/work[{item}]"

    def missing(self, known: set[str]) -> int:
        """How many calls are not on record."""
        return self.items + 2 - len(known)

    def _plan(self, given: Mapping[str, object]) -> Plan:
        return _Run(self, given)

    def orchestrate(self, items: int) -> list[int]:
        """Say what there is to do; blocks."""
        self.count()
        return list(range(items))

    async def do_one(self, item: int) -> int:
        """Do one part of it."""
        self.count()
        if self.during is not None:
            await self.during(item)
        self.finished += 1
        return item * item

    async def synthesize(self, parts: list[int]) -> int:
        """Join the parts."""
        self.count()
        return sum(parts)

    def count(self) -> None:
        """Note that the current call's function has started."""
        call = CURRENT.get()
        assert call is not None
        self.ran[call.address] += 1


class _Run:
    """One run of the pattern, as decisions."""

    def __init__(self, pattern: Pattern, given: Mapping[str, object]) -> None:
        self._pattern = pattern
        self._given = given

    def start(self) -> Sequence[Action]:
        target = Target("orchestrate", self._pattern.orchestrate, "blocking")
        return [Start("orchestrate", target, self._given, "orchestrate")]

    def advance(self, token: object, outcome: Outcome) -> Sequence[Action]:
        if not isinstance(outcome, Done) or token == "synthesize":  # noqa: S105 - an action's token
            return [Finish(outcome)]
        if token == "orchestrate":  # noqa: S105
            return [self._fan_out(cast("list[int]", outcome.value))]
        target = Target("synthesize", self._pattern.synthesize, "async")
        return [Start("synthesize", target, {"parts": outcome.value}, "synthesize")]

    def _fan_out(self, items: list[int]) -> FanOut:
        pattern = self._pattern
        return FanOut(
            token="work",  # noqa: S106
            name="work",
            body=(lambda given: _Inner(pattern, given)) if pattern.nested else Target("work", pattern.do_one, "async"),
            items=({"item": item} for item in items),
            size=len(items),
            max_concurrency=pattern.width,
        )


class _Inner:
    """A worker as a plan of its own."""

    def __init__(self, pattern: Pattern, given: Mapping[str, object]) -> None:
        self._pattern = pattern
        self._given = given

    def start(self) -> Sequence[Action]:
        return [Start("inner", Target("inner", self._pattern.do_one, "async"), self._given, "inner")]

    def advance(self, token: object, outcome: Outcome) -> Sequence[Action]:  # noqa: ARG002 - there is one action
        return [Finish(outcome)]


async def run_once(
    store: RunLog,
    pattern: Pattern,
    run_id: str,
    *,
    keep: KeepPolicy | None = None,
    answers: Mapping[str, object] | None = None,
) -> Outcome:
    """Run the pattern, or go on with a run of it, by an engine of its own as another process would have.

    Raises:
        ConformanceError: It hangs.
    """
    engine = Engine(store=store, keep=keep)
    try:
        async with asyncio.timeout(PATIENCE):
            ended = await engine.run(pattern.work, Request(run_id=run_id, answers=answers or {}))
    except TimeoutError:
        raise ConformanceError(f"a run has not ended after {PATIENCE:g} s.") from None
    return ended.outcome


async def recorded(store: RunLog, run_id: str) -> set[str]:
    """The addresses of the calls that are on record as done."""
    return {fact.address for fact in await store.read(run_id) if fact.kind == "call" and fact.status == "done"}


async def see_that_it_is_whole(store: RunLog, pattern: Pattern, run_id: str, outcome: Outcome) -> None:
    """See that a run came to what it should, with each call on record just once.

    Raises:
        ConformanceError: It did not.
    """
    same(outcome, pattern.expected, "what the run came to")
    facts = await store.read(run_id)
    done = Counter(fact.address for fact in facts if fact.kind == "call" and fact.status == "done")
    twice = sorted(address for address, times in done.items() if times > 1)
    expect(not twice, f"calls are recorded as done more than once: {twice}")
    wanted = {"kit/orchestrate", "kit/synthesize", *map(pattern.worker, range(pattern.items))}
    same(set(done), wanted, "the calls on record")
    found = await store.find(run_id)
    same(found and found.status, "completed", "the status")
    same(found and found.tally.done, pattern.items + 2, "the tally of finished calls")
