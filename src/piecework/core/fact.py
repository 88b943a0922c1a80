"""What a run's log consists of.

The journal makes facts, a store keeps them, everything that reads a run (resume, history, progress) reads them. A
fact is plain data: its value is bytes that the codec made.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from msgspec import Struct

from piecework.core.usage import Usage

__all__ = ("Fact", "FactKind", "Status")

FactKind: TypeAlias = Literal["input", "call", "plan", "question", "answer", "update", "snapshot", "end"]
"""What a fact tells: the run's input, a finished call, the items of a fan-out, ..., the run's end."""

Status: TypeAlias = Literal["done", "failed", "paused", "stopped", "cancelled"]
"""How what it tells of ended; `stopped` is a run whose budget was spent."""

_PLACE = re.compile(r"(\[[^/]*\])?(@\d+)?$")


class Fact(Struct, frozen=True, array_like=True, gc=False):
    """One line of a run's log."""

    kind: FactKind
    """What it tells."""

    address: str
    """The call's path of `name[item]@turn` segments; empty for the run itself; a question's id for its answer."""

    status: Status = "done"
    """How it ended."""

    value: bytes | None = None
    """The encoded value, where there is one and it is kept; a failed call's is its exception."""

    attempts: int = 1
    """How many times it was tried; 0 where its value came out of a cache."""

    inputs: bytes | None = None
    """A call's: the digest of those of its arguments that `given` does not hold; None where there are none."""

    ended: int = 0
    """When it happened, or ended: milliseconds since 1970."""

    took: int = 0
    """How long the last attempt took, in microseconds."""

    given: bytes | None = None
    """A call's: its arguments, encoded, where they are small, without those that a whole fan-out is given alike."""

    ref: bytes | None = None
    """The digest under which a store keeps a large value apart."""

    usage: Usage | None = None
    """A call's: what it used up since the fact before."""

    @property
    def parent(self) -> str:
        """The address of the call or frame that it is inside of."""
        return self.address.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The name of its address segment."""
        return _PLACE.sub("", self.address.rpartition("/")[2])
