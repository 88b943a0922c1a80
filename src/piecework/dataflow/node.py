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
from typing import Generic, ParamSpec, Self, TypeVar, cast, overload

from msgspec import UNSET, UnsetType

from piecework.core.policy import CachePolicy, CallPolicy
from piecework.dataflow.definition import Definition, NodeKind, find_function, read_definition, stored_path
from piecework.dataflow.handlers import ErrorHandler, input_faults, read_handler
from piecework.dataflow.mapping import MapMode, MapSpec, OnError, declare
from piecework.dataflow.policies import (
    CallOptions,
    HandlerOption,
    LimitsOption,
    RetryOption,
    TimeoutOption,
    read_policy,
    told_shortly,
)
from piecework.dataflow.signature import Signature
from piecework.errors import Fault, MappingError, NodeDefinitionError
from piecework.outline import Box

__all__ = ("FunctionNode", "Node", "node")

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
_Handler = TypeVar("_Handler")


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
        retry: RetryOption = None,
        timeout: TimeoutOption = None,
        cache: CachePolicy | None = None,
        limits: LimitsOption = None,
        error_handler: HandlerOption = None,
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
            retry: When an item's call is tried again, as for `node`. Here and below: what is said of a function counts
                more than what its node says; what is said of a graph counts less than what the nodes inside say.
            timeout: Seconds that one attempt of a call may take, or a `TimeoutPolicy`.
            cache: That what calls make is used again.
            limits: The named limits that calls count under.
            error_handler: Called in the stead of an item's call that has failed for good, as for `node`; what it
                returns is the item's. A graph must be one call to have it here.

        Raises:
            MappingError: The node is mapped already, a name means two inputs, or an option is invalid.
        """
        spec = declare(
            self.name,
            names,
            mode=mode,
            on_error=on_error,
            max_concurrency=max_concurrency,
            key=key,
            options=CallOptions(
                retry=retry, timeout=timeout, cache=cache, limits=limits, error_handler=_function_of(error_handler)
            ),
            inputs=self.signature.inner_inputs,
        )
        if spec.handler is not None and not self._is_one_call:
            raise MappingError(
                f"node {self.name!r}: map_over(error_handler=...) of a graph that is more than one call: it is unclear "
                "which of them to handle. Give it to the node inside: @node(error_handler=...), or "
                ".with_policy(error_handler=...).",
                node=self.name,
            )
        return replace(self, signature=self.signature.map_over(spec))

    @property
    def _is_one_call(self) -> bool:
        """Whether the node is one call of one function, so that it is clear whose failure a handler is called for."""
        return True

    @property
    def _map_over(self) -> tuple[str, ...]:
        return self.mapping.params if self.mapping is not None else ()

    @property
    def _said(self) -> str:
        """The policies that a node has beside its mapping's, as its repr shows them."""
        return ""

    def __repr__(self) -> str:
        """Show the names of node, inputs and outputs, the mapping, and which policies they have."""
        inner = self.inner_inputs
        inputs = ", ".join(name if inner[name] == name else f"{inner[name]}={name}" for name in self.inputs)
        outputs = ", ".join(self.outputs) or "no output"
        mapped, mapping = "", self.mapping
        if mapping is not None:
            said = told_shortly(mapping.policy, handled=mapping.handler is not None)
            mapped = f", map_over {', '.join(mapping.params)}{said}"
        return f"<{type(self).__name__} {self.name!r}: ({inputs}) -> {outputs}{self._said}{mapped}>"


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
    policy: CallPolicy | None = None
    """What is asked of its calls beside calling the function; None leaves all of it to the runner."""
    handler: ErrorHandler | None = None
    """What is called in the stead of a call that has failed for good."""

    def _inner_defaults(self) -> Mapping[str, object]:
        return self.parameter_defaults

    @property
    def _said(self) -> str:
        return told_shortly(self.policy, handled=self.handler is not None)

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
        return _restore, (module, function, self.signature, (self.record, self.policy, self.handler))

    def with_policy(
        self,
        *,
        retry: RetryOption | UnsetType = UNSET,
        timeout: TimeoutOption | UnsetType = UNSET,
        cache: CachePolicy | UnsetType | None = UNSET,
        limits: LimitsOption | UnsetType = UNSET,
        max_concurrency: int | UnsetType | None = UNSET,
        error_handler: HandlerOption | UnsetType = UNSET,
    ) -> Self:
        """Return the node with other policies: `.with_policy(retry=RetryPolicy(max_attempts=5))`.

        The options are those of `node`. What is not given stays; None takes it away, so that the runner's counts.

        Raises:
            NodeDefinitionError: An option is invalid; everything that is wrong is told at once.
        """
        options = CallOptions(
            retry=retry,
            timeout=timeout,
            cache=cache,
            limits=limits,
            max_concurrency=max_concurrency,
            error_handler=_function_of(error_handler),
        )
        policy, faults = read_policy(options, before=self.policy)
        handler, handler_faults = read_handler(options.error_handler, before=self.handler)
        faults += (*handler_faults, *input_faults(handler, self.signature.inner_inputs))
        if faults:
            raise NodeDefinitionError(faults, node=self.name)
        return replace(self, policy=policy, handler=handler)


@dataclass(frozen=True, slots=True)
class NodeDecorator:
    """What `node(output_name=...)` returns: it turns a function into a node."""

    output_name: str | tuple[str, ...] | None
    """What the result is called."""
    name: str | None
    """The node's name, or None for the function's own."""
    record: bool
    """Whether a finished call is recorded."""
    options: CallOptions
    """What is said of the node's calls."""

    def __call__(self, func: Callable[P, R], /) -> FunctionNode[P, R]:
        """Turn `func` into a node.

        Raises:
            NodeDefinitionError: It cannot be one; everything that is wrong with it is told at once.
        """
        _refuse_node(func)
        policy, faults = read_policy(self.options)
        handler, handler_faults = read_handler(self.options.error_handler)
        faults += handler_faults
        try:
            definition = read_definition(func, output_name=self.output_name, name=self.name)
        except NodeDefinitionError as error:
            if not faults:
                raise
            raise NodeDefinitionError([*error.faults, *faults], node=error.node) from None
        faults += input_faults(handler, definition.parameters)
        if faults:
            raise NodeDefinitionError(faults, node=definition.name)
        signature = Signature.plain(definition.name, definition.parameters, definition.outputs)
        return _function_node(func, definition, signature, record=self.record, policy=policy, handler=handler)


@overload
def node(
    func: Callable[P, R],
    /,
    *,
    output_name: str | tuple[str, ...] | None = None,
    name: str | None = None,
    record: bool = True,
    retry: RetryOption = None,
    timeout: TimeoutOption = None,
    cache: CachePolicy | None = None,
    limits: LimitsOption = None,
    max_concurrency: int | None = None,
    error_handler: HandlerOption = None,
) -> FunctionNode[P, R]: ...
@overload
def node(
    *,
    output_name: str | tuple[str, ...] | None = None,
    name: str | None = None,
    record: bool = True,
    retry: RetryOption = None,
    timeout: TimeoutOption = None,
    cache: CachePolicy | None = None,
    limits: LimitsOption = None,
    max_concurrency: int | None = None,
    error_handler: HandlerOption = None,
) -> NodeDecorator: ...
def node(
    func: Callable[P, R] | None = None,
    /,
    *,
    output_name: str | tuple[str, ...] | None = None,
    name: str | None = None,
    record: bool = True,
    retry: RetryOption = None,
    timeout: TimeoutOption = None,
    cache: CachePolicy | None = None,
    limits: LimitsOption = None,
    max_concurrency: int | None = None,
    error_handler: HandlerOption = None,
) -> FunctionNode[P, R] | NodeDecorator:
    """Turn a function into a node; its parameters are the node's inputs.

    Args:
        func: The function, where `node` is used bare or called with it.
        output_name: What the result is called, or a tuple of names for a function that returns a tuple. None
            means that the function is run for its effect.
        name: The node's name; without it, the function's own.
        record: Whether a finished call is recorded, so that a resumed run does not repeat it.
        retry: When a call that failed is tried again; of several policies the first that matches the exception wins,
            and `()` means never. Here and below, None leaves it to the runner.
        timeout: Seconds that one attempt may take, or a `TimeoutPolicy`.
        cache: That what the function makes is used again wherever it is given the same inputs, in other runs too; the
            runner must have a cache.
        limits: The named limits that its calls count under, shared by all that name them.
        max_concurrency: How many of its calls may run at once in one run.
        error_handler: Called in the stead of a call that has failed for good, and returns what the node would have
            returned. It is given, by name, what it takes of the function's parameters, and the exception as `error`.

    Raises:
        NodeDefinitionError: The function has `*args`, `**kwargs` or positional-only parameters, has no name,
            or a name or an option is invalid.

    Example:
        >>> @node(output_name="doubled")
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double
        <FunctionNode 'double': (x) -> doubled>
        >>> double(5)
        10
    """
    options = CallOptions(
        retry=retry,
        timeout=timeout,
        cache=cache,
        limits=limits,
        max_concurrency=max_concurrency,
        error_handler=_function_of(error_handler),
    )
    decorator = NodeDecorator(output_name=output_name, name=name, record=record, options=options)
    return decorator if func is None else decorator(func)


def _refuse_node(func: object) -> None:
    if isinstance(func, Node):
        message = "it is a node already. Rename it with .with_name, .with_inputs and .with_outputs."
        raise NodeDefinitionError([Fault("node-already", message)], node=func.name)


def _function_node(
    func: Callable[P, R],
    definition: Definition,
    signature: Signature,
    *,
    record: bool,
    policy: CallPolicy | None,
    handler: ErrorHandler | None,
) -> FunctionNode[P, R]:
    return FunctionNode(
        signature=signature,
        func=func,
        kind=definition.kind,
        parameter_defaults=definition.defaults,
        record=record,
        policy=policy,
        handler=handler,
    )


def _function_of(handler: _Handler) -> _Handler | Callable[..., object]:
    """What a handler calls: of a node its function, whatever the node's names and mapping are."""
    return cast("FunctionNode[..., object]", handler).func if isinstance(handler, FunctionNode) else handler


def _restore(
    module: str | None,
    function: str | Callable[..., object],
    signature: Signature,
    calls: tuple[bool, CallPolicy | None, ErrorHandler | None],
) -> FunctionNode[..., object]:
    func = find_function(module or "", function) if isinstance(function, str) else function
    definition = read_definition(func, output_name=None, name=signature.name)
    record, policy, handler = calls
    return _function_node(func, definition, signature, record=record, policy=policy, handler=handler)
