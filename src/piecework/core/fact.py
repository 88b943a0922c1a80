"""What a run's log consists of.

The journal makes facts, a store keeps them, everything that reads a run (resume, history, progress) reads them. A
fact is plain data: its value is bytes that the codec made.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = ("Fact", "FactKind", "Status")

FactKind: TypeAlias = Literal["input", "call", "plan", "question", "answer", "update", "snapshot", "end"]
"""What a fact tells: the run's input, a finished call, the items of a fan-out, ..., the run's end."""

Status: TypeAlias = Literal["done", "failed", "paused", "cancelled"]
"""How what it tells of ended."""


class Fact(Struct, frozen=True):
    """One line of a run's log."""

    kind: FactKind
    """What it tells."""

    address: str
    """The call's path of `name[item]@turn` segments; empty for the run itself."""

    parent: str = ""
    """The address of the call or frame that it is inside of."""

    name: str = ""
    """The target's name."""

    status: Status = "done"
    """How it ended."""

    value: bytes | None = None
    """The encoded value, where there is one and it is kept."""

    error: str | None = None
    """The exception's type and message, where it failed."""

    attempts: int = 1
    """How many times it was tried."""
