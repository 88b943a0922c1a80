"""The one place where plan, store, executor and observers meet; it holds the defaults.

Every front end's runner, compiled graph or entrypoint has an engine and gives it plans. The engine knows no front end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from msgspec import structs

from piecework.core import scheduler
from piecework.core.children import current_run, start_plan
from piecework.core.codec import Codec
from piecework.core.current import CURRENT
from piecework.core.handle import lent, wait_lending
from piecework.core.interrupts import Interruption
from piecework.core.journal import Opened
from piecework.core.outcome import Outcome, Paused
from piecework.core.plan import Plan
from piecework.core.policy import KeepPolicy, RunPolicy
from piecework.core.portal import Portal, iterate_blocking, run_blocking
from piecework.core.ports import Cache, Executor, Observer, RunLog
from piecework.core.run import Run
from piecework.core.runs import RunStart
from piecework.core.scheduler import Ended, Setting
from piecework.errors import NoCacheError, NoStoreError
from piecework.executors.local import LocalExecutor
from piecework.resumption import Found, OnChange, Request, Work, fork_run, open_run

__all__ = ("Ended", "Engine")

T = TypeVar("T")

_here = LocalExecutor()
"""The default executor; all runs of the process share its threads."""


class Engine:
    """Performs plans, each as a run of its own or as a part of the run that it is called from."""

    def __init__(
        self,
        *,
        policy: RunPolicy | None = None,
        store: RunLog | None = None,
        executor: Executor | None = None,
        observers: Sequence[Observer] = (),
        codec: Codec | None = None,
        keep: KeepPolicy | None = None,
        cache: Cache | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Choose what runs meet; what is not given is the default: this process, no store, no limit."""
        self._labels = dict(labels or {})
        self._plain = policy is None and store is None and executor is None and not observers and cache is None
        self.stores = store is not None
        """Whether runs are kept."""
        self._setting = Setting(
            executor=_here if executor is None else executor,
            policy=RunPolicy() if policy is None else policy,
            store=store,
            codec=Codec() if codec is None else codec,
            observers=tuple(observers),
            keep=KeepPolicy() if keep is None else keep,
            cache=cache,
        )

    def register(self, types: Iterable[type]) -> None:
        """Let instances of these types into the store.

        Raises:
            CodecError: Two different types have one name.
        """
        self._setting.codec.register(*types)

    def run_id(self) -> str:
        """The name that a run performed from here would have."""
        run = self._surrounding()
        return uuid4().hex if run is None else run.run_id

    async def run(self, work: Work, request: Request | None = None) -> Ended:
        """Run a workflow, and return how it ended.

        With a store, it is a run of its own: a new one, or the one that is asked for, taken up where it stopped.

        Args:
            work: The workflow, and what it is given; checked where no run is named.
            request: Which run is wanted; None starts a new one.

        Raises:
            NoStoreError: A run is asked for by name, but there is no store.
            PieceworkError: The run cannot be taken up; see `piecework.resumption.open_run`.
        """
        store = self._setting.store
        if store is None:
            if request is not None:
                raise NoStoreError("run_id= or thread_id=")
            ended = await self.perform(work.plan(work.given), name=work.name)
            return Ended(ended.run_id, ended.outcome, work.given, ended.used)
        if request is None:
            start = RunStart(run_id=uuid4().hex, name=work.name, shape=work.shape, labels=self._labels)
            plan = work.plan(work.given)
            bound = work.bound.keys() - work.given.keys()
            opened = Opened(claim=await store.claim(start), inputs={**work.bound, **work.given}, bound=bound)
            found = Found(start=start, plan=plan, opened=opened, inputs=work.given)
        else:
            start = await self._start(store, work, request)
            found = await open_run(store, self._setting.codec, work, request, start=start, keep=self._setting.keep)
        ended = await scheduler.perform(found.plan, start=found.start, setting=self._setting, opened=found.opened)
        return Ended(ended.run_id, ended.outcome, found.inputs, ended.used)

    async def fork(
        self, run_id: str, work: Work, *, rerun: Collection[str], new_id: str | None, on_change: OnChange
    ) -> Ended:
        """Run a workflow anew with what another run has on record, but for some nodes; see `fork_run`."""
        store = self.store("fork()")
        start = RunStart(run_id=new_id or uuid4().hex, name=work.name, shape=work.shape, labels=self._labels)
        codec = self._setting.codec
        found = await fork_run(store, codec, work, run_id, start=start, rerun=rerun, on_change=on_change)
        ended = await scheduler.perform(found.plan, start=found.start, setting=self._setting, opened=found.opened)
        return Ended(ended.run_id, ended.outcome, found.inputs, ended.used)

    def caches(self, *, blocking: bool) -> bool:
        """Whether there is somewhere to keep what cached nodes make, where a run is begun from here."""
        if self._setting.cache is not None:
            return True
        run = current_run()
        return run is not None and self._plain and run.caches and _on_loop(None if blocking else run.loop)

    async def clear_cache(self, nodes: Collection[str] | None = None) -> int:
        """Forget what some nodes made, by default all of them; returns how many values that were.

        Raises:
            NoCacheError: There is no cache.
        """
        if self._setting.cache is None:
            raise NoCacheError((), asked="clear_cache()")
        return await self._setting.cache.clear(nodes)

    def storable(self, value: object) -> bool:
        """Whether a store can keep a value."""
        return self._setting.codec.digest(value) is not None

    def store(self, what: str) -> RunLog:
        """The store.

        Raises:
            NoStoreError: There is none, and `what` needs one.
        """
        if self._setting.store is None:
            raise NoStoreError(what)
        return self._setting.store

    async def _start(self, store: RunLog, work: Work, request: Request) -> RunStart:
        """What a run that is asked for is, if it turns out to be new."""
        start = RunStart(
            run_id=request.run_id or uuid4().hex,
            name=work.name,
            shape=work.shape,
            labels=self._labels,
            thread_id=request.thread_id,
        )
        if request.thread_id is not None:
            for head in await store.runs(thread_id=request.thread_id, limit=1):
                start = structs.replace(start, parent=head.run_id, position=head.facts)
        return start

    def perform(self, plan: Plan, *, name: str, run_id: str | None = None) -> Coroutine[Any, Any, Ended]:
        """Perform a plan and return how it ended.

        Inside a running call of the same loop, an engine without settings of its own makes the plan a part of that
        call's run: its limits, its log.
        """
        if CURRENT.get() is not None:
            run = self._surrounding()
            if run is not None:
                return _join(run, plan, name)
        return scheduler.perform(plan, start=RunStart(run_id=run_id or uuid4().hex, name=name), setting=self._setting)

    def run_blocking(self, work: Work, request: Request | None = None) -> Ended:
        """Run a workflow from synchronous code, and return how it ended.

        In a thread of a running call, an engine without settings of its own makes the plan a part of that call's run.
        """
        run = current_run()
        if run is not None and self._plain and request is None and _on_loop(None):
            outcome = _passed_on(start_plan(work.plan(work.given), name=work.name).outcome_on_thread())
            return Ended(run.run_id, outcome, work.given)
        call = CURRENT.get()
        if run is None or call is None or not _on_loop(None):
            return run_blocking(self.run(work, request))
        with lent(call, run):
            return run_blocking(self.run(work, request))

    def iterate_blocking(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """Iterate from synchronous code over what plans come to that are performed meanwhile; joins as above."""
        run, call = current_run(), CURRENT.get()
        if run is not None and call is not None and self._plain and _on_loop(None):
            return iterate_blocking(items, Portal(run.loop, partial(wait_lending, call, run)))
        return iterate_blocking(items)

    def _surrounding(self) -> Run | None:
        """The run of the call that this coroutine is a part of, if plans performed here join it."""
        run = current_run()
        return run if run is not None and self._plain and _on_loop(run.loop) else None


async def _join(run: Run, plan: Plan, name: str) -> Ended:
    return Ended(run.run_id, _passed_on(await start_plan(plan, name=name).outcome()))


def _passed_on(outcome: Outcome) -> Outcome:
    """What a part of a run came to; where it pauses, so does the call that waits for it."""
    if isinstance(outcome, Paused):
        raise Interruption(outcome)
    return outcome


def _on_loop(loop: asyncio.AbstractEventLoop | None) -> bool:
    """Whether this code runs on that event loop; None asks whether it runs on none."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return loop is None
