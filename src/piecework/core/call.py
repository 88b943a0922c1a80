"""The unit of work: a target (what is called) and a call (one address at which it is called).

Plans name targets, the scheduler makes calls, the door takes them. A call is one segment `name[item]@turn` of a path;
its address is spelled only when somebody asks.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from msgspec import Struct

from piecework.core.policy import CallPolicy
from piecework.core.quota import Share
from piecework.core.usage import Reported, Usage, total

__all__ = (
    "Call",
    "Children",
    "Clock",
    "Handler",
    "Kind",
    "Live",
    "Owner",
    "Shared",
    "Site",
    "Slot",
    "Target",
    "Thread",
    "place",
)

Kind: TypeAlias = Literal["async", "blocking", "async_generator", "generator"]
"""How a function is driven: awaited, called on a thread, or drained of its chunks."""

Slot: TypeAlias = Literal["none", "held", "lent"]
"""A call's slot: not needed or not there, held, or lent while the call waits for its children."""


_ESCAPED = re.compile("[%/\\[\\]@?\\x00-\\x1f\\ud800-\\udfff]")
"""What a key must not hold: what has a meaning in addresses, and what cannot be stored as text."""


class Target(Struct, frozen=True, eq=False):
    """A function as the engine sees it."""

    name: str
    """The node's or task's name, as the user knows it."""

    function: Callable[..., Any]
    """Called with keyword arguments only."""

    kind: Kind
    """How to drive it."""

    record: bool = True
    """Whether its output is kept in the run's log."""

    effect: bool = False
    """Whether it is called for its effect alone: nobody takes what it returns."""

    policy: CallPolicy | None = None
    """What the door does for its calls beside calling it."""

    handler: Handler | None = None
    """What is called in its stead where it has failed for good; a target that has one has a policy too."""

    @property
    def blocking(self) -> bool:
        """Whether the function holds its thread until it returns."""
        return self.kind in {"blocking", "generator"}


class Handler(Struct, frozen=True, eq=False):
    """What is called in the stead of a call that has failed for good."""

    target: Target
    """What to call; a target without a handler of its own."""

    arguments: Callable[[Mapping[str, object], BaseException], Mapping[str, object]]
    """Makes its arguments out of those of the failed call and the exception. Pure, and called in place."""

    apart: frozenset[str] = frozenset()
    """The names of arguments that one call of it is not told from another by: an exception's text may differ."""


class Children(Protocol):
    """The calls that a running call started."""

    @property
    def awaited(self) -> int:
        """How many unfinished ones somebody waits for."""
        ...

    async def join(self, *, cancel: bool = False) -> BaseException | None:
        """Wait until all of them have ended, having cancelled them first if asked to.

        Returns:
            What one of them raised that nobody looked at, or None.
        """
        ...


class Clock(Protocol):
    """Limits the time of an attempt."""

    def sign(self) -> None:
        """The attempt has done something; from any thread."""
        ...

    def beat(self) -> None:
        """The attempt said that it is alive; from any thread."""
        ...


class Thread(Protocol):
    """One call of a blocking function on a thread of its own."""

    retaking: asyncio.Task[None] | None
    """Waits for the slot that the call had lent, while it does."""


class Owner(Protocol):
    """What a call belongs to: the scope or fan-out that started it, or the handle of a child."""

    @property
    def closing(self) -> bool:
        """Whether the calls in it are being cancelled."""
        ...

    @property
    def run(self) -> object:
        """The services of the run that it is a part of."""
        ...

    @property
    def calling(self) -> Call | None:
        """The running call that it is a part of, where one started it."""
        ...

    def tainted(self) -> None:
        """The running task's context was changed by a call; it must run no other."""
        ...


class Site(Struct, frozen=True, eq=False):
    """Where calls are made from: what all items of one fan-out share."""

    owner: Owner
    """The scope or fan-out that starts the calls."""

    target: Target
    """What is called."""

    frame: str
    """The address of the call or nested plan that they are inside of."""

    name: str
    """The name of their address segments."""

    shared: Shared | None = None
    """The arguments that all of them are given alike, where there are some and the run has a store."""


class Shared(Struct, frozen=True, eq=False):
    """Arguments that many calls have in common, so that they are looked at once."""

    names: frozenset[str]
    """What they are called."""

    digest: bytes
    """Stands for all of them together."""


class Call(Struct, eq=False):
    """One call of a target at one address."""

    site: Site
    """What is called, and from where."""

    item: int | str | None = None
    """Its map key, Send index or call number."""

    turn: int | None = None
    """Its super-step or cycle round, where there are several."""

    inputs: bytes | None = None
    """The digest of those of its arguments that `given` does not hold; made where the run has a store."""

    given: bytes | None = None
    """Its arguments, encoded, where they are small enough to be kept."""

    began: float = 0.0
    """When its function started, by `time.perf_counter`; noted where the run has a store."""

    slot: Slot = "none"
    """Whether it holds a slot of the run's concurrency limit."""

    suspended: bool = False
    """Whether the task that runs it is suspended; told only where there is a limit."""

    live: Live | None = None
    """What else changes while it runs; made when something first does."""

    @property
    def target(self) -> Target:
        """What is called."""
        return self.site.target

    @property
    def address(self) -> str:
        """The path of `name[item]@turn` segments from the run's root, joined by `/`.

        A one-node graph used as a node is collapsed to its only call, which keeps both names, so that the address stays
        when a second node is added to the graph.
        """
        site = self.site
        if self.turn is None and self.item is None:
            own = f"{site.frame}/{site.name}"
        elif self.turn is None and type(self.item) is int:
            own = f"{site.frame}/{site.name}[{self.item}]"
        else:
            own = place(f"{site.frame}/{site.name}", self.item, self.turn)
        return own if site.target.name == site.name else f"{own}/{site.target.name}"

    @property
    def attempts(self) -> int:
        """The number of the attempt that runs, or of the last one."""
        return 1 if self.live is None else self.live.attempts

    def living(self) -> Live:
        """What changes while it runs."""
        if self.live is None:
            self.live = Live()
        return self.live


class Live(Struct, eq=False):
    """What changes while a call runs, and what few calls have."""

    attempts: int = 1
    """The number of the attempt that runs, or of the last one."""

    abandoned: bool = False
    """A blocking call that outlived its grace: its fact is `cancelled`, its late result is dropped."""

    started: int = 0
    """How many children it has started; numbers their addresses."""

    asked: int = 0
    """How many questions it has asked; numbers their ids."""

    asks: bool = False
    """Whether it, or a call that it started, has asked something."""

    children: Children | None = None
    """The calls it started itself; made with the first of them."""

    shares: tuple[Share, ...] = ()
    """What the running attempt has of named limits."""

    clock: Clock | None = None
    """What the running attempt's time is limited by."""

    usage: Usage | None = None
    """What it has used up and is not on record yet, as far as that was reported."""

    below: list[Reported] | None = None
    """What calls that it started have used up, as their results told: it may return the same answers."""

    reported: Sequence[Reported] = ()
    """What the running attempt has said that it uses up."""

    thread: Thread | None = None
    """What an async stand-in runs its blocking function on, while it does."""

    runs: int = 0
    """How many runs of their own it waits for."""

    def take_usage(self) -> Usage | None:
        """What it has used up since this was last asked, with what nobody counted for a budget or a limit."""
        if self.reported:
            self.used(total(self.reported))
            self.reported = ()
        usage, self.usage = self.usage, None
        return usage

    def used(self, usage: Usage) -> None:
        """Take in what was used up."""
        self.usage = usage if self.usage is None else self.usage + usage

    @property
    def awaits_children(self) -> bool:
        """Whether something in the call waits for a call, or a run, that it started."""
        return self.runs > 0 or (self.children is not None and self.children.awaited > 0)


def place(path: str, item: int | str | None, turn: int | None = None) -> str:
    """An address whose last segment has this key and turn.

    In a key that is text, characters that have a meaning in addresses are escaped, and one that could be taken for a
    number is marked.
    """
    if item is not None:
        path = f"{path}[{item if type(item) is int else _escaped(str(item))}]"
    return path if turn is None else f"{path}@{turn}"


def _escaped(key: str) -> str:
    text = _ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", key)
    return f"%{text}" if text.isdecimal() else text
