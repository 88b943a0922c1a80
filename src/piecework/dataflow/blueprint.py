"""A graph compiled once: for each node what it calls, what it waits for, and what waits for it.

Plans of the same graph share it; it holds nothing that changes in a run. Compiling is linear in nodes and names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import cast
from weakref import WeakKeyDictionary

from msgspec import Struct

from piecework.core.call import Target
from piecework.dataflow.annotations import annotated_types
from piecework.dataflow.graph import Graph, GraphNode
from piecework.dataflow.mapping import MapSpec
from piecework.dataflow.node import FunctionNode, Node
from piecework.errors import InternalError

__all__ = ("COMPILED", "Blueprint", "Step", "blueprint", "compile_node")


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


def compile_node(node: Node) -> Step:
    """One node, compiled. A graph of one plain function node collapses to a call of that function."""
    if isinstance(node, FunctionNode):
        function = cast("FunctionNode[..., object]", node)
        return _step(function, _target(function), lambda name: name, function.inner_outputs)
    if not isinstance(node, GraphNode):
        raise InternalError(f"a graph holds {node!r}, which is no kind of node.")
    only = _only_function(node.graph)
    if only is None:
        return _step(node, blueprint(node.graph), lambda name: name, node.inner_outputs)
    return _step(node, _target(only), lambda name: only.inner_inputs[name], only.inner_outputs)


def _compile(graph: Graph) -> Blueprint:
    steps = tuple(compile_node(node) for node in graph.needed)
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
    )


def _shape(steps: Iterable[Step]) -> dict[str, str]:
    shape: dict[str, str] = {}
    for step in steps:
        arguments = ", ".join(inner if inner == outer else f"{inner}={outer}" for outer, inner in step.arguments)
        used = f"({arguments}) -> {', '.join(step.outputs) or 'nothing'}{_mapped(step.mapping)}"
        if isinstance(step.body, Target):
            function = step.body.function
            path = step.name if step.body.name == step.name else f"{step.name}/{step.body.name}"
            shape[path] = f"{getattr(function, '__qualname__', type(function).__qualname__)} {used}"
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


def _target(node: FunctionNode[..., object]) -> Target:
    return Target(node.name, node.func, node.kind, node.record, not node.outputs)


def _only_function(graph: Graph) -> FunctionNode[..., object] | None:
    """The graph's node, if it is a single plain function whose outputs are just the graph's."""
    if len(graph.needed) != 1:
        return None
    node = graph.needed[0]
    if isinstance(node, FunctionNode) and node.mapping is None and node.outputs == graph.outputs:
        return cast("FunctionNode[..., object]", node)
    return None
