"""Targets as one run calls them: with the runner's policies where they have none of their own, and where they run.

Scopes and fan-outs ask for every target that is not plain. A blocking function that is not only called, but watched
beside or answered otherwise, gets an async stand-in that runs it on a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Protocol, cast

from msgspec import structs

from piecework.core.call import Call, Target
from piecework.core.current import CURRENT, own_thread
from piecework.core.limits import Limiter
from piecework.core.policy import CallPolicy
from piecework.core.ports import Executor
from piecework.core.quota import AnyLimit, Ending, Limit, RateLimit, private_limit
from piecework.core.waiting import see_out

__all__ = ("Placing", "limited")


class _Run(Protocol):
    """What is asked of the run."""

    patient: set[asyncio.Future[None]]
    """What is done when functions that cannot be stopped are waited for no longer."""


class Placing:
    """What a run makes of the targets that it is asked to call."""

    def __init__(
        self,
        executor: Executor,
        defaults: CallPolicy | None,
        *,
        limiter: Limiter | None,
        grace: float,
        on_abandoned: Callable[[Call], None],
    ) -> None:
        """Make the placing of a run.

        Args:
            executor: Where functions run.
            defaults: What the runner says for targets that do not say it themselves.
            limiter: The run's concurrency, from which a call has its slot.
            grace: Seconds that a blocking function which cannot be stopped is waited for.
            on_abandoned: Told of a call whose run was cancelled and whose function goes on all the same.
        """
        self._executor = executor
        self._defaults = defaults
        self._limiter = limiter
        self._grace = grace
        self._on_abandoned = on_abandoned
        self._placed: dict[Target, Target] = {}

    def place(self, target: Target) -> Target:
        """The target as this run calls it, the same each time."""
        placed = self._placed.get(target)
        if placed is None:
            placed = self._placed[target] = self._make(target)
        return placed

    def _make(self, target: Target) -> Target:
        placed, handler = self._located(target), target.handler
        if target.policy is None and self._defaults is None:
            return placed
        policy = (target.policy or CallPolicy()).over(self._defaults)
        own = () if policy.max_concurrency is None else (private_limit(policy.max_concurrency),)
        policy = structs.replace(policy, limits=(*_in_order(policy.limits or ()), *own))
        if target.effect and (target.policy is None or target.policy.cache is None):
            policy = structs.replace(policy, cache=None)  # What is called for its effect is called, unless it says not.
        if handler is not None:
            handler = structs.replace(handler, target=self._stand_in(handler.target))
        # Only these have the loop wait beside the function while it runs, or call something that may be async.
        beside = policy.timeout is not None or policy.cache is not None or handler is not None
        return structs.replace(self._on_loop(placed) if beside else placed, policy=policy, handler=handler)

    def _stand_in(self, handler: Target) -> Target:
        """An error handler as it is called: on the loop, with the runner's policies but for caches."""
        placed = self._on_loop(self.place(handler))
        if placed.policy is None:
            return placed
        return structs.replace(placed, policy=structs.replace(placed.policy, cache=None))

    def _located(self, target: Target) -> Target:
        return target if self._executor.here else self._executor.place(target)

    def _on_loop(self, target: Target) -> Target:
        """The target, or an async stand-in where it is blocking."""
        if not target.blocking:
            return target
        stand_in = partial(_on_thread, self, target)
        vars(stand_in).update(__wrapped__=target.function, __piecework_standin__=True)  # What a cache knows it by.
        return structs.replace(target, function=stand_in, kind="async")

    async def run_on_thread(self, target: Target, kwargs: Mapping[str, object]) -> object:
        """Call a blocking function on a thread, and wait for it; see law 7 for what happens if this is cancelled.

        Raises:
            asyncio.CancelledError: The function was given up: it did not return within the grace.
            BaseException: What it raised.
        """
        call, loop = CURRENT.get(), asyncio.get_running_loop()
        assert call is not None
        work = _Work(call, target, copy_context(), kwargs, loop)
        call.living().thread = work
        self._executor.thread(work.run)
        try:
            await asyncio.shield(work.ended)
        except asyncio.CancelledError:
            if not await self._within_grace(call, work.ended, loop):
                self._abandon(call, work)
                raise
        call.living().thread = None
        return work.result()

    async def _within_grace(self, call: Call, ended: asyncio.Future[None], loop: asyncio.AbstractEventLoop) -> bool:
        """Wait for a function that cannot be stopped; whether it has ended in time."""
        over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(self._grace, _set, over)
        ended.add_done_callback(lambda _: _set(over))
        patient = cast("_Run", call.site.owner.run).patient
        patient.add(over)
        try:
            await see_out([over])
        except asyncio.CancelledError:
            pass  # Asked once more, it is waited for no longer than before.
        finally:
            timer.cancel()
            patient.discard(over)
        return ended.done()

    def _abandon(self, call: Call, work: _Work) -> None:
        """Give an attempt up whose function goes on: what it holds is given back when that really ends."""
        live = call.living()
        live.thread = None
        held, shares, live.shares = call.slot == "held", live.shares, ()
        call.slot = "none"
        limiter = self._limiter

        def give_back() -> None:
            if held and limiter is not None:
                limiter.release()
            for share in shares:
                share.end(Ending(failed=True))

        work.give_back = give_back
        if work.retaking is not None:
            work.retaking.cancel()
        if call.site.owner.closing:
            live.abandoned = True
            self._on_abandoned(call)


class _Work:
    """One call of a blocking function on a thread."""

    def __init__(
        self,
        call: Call,
        target: Target,
        context: Context,
        kwargs: Mapping[str, object],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.call = call
        """What it is called for."""
        self.retaking: asyncio.Task[None] | None = None
        """Waits for the slot that the call had lent, while it does."""
        self.give_back: Callable[[], None] | None = None
        """Gives back what it holds, where it was given up."""
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when the function has returned or raised, on the loop."""
        self._target = target
        self._context = context
        self._kwargs = kwargs
        self._loop = loop
        self._value: object = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Call the function; on its thread."""
        own_thread(self)
        try:
            self._value = self._context.run(self._called)
        except BaseException as error:
            self._error = error
        finally:
            own_thread(None)
        try:
            self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:  # The loop of a call that was given up may be closed.
            self._end()

    def _end(self) -> None:
        if self.give_back is not None:
            self.give_back()
        if not self.ended.done() and not self._loop.is_closed():
            self.ended.set_result(None)

    def result(self) -> object:
        """What it returned.

        Raises:
            BaseException: What it raised.
        """
        if self._error is not None:
            raise self._error
        return self._value

    def _called(self) -> object:
        made: object = self._target.function(**self._kwargs)
        return self._chunks(cast("Iterable[object]", made)) if self._target.kind == "generator" else made

    def _chunks(self, made: Iterable[object]) -> list[object]:
        """What a generator yields; each chunk is a sign of life."""
        chunks: list[object] = []
        for chunk in made:
            chunks.append(chunk)
            live = self.call.living()
            if live.clock is not None and live.thread is self:
                live.clock.sign()
        return chunks


def limited(target: Target, limit: int) -> Target:
    """A placed target whose calls count under a bound of their own beside their limits."""
    policy = target.policy
    assert policy is not None
    limits = (*(policy.limits or ()), private_limit(limit))
    return structs.replace(target, policy=structs.replace(policy, limits=limits))


def _in_order(limits: Iterable[AnyLimit]) -> tuple[AnyLimit, ...]:
    """Limits in the order in which every call waits for them, so that no two calls wait for each other; each once.

    Rates come first: what waits for one holds no place among the calls that run.
    """
    ranked = {_rank(limit): limit for limit in limits}
    return tuple(ranked[rank] for rank in sorted(ranked))


def _rank(limit: AnyLimit) -> tuple[int, str]:
    if isinstance(limit, RateLimit):
        return (0, limit.name)
    return (1, limit.name) if isinstance(limit, Limit) else (2, str(id(limit)))


def _on_thread(placing: Placing, target: Target, /, **kwargs: object) -> Coroutine[Any, Any, object]:
    return placing.run_on_thread(target, kwargs)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
