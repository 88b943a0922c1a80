"""One lazy action, any number of calls: the items of a fan-out, pulled as lanes become free.

A scope performs it. Item 100,000 costs what the first did: nothing here looks at the other items.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from piecework.core.call import Call, Owner, Shared, Site, Target, place
from piecework.core.feed import Feed, Recording
from piecework.core.lanes import Group, Pool, Work
from piecework.core.outcome import Done, Failed, Outcome, Paused, Question
from piecework.core.placing import limited
from piecework.core.plan import FanOut, Items, Plan
from piecework.core.run import Run
from piecework.core.threads import ThreadPool
from piecework.errors import ItemKeyError, NodeCancelledError

__all__ = ("Fan", "Nester")

Nester: TypeAlias = Callable[[Plan, str, Owner], Coroutine[Any, Any, Outcome]]
"""Runs an item's plan inside a group; the scope gives it, which a fan-out must not know."""

AHEAD = 1000
"""How far a collection of unknown size is read in advance when nothing else limits the fan-out."""

_DROPPED = object()


async def _nothing() -> None:
    """What is left to do of an item that is on record."""


def key_fault(key: object, taken: Collection[object]) -> str:
    """Why something cannot be an item's key; empty where it can."""
    if type(key) is not str and type(key) is not int:
        return "is neither text nor a number"
    return "is that of another item too" if key in taken else ""


class Fan(Group):
    """A fan-out being performed."""

    def __init__(
        self, run: Run, outer: Group | None, frame: str, action: FanOut, nest: Nester, *, shared: Shared | None
    ) -> None:
        """Prepare a fan-out's lanes: threads for a blocking target, tasks for anything else."""
        super().__init__(run, outer)
        self._action = action
        self._path = f"{frame}/{action.name}"
        self._nest = nest
        self._results: list[object] = []
        self._pulled = 0
        self._exhausted = False
        self._dropped = False
        self._questions: list[Question] = []
        self._sink = action.sink
        self._keys: set[str | int] = set()
        self._reason = ""
        self._site = self._placed_site(frame, shared)
        policy = None if self._site is None else self._site.target.policy
        self._limits = None if policy is None else policy.limits or ()
        """What its items count under; None where they are under no policy."""
        self._pool = self._make_pool()
        self.lanes = [self._pool]
        self._feed = self._make_feed(action.items)
        self._pull = self._puller(action.items)
        self._gated = self._feed is not None or self._sink is not None
        """Whether there are times when nothing is to be pulled though the items have not ended."""
        self._door = run.door
        self._invoke = run.door.invoke
        self._recalls = run.door.journal.recall is not None
        if self._sink is not None:
            self._sink.on_room(self.nudge)

    def begin(self) -> None:
        """Start to read ahead, where the items must be awaited."""
        if self._feed is not None:
            self._feed.start()
            self.inside.add(self._feed)

    @property
    def waiting(self) -> bool:
        """Whether an item might be pulled now."""
        if self._exhausted or (self._sink is not None and self._sink.full):
            return False
        return self._feed is None or len(self._feed) > 0 or self._feed.exhausted

    def next(self) -> Work | None:
        """Pull the next item; None when there is none now."""
        if self.ending or (self._gated and not self.waiting):
            return None
        try:
            kwargs = self._pull()
        except StopIteration:
            kwargs = None
        except BaseException as error:
            self._broken(error)
            return None
        if kwargs is None:
            self._exhausted = self._gated = True
            if self._feed is not None and self._feed.error is not None:
                self._broken(self._feed.error)
            return None
        index: int = self._pulled
        self._pulled = index + 1
        key: int | str | None = index if self._action.key is None else self._key(index, kwargs)
        if key is None:
            return None
        if self._sink is None:
            self._results.append(None)
        if self._site is None:
            return self._plan(index, key, kwargs)
        call = Call(self._site, key)
        return self._recalled(index, call, kwargs) if self._recalls else self._call(index, call, kwargs)

    def _recalled(self, index: int, call: Call, kwargs: Mapping[str, object]) -> Work:
        """Take an item's outcome as it is on record, or else call it."""
        known = self._door.known(call, kwargs)
        if known is None:
            return self._call(index, call, kwargs)
        if type(known) is Done and self._sink is None:
            self._results[index] = known.value
        else:
            self._take(index, known)
        return _nothing()

    def _key(self, index: int, kwargs: Mapping[str, object]) -> int | str | None:
        """An item's key by the user's function; None, and the fan-out fails, where that gives none."""
        assert self._action.key is not None
        try:
            key = self._action.key(kwargs)
        except Exception as error:
            with suppress(Exception):  # An exception may refuse attributes.
                error.add_note(f"raised by the key= function of '{self._action.name}' for item {index}")
            self.fail_soon(Failed(error, item=index))
            return None
        fault = key_fault(key, self._keys)
        if fault:
            self.fail_soon(Failed(ItemKeyError(node=self._action.name, index=index, key=key, fault=fault), item=index))
            return None
        self._keys.add(key)
        return key

    def _emptied(self) -> None:
        """The last lane is gone: if the items are too, this is the end."""
        if not self._exhausted or self.ending:
            return
        if self._questions or self._reason:
            missing = 0 if self._sink is not None else (self._action.size or 0) - len(self._results)
            self._results.extend([Paused((), stopped=self._reason)] * missing)
            self.finish(Paused(tuple(self._questions), self._results, self._reason))
        elif self._dropped:
            self.finish(Done([value for value in self._results if value is not _DROPPED]))
        else:
            self.finish(Done(self._results))

    async def _call(self, index: int, call: Call, kwargs: Mapping[str, object]) -> None:
        outcome = await self._invoke(call, kwargs)
        if type(outcome) is Done and self._sink is None:
            self._results[index] = outcome.value
        else:
            self._take(index, outcome)

    async def _plan(self, index: int, key: int | str, kwargs: Mapping[str, object]) -> None:
        make_plan = self._action.body
        assert not isinstance(make_plan, Target)
        outcome = await self._nest(make_plan(kwargs), place(self._path, key), self)
        if isinstance(outcome, Failed):
            with suppress(Exception):
                outcome.error.add_note(f"in item {index} of '{self._action.name}'")
        self._take(index, outcome)

    def _take(self, index: int, outcome: Outcome) -> None:
        """Put an item's outcome where it belongs; may be called on a worker thread."""
        action = self._action
        if isinstance(outcome, Paused):
            self._questions.extend(outcome.questions)
            if outcome.stopped:  # No other will start.
                self._reason, self._exhausted, self._gated = outcome.stopped, True, True
            if self._sink is not None:
                self._sink.put(index, outcome)
            else:
                self._results[index] = outcome
        elif isinstance(outcome, Failed) and action.on_error == "raise":
            self.fail_soon(Failed(outcome.error, outcome.attempts, index))
        elif self._sink is not None:
            if isinstance(outcome, Done) or action.on_error == "keep":
                self._sink.put(index, outcome)
        elif isinstance(outcome, Done):
            self._results[index] = outcome.value
        elif action.on_error == "keep":
            self._results[index] = action.failure(outcome, index) if action.failure is not None else outcome
        else:
            self._results[index] = _DROPPED
            self._dropped = True

    def _make_feed(self, items: Items) -> Feed | None:
        """What reads the items ahead: those that must be awaited, and those to be recorded as they are pulled."""
        journal, width = self.run.door.journal, self._width() or AHEAD
        if self._action.size is None and journal.keeps:
            blocks = self._site is not None and self._site.target.blocking
            recording = Recording(
                partial(journal.pulled, self._path, self._site),
                self.run.policy.grace,
                self.run.executor.thread if blocks else None,
            )
            return Feed(items, width, self, recording=recording)
        return Feed(items, width, self) if isinstance(items, AsyncIterator) else None

    def _puller(self, items: Items) -> Callable[[], Mapping[str, object] | None]:
        """What gives the next item, or None when none is there now."""
        if self._feed is not None:
            return self._feed.pull
        assert not isinstance(items, AsyncIterator)
        return items.__next__

    def _width(self) -> int | None:
        """How many items may be in progress at once.

        Of items under a policy, those that wait for a limit or for another attempt hold no slot, so slots do not bound
        how many there are.
        """
        unsized = AHEAD if self._action.size is None else None
        if self._limits is not None:
            return unsized
        limits = (self.run.policy.max_concurrency, self._action.max_concurrency, unsized)
        return min((limit for limit in limits if limit is not None), default=None)

    def _placed_site(self, frame: str, shared: Shared | None) -> Site | None:
        action, run = self._action, self.run
        if not isinstance(action.body, Target):
            return None
        target = action.body
        if target.policy is not None or not run.direct:
            target = run.placing().place(target)
            if target.policy is not None and action.max_concurrency is not None:
                target = limited(target, action.max_concurrency)
        return Site(self, target, frame, action.name, shared)

    def _make_pool(self) -> Pool | ThreadPool:
        width, limits = self._width(), self._limits or ()
        if self._site is not None and self._site.target.blocking:
            most = width or self.run.policy.max_threads
            return ThreadPool(self, self, width=most, context=self.context, on_empty=self._emptied, limits=limits)
        return Pool(self, self, width=width, context=self.context, on_empty=self._emptied, limits=limits)

    def _broken(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):  # The run was not cancelled, so its caller must not see that.
            cause, error = error, NodeCancelledError(node=self._action.name)
            error.__cause__ = cause
        with suppress(Exception):  # An exception may refuse attributes.
            error.add_note(f"raised by the collection that '{self._action.name}' maps over, after {self._pulled} items")
        self.fail_soon(Failed(error))

    def nudge(self) -> None:
        """Something to do may have come: more items, their end, or room in the sink. Called on the loop."""
        if self.idle is not None and self._pool.size == 0:
            self.wake()
        else:
            self._pool.poke()
