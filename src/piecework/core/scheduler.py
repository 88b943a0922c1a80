"""Runs: a plan performed from its input to its end, and calls started from inside running ones.

The runner calls `perform`; a running function that starts calls of its own, or a plan inside its run, calls `start`
and `start_plan`. This is the only module that front ends and runner need of the machinery below it.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Mapping, Sequence

from msgspec import Struct

from piecework.core.call import Frame, Target
from piecework.core.children import ChildScope, Handle
from piecework.core.codec import Codec
from piecework.core.current import CURRENT, current_call
from piecework.core.events import Event, RunFinished, RunStarted
from piecework.core.group import Group
from piecework.core.invoke import Door
from piecework.core.journal import Journal
from piecework.core.limits import Limiter, lending
from piecework.core.outcome import Outcome
from piecework.core.plan import Nest, Plan, Start
from piecework.core.policy import RunPolicy
from piecework.core.ports import Executor, Observer, RunLog
from piecework.core.run import Run
from piecework.core.scope import Scope
from piecework.errors import InternalError

__all__ = ("Setting", "current_run", "perform", "start", "start_plan")


class Setting(Struct, frozen=True, eq=False, kw_only=True):
    """What a run meets: the policies and ports that the runner chose."""

    executor: Executor
    """Where functions run."""

    policy: RunPolicy
    """The run's limits."""

    store: RunLog | None = None
    """Where its facts are kept; None keeps nothing."""

    codec: Codec
    """Turns values into the bytes that a store keeps."""

    observers: Sequence[Observer] = ()
    """Who is told what happens."""


async def perform(plan: Plan, *, name: str, run_id: str, setting: Setting) -> Outcome:
    """Perform a plan as a run of its own, and return how it ended once its facts are committed.

    Args:
        plan: What to do.
        name: The workflow's name, the first segment of every address.
        run_id: Names the run in the store.
        setting: The run's policies and ports.

    Raises:
        asyncio.CancelledError: The caller was cancelled. Everything in the run has ended by then, and what finished is
            in the store.
        Exception: Whatever the store raised.
    """
    run = _open(run_id, setting)
    door = run.door
    if door.emit is not None:
        door.emit(RunStarted(run_id, name))
    root = _root(run, Frame(None, name), plan)
    task = asyncio.create_task(root if door.limiter is None else lending(root, door.limiter))
    ended: Outcome | None = None
    try:
        outcome = ended = await _finish(task)
    finally:
        door.journal.end(ended)
        await door.journal.commit()
        if door.emit is not None:
            door.emit(RunFinished(run_id, ended))
    return outcome


def start(target: Target, kwargs: Mapping[str, object], *, name: str | None = None) -> Handle:
    """Start a call from inside a running one, at once; from the loop or from the running call's thread.

    Args:
        target: What to call.
        kwargs: Its keyword arguments.
        name: The name of its address segment; by default the target's.

    Raises:
        InternalError: No call runs here.
    """
    scope, number = _children()
    segment = target.name if name is None else name
    return scope.add(lambda handle: Start(handle, target, kwargs, segment, number))


def start_plan(plan: Plan, *, name: str) -> Handle:
    """Start a plan from inside a running call, as a part of its run.

    Raises:
        InternalError: No call runs here.
    """
    scope, number = _children()
    return scope.add(lambda handle: Nest(handle, name, plan, number))


def current_run() -> Run | None:
    """The run that this code is a part of, or None outside of any call."""
    call = current_call()
    if call is None:
        return None
    owner = call.site.owner
    assert isinstance(owner, Group)
    return owner.run


def _children() -> tuple[ChildScope, int]:
    """The running call's scope of children, and the number of its next child."""
    call = current_call()
    if call is None:
        raise InternalError("a call was started outside of any running call.")
    live = call.living()
    if live.children is None:
        owner = call.site.owner
        assert isinstance(owner, Group)
        live.children = ChildScope(owner.run, owner, call)
    assert isinstance(live.children, ChildScope)
    number = live.started
    live.started += 1
    return live.children, number


def _open(run_id: str, setting: Setting) -> Run:
    loop = asyncio.get_running_loop()
    limit = setting.policy.max_concurrency
    door = Door(
        Journal(setting.store, run_id, setting.codec),
        None if limit is None else Limiter(limit, loop),
        _Told(loop, setting.observers).emit if setting.observers else None,
    )
    return Run(
        run_id=run_id,
        loop=loop,
        thread=threading.get_ident(),
        door=door,
        executor=setting.executor,
        policy=setting.policy,
    )


async def _root(run: Run, frame: Frame, plan: Plan) -> Outcome:
    CURRENT.set(None)  # A run of its own is no part of the call that it was started in.
    return await Scope(run, None, frame, plan).perform()


async def _finish(task: asyncio.Task[Outcome]) -> Outcome:
    """Wait for a run's own task; a cancelled caller cancels it and still waits until it has ended."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                task.cancel()
        raise


class _Told:
    """A run's observers, told on the loop and in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, observers: Sequence[Observer]) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._observers = list(observers)

    def emit(self, event: Event) -> None:
        """Tell everyone; from any thread."""
        if threading.get_ident() == self._thread:
            self._tell(event)
        else:
            self._loop.call_soon_threadsafe(self._tell, event)

    def _tell(self, event: Event) -> None:
        for observer in tuple(self._observers):
            try:
                observer.on_event(event)
            except Exception as error:
                self._observers.remove(observer)
                warnings.warn(
                    f"{observer!r} raised {error!r} and is told nothing more of this run.",
                    RuntimeWarning,
                    stacklevel=2,
                )
