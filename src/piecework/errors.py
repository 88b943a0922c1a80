"""Every exception a user may catch, and `Failure`, the mark a failed item leaves behind.

Each class is one condition; its message says what was wrong, where, and what to do, and its fields carry the
facts, so that nobody has to read the text to decide. Every module raises these; this one imports none of
them. All of them survive pickling with their fields and notes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sized
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

__all__ = (
    "CodecError",
    "Failure",
    "Fault",
    "GraphError",
    "InputConflictError",
    "InternalError",
    "MappingError",
    "MissingInputError",
    "NodeCancelledError",
    "NodeDefinitionError",
    "OutputMismatchError",
    "PieceworkError",
    "RenameError",
    "UnknownInputError",
    "UnknownOutputError",
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


class GraphError(PieceworkError, ValueError):
    """A graph cannot be built; all its faults are told at once."""

    def __init__(self, faults: Iterable[Fault], *, graph: str | None = None) -> None:
        """Compose the message from `faults`, numbered where there are several."""
        self.faults = tuple(faults)
        """What is wrong, in the order it was found."""
        self.graph = graph
        """The graph's name, if it has one."""
        super().__init__(_with_faults(graph_label(graph), self.faults))


class NodeDefinitionError(PieceworkError, ValueError):
    """A function cannot be a node as it is declared."""

    def __init__(self, faults: Iterable[Fault], *, node: str) -> None:
        """Compose the message from `faults`, numbered where there are several."""
        self.faults = tuple(faults)
        """What is wrong, in the order it was found."""
        self.node = node
        """The node's name, or how its function calls itself."""
        super().__init__(_with_faults(f"node {node!r}", self.faults))


class RenameError(PieceworkError, ValueError):
    """A rename of a node, its inputs or its outputs cannot be done."""

    def __init__(self, message: str, *, node: str, names: tuple[str, ...] = (), history: tuple[str, ...] = ()) -> None:
        """Add what was renamed before to `message`."""
        self.node = node
        """The node's name before the rename."""
        self.names = names
        """The names that cannot be renamed, or that would collide."""
        self.history = history
        """The renames made before, oldest first, each as the call that made it."""
        trail = f" Renamed so far: {' then '.join(history)}." if history else ""
        super().__init__(message + trail)


class MappingError(PieceworkError, ValueError):
    """A `map_over` is declared wrongly, or is given something that cannot be mapped over."""

    def __init__(
        self,
        message: str,
        *,
        node: str,
        parameters: tuple[str, ...] = (),
        lengths: dict[str, int] | None = None,
    ) -> None:
        """Keep the facts beside `message`."""
        self.node = node
        """The mapped node's name."""
        self.parameters = parameters
        """The names the error is about."""
        self.lengths = lengths or {}
        """Where the lengths of zipped inputs differ: the length of each, by name."""
        super().__init__(message)


class MissingInputError(PieceworkError, ValueError):
    """A run lacks inputs that its graph needs."""

    def __init__(
        self,
        message: str,
        *,
        names: tuple[str, ...],
        needed_by: dict[str, tuple[str, ...]],
        graph: str | None = None,
    ) -> None:
        """Keep the facts beside `message`."""
        self.names = names
        """The missing inputs."""
        self.needed_by = needed_by
        """Which nodes need each of them."""
        self.graph = graph
        """The graph's name, if it has one."""
        super().__init__(message)


class UnknownInputError(PieceworkError, ValueError):
    """A value is given under a name that is no input of the graph."""

    def __init__(
        self,
        message: str,
        *,
        names: tuple[str, ...],
        suggestions: dict[str, str] | None = None,
        produced_by: dict[str, tuple[str, ...]] | None = None,
        graph: str | None = None,
    ) -> None:
        """Keep the facts beside `message`."""
        self.names = names
        """The names that are no inputs."""
        self.suggestions = suggestions or {}
        """The input that was probably meant, where there is a near miss."""
        self.produced_by = produced_by or {}
        """For a name that is an output inside the graph: the nodes that produce it."""
        self.graph = graph
        """The graph's name, if it has one."""
        super().__init__(message)


class UnknownOutputError(PieceworkError, KeyError):
    """An output is asked for that the graph does not have."""

    def __init__(
        self,
        message: str,
        *,
        names: tuple[str, ...],
        suggestions: dict[str, str] | None = None,
        graph: str | None = None,
    ) -> None:
        """Keep the facts beside `message`."""
        self.names = names
        """The names that are no outputs."""
        self.suggestions = suggestions or {}
        """The output that was probably meant, where there is a near miss."""
        self.graph = graph
        """The graph's name, if it has one."""
        super().__init__(message)


class InputConflictError(PieceworkError, ValueError):
    """One input is given twice: in the `inputs` mapping and as a keyword."""

    def __init__(self, names: Iterable[str]) -> None:
        """Compose the message from the `names` given twice."""
        self.names = tuple(names)
        """The inputs given twice."""
        verb = "is" if len(self.names) == 1 else "are"
        super().__init__(
            f"{listed(self.names)} {verb} given both in inputs={{...}} and as keyword. Give each input once."
        )


class OutputMismatchError(PieceworkError, ValueError):
    """A node with several outputs returned something that cannot be told apart into them."""

    def __init__(self, *, node: str, expected: tuple[str, ...], got: object) -> None:
        """Compose the message; of `got`, the returned value, only its type and length are kept."""
        self.node = node
        """The node's name."""
        self.expected = expected
        """The names of its outputs."""
        self.got_type = type(got).__name__
        """The type of what it returned."""
        self.got_length = len(cast("Sized", got)) if isinstance(got, (tuple, list)) else None
        """How many values it returned, where that can be said."""
        what = f"one {self.got_type}" if self.got_length is None else f"a {self.got_type} of {self.got_length}"
        super().__init__(
            f"node {node!r} has {len(expected)} outputs ({listed(expected)}) but returned {what}. "
            f"Return a tuple of {len(expected)} values in that order, or change its output_name."
        )


class NodeCancelledError(PieceworkError, RuntimeError):
    """A call raised `CancelledError` by itself, although nobody cancelled its run."""

    def __init__(self, *, node: str) -> None:
        """Compose the message for `node`."""
        self.node = node
        """The node's name."""
        super().__init__(
            f"node {node!r} raised CancelledError although its run was not cancelled: something it awaited "
            "was cancelled. Catch that inside the node, or await it through asyncio.shield()."
        )


class CodecError(PieceworkError, ValueError):
    """A value cannot be written to a store, or stored bytes cannot be read."""

    def __init__(self, message: str, *, path: str = "") -> None:
        """Keep the place beside `message`."""
        self.path = path
        """Where in the value the trouble lies, such as `sections[3].author`."""
        super().__init__(message)


class InternalError(PieceworkError, RuntimeError):
    """piecework broke a rule of its own; the fault is ours."""

    def __init__(self, message: str) -> None:
        """Add to `message` that this is a bug."""
        super().__init__(f"{message} This is a bug in piecework, not in your code: please report it.")


@dataclass(frozen=True, slots=True)
class Failure:
    """What stands in place of an item's result where `on_error="keep"` and the item failed.

    It is falsy, so that `[r for r in results if r]` drops failures and keeps all truthy results.
    """

    error: BaseException
    """The exception of the last attempt."""
    index: int
    """The item's position in the fan-out, from 0."""
    attempts: int = 1
    """How many times the item was tried."""

    def __bool__(self) -> bool:
        """Return False: a failure is no result."""
        return False

    def __repr__(self) -> str:
        """Say which item failed, with what, and after how many attempts where there were several."""
        tried = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"<Failure of item {self.index}{tried}: {self.error!r}>"


def near_miss(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` was probably meant to be, if one is close."""
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    close = get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return a sentence, with a leading space, that names the near miss; empty where there is none."""
    close = near_miss(name, candidates)
    return f" Did you mean {close!r}?" if close is not None else ""


def listed(names: Collection[str], *, limit: int = 8) -> str:
    """Return names quoted and joined for a message, at most `limit` of them."""
    shown = [repr(name) for name in names][:limit]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "") if shown else "none"


def graph_label(name: str | None) -> str:
    """Return how a message calls a graph of this name."""
    return f"graph {name!r}" if name is not None else "the graph"


def _with_faults(label: str, faults: tuple[Fault, ...]) -> str:
    if len(faults) == 1:
        return f"{label}: {faults[0].message}"
    lines = "".join(f"\n  {number}. {fault.message}" for number, fault in enumerate(faults, 1))
    return f"{label} has {len(faults)} faults:{lines}"
