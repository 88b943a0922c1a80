"""The one place where plan, store, executor and observers meet; it holds the defaults.

Every front end's runner, compiled graph or entrypoint has an engine and gives it plans. The engine knows no front end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from msgspec import Struct

from piecework.core import scheduler
from piecework.core.children import current_run, start_plan
from piecework.core.codec import Codec
from piecework.core.outcome import Outcome
from piecework.core.plan import Plan
from piecework.core.policy import RunPolicy
from piecework.core.portal import run_blocking
from piecework.core.ports import Executor, Observer, RunLog
from piecework.core.scheduler import Setting
from piecework.executors.local import LocalExecutor

__all__ = ("Ended", "Engine")

_here = LocalExecutor()
"""The default executor; all runs of the process share its threads."""


class Ended(Struct, frozen=True):
    """A run that has ended."""

    run_id: str
    """Names the run; that of the surrounding run for a plan that was a part of it."""

    outcome: Outcome
    """How it ended."""


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
        self._setting = Setting(
            executor=_here if executor is None else executor,
            policy=RunPolicy() if policy is None else policy,
            store=store,
            codec=Codec() if codec is None else codec,
            observers=tuple(observers),
        )

    async def perform(self, plan: Plan, *, name: str) -> Ended:
        """Perform a plan and return how it ended.

        Inside a running call of the same loop, an engine without settings of its own makes the plan a part of that
        call's run: its limits, its log.
        """
        run = current_run()
        if run is not None and self._plain and _on_loop(run.loop):
            return Ended(run.run_id, await start_plan(plan, name=name).outcome())
        run_id = uuid4().hex
        return Ended(run_id, await scheduler.perform(plan, name=name, run_id=run_id, setting=self._setting))

    def perform_blocking(self, plan: Plan, *, name: str) -> Ended:
        """Perform a plan from synchronous code, and return how it ended.

        In a thread of a running call, an engine without settings of its own makes the plan a part of that call's run.
        """
        run = current_run()
        if run is not None and self._plain and _on_loop(None):
            return Ended(run.run_id, start_plan(plan, name=name).outcome_on_thread())
        return run_blocking(self.perform(plan, name=name))


def _on_loop(loop: asyncio.AbstractEventLoop | None) -> bool:
    """Whether this code runs on that event loop; None asks whether it runs on none."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return loop is None
