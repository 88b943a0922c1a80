"""What is wrong with how a workflow was declared, or with the names it is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from piecework.errors.root import Fault, PieceworkError, with_faults
from piecework.wording import graph_label, listed

__all__ = (
    "GraphError",
    "InputConflictError",
    "ItemKeyError",
    "MappingError",
    "MissingInputError",
    "NodeDefinitionError",
    "RenameError",
    "UnknownInputError",
    "UnknownNodeError",
    "UnknownOutputError",
)


class GraphError(PieceworkError, ValueError):
    """A graph cannot be built; all its faults are told at once."""

    def __init__(self, faults: Iterable[Fault], *, graph: str | None = None) -> None:
        """Compose the message from `faults`, numbered where there are several."""
        self.faults = tuple(faults)
        """What is wrong, in the order it was found."""
        self.graph = graph
        """The graph's name, if it has one."""
        super().__init__(with_faults(graph_label(graph), self.faults))


class NodeDefinitionError(PieceworkError, ValueError):
    """A function cannot be a node as it is declared."""

    def __init__(self, faults: Iterable[Fault], *, node: str) -> None:
        """Compose the message from `faults`, numbered where there are several."""
        self.faults = tuple(faults)
        """What is wrong, in the order it was found."""
        self.node = node
        """The node's name, or how its function calls itself."""
        super().__init__(with_faults(f"node {node!r}", self.faults))


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
