"""Runs and scopes: plans performed, their ready actions worked off by lanes, the outcomes fed back.

The runner calls `perform`; a run's own plan is performed in a scope, its nested plans in scopes of their own. Nothing
is decided here: what happens next is always the plan's word.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from functools import cache, partial
from time import perf_counter

from msgspec import Struct

from piecework.core.attempts import Attempts
from piecework.core.budget import Spending
from piecework.core.caching import Caching
from piecework.core.call import Call, Live, Owner, Shared, Site, Target, place
from piecework.core.codec import Codec
from piecework.core.current import CURRENT
from piecework.core.events import Event, FanOutStarted, RunFinished, RunStarted
from piecework.core.fanout import Fan
from piecework.core.invoke import Door
from piecework.core.journal import Journal, Opened
from piecework.core.lanes import Group, Pool, Work
from piecework.core.lease import BEAT, Lease
from piecework.core.limits import Limiter, lending
from piecework.core.outcome import Failed, Outcome
from piecework.core.placing import Placing
from piecework.core.plan import Action, FanOut, Finish, Nest, Plan, Resumable, Start
from piecework.core.policy import CallPolicy, KeepPolicy, RunPolicy
from piecework.core.ports import Cache, Executor, Observer, RunLog
from piecework.core.run import UNBROKEN, Run, Turn
from piecework.core.runs import RunStart
from piecework.core.threads import ThreadPool
from piecework.core.usage import Usage
from piecework.core.waiting import see_out
from piecework.errors import InternalError, RunCancelledError, RunTimeoutError

__all__ = ("Ended", "Line", "Scope", "Setting", "perform")


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

    keep: KeepPolicy = KeepPolicy()
    """How the run is kept there."""

    cache: Cache | None = None
    """Where what cached nodes make is kept."""

    observers: Sequence[Observer] = ()
    """Who is told what happens."""


class Ended(Struct, frozen=True):
    """A run that has ended."""

    run_id: str
    """Names the run; that of the surrounding run for a plan that was a part of it."""

    outcome: Outcome
    """How it ended."""

    inputs: Mapping[str, object] = {}
    """What it was given, where the engine was told."""

    used: Usage | None = None
    """What it has used up so far, where it has a budget."""


async def perform(plan: Plan, *, start: RunStart, setting: Setting, opened: Opened | None = None) -> Ended:
    """Perform a plan as a run of its own, and return how it ended once its facts are committed.

    Args:
        plan: What to do.
        start: Names the run in the store, and the workflow: the first segment of every address.
        setting: The run's policies and ports.
        opened: The run as it stands in the store, where the caller has claimed it already.

    Raises:
        asyncio.CancelledError: The caller was cancelled. Everything in the run has ended by then, and what finished is
            in the store.
        RunHeldError: Somebody else works on this run.
        RunLostError: Somebody else has taken the run over.
        RunCancelledError: Somebody else asked for the run to be cancelled.
        StoreError: What happened could not be recorded.
    """
    loop = asyncio.get_running_loop()
    if opened is None and setting.store is not None:
        opened = Opened(claim=await setting.store.claim(start))
    run = _open(start.run_id, loop, setting, opened)
    door = run.door
    context = copy_context()
    context.run(CURRENT.set, None)  # A run of its own is no part of the call that it was started in.
    scope = context.run(Scope, run, None, start.name, plan)
    lease = None
    if opened is not None and opened.claim is not None and setting.store is not None:
        lease = Lease(loop, setting.store, opened.claim, door.journal, scope.stop)
        lease.timer = loop.call_later(BEAT, lease.beat)
    performing = partial(_to_its_end, scope, start.name, opened, lease)
    driven = performing() if door.limiter is None else lending(performing, door.limiter)
    task = loop.create_task(driven, context=context)
    if setting.policy.timeout is not None:
        over = Failed(RunTimeoutError(start.run_id, seconds=setting.policy.timeout))
        timer = loop.call_later(setting.policy.timeout, scope.finish, over)
        task.add_done_callback(lambda _: timer.cancel())
    around = CURRENT.get()
    waits = None if around is None else _waits(around, loop)
    try:
        return Ended(start.run_id, await asyncio.shield(task), used=door.used)
    except asyncio.CancelledError as cancelled:
        if lease is not None and lease.cancelled and task.done():
            raise RunCancelledError(start.run_id) from None
        scope.stop()
        with suppress(asyncio.CancelledError):  # This one is on its way already.
            await see_out([task], on_cancel=run.hurry)
        unrecorded = None if task.cancelled() else task.exception()
        if unrecorded is not None:
            cancelled.add_note(f"what finished could not be recorded: {unrecorded}")
            raise cancelled from unrecorded
        raise
    finally:
        if waits is not None:
            waits.runs -= 1


def _waits(call: Call, loop: asyncio.AbstractEventLoop) -> Live | None:
    """Have a running call wait for a run that is no part of its own, and lend what it holds meanwhile."""
    run = call.site.owner.run
    if not isinstance(run, Run) or run.loop is not loop:
        return None
    live = call.living()
    live.runs += 1
    return live


def _open(run_id: str, loop: asyncio.AbstractEventLoop, setting: Setting, opened: Opened | None) -> Run:
    """What all calls of a new run share; what only policies need is made with the first call that has one."""
    policy, limit = setting.policy, setting.policy.max_concurrency
    limiter = None if limit is None else Limiter(limit, loop)
    journal = Journal(setting.store, opened, setting.codec, setting.keep)
    door = Door(journal, limiter, _Told(loop, setting.observers).emit if setting.observers else None)
    if policy.budget is not None:
        door.used = Usage() if opened is None else opened.used
    door.attempts = cache(partial(_attempts, door, loop, setting, opened))
    placing = cache(partial(_placing, door, setting))
    direct = setting.executor.here and policy.calls is None and policy.budget is None
    turn = Turn(perf_counter() + UNBROKEN)
    return Run(
        run_id,
        loop,
        threading.get_ident(),
        door,
        setting.executor,
        direct,
        placing,
        policy,
        setting.cache is not None,
        turn,
    )


def _attempts(door: Door, loop: asyncio.AbstractEventLoop, setting: Setting, opened: Opened | None) -> Attempts:
    budget = setting.policy.budget
    return Attempts(
        door,
        loop,
        caching=None if setting.cache is None else Caching(setting.cache, setting.codec),
        spending=None if budget is None else Spending(budget, Usage() if opened is None else opened.used),
        anew=frozenset() if opened is None else opened.anew,
    )


def _placing(door: Door, setting: Setting) -> Placing:
    policy, calls = setting.policy, setting.policy.calls
    return Placing(
        setting.executor,
        CallPolicy() if calls is None and policy.budget is not None else calls,
        limiter=door.limiter,
        grace=policy.grace,
        on_abandoned=door.journal.record_cancelled,
    )


async def _to_its_end(scope: Scope, name: str, opened: Opened | None, lease: Lease | None) -> Outcome:
    """Perform a run's own scope, and see that how it ended is written down."""
    run, door, ended = scope.run, scope.run.door, None
    if door.emit is not None:
        door.emit(RunStarted(run.run_id, name))
    try:
        if opened is not None:
            await door.journal.begin(opened, scope.lost)
        ended = await scope.perform()
        if door.fault is not None and type(ended) is not Failed:
            ended = Failed(door.fault)
        return ended
    finally:
        if lease is not None and lease.timer is not None:
            lease.timer.cancel()
            if lease.renewing is not None:
                await lease.end()
        if door.journal.keeps:
            door.journal.end(ended)
            try:
                await door.journal.commit()
            except Exception:
                door.journal.give_up()
                raise
        if door.emit is not None:
            door.emit(RunFinished(run.run_id, ended))


class Scope(Group):
    """One plan being performed at one place."""

    def __init__(self, run: Run, outer: Owner | None, frame: str, plan: Plan) -> None:
        """Prepare to perform a plan; `frame` is the address that its calls are inside of."""
        super().__init__(run, outer)
        self._frame = frame
        self._plan = plan
        self.lanes = []
        self._line = Line(self, self.context)

    def begin(self) -> None:
        """Line up what the plan does first; the performing task is the lane that looks for it."""
        recall = self.run.door.journal.recall
        if recall is not None and isinstance(self._plan, Resumable):
            self._plan.resume(lambda name: recall.done(f"{self._frame}/{name}"))
        self._take(self._plan.start())
        if self._line.blocking is not None:
            self._line.poke_threads(self._line.blocking)

    def feed_back(self, token: object, outcome: Outcome, *, by_lane: bool = False) -> None:
        """Tell the plan how an action ended, and do what it decides; called on the loop.

        Args:
            token: The action's.
            outcome: How it ended.
            by_lane: Whether the caller is a lane of this scope, which takes the next action itself.
        """
        if self.outcome is not None:
            return
        try:
            actions = self._plan.advance(token, outcome)
        except Exception as error:
            fault = InternalError(f"a plan could not go on: {type(error).__name__}: {error}")
            fault.__cause__ = error
            self.finish(Failed(fault))
        else:
            self._take(actions)
            if not (by_lane and self._line.short):
                self._line.poke()

    def _take(self, actions: Iterable[Action]) -> None:
        """Line actions up for the lanes, or end."""
        for action in actions:
            if type(action) is Finish:
                self.finish(action.outcome)
                return
            self._line.add(action)

    def owner(self, action: Action) -> Owner:
        """What an action's calls belong to."""
        del action
        return self

    async def nest(self, plan: Plan, frame: str, owner: Owner) -> Outcome:
        """Perform a plan inside of something that is inside of this scope."""
        return await Scope(self.run, owner, frame, plan).perform()

    async def work(self, action: Action) -> None:
        """Perform one action and feed its outcome back."""
        if type(action) is Start:
            where = Site(self.owner(action), action.target, self._frame, action.name)
            call = Call(where, action.item, action.turn)
            outcome = await self.run.door.invoke(call, action.kwargs)
        elif type(action) is Nest:
            frame = place(f"{self._frame}/{action.name}", action.item, action.turn)
            outcome = await self.nest(action.plan, frame, self.owner(action))
        else:
            assert type(action) is FanOut
            outcome = await self._fan_out(action)
        assert not isinstance(action, Finish)
        self.feed_back(action.token, outcome, by_lane=True)

    async def work_on_thread(self, action: Action) -> None:
        """Perform a blocking call on the thread that drives this, and feed its outcome back on the loop."""
        assert type(action) is Start
        where = Site(self.owner(action), action.target, self._frame, action.name)
        outcome = await self.run.door.invoke(Call(where, action.item, action.turn), action.kwargs)
        self.run.loop.call_soon_threadsafe(self.feed_back, action.token, outcome)

    async def _fan_out(self, action: FanOut) -> Outcome:
        door, address, shared = self.run.door, f"{self._frame}/{action.name}", None
        if door.emit is not None:
            door.emit(FanOutStarted(address, action.size))
        if door.journal.keeps:
            shared = door.journal.shared(action.shared)
            if door.journal.plan(address, action.size, shared, calls=isinstance(action.body, Target)):
                await door.journal.commit()  # Law 4: the plan of a fan-out is committed before its items start.
        elif self.run.caches and action.shared:
            shared = Shared(frozenset(action.shared), b"")  # Only what they are called counts for a cache.
        return await Fan(self.run, self, self._frame, action, self.nest, shared=shared).perform()

    def lost(self, error: Exception) -> None:
        """What happens in the run can no longer be recorded: end it."""
        self.finish(Failed(error))


class Line:
    """A scope's waiting actions that are to run in copies of one context, and the pools that work them off."""

    def __init__(self, scope: Scope, context: Context) -> None:
        """Make an empty line; its pools join the scope's lanes."""
        self._scope = scope
        self._context = context
        self._ready = _Ready(scope, scope.work)
        self.blocking: _Ready | None = None
        self._pool = Pool(scope, self._ready, width=None, context=context)
        self._threads: ThreadPool | None = None
        scope.lanes.append(self._pool)

    def add(self, action: Action) -> None:
        """Line an action up where it can run: a blocking call for the threads, all else for tasks."""
        ready = self._ready
        if type(action) is Start:
            run = self._scope.run
            if action.target.policy is not None or not run.direct:
                action.target = run.placing().place(action.target)
            if action.target.kind in {"blocking", "generator"}:
                ready = self.blocking = self.blocking or _Ready(self._scope, self._scope.work_on_thread)
        ready.waiting.append(action)

    @property
    def short(self) -> bool:
        """Whether no more waits than one lane takes at once."""
        return self.blocking is None and len(self._ready.waiting) <= 1

    def poke(self) -> None:
        """See that everything that waits is taken."""
        if self._ready.waiting:
            if self._scope.idle is not None and self._pool.size == 0:
                self._scope.wake()
            else:
                self._pool.poke()
        if self.blocking is not None:
            self.poke_threads(self.blocking)

    def poke_threads(self, blocking: _Ready) -> None:
        """See that the blocking calls that wait are taken."""
        if self._threads is None:
            # As wide as it gets: a call that waits for its children keeps its thread, but not its slot.
            width = self._scope.run.policy.max_threads
            self._threads = ThreadPool(self._scope, blocking, width=width, context=self._context)
            self._scope.lanes.append(self._threads)
        self._threads.poke()


class _Ready:
    """Actions that wait for a lane, as a source of work."""

    __slots__ = ("_begin", "_scope", "waiting")

    def __init__(self, scope: Scope, begin: Callable[[Action], Work]) -> None:
        self.waiting: deque[Action] = deque()
        self._scope = scope
        self._begin = begin

    def next(self) -> Work | None:
        if self._scope.ending or not self.waiting:
            return None
        return self._begin(self.waiting.popleft())


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
                    f"{observer!r} raised {error!r} and is told nothing more of this run.", RuntimeWarning, stacklevel=2
                )
