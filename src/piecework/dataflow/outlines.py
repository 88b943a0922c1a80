"""What a picture of a dataflow graph shows.

Graphs ask for their outline here; each node says itself what its box is. What is drawn is what runs: nodes that a
selection leaves out are not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from piecework.dataflow.node import Node
from piecework.dataflow.wiring import InputSpec
from piecework.outline import Arrow, Box, Outline

__all__ = ("OutlinedGraph", "inner_outline", "outline_of")

_END = "end:"
"""The id of the end. No node has it, since no name of a node has a colon."""


class OutlinedGraph(Protocol):
    """What an outline shows of a graph."""

    @property
    def name(self) -> str | None:
        """The graph's name."""
        ...

    @property
    def needed(self) -> tuple[Node, ...]:
        """The nodes that run."""
        ...

    @property
    def inputs(self) -> InputSpec:
        """What these nodes take from outside."""
        ...

    @property
    def selected(self) -> tuple[str, ...] | None:
        """The selected outputs, or None where all are returned."""
        ...


def outline_of(graph: OutlinedGraph) -> Outline:
    """Return the outline of a graph that is run by itself: its nodes, what they are given, and what comes out.

    - An input has an arrow to each node that takes it. The arrow of an input with a default is optional. A bound input
      is not drawn, since a run is not asked for it.
    - An output has an arrow, labelled with its name, to each node that takes it; one that no node takes has an arrow to
      the end. Where outputs are selected, they go to the end, also those that a node takes, and no other does.
    - Names are those in this graph, but what a node maps over has its inner name.
    """
    takers = _takers(graph)
    given = (*graph.inputs.required, *graph.inputs.optional)
    entering = tuple(
        Arrow(source=_input_id(name), target=taker, optional=name in graph.inputs.optional)
        for name in given
        for taker in takers[name]
    )
    leaving = tuple(_leaving(graph, takers))
    return Outline(
        name=graph.name,
        boxes=(
            *(Box(id=_input_id(name), name=name, kind="input") for name in given),
            *(node.box(node.name) for node in graph.needed),
            *([Box(id=_END, name="END", kind="end")] if leaving else []),
        ),
        arrows=(*entering, *_between(graph, takers, ""), *leaving),
    )


def inner_outline(graph: OutlinedGraph, place: str) -> Outline:
    """Return the outline of a graph that is a node: its own nodes, and what goes between them.

    What it takes and makes are arrows of the node, around it, so inside there are neither inputs nor an end.

    Args:
        graph: The inner graph.
        place: The id of the node's box.
    """
    boxes = tuple(node.box(f"{place}/{node.name}") for node in graph.needed)
    return Outline(name=graph.name, boxes=boxes, arrows=tuple(_between(graph, _takers(graph), f"{place}/")))


def _takers(graph: OutlinedGraph) -> Mapping[str, list[str]]:
    """For each name that a running node takes, those nodes."""
    takers: dict[str, list[str]] = {}
    for node in graph.needed:
        for name in node.inputs:
            takers.setdefault(name, []).append(node.name)
    return takers


def _between(graph: OutlinedGraph, takers: Mapping[str, list[str]], prefix: str) -> Iterator[Arrow]:
    for node in graph.needed:
        for name in node.outputs:
            for taker in takers.get(name, ()):
                yield Arrow(source=prefix + node.name, target=prefix + taker, label=name)


def _leaving(graph: OutlinedGraph, takers: Mapping[str, list[str]]) -> Iterator[Arrow]:
    for node in graph.needed:
        for name in node.outputs:
            leaves = name not in takers if graph.selected is None else name in graph.selected
            if leaves:
                yield Arrow(source=node.name, target=_END, label=name)


def _input_id(name: str) -> str:
    return f"input:{name}"
