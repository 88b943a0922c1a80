"""The graph: nodes joined by the names of their inputs and outputs, and a graph as one node of another.

Users declare a `Graph`; plans read its nodes, producers, consumers and inputs. A graph is immutable, is
checked when it is built, and never runs anything itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Never, Self, cast

from piecework.dataflow.node import FunctionNode, Node
from piecework.dataflow.outlines import inner_outline, outline_of
from piecework.dataflow.rename import address_fault
from piecework.dataflow.signature import Signature
from piecework.dataflow.validate import check_known_inputs, find_faults
from piecework.dataflow.wiring import InputSpec, Wiring, input_spec, needed_nodes, wire
from piecework.draw import to_mermaid
from piecework.errors import Fault, GraphError, NodeDefinitionError, UnknownInputError, UnknownOutputError
from piecework.outline import Box, Outline
from piecework.wording import did_you_mean, graph_label, listed, near_miss

__all__ = ("Graph", "GraphNode", "only_function")


class Graph:
    """Nodes joined by names: an output called `sections` feeds every input called `sections`.

    Args:
        nodes: The nodes, in the order in which messages and pictures tell them. The order says nothing about
            when they run.
        name: The graph's name; it is needed to use the graph as a node.

    Raises:
        GraphError: Something is wrong with the nodes, or they do not fit together; all faults are told at
        once.

    Example:
        >>> from piecework.dataflow.node import node
        >>> @node(output_name="doubled")
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> Graph(nodes=[double], name="arithmetic")
        <Graph 'arithmetic': 1 node, (x) -> doubled>
    """

    __slots__ = ("__weakref__", "_bound", "_inputs", "_name", "_needed", "_nodes", "_selected", "_wiring")

    _nodes: tuple[Node, ...]
    _name: str | None
    _wiring: Wiring
    _bound: Mapping[str, object]
    _selected: tuple[str, ...] | None
    _needed: tuple[Node, ...]
    _inputs: InputSpec

    def __init__(self, nodes: Iterable[Node], name: str | None = None) -> None:
        given = _members(nodes)
        kept = tuple(item for item in given if isinstance(item, Node))
        wiring = wire(kept)
        faults = [*_name_faults(name), *_member_faults(given), *find_faults(kept, wiring)]
        if faults:
            raise GraphError(faults, graph=name if isinstance(name, str) else None)
        self._nodes = kept
        self._name = name
        self._wiring = wiring
        self._settle(bound={}, selected=None)

    def _settle(self, *, bound: Mapping[str, object], selected: tuple[str, ...] | None) -> None:
        self._bound = MappingProxyType(dict(bound))
        self._selected = selected
        self._needed = needed_nodes(self._nodes, self._wiring, selected)
        self._inputs = input_spec(self._needed, self._wiring, self._bound)

    def _copy(self, *, bound: Mapping[str, object], selected: tuple[str, ...] | None) -> Self:
        copy = object.__new__(type(self))
        copy._nodes = self._nodes
        copy._name = self._name
        copy._wiring = self._wiring
        copy._settle(bound=bound, selected=selected)
        return copy

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, in the order given."""
        return self._nodes

    @property
    def name(self) -> str | None:
        """The graph's name, if it has one."""
        return self._name

    @property
    def bound(self) -> Mapping[str, object]:
        """All bound values by input name, also those that a selection leaves without use."""
        return self._bound

    @property
    def selected(self) -> tuple[str, ...] | None:
        """The selected outputs, or None where all are returned."""
        return self._selected

    @property
    def needed(self) -> tuple[Node, ...]:
        """The nodes that run, in node order.

        That is all of them, or, where outputs are selected, those that the selected outputs need. A node
        that is run for its effect makes no output, so a selection leaves it out.
        """
        return self._needed

    @property
    def inputs(self) -> InputSpec:
        """What the needed nodes take from outside: required, optional and bound."""
        return self._inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names that a run returns: the selected ones, or all that are produced, in node order."""
        return self._selected if self._selected is not None else tuple(self._wiring.producers)

    @property
    def producers(self) -> Mapping[str, tuple[Node, ...]]:
        """For each output name the nodes that make it."""
        return self._wiring.producers

    @property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """For each input name, fed by an edge or not, the nodes that take it."""
        return self._wiring.consumers

    def bind(self, /, **values: object) -> Self:
        """Return the graph with values set for some of its inputs; a run may still override them.

        Raises:
            UnknownInputError: A name is no input of the graph, or is produced inside it.
        """
        check_known_inputs(self, values)
        return self._copy(bound={**self._bound, **values}, selected=self._selected)

    def unbind(self, *names: str) -> Self:
        """Return the graph without the values bound to these inputs.

        Raises:
            UnknownInputError: Nothing is bound to one of the names.
        """
        unknown = tuple(name for name in names if name not in self._bound)
        if unknown:
            close = {name: near_miss(name, self._bound) for name in unknown}
            hints = "".join(did_you_mean(name, self._bound) for name in unknown)
            raise UnknownInputError(
                f"{graph_label(self._name)} has nothing bound to {listed(unknown)}; bound are "
                f"{listed(tuple(self._bound))}.{hints}",
                names=unknown,
                suggestions={name: meant for name, meant in close.items() if meant is not None},
                graph=self._name,
            )
        kept = {name: value for name, value in self._bound.items() if name not in names}
        return self._copy(bound=kept, selected=self._selected)

    def select(self, *outputs: str) -> Self:
        """Return the graph with only these outputs; nodes that none of them needs do not run.

        An earlier selection is replaced. Bound values stay, also those that have no use now.

        Raises:
            UnknownOutputError: No output is named, one is named twice, or one is produced by no node.
        """
        produced = tuple(self._wiring.producers)
        unknown = tuple(name for name in outputs if name not in self._wiring.producers)
        if outputs and not unknown and len(set(outputs)) == len(outputs):
            return self._copy(bound=self._bound, selected=outputs)
        label = graph_label(self._name)
        if not outputs:
            message = f"{label}: select() names no output. Its outputs are {listed(produced)}."
        elif not unknown:
            message = f"{label}: select() names an output twice: {listed(outputs)}."
        else:
            hints = "".join(did_you_mean(name, produced) for name in unknown)
            message = f"{label} has no output {listed(unknown)}; its outputs are {listed(produced)}.{hints}"
        close = {name: near_miss(name, produced) for name in unknown}
        suggestions = {name: meant for name, meant in close.items() if meant is not None}
        raise UnknownOutputError(message, names=unknown, suggestions=suggestions, graph=self._name)

    def as_node(self, name: str | None = None) -> GraphNode:
        """Return the graph as one node, to be used in another graph.

        Its inputs are the graph's inputs, those with a default or a bound value being optional; its outputs
        are the graph's outputs.

        Args:
            name: The node's name; without it, the graph's own.

        Raises:
            GraphError: There is neither, or the name cannot be part of a call's address.
        """
        chosen = name if name is not None else self._name
        if chosen is None:
            message = "it has no name to be a node under. Write Graph(..., name='...') or .as_node(name='...')."
            raise GraphError([Fault("no-name", message)])
        faults = _name_faults(chosen)
        if faults:
            raise GraphError(faults, graph=self._name)
        return GraphNode(signature=Signature.plain(chosen, self._inputs.all, self.outputs), graph=self)

    def outline(self) -> Outline:
        """Return the graph as boxes and arrows, for whoever draws it; bound inputs are not drawn."""
        return outline_of(self)

    def to_mermaid(self) -> str:
        """Return the graph as a Mermaid flowchart, which GitHub, editors and notebooks show as a picture.

        Inputs and the end are stadiums, nodes rectangles, a graph used as a node a box around its nodes. Arrows carry
        the names of values; the arrow of an input with a default is dotted. Bound inputs are not drawn.
        """
        return to_mermaid(outline_of(self))

    def __repr__(self) -> str:
        """Show the name, the number of nodes, inputs and outputs."""
        name = f" {self._name!r}" if self._name is not None else ""
        count = f"{len(self._nodes)} node{'' if len(self._nodes) == 1 else 's'}"
        inputs = ", ".join([*self._inputs.required, *(f"{given}=..." for given in self._given)])
        return f"<Graph{name}: {count}, ({inputs}) -> {', '.join(self.outputs) or 'no output'}>"

    @property
    def _given(self) -> tuple[str, ...]:
        return (*self._inputs.optional, *self._inputs.bound)

    def __reduce__(self) -> tuple[Callable[..., Graph], tuple[object, ...]]:
        """Pickle what was declared; what follows from it is worked out again."""
        return _restore, (self._nodes, self._name, dict(self._bound), self._selected)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GraphNode(Node):
    """A graph as a node of another graph."""

    graph: Graph
    """The inner graph."""

    def _inner_defaults(self) -> Mapping[str, object]:
        return {**self.graph.inputs.optional, **self.graph.inputs.bound}

    def box(self, place: str) -> Box:
        """Return a box with the node's name, what it maps over, and the graph inside."""
        inside = inner_outline(self.graph, place)
        return Box(id=place, name=self.name, map_over=self._map_over, inside=inside)

    def with_policy(self, **options: object) -> Never:
        """Refuse: a graph is no call, so it has no policies of its own.

        Raises:
            NodeDefinitionError: Always; it says where to put the options instead.
        """
        said = ", ".join(f"{option}=..." for option in options) or "..."
        message = (
            f"it is a graph, which has no policies of its own. Write .with_policy({said}) after a node inside it. For "
            "all calls in it, say what is not said there in map_over(...) of the graph, or to the runner."
        )
        raise NodeDefinitionError([Fault("graph-policy", message)], node=self.name)

    @property
    def _is_one_call(self) -> bool:
        return only_function(self.graph) is not None

    def __reduce__(self) -> tuple[Callable[..., Node], tuple[object, ...]]:
        """Pickle signature and graph; the rest follows from them."""
        return GraphNode, (self.signature, self.graph)


def only_function(graph: Graph) -> FunctionNode[..., object] | None:
    """The graph's node, if it is a single plain function whose outputs are just the graph's: then it is one call."""
    if len(graph.needed) != 1:
        return None
    node = graph.needed[0]
    if isinstance(node, FunctionNode) and node.mapping is None and node.outputs == graph.outputs:
        return cast("FunctionNode[..., object]", node)
    return None


def _restore(
    nodes: tuple[Node, ...], name: str | None, bound: Mapping[str, object], selected: tuple[str, ...] | None
) -> Graph:
    graph = Graph(nodes, name).bind(**bound)
    return graph if selected is None else graph.select(*selected)


def _name_faults(name: object) -> list[Fault]:
    if name is None:
        return []
    fault = address_fault(name)
    return [Fault("bad-name", f"name={name!r}: the name {fault}.")] if fault is not None else []


def _members(nodes: object) -> tuple[object, ...]:
    return tuple(cast("Iterable[object]", nodes)) if isinstance(nodes, Iterable) else (nodes,)


def _member_faults(given: tuple[object, ...]) -> list[Fault]:
    faults: list[Fault] = []
    for index, item in enumerate(given):
        if isinstance(item, Node):
            continue
        if isinstance(item, Graph):
            known = f"graph {item.name!r}" if item.name is not None else "a graph"
            advice = ".as_node()" if item.name is not None else ".as_node(name='...')"
            message = f"nodes[{index}] is {known}, not a node. Write {advice} after it."
        elif callable(item):
            called = getattr(item, "__name__", type(item).__name__)
            message = f"nodes[{index}] is the plain function {called!r}. Write @node(output_name=...) over its def."
        else:
            message = f"nodes[{index}] is {item!r}, not a node. A graph holds what @node and .as_node() make."
        faults.append(Fault("not-a-node", message))
    return faults
