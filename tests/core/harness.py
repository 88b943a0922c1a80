"""What tests of the engine share: the smallest plans, a run with its facts, and waiting that cannot hang."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal, TypeVar
from uuid import uuid4

from msgspec import Struct

from piecework.core.call import Target
from piecework.core.codec import Codec
from piecework.core.fact import Fact
from piecework.core.outcome import Outcome
from piecework.core.plan import Action, FanOut, Finish, Start
from piecework.core.policy import RunPolicy
from piecework.core.ports import Observer
from piecework.core.runs import RunStart
from piecework.core.scheduler import Setting, perform
from piecework.executors.local import LocalExecutor
from piecework.stores.memory import MemoryStore

T = TypeVar("T")


class OneCall:
    """The smallest plan: one call, whose outcome is the run's."""

    def __init__(self, target: Target, kwargs: Mapping[str, object] | None = None) -> None:
        self.target = target
        self.kwargs = kwargs or {}

    def start(self) -> Sequence[Action]:
        return [Start(0, self.target, self.kwargs, self.target.name)]

    def advance(self, token: object, outcome: Outcome) -> Sequence[Action]:
        return [Finish(outcome)]


class OneFanOut:
    """A plan of one fan-out."""

    def __init__(self, action: FanOut) -> None:
        self.action = action

    def start(self) -> Sequence[Action]:
        return [self.action]

    def advance(self, token: object, outcome: Outcome) -> Sequence[Action]:
        return [Finish(outcome)]


class Ran(Struct):
    """A run that has ended, and its log."""

    outcome: Outcome
    facts: Sequence[Fact]

    @property
    def calls(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.kind == "call"]


def async_target(function: Callable[..., Coroutine[Any, Any, object]]) -> Target:
    return Target(function.__name__, function, "async")


def blocking_target(function: Callable[..., object]) -> Target:
    return Target(function.__name__, function, "blocking")


def setting(
    *,
    limit: int | None = None,
    grace: float = 5.0,
    store: MemoryStore | None = None,
    observers: Sequence[Observer] = (),
) -> Setting:
    return Setting(
        executor=LocalExecutor(),
        policy=RunPolicy(max_concurrency=limit, grace=grace),
        store=store,
        codec=Codec(),
        observers=observers,
    )


async def run_plan(plan: OneCall | OneFanOut, *, limit: int | None = None, grace: float = 5.0) -> Ran:
    store, run_id = MemoryStore(), uuid4().hex
    met = setting(limit=limit, grace=grace, store=store)
    ended = await perform(plan, start=RunStart(run_id=run_id, name="root"), setting=met)
    return Ran(ended.outcome, await store.read(run_id))


async def run_call(target: Target, *, limit: int | None = None, grace: float = 5.0) -> Ran:
    return await within(run_plan(OneCall(target), limit=limit, grace=grace))


def fan(
    target: Target,
    items: Sequence[Mapping[str, object]],
    *,
    on_error: Literal["raise", "keep", "drop"] = "raise",
    max_concurrency: int | None = None,
) -> FanOut:
    return FanOut(
        token=0,
        name=target.name,
        body=target,
        items=iter(items),
        size=len(items),
        on_error=on_error,
        max_concurrency=max_concurrency,
    )


async def within(work: Awaitable[T], seconds: float = 4.0) -> T:
    """Await, but not for ever: a deadlock fails the test."""
    return await asyncio.wait_for(work, seconds)


def others_alive() -> set[asyncio.Task[Any]]:
    """The tasks of this loop but the running one and those that wrap it."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not _waits(task)}


def _waits(task: asyncio.Task[Any]) -> bool:
    coroutine = task.get_coro()
    return getattr(coroutine, "__name__", "") == "wait_for"


async def cancelled(task: asyncio.Task[Any], *, times: int = 1) -> None:
    """Cancel a task as often as asked, a turn of the loop between, and wait for its end."""
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    await within(asyncio.wait([task]))
    assert task.cancelled()
