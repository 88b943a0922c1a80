"""The one place where plan, store, executor and observers meet; it holds the defaults.

Every front end's runner, compiled graph or entrypoint has an engine and gives it plans. The engine knows no front end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from piecework.core import scheduler
from piecework.core.children import current_run, start_plan
from piecework.core.codec import Codec
from piecework.core.current import CURRENT
from piecework.core.handle import wait_lending
from piecework.core.plan import Plan
from piecework.core.policy import RunPolicy
from piecework.core.portal import Portal, iterate_blocking, run_blocking
from piecework.core.ports import Executor, Observer, RunLog
from piecework.core.run import Run
from piecework.core.scheduler import Ended, Setting
from piecework.executors.local import LocalExecutor

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
    ) -> None:
        """Choose what runs meet; what is not given is the default: this process, no store, no limit."""
        self._plain = policy is None and store is None and executor is None and not observers
        self.stores = store is not None
        """Whether runs are kept."""
        self._setting = Setting(
            executor=_here if executor is None else executor,
            policy=RunPolicy() if policy is None else policy,
            store=store,
            codec=Codec() if codec is None else codec,
            observers=tuple(observers),
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
        return _new_id() if run is None else run.run_id

    def perform(self, plan: Plan, *, name: str, run_id: str | None = None) -> Coroutine[Any, Any, Ended]:
        """Perform a plan and return how it ended.

        Inside a running call of the same loop, an engine without settings of its own makes the plan a part of that
        call's run: its limits, its log.
        """
        if CURRENT.get() is not None:
            run = self._surrounding()
            if run is not None:
                return _join(run, plan, name)
        return scheduler.perform(plan, name=name, run_id=run_id or _new_id(), setting=self._setting)

    def perform_blocking(self, plan: Plan, *, name: str) -> Ended:
        """Perform a plan from synchronous code, and return how it ended.

        In a thread of a running call, an engine without settings of its own makes the plan a part of that call's run.
        """
        run = current_run()
        if run is not None and self._plain and _on_loop(None):
            return Ended(run.run_id, start_plan(plan, name=name).outcome_on_thread())
        return run_blocking(self._perform_there(plan, name))

    def iterate_blocking(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """Iterate from synchronous code over what plans come to that are performed meanwhile; joins as above."""
        run, call = current_run(), CURRENT.get()
        if run is not None and call is not None and self._plain and _on_loop(None):
            return iterate_blocking(items, Portal(run.loop, partial(wait_lending, call, run)))
        return iterate_blocking(items)

    async def _perform_there(self, plan: Plan, name: str) -> Ended:
        """Perform a plan on whatever loop this runs on, which decides whether the plan can join a run."""
        return await self.perform(plan, name=name)

    def _surrounding(self) -> Run | None:
        """The run of the call that this coroutine is a part of, if plans performed here join it."""
        run = current_run()
        return run if run is not None and self._plain and _on_loop(run.loop) else None


def _new_id() -> str:
    return os.urandom(16).hex()


async def _join(run: Run, plan: Plan, name: str) -> Ended:
    return Ended(run.run_id, await start_plan(plan, name=name).outcome())


def _on_loop(loop: asyncio.AbstractEventLoop | None) -> bool:
    """Whether this code runs on that event loop; None asks whether it runs on none."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return loop is None
