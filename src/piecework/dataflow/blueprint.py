"""A graph compiled once: for each node what it calls, what it waits for, and what waits for it.

Plans of the same graph share it; it holds nothing that changes in a run. Compiling is linear in nodes and names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import cast
from weakref import WeakKeyDictionary

from msgspec import Struct

from piecework.core.call import Target
from piecework.core.policy import CallPolicy
from piecework.dataflow.annotations import annotated_types
from piecework.dataflow.graph import Graph, GraphNode, only_function
from piecework.dataflow.handlers import ErrorHandler, compile_handler
from piecework.dataflow.mapping import MapSpec
from piecework.dataflow.node import FunctionNode, Node
from piecework.dataflow.policies import merged
from piecework.errors import InternalError

__all__ = ("COMPILED", "Blueprint", "Step", "all_calls", "blueprint", "compile_node")


class Step(Struct, frozen=True, eq=False):
    """One node of a compiled graph."""

    name: str
    """The node's name."""

    body: Target | Blueprint
    """What it calls: a function, or a graph that is more than one call."""

    arguments: tuple[tuple[str, str], ...]
    """For each input its outer name and the name that the body knows it by."""

    outputs: tuple[str, ...]
    """What its outputs are called."""

    inner_outputs: tuple[str, ...]
    """What the body calls them, in the same order."""

    mapping: MapSpec | None
    """How it is mapped, with the body's names for the mapped inputs."""

    plain: bool
    """Whether what its function returns is its one output, as it is."""

    @property
    def path(self) -> str:
        """Where its call stands in its graph; a collapsed graph and its function keep both names."""
        called = self.body.name if isinstance(self.body, Target) else self.name
        return self.name if called == self.name else f"{self.name}/{called}"


class Blueprint(Struct, frozen=True, eq=False):
    """A compiled graph."""

    name: str
    """The graph's name, or what stands for it in addresses."""

    steps: tuple[Step, ...]
    """The nodes that run, in node order."""

    required: frozenset[str]
    """The inputs that a run must be given."""

    accepted: frozenset[str]
    """The inputs that a run may be given."""

    defaults: Mapping[str, object]
    """The values of inputs that need not be given."""

    bound: Mapping[str, object]
    """Those of them that the graph binds."""

    roots: tuple[int, ...]
    """The steps that wait for no other."""

    edges: tuple[int, ...]
    """For each step, how many of its inputs come from other steps."""

    consumers: Mapping[str, tuple[int, ...]]
    """For each produced name, the steps that take it."""

    outputs: tuple[str, ...]
    """What a run returns."""

    shape: Mapping[str, str]
    """For the path of each node what it calls, and after a space with what: how a resumed run tells that it changed."""

    unkept: bool
    """Whether some node's output is not kept in a store."""

    types: tuple[type, ...]
    """What its values may be made of when they are stored."""

    cached: tuple[str, ...]
    """The paths of the functions whose values are to be cached."""


COMPILED: WeakKeyDictionary[Graph, Blueprint] = WeakKeyDictionary()
"""The blueprints of living graphs."""


def blueprint(graph: Graph) -> Blueprint:
    """The graph, compiled; remembered as long as the graph lives.

    Raises:
        TypeError: It is no graph.
    """
    if not isinstance(graph, Graph):  # pyright: ignore[reportUnnecessaryIsInstance] - not everyone checks types
        raise TypeError(f"a runner runs a graph, not {graph!r}. Write Graph(nodes=[...]) around it.")
    known = COMPILED.get(graph)
    if known is None:
        known = COMPILED[graph] = _compile(graph)
    return known


def compile_node(node: Node, around: CallPolicy | None = None) -> Step:
    """One node, compiled. A graph of one plain function node collapses to a call of that function.

    Args:
        node: The node.
        around: What the mappings of the graphs around it say of the calls inside them.
    """
    mapped = node.mapping.policy if node.mapping is not None else None
    if isinstance(node, FunctionNode):
        function = cast("FunctionNode[..., object]", node)
        handler = function.handler
        if node.mapping is not None and node.mapping.handler is not None:
            handler = node.mapping.handler
        body = _target(function, merged(mapped, function.policy, around), handler)
        return _step(function, body, lambda name: name, function.inner_outputs)
    if not isinstance(node, GraphNode):
        raise InternalError(f"a graph holds {node!r}, which is no kind of node.")
    around = merged(mapped, around)
    only = only_function(node.graph)
    if only is None:
        inside = blueprint(node.graph) if around is None else _compile(node.graph, around)
        return _step(node, inside, lambda name: name, node.inner_outputs)
    return _step(node, _collapsed(node, only, around), lambda name: only.inner_inputs[name], only.inner_outputs)


def _compile(graph: Graph, around: CallPolicy | None = None) -> Blueprint:
    steps = tuple(compile_node(node, around) for node in graph.needed)
    produced = {name for step in steps for name in step.outputs}
    consumers: dict[str, list[int]] = {}
    edges: list[int] = []
    for index, node in enumerate(graph.needed):
        fed = [name for name in node.inputs if name in produced]
        edges.append(len(fed))
        for name in fed:
            consumers.setdefault(name, []).append(index)
    return Blueprint(
        name=graph.name or "graph",
        steps=steps,
        required=frozenset(graph.inputs.required),
        accepted=frozenset(graph.inputs.all),
        defaults={**graph.inputs.optional, **graph.inputs.bound},
        bound=graph.inputs.bound,
        roots=tuple(index for index, fed in enumerate(edges) if fed == 0),
        edges=tuple(edges),
        consumers={name: tuple(indexes) for name, indexes in consumers.items()},
        outputs=graph.outputs,
        shape=_shape(steps),
        unkept=any(isinstance(step.body, Target) and not step.body.record for step in steps),
        types=annotated_types(graph),
        cached=tuple(_calls(steps, lambda target: target.policy is not None and target.policy.cache is not None)),
    )


def all_calls(graph: Blueprint) -> tuple[str, ...]:
    """The paths of all functions of a graph, those of graphs inside included."""
    return tuple(_calls(graph.steps, lambda _: True))


def _calls(steps: Iterable[Step], wanted: Callable[[Target], bool]) -> Iterator[str]:
    for step in steps:
        if not isinstance(step.body, Target):
            yield from (f"{step.name}/{path}" for path in _calls(step.body.steps, wanted))
        elif wanted(step.body):
            yield step.path


def _shape(steps: Iterable[Step]) -> dict[str, str]:
    shape: dict[str, str] = {}
    for step in steps:
        arguments = ", ".join(inner if inner == outer else f"{inner}={outer}" for outer, inner in step.arguments)
        used = f"({arguments}) -> {', '.join(step.outputs) or 'nothing'}{_mapped(step.mapping)}"
        if isinstance(step.body, Target):
            function = step.body.function
            shape[step.path] = f"{getattr(function, '__qualname__', type(function).__qualname__)} {used}"
        else:
            shape[step.name] = f"graph {used}"
            shape |= {f"{step.name}/{path}": told for path, told in step.body.shape.items()}
    return shape


def _mapped(mapping: MapSpec | None) -> str:
    if mapping is None:
        return ""
    how = f", {mapping.mode}" if len(mapping.params) > 1 else ""
    keyed = ", by key" if mapping.key is not None else ""
    return f" for each of {', '.join(mapping.params)}{how}{keyed}"


def _step(node: Node, body: Target | Blueprint, inside: Callable[[str], str], inner_outputs: tuple[str, ...]) -> Step:
    mapping = node.mapping
    if mapping is not None:
        mapping = replace(mapping, params=tuple(map(inside, mapping.params)))
    arguments = tuple((outer, inside(inner)) for outer, inner in node.inner_inputs.items())
    plain = mapping is None and isinstance(body, Target) and len(node.outputs) == 1
    return Step(node.name, body, arguments, node.outputs, inner_outputs, mapping, plain)


def _target(
    node: FunctionNode[..., object],
    policy: CallPolicy | None,
    handler: ErrorHandler | None,
    names: Mapping[str, str] | None = None,
) -> Target:
    effect = not node.outputs
    handled = compile_handler(handler, node.name, effect=effect, names=names)
    if handled is not None and policy is None:
        policy = CallPolicy()  # By this the engine tells calls that it has more to do for.
    return Target(node.name, node.func, node.kind, node.record, effect, policy, handled)


def _collapsed(node: GraphNode, only: FunctionNode[..., object], around: CallPolicy | None) -> Target:
    """The only call of a graph; what its function says itself counts more than what the mapping says."""
    if only.handler is not None or node.mapping is None:
        return _target(only, merged(only.policy, around), only.handler)
    # The handler of a mapping knows the inputs by the graph's names.
    names = {parameter: name for name, parameter in only.inner_inputs.items()}
    return _target(only, merged(only.policy, around), node.mapping.handler, names)
