"""Every exception a user may catch, and `Failure`, the mark a failed item leaves behind.

Each class is one condition; its message says what was wrong, where, and what to do, and its fields carry the
facts, so that nobody has to read the text to decide. Every module raises these; this one imports none of
them. All of them survive pickling with their fields and notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from typing import cast

from piecework.wording import graph_label, listed

__all__ = (
    "CodecError",
    "Failure",
    "Fault",
    "GraphError",
    "InputChangedError",
    "InputConflictError",
    "InternalError",
    "ItemKeyError",
    "MappingError",
    "MissingInputError",
    "NoStoreError",
    "NodeCancelledError",
    "NodeDefinitionError",
    "OutputMismatchError",
    "OutsideRunError",
    "PieceworkError",
    "RenameError",
    "RunCancelledError",
    "RunChangedError",
    "RunExistsError",
    "RunHeldError",
    "RunLostError",
    "StoreError",
    "StoreVersionError",
    "StoredError",
    "UnknownGraphError",
    "UnknownInputError",
    "UnknownNodeError",
    "UnknownOutputError",
    "UnknownQuestionError",
    "UnknownRunError",
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


class ItemKeyError(PieceworkError, ValueError):
    """The `key=` of a mapped node gave something that cannot name an item, or one name twice."""

    def __init__(self, *, node: str, index: int, key: object, fault: str) -> None:
        """Compose the message; of `key` only its repr is kept."""
        self.node = node
        """The mapped node's name."""
        self.index = index
        """The item's position, from 0."""
        self.key = repr(key)
        """What the function returned."""
        super().__init__(
            f"node {node!r}: key= gave {self.key[:80]} for item {index}, which {fault}. A key is a text or an int that "
            "no other item has."
        )


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


class OutsideRunError(PieceworkError, RuntimeError):
    """Something was asked of the current call where no call runs."""


class StoredError(PieceworkError):
    """An exception that was read from a store and whose class is not registered there: it says what it was."""

    def __init__(self, message: str, *, kind: str, arguments: tuple[object, ...] | None = None) -> None:
        """Keep what is known beside `message`."""
        self.kind = kind
        """The module and name of the exception's class."""
        self.arguments = arguments
        """The exception's `args`; None where they could not be stored."""
        super().__init__(message)


class InputChangedError(PieceworkError, ValueError):
    """A call is on record as done with other arguments, and the runner's policy is to refuse that."""

    def __init__(self, *, node: str, address: str) -> None:
        """Compose the message."""
        self.node = node
        """The node's name."""
        self.address = address
        """The call's address."""
        super().__init__(
            f"node {node!r} is on record as done at {address}, but with other inputs than it is given now. Resume with "
            'the inputs it had, or let it run again: changed_inputs="rerun".'
        )


class RunChangedError(PieceworkError, ValueError):
    """A run cannot be resumed as asked, since its graph or its inputs are not those it was started with."""

    def __init__(self, message: str, *, run_id: str, changes: Iterable[str]) -> None:
        """Keep the facts beside `message`."""
        self.run_id = run_id
        """The run."""
        self.changes = tuple(changes)
        """What is different, one sentence each."""
        super().__init__(message)


class RunExistsError(PieceworkError, ValueError):
    """A new run is to have the id of another."""

    def __init__(self, run_id: str) -> None:
        """Compose the message."""
        self.run_id = run_id
        """The id."""
        super().__init__(f"there is a run {run_id!r} already. Give the new one another id.")


class RunCancelledError(PieceworkError, RuntimeError):
    """Somebody else asked for this run to be cancelled. What finished is recorded, and the run can be resumed."""

    def __init__(self, run_id: str) -> None:
        """Compose the message."""
        self.run_id = run_id
        """The run."""
        super().__init__(f"run {run_id!r} was cancelled from outside. What finished is recorded; it can be resumed.")


class StoreError(PieceworkError, OSError):
    """A store cannot be opened, read or written. What was recorded before stays recorded."""

    def __init__(self, message: str, *, store: str = "") -> None:
        """Keep the place beside `message`."""
        self.store = store
        """The store, as the user named it."""
        super().__init__(message)


class StoreVersionError(StoreError):
    """A store was written by a newer piecework, in a form that this one does not know."""


class RunHeldError(PieceworkError, RuntimeError):
    """A run cannot be resumed or removed, since somebody works on it."""

    def __init__(self, run_id: str, *, held_by: str, seconds: float) -> None:
        """Compose the message from who holds the run, and for how long at least."""
        self.run_id = run_id
        """The run."""
        self.held_by = held_by
        """Who works on it: a process and its machine."""
        self.seconds = seconds
        """In how many seconds it is free if that owner is not heard from again."""
        super().__init__(
            f"run {run_id!r} is held by {held_by}. Wait until it has ended, or cancel it: piecework cancel {run_id}. "
            f"If that process no longer works on it, it is free in {max(seconds, 0):.0f} s."
        )


class RunLostError(PieceworkError, RuntimeError):
    """A run was taken over by somebody else while it went on here; what happened since is not recorded."""

    def __init__(self, run_id: str, *, taken_by: str) -> None:
        """Compose the message from who has the run now."""
        self.run_id = run_id
        """The run."""
        self.taken_by = taken_by
        """Who works on it now."""
        super().__init__(
            f"run {run_id!r} was taken over by {taken_by}, since this process was not heard from for too long. "
            "What finished here since then was not recorded."
        )


class NoStoreError(PieceworkError, ValueError):
    """A runner without a store was asked for what only a store can give."""

    def __init__(self, what: str) -> None:
        """Compose the message for `what` needs a store."""
        self.what = what
        """What was asked for."""
        super().__init__(
            f"{what} needs a store, and this runner has none. Give it one: AsyncRunner(store=SqliteStore('runs.db'))."
        )


class UnknownGraphError(PieceworkError, LookupError):
    """A run is to be resumed without its graph, and the runner has run none of that name."""

    def __init__(self, run_id: str, *, name: str) -> None:
        """Compose the message."""
        self.run_id = run_id
        """The run."""
        self.name = name
        """The graph's name in the store."""
        told = (
            f"run {run_id!r} is a batch: go on with it by map(..., run_id={run_id!r})."
            if name == "batch"
            else f"run {run_id!r} is of graph {name!r}, which this runner has not run. Give it the graph: "
            f"resume({run_id!r}, graph)."
        )
        super().__init__(told)


class UnknownNodeError(PieceworkError, LookupError):
    """A node is named that the graph does not have."""

    def __init__(self, name: str, *, known: Iterable[str], suggestion: str | None) -> None:
        """Compose the message."""
        self.name = name
        """What was asked for."""
        self.suggestion = suggestion
        """The node that was probably meant, where there is a near miss."""
        hint = f" Did you mean {suggestion!r}?" if suggestion is not None else ""
        super().__init__(f"the graph has no node {name!r}; its nodes are {listed(tuple(known))}.{hint}")


class UnknownQuestionError(PieceworkError, LookupError):
    """An answer is given to a question that the run does not wait for."""

    def __init__(self, run_id: str, names: Iterable[str], *, waiting: Iterable[str]) -> None:
        """Compose the message."""
        self.run_id = run_id
        """The run."""
        self.names = tuple(names)
        """The ids that answers were given for."""
        self.waiting = tuple(waiting)
        """The ids of the questions that the run does wait for."""
        super().__init__(
            f"run {run_id!r} does not wait for an answer to {listed(self.names)}; it waits for {listed(self.waiting)}."
        )


class UnknownRunError(PieceworkError, LookupError):
    """There is no run of that id in the store."""

    def __init__(self, run_id: str, *, store: str = "") -> None:
        """Compose the message."""
        self.run_id = run_id
        """What was asked for."""
        where = f" in {store}" if store else " in the store"
        super().__init__(f"there is no run {run_id!r}{where}. List its runs: piecework runs, or runner.runs().")


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


def _with_faults(label: str, faults: tuple[Fault, ...]) -> str:
    if len(faults) == 1:
        return f"{label}: {faults[0].message}"
    lines = "".join(f"\n  {number}. {fault.message}" for number, fault in enumerate(faults, 1))
    return f"{label} has {len(faults)} faults:{lines}"
