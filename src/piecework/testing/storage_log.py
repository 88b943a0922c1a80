"""What the checks of stores are written with: one run being written, and expectations that say what they found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Final, TypeAlias
from uuid import uuid4

from piecework.core.fact import Fact
from piecework.core.ports import RunLog
from piecework.core.runs import Batch, Claim, Owner, RunStart, RunStatus, Tally
from piecework.errors import PieceworkError
from piecework.stores.owner import this_process

__all__ = (
    "LARGE",
    "ConformanceError",
    "Log",
    "OpenStore",
    "StoreCheck",
    "expect",
    "gone_process",
    "hold_to",
    "new_id",
    "opened",
    "refused",
    "same",
    "status_of",
)

LARGE: Final = bytes(range(256)) * 400
"""A value that stores may keep apart."""

SHOWN: Final = 300
"""Characters of a value that an error shows."""

OpenStore: TypeAlias = Callable[[], RunLog | Awaitable[RunLog]]
"""Opens the store under test, again at each call."""

StoreCheck: TypeAlias = Callable[[OpenStore], Awaitable[None]]
"""Holds a store to one promise; raises `ConformanceError` where it breaks it."""


class ConformanceError(AssertionError):
    """A store does not do what every store must."""


@dataclass(slots=True)
class Log:
    """One run being written by a check."""

    store: RunLog
    """Where it is written."""

    claim: Claim
    """The right to."""

    first: int = field(init=False)
    """How many facts it has."""

    def __post_init__(self) -> None:
        self.first = self.claim.facts

    @property
    def run_id(self) -> str:
        """Names the run."""
        return self.claim.run_id

    @classmethod
    async def start(cls, store: RunLog, *, owner: Owner | None = None, thread_id: str | None = None) -> Log:
        """Make a run and claim it."""
        start = RunStart(run_id=new_id(), name="checked", thread_id=thread_id)
        return cls(store, await store.claim(start, owner=owner))

    @classmethod
    async def take(cls, store: RunLog, run_id: str) -> Log:
        """Claim a run that there is, or make it."""
        return cls(store, await store.claim(RunStart(run_id=run_id, name="checked")))

    def batch(self, *facts: Fact | str, status: RunStatus = "running") -> Batch:
        """What comes next, as a batch; a text is the address of a call that is done."""
        made = tuple(Fact("call", fact) if isinstance(fact, str) else fact for fact in facts)
        tally = Tally(self.first + len(made))
        return Batch(claim=self.claim, first=self.first, facts=made, tally=tally, status=status)

    async def add(self, *facts: Fact | str, status: RunStatus = "running") -> None:
        """Write what comes next."""
        await self.store.append(self.batch(*facts, status=status))
        self.first += len(facts)


async def opened(open_store: OpenStore) -> RunLog:
    """The store, opened once more."""
    store = open_store()
    return await store if isawaitable(store) else store


def new_id() -> str:
    """A run that nobody else has."""
    return f"check-{uuid4().hex}"


def gone_process() -> Owner:
    """A process of this machine that is no more: one that had this one's number before."""
    return Owner(this_process().machine, this_process().process, "before")


async def status_of(store: RunLog, log: Log) -> str | None:
    """How a run stands; None where it is not found."""
    found = await store.find(log.run_id)
    return found.status if found is not None else None


@contextmanager
def refused(kind: type[PieceworkError]) -> Generator[list[PieceworkError]]:
    """See that what is done inside raises such an error, which is in the list then."""
    errors: list[PieceworkError] = []
    try:
        yield errors
    except kind as error:
        errors.append(error)
    if not errors:
        raise ConformanceError(f"{kind.__name__} was not raised.")


def expect(holds: object, otherwise: str) -> None:
    """See that something holds."""
    if not holds:
        raise ConformanceError(f"{otherwise}.")


def same(found: object, expected: object, what: str) -> None:
    """See that what was found is what was expected."""
    expect(found == expected, f"{what}: {_short(found)} instead of {_short(expected)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


async def hold_to(checks: Sequence[StoreCheck], open_store: OpenStore) -> None:
    """Hold a store to some promises.

    Raises:
        ConformanceError: Some are broken; names them all.
    """
    broken: list[str] = []
    for check in checks:
        try:
            await check(open_store)
        except Exception as error:
            broken.append(f"{getattr(check, '__name__', check)}: {type(error).__name__}: {error}")
    if broken:
        lines = "".join(f"\n  {number}. {line}" for number, line in enumerate(broken, 1))
        raise ConformanceError(f"{len(broken)} of {len(checks)} promises are broken:{lines}")
