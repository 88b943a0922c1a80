"""What all calls of one run share, gathered where the runner made it.

Scopes, fan-outs and the scheduler read it; nothing in it is replaced while the run lasts.
"""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct, field

from piecework.core.invoke import Door
from piecework.core.policy import RunPolicy
from piecework.core.ports import Executor

__all__ = ("Run",)


class Run(Struct, frozen=True, eq=False):
    """One run's services."""

    run_id: str
    """Names the run."""

    loop: asyncio.AbstractEventLoop
    """The one loop that owns the run's state."""

    thread: int
    """The identity of the loop's thread."""

    door: Door
    """What every call passes."""

    executor: Executor
    """Where functions run."""

    policy: RunPolicy
    """The run's limits."""

    tainted: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    """Tasks whose context a call has changed; no other call may start in them."""
