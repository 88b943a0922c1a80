"""A plan being performed: its ready actions, the lanes that work them off, the outcomes fed back.

The scheduler performs a run's own plan in a scope, a scope its nested plans in scopes of their own. It decides
nothing: what happens next is always the plan's word.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context

from piecework.core.call import Call, Frame, Site
from piecework.core.events import FanOutStarted
from piecework.core.fanout import Fan
from piecework.core.group import Group, Lanes
from piecework.core.outcome import Failed, Outcome
from piecework.core.plan import Action, FanOut, Finish, Nest, Plan, Start
from piecework.core.pool import Pool, Work
from piecework.core.run import Run
from piecework.core.threads import ThreadPool
from piecework.errors import InternalError

__all__ = ("Line", "Scope")


class Scope(Group):
    """One plan being performed at one place."""

    def __init__(self, run: Run, outer: Group | None, frame: Call | Frame | None, plan: Plan) -> None:
        """Prepare to perform a plan; `frame` is what its calls are inside of."""
        super().__init__(run, outer)
        self._frame = frame
        self._plan = plan
        self._line = Line(self, self.context)

    def lanes(self) -> Sequence[Lanes]:
        """Tasks for everything that can be awaited, threads for what blocks."""
        return self._line.pools

    async def perform(self) -> Outcome:
        """Run the plan to its end; see `Group.perform`."""
        self.take(self._plan.start())
        return await super().perform()

    def take(self, actions: Iterable[Action]) -> None:
        """Do what the plan decided: line actions up for the lanes, or end."""
        for action in actions:
            if type(action) is Finish:
                self.finish(action.outcome)
                return
            self._line.add(action)
        if self._idle is not None and self._line.stuck:
            self.wake()
        else:
            self._line.poke()

    def feed_back(self, token: object, outcome: Outcome) -> None:
        """Tell the plan how an action ended; called on the loop."""
        if self.outcome is not None:
            return
        try:
            actions = self._plan.advance(token, outcome)
        except Exception as error:
            fault = InternalError(f"a plan could not go on: {type(error).__name__}: {error}")
            fault.__cause__ = error
            self.finish(Failed(fault))
        else:
            self.take(actions)

    async def nest(self, plan: Plan, frame: Frame, group: Group) -> Outcome:
        """Perform a plan inside of a group that is inside of this scope."""
        return await Scope(self.run, group, frame, plan).perform()

    def _call(self, action: Start) -> Call:
        return Call(Site(self, action.target, self._frame, action.name), action.item, action.turn)

    async def work(self, action: Action) -> None:
        """Perform one action and feed its outcome back."""
        if type(action) is Start:
            outcome = await self.run.door.invoke(self._call(action), action.kwargs)
        elif type(action) is Nest:
            frame = Frame(self._frame, action.name, action.item, action.turn)
            outcome = await self.nest(action.plan, frame, self)
        else:
            assert type(action) is FanOut
            outcome = await self._fan_out(action)
        assert not isinstance(action, Finish)
        self.feed_back(action.token, outcome)

    async def work_on_thread(self, action: Action) -> None:
        """Perform a blocking call on the thread that drives this, and feed its outcome back on the loop."""
        assert type(action) is Start
        outcome = await self.run.door.invoke(self._call(action), action.kwargs)
        self.run.loop.call_soon_threadsafe(self.feed_back, action.token, outcome)

    async def _fan_out(self, action: FanOut) -> Outcome:
        door = self.run.door
        if door.journal.keeps or door.emit is not None:
            address = Frame(self._frame, action.name).address
            if door.emit is not None:
                door.emit(FanOutStarted(address, action.size))
            door.journal.plan(address, action.name, action.size)
            await door.journal.commit()  # Law 4: the plan of a fan-out is committed before its items start.
        return await Fan(self.run, self, self._frame, action, self.nest).perform()


class Line:
    """A scope's waiting actions that are to run in copies of one context, and the pools that work them off."""

    def __init__(self, scope: Scope, context: Context) -> None:
        self._scope = scope
        self._context = context
        self._ready = _Ready(scope, scope.work)
        self._blocking = _Ready(scope, scope.work_on_thread)
        self._pool = Pool(self._ready, None, scope.run, context)
        self._threads: ThreadPool | None = None
        self.pools: tuple[Lanes, ...] = (self._pool,)

    @property
    def stuck(self) -> bool:
        """Whether actions wait that no lane will come to by itself."""
        return self._ready.waiting and self._pool.size == 0

    def add(self, action: Action) -> None:
        """Line an action up where it can run: a blocking call for the threads, all else for tasks."""
        if type(action) is Start:
            action.target = self._scope.run.executor.place(action.target)
            if action.target.blocking:
                self._blocking.actions.append(action)
                return
        self._ready.actions.append(action)

    def poke(self) -> None:
        """See that everything that waits is taken."""
        if self._ready.waiting:
            self._pool.poke()
        if self._blocking.waiting:
            if self._threads is None:
                run = self._scope.run
                # As wide as it gets: a call that waits for its children keeps its thread, but not its slot.
                self._threads = ThreadPool(self._blocking, run.policy.max_threads, run, self._context)
                self.pools = (self._pool, self._threads)
            self._threads.poke()


class _Ready:
    """A scope's actions that wait for a lane, as a source of work."""

    __slots__ = ("_begin", "_scope", "actions")

    def __init__(self, scope: Scope, begin: Callable[[Action], Work]) -> None:
        self.actions: deque[Action] = deque()
        self._scope = scope
        self._begin = begin

    @property
    def closing(self) -> bool:
        return self._scope.closing

    @property
    def waiting(self) -> bool:
        return bool(self.actions)

    def next(self) -> Work | None:
        if not self.actions or self._scope.closing:
            return None
        return self._begin(self.actions.popleft())

    def retired(self) -> None:
        pass

    def crash(self, error: BaseException) -> None:
        self._scope.crash(error)
