"""Calls under a policy: cache, then limits, attempts, time and retries, then the error handler.

The door comes here for a call whose target has a policy, and is asked back for each attempt. A blocking function with a
time limit, a cache or an error handler comes as an async stand-in; others bring their thread. Nothing here records a
call.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Protocol

from msgspec import structs

from piecework.core.backoff import choose, wait_before
from piecework.core.budget import Spending
from piecework.core.caching import Caching
from piecework.core.call import Call, Handler, Shared, Site
from piecework.core.deadline import Deadline
from piecework.core.events import AttemptFailed, CallStarted, Event
from piecework.core.limits import Limiter, lending, take
from piecework.core.outcome import Done, Failed, Outcome, Paused
from piecework.core.policy import CallPolicy, RetryPolicy
from piecework.core.quota import Ending, Share
from piecework.core.recorded import node_path, places
from piecework.core.transient import retry_after, throttled
from piecework.core.usage import Reported, Usage, total, usage_reported
from piecework.core.waiting import absorb
from piecework.errors import PieceworkError, PolicyFunctionError, UnknownPriceError

__all__ = ("Attempts", "Door")

STOPPED = Paused((), stopped="budget")
"""What a call comes to that is not started since the run's budget is spent."""


class Door(Protocol):
    """What an attempt needs of the door."""

    limiter: Limiter | None
    """The run's concurrency."""
    emit: Callable[[Event], None] | None
    """Takes events."""
    fault: PieceworkError | None
    """Why no new call starts, where that is not the run's budget."""
    used: Usage | None
    """What the run has used up so far, where it has a budget."""

    def take_down(self, call: Call, outcome: Failed) -> None:
        """Record that a call failed which is not over yet."""
        ...

    def lets_in(self, call: Call, limiter: Limiter) -> bool:
        """Take a slot for the call if nothing has to be waited for."""
        ...

    async def attempt(self, call: Call, kwargs: Mapping[str, object]) -> Outcome:
        """Run the call's function once, and give back its slot."""
        ...

    async def invoke(self, call: Call, kwargs: Mapping[str, object]) -> Outcome:
        """Perform one call and say how it ended."""
        ...


class Attempts:
    """What one run's calls under policies share."""

    def __init__(
        self,
        door: Door,
        loop: asyncio.AbstractEventLoop,
        *,
        caching: Caching | None,
        spending: Spending | None,
        anew: frozenset[str],
    ) -> None:
        """Make them for the run of a door.

        Args:
            door: Takes each attempt.
            loop: The run's.
            caching: The run's cache.
            spending: How much of the run's budget is gone.
            anew: The paths of nodes whose kept values do not count.
        """
        self._door = door
        self._loop = loop
        self._caching = caching
        self._spending = spending
        self._anew = anew
        self._counted: set[str] = set()
        """The ids of messages whose usage was counted; a message may be returned again and again."""

    async def perform(self, call: Call, kwargs: Mapping[str, object], policy: CallPolicy) -> Outcome:
        """Perform one call; only cancellation is raised."""
        if policy.cache is None or self._caching is None or not policy.cache.keeps:
            outcome = await self._tries(call, kwargs, policy)
        else:
            tries = partial(self._tries, call, kwargs, policy)
            anew = bool(self._anew) and any(path in self._anew for path in places(node_path(call.address)))
            outcome, known = await self._caching.through(call, kwargs, policy.cache, tries, anew=anew)
            if known:
                call.living().attempts = 0
        handler = call.target.handler
        if handler is not None and type(outcome) is Failed:
            return await self._handled(call, kwargs, outcome, handler)
        return outcome

    async def _tries(self, call: Call, kwargs: Mapping[str, object], policy: CallPolicy) -> Outcome:
        """Try a call until it ends otherwise than by an exception that its policy has it tried again after."""
        retries = 0
        if self._spent():
            return STOPPED
        while True:
            outcome, wait = await self._try(call, kwargs, policy, retries)
            if wait is None or call.site.owner.closing:
                await self._calm(call)
                return outcome
            assert type(outcome) is Failed
            if self._door.emit is not None:
                self._door.emit(AttemptFailed(call, outcome.error, wait))
            await self._undisturbed(call, partial(self._sleep, call, wait))
            if self._spent():
                return STOPPED
            retries += 1
            live = call.living()
            live.attempts += 1
            live.asked = 0

    async def _try(
        self, call: Call, kwargs: Mapping[str, object], policy: CallPolicy, retries: int
    ) -> tuple[Outcome, float | None]:
        """Try a call once, under its limits; how it ended, and how long to wait for another attempt if there is one."""
        door, limiter = self._door, self._door.limiter
        shares: tuple[Share, ...] = ()
        if policy.limits:
            try:
                shares = tuple([limit.share(self._loop, kwargs) for limit in policy.limits])
            except Exception as error:
                return Failed(PolicyFunctionError("estimate", node=call.target.name, error=error), call.attempts), None
        if shares or (limiter is not None and not door.lets_in(call, limiter)):
            await self._admit(call, shares)
            if self._spent():  # While it waited.
                self._leave(call, shares)
                return STOPPED, None
        self._tell_start(call, first=retries == 0)
        ending, wait = Ending(failed=True), None  # Cancelled, it says nothing of its limits.
        try:
            if shares or policy.timeout is not None:
                outcome = await self._bounded(call, kwargs, policy, shares)
            else:
                outcome = await door.attempt(call, kwargs)
            used = self._count(call, kwargs, outcome, wanted=bool(shares))
            if type(outcome) is Failed and policy.retry:
                wait, outcome = self._wait(call, policy.retry, outcome, retries)
            if shares:
                ending = _ending(outcome, used, wait)
        finally:
            if shares:
                self._give_back(call, ending)
            call.slot = "none"
        return outcome, wait

    def _spent(self) -> bool:
        """Whether no call is to start any more."""
        return self._door.fault is not None or (self._spending is not None and self._spending.spent)

    def _leave(self, call: Call, shares: Sequence[Share]) -> None:
        """Give back what was taken for an attempt that will not be."""
        for share in shares:
            share.end(Ending(failed=True))
        if call.slot == "held" and self._door.limiter is not None:
            self._door.limiter.release()
        call.slot = "none"

    async def _calm(self, call: Call) -> None:
        """See that a task which its function has cancelled itself does not wait for something in vain."""
        if call.target.blocking or call.site.owner.closing:
            return
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            await absorb()

    def _give_back(self, call: Call, ending: Ending) -> None:
        live = call.living()
        for share in live.shares:  # None where the attempt was given up, and goes on.
            share.end(ending)
        live.shares = ()

    async def _admit(self, call: Call, shares: Sequence[Share]) -> None:
        """Wait for room under all limits at once: rates, then named limits, then the run's own slot."""
        reserved: list[Share] = []
        waiting, begun = list(shares), 0
        beginning = shares[::-1]  # Rates last, so that they count from when the attempt really starts.
        while True:
            for share in waiting:
                await self._undisturbed(call, share.take, held=reserved)
                reserved.append(share)
            await self._undisturbed(call, partial(take, call, self._door.limiter), held=reserved)
            waiting = []
            for share in beginning[begun:]:
                if not share.begin():  # It was paused while another was waited for.
                    waiting = [share]
                    break
                begun += 1
            if not waiting:
                return
            reserved.remove(waiting[0])
            if self._door.limiter is not None:
                self._door.limiter.release()
            call.slot = "none"

    async def _undisturbed(
        self, call: Call, wait: Callable[[], Awaitable[object]], *, held: Sequence[Share] = ()
    ) -> None:
        """Wait, also where somebody cancels a task of ours that an earlier call gave away.

        Args:
            call: What waits.
            wait: Begins to wait.
            held: What to give back where the call is really cancelled.
        """
        while True:
            try:
                await wait()
            except asyncio.CancelledError:
                if call.site.owner.closing:
                    for share in held:
                        share.end(Ending(failed=True))
                    raise
                await absorb()
            else:
                return

    async def _sleep(self, call: Call, seconds: float) -> None:
        """Wait, on the loop or on the thread of a blocking call."""
        if not call.target.blocking:
            await asyncio.sleep(seconds)
            return
        over: asyncio.Future[None] = self._loop.create_future()
        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, _set, over)
        await over

    def _tell_start(self, call: Call, *, first: bool) -> None:
        call.began = perf_counter()
        if first and self._door.emit is not None:
            self._door.emit(CallStarted(call))

    async def _bounded(
        self, call: Call, kwargs: Mapping[str, object], policy: CallPolicy, shares: tuple[Share, ...]
    ) -> Outcome:
        """Run one attempt with its shares and in the time that it has."""
        live = call.living()
        live.shares = shares
        run = partial(self._door.attempt, call, kwargs)
        if shares and self._door.limiter is None and not call.target.blocking:  # Else its lane, or its thread, lends.
            run = partial(lending, run, None)
        if policy.timeout is None:
            return await run()
        live.clock = deadline = Deadline(call, policy.timeout, self._loop)
        try:
            outcome = await run()
        finally:
            deadline.stop()
            live.clock = None
        if deadline.error is None or type(outcome) is not Failed:
            return outcome
        deadline.error.__cause__ = outcome.error.__cause__ or outcome.error
        return Failed(deadline.error, outcome.attempts)

    def _count(self, call: Call, kwargs: Mapping[str, object], outcome: Outcome, *, wanted: bool) -> Usage | None:
        """What an attempt has used up, where somebody counts it; the run's budget is charged."""
        spending, live = self._spending, call.live
        told: Sequence[Reported] = ()
        if live is not None and live.reported:
            told, live.reported = live.reported, ()
        elif type(outcome) is Done and (wanted or spending is not None):
            told = self._of_its_own(call, usage_reported(outcome.value), kwargs)
        if not told:
            return None
        used = total(told)
        if spending is not None:
            used = structs.replace(used, cost=self._cost(call, spending, told))
            spending.take(used)
            self._door.used = spending.used
        call.living().used(used)
        return used

    def _of_its_own(self, call: Call, told: Sequence[Reported], kwargs: Mapping[str, object]) -> Sequence[Reported]:
        """Reports of answers that the call does not only pass on: it was given them, or calls that it started were."""
        if not told:
            return told
        below = () if call.live is None or call.live.below is None else call.live.below
        before = [*usage_reported(kwargs), *below]
        ids, answers = {each.id for each in before} | self._counted, {id(each.answer) for each in before}
        new = [each for each in told if id(each.answer) not in answers and not (each.id and each.id in ids)]
        self._counted.update(each.id for each in new if each.id)
        around = call.site.owner.calling
        if around is not None:
            live = around.living()
            if live.below is None:
                live.below = []
            live.below.extend(told)
        return new

    def _cost(self, call: Call, spending: Spending, told: Sequence[Reported]) -> float:
        """What that cost; where it cannot be told, the run ends with that when what goes on in it has ended."""
        try:
            return sum(map(spending.cost, told))
        except UnknownPriceError as error:
            self._door.fault = self._door.fault or error
        except Exception as error:
            self._door.fault = self._door.fault or PolicyFunctionError("prices", node=call.target.name, error=error)
        return 0.0

    def _wait(
        self, call: Call, retry: Sequence[RetryPolicy], outcome: Failed, retries: int
    ) -> tuple[float | None, Failed]:
        """Seconds to wait for another attempt, or None where there is none; and what this one came to."""
        try:
            chosen = choose(retry, outcome.error)
        except Exception as error:
            return None, Failed(PolicyFunctionError("retry_on", node=call.target.name, error=error), call.attempts)
        if chosen is None or retries + 1 >= chosen.max_attempts:
            return None, outcome
        return wait_before(chosen, retries, outcome.error, random.random), outcome

    async def _handled(self, call: Call, kwargs: Mapping[str, object], outcome: Failed, handler: Handler) -> Outcome:
        """What a call's error handler makes of its failure: a call of its own, beside the failed one."""
        site = call.site
        self._door.take_down(call, outcome)
        # What it asks is the same question though the exception's text may be another next time.
        where = Site(site.owner, handler.target, site.frame, f"{site.name}:handler", Shared(handler.apart, b""))
        try:
            arguments = handler.arguments(kwargs, outcome.error)
        except Exception as error:
            return Failed(PolicyFunctionError("error_handler", node=call.target.name, error=error), outcome.attempts)
        handled = await self._door.invoke(Call(where, call.item, call.turn), arguments)
        if type(handled) is not Failed:
            return handled
        with suppress(Exception):  # An exception may refuse attributes.
            if handled.error.__context__ is None and handled.error is not outcome.error:
                handled.error.__context__ = outcome.error
        return Failed(handled.error, outcome.attempts)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _ending(outcome: Outcome, used: Usage | None, wait: float | None) -> Ending:
    """How an attempt ended, as its limits see it."""
    tokens = None if used is None else used.tokens
    if type(outcome) is not Failed:
        return Ending(tokens=tokens)
    refused = throttled(outcome.error)
    asked = retry_after(outcome.error) if refused else None
    return Ending(failed=True, throttled=refused, wait=(wait or 0.0) if asked is None else asked, tokens=tokens)
