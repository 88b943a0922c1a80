"""Which limits of this process have which name: what is declared twice is one.

The public limits look their state up here. It is held weakly, so that it lives as long as a limit or a share does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from msgspec import Struct, structs

from piecework.errors import LimitConflictError

__all__ = ("Names", "spelled")


class Declared(Protocol):
    """The state behind a name."""

    @property
    def declared(self) -> Struct:
        """The numbers it was made with."""
        ...

    @property
    def numbers(self) -> Struct:
        """The numbers it has now."""
        ...


UPDATED = frozenset({"max_concurrency", "min_concurrency", "requests_per_minute", "tokens_per_minute"})
"""The numbers that the limits' `update` takes."""

NEEDED = "max_concurrency"
"""The one that it cannot do without, where a limit has it."""

N = TypeVar("N", bound=Struct)
S = TypeVar("S", bound=Declared)


class Names(Generic[N, S]):
    """The states of one kind of limit, by name."""

    def __init__(self, kind: str, make: Callable[[N], S]) -> None:
        """Keep states of what errors call `kind`, made of their numbers by `make`."""
        self._kind = kind
        self._make = make
        self._known: WeakValueDictionary[str, S] = WeakValueDictionary()
        self._lock = threading.Lock()

    def state(self, name: str, numbers: N) -> S:
        """The state of a name, made if nobody has it.

        Raises:
            TypeError: The name is no text.
            ValueError: It is empty.
            LimitConflictError: It has other numbers, and was declared with others.
        """
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # Users may say anything.
            raise TypeError(f"a {self._kind} is named by a text, not by {name!r}: {self._kind}('api', ...).")
        if not name:
            raise ValueError(f"a {self._kind} needs a name: {self._kind}('api', ...).")
        with self._lock:
            state = self._known.get(name)
            if state is None:
                state = self._known[name] = self._make(numbers)
        # One that was updated may still be declared as at first: that code runs again without knowing.
        if numbers not in {state.declared, state.numbers}:
            raise LimitConflictError(self._conflict(name, numbers, state.numbers), name=name)
        return state

    def _conflict(self, name: str, numbers: Struct, others: Struct) -> str:
        """What to say of two declarations, and of what differs how to update it where that can be done."""
        wanted = structs.asdict(numbers)
        differing = {field: value for field, value in wanted.items() if value != getattr(others, field)}
        if UPDATED.issuperset(differing) and None not in differing.values():
            told = (f"{field}={value!r}" for field, value in wanted.items() if field in differing or field == NEEDED)
            advice = f"change it for all with limit.update({', '.join(told)})"
        else:
            advice = f"declare it with the same {' and '.join(differing)} wherever it is named"
        return (
            f"{self._kind} {name!r} is declared with {spelled(numbers)}, and elsewhere with {spelled(others)}. What "
            f"has one name is one limit in all of the process: give this one another name, or {advice}."
        )


def spelled(numbers: Struct) -> str:
    """Numbers as they are written in a declaration."""
    return ", ".join(f"{name}={value!r}" for name, value in structs.asdict(numbers).items() if value is not None)
