"""A run as a store knows it beside its facts: what it is, who writes it, how far it has come.

Runners say what a run is when they claim it; stores keep that and tell it again. Plain data: nothing here asks a clock
or a process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from piecework.core.fact import Fact

__all__ = ("Batch", "Claim", "Owner", "RunInfo", "RunStart", "RunStatus", "Standing", "Tally")

RunStatus: TypeAlias = Literal["running", "completed", "failed", "paused", "stopped", "cancelled"]
"""How a run was last recorded to stand."""

Standing: TypeAlias = Literal["running", "completed", "failed", "paused", "stopped", "cancelled", "interrupted"]
"""How a run stands: `interrupted` is one that nobody works on any more although its end was never recorded."""


class Owner(Struct, frozen=True):
    """A process that writes runs."""

    machine: str
    """Names the machine since it started, and the processes on it that can see each other."""

    process: int
    """The process's number there."""

    born: str
    """When that process started, so that a later one of the same number is not taken for it."""


class Tally(Struct, frozen=True):
    """How far a run has come, counted in calls."""

    done: int = 0
    """Calls that are recorded as done."""

    failed: int = 0
    """Calls whose last fact says that they failed."""

    planned: int = 0
    """Calls that are known to be needed, those that ended included, as far as plans have said by now."""


class RunStart(Struct, frozen=True, kw_only=True):
    """What a run is, said when it is first claimed."""

    run_id: str
    """Names the run."""

    name: str
    """The workflow's name."""

    thread_id: str | None = None
    """The thread that it is a part of."""

    parent: str | None = None
    """The run that it goes on from: the one before it in its thread, or the one it was forked from."""

    position: int | None = None
    """How many facts of that run it goes on from."""

    shape: Mapping[str, str] = {}
    """What the workflow is made of: for the path of each node what it calls, and with what."""

    labels: Mapping[str, str] = {}
    """What whoever started it wants to know again."""


class RunInfo(Struct, frozen=True, kw_only=True):
    """A run as it stands in a store."""

    start: RunStart
    """What it is."""

    status: Standing
    """How it stands."""

    created: float
    """When it was first claimed, in seconds since 1970."""

    updated: float
    """When something of it was last written, in seconds since 1970."""

    facts: int
    """How many facts its log has."""

    tally: Tally
    """How far it has come."""

    size: int
    """Bytes that its log and its large values take; a value that several runs share counts in each."""

    epoch: int
    """How often it was claimed."""

    owner: Owner | None = None
    """Who writes it, while somebody does."""

    lease: float = 0.0
    """Until when the owner holds it, in seconds since 1970, unless it is heard from again."""

    @property
    def run_id(self) -> str:
        """Names the run."""
        return self.start.run_id

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.start.name


class Claim(Struct, frozen=True):
    """The right to write a run, until somebody else has it."""

    run_id: str
    """The run."""

    epoch: int
    """The fence: what is written under an older one is refused."""

    facts: int = 0
    """How many facts the log had when it was claimed."""


class Batch(Struct, frozen=True, kw_only=True):
    """Facts to be committed together."""

    claim: Claim
    """The right to write them."""

    first: int
    """How many facts of the run come before these: a batch that is delivered twice is written once."""

    facts: Sequence[Fact]
    """In the order in which they happened."""

    tally: Tally
    """How far the run has come with them."""

    status: RunStatus = "running"
    """How the run stands with them; whatever is not `running` gives the claim back."""
