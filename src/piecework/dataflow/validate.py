"""What can be wrong with a graph, and with the inputs a run gives to it.

`Graph` calls `find_faults` when it is built, so that every mistake is told at once and before anything runs;
`bind` and runs check the names they are given here. All of it is pure: it reads declarations and returns
faults or raises.
"""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from piecework.dataflow.cycle import Vertex, cycles, shortest_cycle
from piecework.dataflow.node import Node
from piecework.dataflow.wiring import InputSpec, Wiring
from piecework.errors import Fault, MissingInputError, UnknownInputError
from piecework.wording import did_you_mean, graph_label, listed, near_miss

__all__ = ("WiredGraph", "check_inputs", "check_known_inputs", "find_faults")

_SHOWN_STEPS = 16
"""How many steps of a long cycle a message shows."""


class WiredGraph(Protocol):
    """What the checks of given inputs read of a graph."""

    @property
    def name(self) -> str | None:
        """The graph's name."""
        ...

    @property
    def inputs(self) -> InputSpec:
        """What the graph takes from outside."""
        ...

    @property
    def needed(self) -> tuple[Node, ...]:
        """The nodes that run."""
        ...

    @property
    def producers(self) -> Mapping[str, tuple[Node, ...]]:
        """For each output name the nodes that make it."""
        ...

    @property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """For each input name the nodes that take it."""
        ...


def find_faults(nodes: tuple[Node, ...], wiring: Wiring) -> list[Fault]:
    """Return everything that is wrong with a graph of these nodes."""
    return [
        *_duplicate_names(nodes),
        *_unresolved_mappings(nodes),
        *_kept_nowhere(nodes),
        *_competing_producers(wiring),
        *_inconsistent_defaults(wiring),
        *_cycles(nodes, wiring),
    ]


def check_inputs(graph: WiredGraph, given: Mapping[str, object]) -> None:
    """Check that `given` can start a run of `graph`.

    An input of a node that the graph's selection leaves out may be given; it is not used.

    Args:
        graph: The graph to be run.
        given: The inputs by name; they override bound values and defaults.

    Raises:
        UnknownInputError: A name is no input of the graph; all such names are told.
        MissingInputError: A required input is not given; all such inputs are told, with the nodes that need
        them.
    """
    check_known_inputs(graph, given)
    missing = tuple(name for name in graph.inputs.required if name not in given)
    if missing:
        running = frozenset(graph.needed)
        needed_by = {name: tuple(node.name for node in graph.consumers[name] if node in running) for name in missing}
        raise MissingInputError(
            "\n".join(_missing_message(graph, name, needed_by[name]) for name in missing),
            names=missing,
            needed_by=needed_by,
            graph=graph.name,
        )


def check_known_inputs(graph: WiredGraph, names: Collection[str]) -> None:
    """Check that all `names` are inputs of `graph`, of whatever kind.

    Raises:
        UnknownInputError: One is not; all such names are told, with the near miss or the node that produces
        it.
    """
    producers, consumers = graph.producers, graph.consumers
    unknown = tuple(name for name in names if name in producers or name not in consumers)
    if not unknown:
        return
    inputs = [name for name in consumers if name not in producers]
    close = {name: near_miss(str(name), inputs) for name in unknown if name not in producers}
    raise UnknownInputError(
        "\n".join(_unknown_message(graph, name, inputs) for name in unknown),
        names=unknown,
        suggestions={name: meant for name, meant in close.items() if meant is not None},
        produced_by={name: tuple(node.name for node in producers[name]) for name in unknown if name in producers},
        graph=graph.name,
    )


def same_value(one: object, other: object) -> bool:
    """Return whether two defaults are the same: one object, or equal without doubt.

    Values come from anywhere, and comparing some (arrays, data frames) gives no truth value or raises.
    """
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:
        return False


def _missing_message(graph: WiredGraph, name: str, nodes: tuple[str, ...]) -> str:
    who = f"node {nodes[0]!r} needs" if len(nodes) == 1 else f"nodes {listed(nodes)} need"
    hint = did_you_mean(name, graph.producers)
    advice = f"Pass it to run({name}=...) or add a node with that output."
    return f"{who} {name!r}, which no node produces. {advice}{hint}"


def _unknown_message(graph: WiredGraph, name: str, inputs: list[str]) -> str:
    label = graph_label(graph.name)
    makers = [node.name for node in graph.producers.get(name, ())]
    if makers:
        who = f"node {makers[0]!r} produces" if len(makers) == 1 else f"nodes {listed(makers)} produce"
        return f"{name!r} is no input of {label}: {who} it. Do not give it, or leave the producing node out."
    known = f"its inputs are {listed(inputs)}" if inputs else "it takes no inputs"
    return f"{label} has no input {name!r}; {known}.{did_you_mean(str(name), inputs)}"


def _duplicate_names(nodes: tuple[Node, ...]) -> Iterator[Fault]:
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.name] = counts.get(node.name, 0) + 1
    for name, count in counts.items():
        if count > 1:
            message = f"{count} nodes are called {name!r}. Give each a name of its own: .with_name('another_name')."
            yield Fault("duplicate-name", message, nodes=(name,))


def _unresolved_mappings(nodes: tuple[Node, ...]) -> Iterator[Fault]:
    for node in nodes:
        for name in node.signature.unresolved:
            candidates = (*node.inputs, *node.inner_inputs.values())
            trail = " then ".join(str(rename) for rename in node.signature.history)
            message = (
                f"node {node.name!r} maps over {name!r}, but its inputs are {_inputs_both_ways(node)}."
                f"{did_you_mean(name, candidates)}{f' Renamed so far: {trail}.' if trail else ''}"
            )
            yield Fault("unknown-mapped-input", message, nodes=(node.name,), names=(name,))


def _kept_nowhere(nodes: tuple[Node, ...]) -> Iterator[Fault]:
    for node in nodes:
        if node.mapping is not None and node.mapping.on_error == "keep" and not node.outputs:
            message = (
                f"node {node.name!r} maps with on_error='keep', but has no output that could hold a Failure. "
                "Give it an output_name, or say on_error='drop' or 'raise'."
            )
            yield Fault("kept-nowhere", message, nodes=(node.name,))


def _competing_producers(wiring: Wiring) -> Iterator[Fault]:
    for name, nodes in wiring.producers.items():
        if len(nodes) > 1:
            makers = tuple(node.name for node in nodes)
            message = (
                f"output {name!r} is produced by several nodes, {listed(makers)}; it is unclear whose value "
                f"holds. Rename it in all but one: .with_outputs({name}='another_name')."
            )
            yield Fault("competing-producers", message, nodes=makers, names=(name,))


def _inconsistent_defaults(wiring: Wiring) -> Iterator[Fault]:
    for name, nodes in wiring.consumers.items():
        if name in wiring.producers:
            continue
        first = nodes[0]
        odd = next((node for node in nodes[1:] if not _same_default(name, first, node)), None)
        if odd is not None:
            message = (
                f"input {name!r} {_default_text(name, first)} and {_default_text(name, odd)}, so it is "
                f"unclear what holds when it is not given. Give all its takers the same default or none, or "
                f"rename one: .with_inputs({name}='another_name')."
            )
            yield Fault("inconsistent-defaults", message, nodes=(first.name, odd.name), names=(name,))


def _same_default(name: str, one: Node, other: Node) -> bool:
    if name not in one.defaults or name not in other.defaults:
        return (name in one.defaults) is (name in other.defaults)
    return same_value(one.defaults[name], other.defaults[name])


def _default_text(name: str, node: Node) -> str:
    if name not in node.defaults:
        mapped = " (it maps over it)" if name in node.signature.mapped else ""
        return f"has no default in node {node.name!r}{mapped}"
    return f"has the default {reprlib.repr(node.defaults[name])} in node {node.name!r}"


def _inputs_both_ways(node: Node) -> str:
    if not node.inputs:
        return "none"
    inner = node.inner_inputs
    return ", ".join(
        repr(name) if inner[name] == name else f"{name!r} ({inner[name]!r} inside)" for name in node.inputs
    )


def _cycles(nodes: tuple[Node, ...], wiring: Wiring) -> Iterator[Fault]:
    position = {node: index for index, node in enumerate(nodes)}
    for part in cycles(nodes, wiring):
        start = min((vertex for vertex in part if isinstance(vertex, Node)), key=position.__getitem__)
        way = shortest_cycle(part, start, wiring)
        members = tuple(vertex.name for vertex in way[:-1] if isinstance(vertex, Node))
        names = tuple(vertex for vertex in way if isinstance(vertex, str))
        yield Fault("cycle", _cycle_message(way, members, names), nodes=members, names=names)


def _cycle_message(way: list[Vertex], members: tuple[str, ...], names: tuple[str, ...]) -> str:
    if len(members) == 1:
        problem = f"node {members[0]!r} takes its own output {names[0]!r}, so it can never start"
    else:
        shown = way if len(way) <= _SHOWN_STEPS else [*way[: _SHOWN_STEPS - 2], "...", *way[-2:]]
        steps = " -> ".join(repr(vertex.name) if isinstance(vertex, Node) else vertex for vertex in shown)
        problem = f"nodes {listed(members)} wait for one another ({steps}), so none can ever start"
    return f"{problem}. Break the cycle by renaming an output: .with_outputs({names[-1]}='another_name')."
