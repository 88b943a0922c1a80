"""One lazy action, any number of calls: the items of a fan-out, pulled as lanes become free.

A scope performs it. Item 100,000 costs what the first did: nothing here looks at the other items.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from piecework.core.call import Call, Owner, Site, Target, place
from piecework.core.feed import Feed
from piecework.core.lanes import Group, Pool, Work
from piecework.core.outcome import Done, Failed, Outcome, Paused, Question
from piecework.core.plan import FanOut, Items, Plan
from piecework.core.run import Run
from piecework.core.threads import ThreadPool
from piecework.errors import NodeCancelledError

__all__ = ("Fan", "Nester")

Nester: TypeAlias = Callable[[Plan, str, Owner], Coroutine[Any, Any, Outcome]]
"""Runs an item's plan inside a group; the scope gives it, which a fan-out must not know."""

AHEAD = 1000
"""How far a collection of unknown size is read in advance when nothing else limits the fan-out."""

_DROPPED = object()


class Fan(Group):
    """A fan-out being performed."""

    def __init__(self, run: Run, outer: Group | None, frame: str, action: FanOut, nest: Nester) -> None:
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
        self._site = self._placed_site(frame)
        self._pool = self._make_pool()
        self.lanes = [self._pool]
        self._feed = self._make_feed(action.items)
        self._pull = self._puller(action.items)
        self._gated = self._feed is not None or self._sink is not None
        """Whether there are times when nothing is to be pulled though the items have not ended."""
        self._invoke = run.door.invoke
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
        index = self._pulled
        self._pulled = index + 1
        if self._sink is None:
            self._results.append(None)
        if self._site is not None:
            return self._call(Call(self._site, index), kwargs)
        return self._plan(index, kwargs)

    def _emptied(self) -> None:
        """The last lane is gone: if the items are too, this is the end."""
        if not self._exhausted or self.ending:
            return
        if self._questions:
            self.finish(Paused(tuple(self._questions)))
        elif self._dropped:
            self.finish(Done([value for value in self._results if value is not _DROPPED]))
        else:
            self.finish(Done(self._results))

    async def _call(self, call: Call, kwargs: Mapping[str, object]) -> None:
        outcome = await self._invoke(call, kwargs)
        if type(outcome) is Done and self._sink is None:
            self._results[call.item] = outcome.value  # type: ignore[index]  # A fan-out's items are numbered.
        else:
            self._take(call.item, outcome)  # type: ignore[arg-type]

    async def _plan(self, index: int, kwargs: Mapping[str, object]) -> None:
        make_plan = self._action.body
        assert not isinstance(make_plan, Target)
        outcome = await self._nest(make_plan(kwargs), place(self._path, index), self)
        if isinstance(outcome, Failed):
            with suppress(Exception):
                outcome.error.add_note(f"in item {index} of '{self._action.name}'")
        self._take(index, outcome)

    def _take(self, index: int, outcome: Outcome) -> None:
        """Put an item's outcome where it belongs; may be called on a worker thread."""
        action = self._action
        if isinstance(outcome, Paused):
            self._questions.extend(outcome.questions)
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
        return Feed(items, self._width() or AHEAD, self) if isinstance(items, AsyncIterator) else None

    def _puller(self, items: Items) -> Callable[[], Mapping[str, object] | None]:
        """What gives the next item, or None when none is there now."""
        if self._feed is not None:
            return self._feed.pull
        assert not isinstance(items, AsyncIterator)
        return items.__next__

    def _width(self) -> int | None:
        """How many items may run at once, the run's own limit included."""
        unsized = AHEAD if self._action.size is None else None
        limits = (self.run.policy.max_concurrency, self._action.max_concurrency, unsized)
        return min((limit for limit in limits if limit is not None), default=None)

    def _placed_site(self, frame: str) -> Site | None:
        action, executor = self._action, self.run.executor
        if not isinstance(action.body, Target):
            return None
        target = action.body if executor.here else executor.place(action.body)
        return Site(self, target, frame, action.name)

    def _make_pool(self) -> Pool | ThreadPool:
        width = self._width()
        if self._site is not None and self._site.target.blocking:
            return ThreadPool(
                self, self, width=width or self.run.policy.max_threads, context=self.context, on_empty=self._emptied
            )
        return Pool(self, self, width=width, context=self.context, on_empty=self._emptied)

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
