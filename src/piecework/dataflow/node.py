"""The node: a function, or a graph, with named inputs and outputs.

`node` turns a function into a `FunctionNode`; a graph makes its own nodes on top of `Node`. Nodes are
declarations: immutable, compared by identity, every method returns a new one. Plans read them; nothing here
runs them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Generic, ParamSpec, Self, TypeVar, overload

from piecework.dataflow.definition import Definition, NodeKind, find_function, read_definition, stored_path
from piecework.dataflow.mapping import MapMode, MapSpec, OnError, declare
from piecework.dataflow.signature import Signature
from piecework.errors import Fault, NodeDefinitionError
from piecework.outline import Box

__all__ = ("FunctionNode", "Node", "node")

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True, eq=False, repr=False, weakref_slot=True)
class Node(ABC):
    """What function nodes and graph nodes share: a signature, and the methods that change it in a copy."""

    signature: Signature
    """The names of the node, and its mapping."""
    name: str = field(init=False)
    """The node's name, unique in its graph."""
    inputs: tuple[str, ...] = field(init=False)
    """The current input names, in declaration order."""
    outputs: tuple[str, ...] = field(init=False)
    """The current output names, in declaration order; empty for a node that is run for its effect."""
    inner_inputs: Mapping[str, str] = field(init=False)
    """For each current input name its name inside: the function's parameter, the inner graph's input."""
    inner_outputs: tuple[str, ...] = field(init=False)
    """The names of the outputs inside, in the order of `outputs`."""
    mapping: MapSpec | None = field(init=False)
    """How the node is mapped, if it is."""
    defaults: Mapping[str, object] = field(init=False)
    """By current name, the values of inputs that need not be given.

    A mapped input is never among them: its default is a single item's, not a collection.
    """

    def __post_init__(self) -> None:
        """Lay out the signature's names once, since plans read them often."""
        signature = self.signature
        inner = dict(zip(signature.inputs, signature.inner_inputs, strict=True))
        mapped = signature.mapping.params if signature.mapping is not None else ()
        own = self._inner_defaults()
        defaults = {name: own[param] for name, param in inner.items() if param in own and param not in mapped}
        values: dict[str, object] = {
            "name": signature.name,
            "inputs": signature.inputs,
            "outputs": signature.outputs,
            "inner_inputs": MappingProxyType(inner),
            "inner_outputs": signature.inner_outputs,
            "mapping": signature.mapping,
            "defaults": MappingProxyType(defaults),
        }
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)

    @abstractmethod
    def _inner_defaults(self) -> Mapping[str, object]:
        """Return the values of inputs that need not be given, by inner name."""

    @abstractmethod
    def box(self, place: str) -> Box:
        """Return what a picture shows of the node.

        Args:
            place: The box's id: the way to the node from the outermost graph.
        """

    def with_name(self, name: str) -> Self:
        """Return the node under another name.

        Raises:
            RenameError: The name cannot be part of a call's address.
        """
        return replace(self, signature=self.signature.with_name(name))

    def with_inputs(self, /, **renames: str) -> Self:
        """Return the node with inputs renamed: `.with_inputs(section="sections")` calls `section` `sections`.

        The left side is the current name. All renames apply at once, so `.with_inputs(a="b", b="a")` is a
        swap.

        Raises:
            RenameError: A name is unknown, invalid, or would be given to two inputs.
            MappingError: A name waiting in `map_over` would now mean an input that is mapped already.
        """
        return replace(self, signature=self.signature.with_inputs(renames))

    def with_outputs(self, /, **renames: str) -> Self:
        """Return the node with outputs renamed: `.with_outputs(text="content")` calls `text` `content`.

        The left side is the current name. All renames apply at once, so a swap works.

        Raises:
            RenameError: A name is unknown, invalid, or would be given to two outputs.
        """
        return replace(self, signature=self.signature.with_outputs(renames))

    def map_over(
        self,
        *names: str,
        mode: MapMode = "zip",
        on_error: OnError = "raise",
        max_concurrency: int | None = None,
        key: Callable[..., str | int] | None = None,
    ) -> Self:
        """Return the node mapped over some inputs: it runs once for each item, and its outputs become lists.

        Args:
            *names: The inputs to map over, by outer or inner name, before or after they are renamed.
            mode: `"zip"` takes the inputs side by side; `"product"` takes every combination, the first-named
                input slowest.
            on_error: `"raise"` ends the run at the first failed item, `"keep"` leaves a `Failure` in its
                place, `"drop"` leaves it out.
            max_concurrency: How many items may run at once, beside the run's own limit.
            key: Makes an item's key out of its value (of its values, in the order named, where there are several). With
                it, a run that is resumed knows an item again wherever it stands; without, by its position.

        Raises:
            MappingError: The node is mapped already, a name means two inputs, or an option is invalid.
        """
        spec = declare(self.name, names, mode=mode, on_error=on_error, max_concurrency=max_concurrency, key=key)
        return replace(self, signature=self.signature.map_over(spec))

    @property
    def _map_over(self) -> tuple[str, ...]:
        return self.mapping.params if self.mapping is not None else ()

    def __repr__(self) -> str:
        """Show the names of node, inputs and outputs, and the mapping."""
        inner = self.inner_inputs
        inputs = ", ".join(name if inner[name] == name else f"{inner[name]}={name}" for name in self.inputs)
        outputs = ", ".join(self.outputs) or "no output"
        mapped = f", map_over {', '.join(self.mapping.params)}" if self.mapping is not None else ""
        return f"<{type(self).__name__} {self.name!r}: ({inputs}) -> {outputs}{mapped}>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FunctionNode(Node, Generic[P, R_co]):
    """A function as a node. It stays callable: `n(5)` calls the function itself, unmapped and unrecorded."""

    func: Callable[P, R_co]
    """The function."""
    kind: NodeKind
    """How the function is to be run; told from what a call of it returns."""
    parameter_defaults: Mapping[str, object]
    """The function's defaults, by parameter."""
    record: bool = True
    """Whether a finished call is recorded as a fact of its run."""

    def _inner_defaults(self) -> Mapping[str, object]:
        return self.parameter_defaults

    def box(self, place: str) -> Box:
        """Return a box with the node's name, and what it maps over."""
        return Box(id=place, name=self.name, map_over=self._map_over)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function."""
        return self.func(*args, **kwargs)

    @property
    def __wrapped__(self) -> Callable[P, R_co]:
        """The function, for `inspect.signature` and other tools that look through decorators."""
        return self.func

    def __reduce__(self) -> tuple[Callable[..., Node], tuple[object, ...]]:
        """Pickle the function by the name of its node, where that took the function's name in the module."""
        module, function = stored_path(self.func) or (None, self.func)
        return _restore, (module, function, self.signature, {"record": self.record})


@dataclass(frozen=True, slots=True)
class NodeDecorator:
    """What `node(output_name=...)` returns: it turns a function into a node."""

    output_name: str | tuple[str, ...] | None
    """What the result is called."""
    name: str | None
    """The node's name, or None for the function's own."""
    record: bool
    """Whether a finished call is recorded."""

    def __call__(self, func: Callable[P, R], /) -> FunctionNode[P, R]:
        """Turn `func` into a node.

        Raises:
            NodeDefinitionError: It cannot be one; everything that is wrong with it is told at once.
        """
        _refuse_node(func)
        definition = read_definition(func, output_name=self.output_name, name=self.name)
        signature = Signature.plain(definition.name, definition.parameters, definition.outputs)
        return _function_node(func, definition, signature, record=self.record)


@overload
def node(
    func: Callable[P, R],
    /,
    *,
    output_name: str | tuple[str, ...] | None = None,
    name: str | None = None,
    record: bool = True,
) -> FunctionNode[P, R]: ...
@overload
def node(
    *,
    output_name: str | tuple[str, ...] | None = None,
    name: str | None = None,
    record: bool = True,
) -> NodeDecorator: ...
def node(
    func: Callable[P, R] | None = None,
    /,
    *,
    output_name: str | tuple[str, ...] | None = None,
    name: str | None = None,
    record: bool = True,
) -> FunctionNode[P, R] | NodeDecorator:
    """Turn a function into a node; its parameters are the node's inputs.

    Args:
        func: The function, where `node` is used bare or called with it.
        output_name: What the result is called, or a tuple of names for a function that returns a tuple. None
            means that the function is run for its effect.
        name: The node's name; without it, the function's own.
        record: Whether a finished call is recorded, so that a resumed run does not repeat it.

    Raises:
        NodeDefinitionError: The function has `*args`, `**kwargs` or positional-only parameters, has no name,
            or a name is invalid.

    Example:
        >>> @node(output_name="doubled")
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double
        <FunctionNode 'double': (x) -> doubled>
        >>> double(5)
        10
    """
    decorator = NodeDecorator(output_name=output_name, name=name, record=record)
    return decorator if func is None else decorator(func)


def _refuse_node(func: object) -> None:
    if isinstance(func, Node):
        message = "it is a node already. Rename it with .with_name, .with_inputs and .with_outputs."
        raise NodeDefinitionError([Fault("node-already", message)], node=func.name)


def _function_node(
    func: Callable[P, R], definition: Definition, signature: Signature, *, record: bool
) -> FunctionNode[P, R]:
    return FunctionNode(
        signature=signature,
        func=func,
        kind=definition.kind,
        parameter_defaults=definition.defaults,
        record=record,
    )


def _restore(
    module: str | None, function: str | Callable[..., object], signature: Signature, options: dict[str, bool]
) -> FunctionNode[..., object]:
    func = find_function(module or "", function) if isinstance(function, str) else function
    definition = read_definition(func, output_name=None, name=signature.name)
    return _function_node(func, definition, signature, **options)
