"""The root of all errors, and what a fault is: what the other modules of errors build on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = (
    "Fault",
    "InternalError",
    "PieceworkError",
    "with_faults",
)


class PieceworkError(Exception):
    """The root of every exception that piecework raises itself."""

    def __str__(self) -> str:
        """Return the message as written, also where `KeyError` would show its repr."""
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Callable[..., PieceworkError], tuple[object, ...]]:
        """Pickle by fields: calling the class with `args` alone would lose or miss its keywords."""
        return _restore, (type(self), self.args, dict(self.__dict__))


def _restore(cls: type[PieceworkError], args: tuple[object, ...], fields: dict[str, object]) -> PieceworkError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(fields)
    return error


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a declaration."""

    kind: str
    """The condition as a short key, such as `"duplicate-name"` or `"cycle"`."""
    message: str
    """What is wrong, where, and what to do."""
    nodes: tuple[str, ...] = ()
    """The names of the nodes concerned."""
    names: tuple[str, ...] = ()
    """The names of the inputs or outputs concerned."""


def with_faults(label: str, faults: tuple[Fault, ...]) -> str:
    """A message that tells all faults, numbered where there are several."""
    if len(faults) == 1:
        return f"{label}: {faults[0].message}"
    lines = "".join(f"\n  {number}. {fault.message}" for number, fault in enumerate(faults, 1))
    return f"{label} has {len(faults)} faults:{lines}"


class InternalError(PieceworkError, RuntimeError):
    """piecework broke a rule of its own; the fault is ours."""

    def __init__(self, message: str) -> None:
        """Add to `message` that this is a bug."""
        super().__init__(f"{message} This is a bug in piecework, not in your code: please report it.")
