"""What a front end compiles to: a plan, which decides and never acts.

A plan answers `start()` and `advance(token, outcome)` with actions. It runs nothing, waits for nothing, reads no clock
and writes nothing, so its tests need no event loop. The scope performs the actions and feeds the outcomes back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from piecework.core.call import Target
from piecework.core.outcome import Outcome
from piecework.core.policy import OnError

__all__ = ("Action", "FanOut", "Finish", "Items", "Nest", "Plan", "Resumable", "Sink", "Start")

Items: TypeAlias = Iterator[Mapping[str, object]] | AsyncIterator[Mapping[str, object]]
"""The keyword arguments of a fan-out's items, one mapping each, made as they are pulled."""


class Plan(Protocol):
    """One run of a workflow, as decisions. Made anew for each run."""

    def start(self) -> Sequence[Action]:
        """What to do first."""
        ...

    def advance(self, token: object, outcome: Outcome) -> Sequence[Action]:
        """What to do now that the action with this token ended so. Touches only what the outcome touches."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A plan that can leave out calls whose values were not kept and that nothing needs."""

    def resume(self, done: Callable[[str], bool]) -> None:
        """Take up a run that stopped; called before `start`.

        Args:
            done: Whether the call of this name in the plan's own frame is on record as done.
        """
        ...


class Sink(Protocol):
    """Where a fan-out puts its items as they finish, instead of collecting them."""

    @property
    def full(self) -> bool:
        """Whether no new item should start for now."""
        ...

    def put(self, index: int, outcome: Outcome) -> None:
        """Take one item's outcome; called on the loop's thread or on a worker thread."""
        ...

    def on_room(self, poke: Callable[[], None]) -> None:
        """Call `poke` on the loop whenever there is room again."""
        ...


class Start(Struct, eq=False):
    """Call a target."""

    token: object
    """Given back with the outcome."""

    target: Target
    """What to call."""

    kwargs: Mapping[str, object]
    """Its keyword arguments."""

    name: str
    """The name of the call's address segment."""

    item: int | str | None = None
    """Its call number or key, where there is one."""

    turn: int | None = None
    """Its super-step or round, where there is one."""


class Nest(Struct, eq=False):
    """Run another plan inside this one; its outcome is that plan's."""

    token: object
    """Given back with the outcome."""

    name: str
    """The name of the frame's address segment."""

    plan: Plan
    """The plan to run."""

    item: int | str | None = None
    """Its call number or key, where there is one."""

    turn: int | None = None
    """Its super-step or round, where there is one."""


class FanOut(Struct, eq=False, kw_only=True):
    """Call one target, or run one kind of plan, for every item: one lazy action, however many items there are.

    Its outcome is `Done` with the list of the items' values in input order, or `Failed` with the item's index.
    """

    token: object
    """Given back with the outcome."""

    name: str
    """The name of the items' address segments."""

    body: Target | Callable[[Mapping[str, object]], Plan]
    """What runs for each item: a target, or what makes the item's plan from its arguments."""

    items: Items
    """The items' arguments; pulled as workers become free."""

    size: int | None = None
    """How many items there are, where it is known."""

    on_error: OnError = "raise"
    """What to do with an item that fails."""

    max_concurrency: int | None = None
    """How many of its items may run at once, beside the run's own limit."""

    shared: Mapping[str, object] = {}
    """The arguments that all items are given alike, which are among those of each."""

    key: Callable[[Mapping[str, object]], str | int] | None = None
    """Makes an item's key out of its arguments; None counts them. Pure, and called in place."""

    failure: Callable[[Outcome, int], object] | None = None
    """Under `keep`: what stands in a failed item's place."""

    sink: Sink | None = None
    """Where finished items go; None collects them."""


class Finish(Struct, eq=False):
    """The plan has its outcome; whatever else of it still runs is cancelled."""

    outcome: Outcome
    """How it ended."""


Action: TypeAlias = Start | Nest | FanOut | Finish
