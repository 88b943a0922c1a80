"""Cycles in a graph: the sets of nodes that feed one another.

Validation asks for them. Nodes and the names between them are both
vertices here, which keeps the work linear also where one name has many producers and many consumers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from piecework.dataflow.node import Node
from piecework.dataflow.wiring import Wiring

__all__ = ("cycles", "shortest_cycle")

Vertex: TypeAlias = Node | str


def cycles(nodes: Iterable[Node], wiring: Wiring) -> list[frozenset[Vertex]]:
    """Return the strongly connected parts that hold a cycle, each as its nodes and the names between them.

    Tarjan's algorithm, "Depth-first search and linear graph algorithms" (1972), with a stack of its own
    instead of recursion, so that a chain of any length can be walked.
    """
    search = _Search()
    for root in nodes:
        if root in search.order:
            continue
        path: list[tuple[Vertex, Iterator[Vertex]]] = [(root, _successors(root, wiring))]
        search.enter(root)
        while path:
            vertex, successors = path[-1]
            unseen = search.next_unseen(vertex, successors)
            if unseen is not None:
                search.enter(unseen)
                path.append((unseen, _successors(unseen, wiring)))
                continue
            path.pop()
            search.leave(vertex, path[-1][0] if path else None)
    return search.found


def shortest_cycle(part: frozenset[Vertex], start: Node, wiring: Wiring) -> list[Vertex]:
    """Return a shortest way from `start` round to itself inside `part`, nodes and names in turn."""
    came_from: dict[Vertex, Vertex] = {}
    frontier: list[Vertex] = [start]
    while start not in came_from:
        following: list[Vertex] = []
        for vertex in frontier:
            for successor in _successors(vertex, wiring):
                if successor in part and successor not in came_from:
                    came_from[successor] = vertex
                    following.append(successor)
        frontier = following
    way: list[Vertex] = [start, came_from[start]]
    while way[-1] is not start:
        way.append(came_from[way[-1]])
    return way[::-1]


@dataclass(slots=True)
class _Search:
    """The state of one run of Tarjan's algorithm."""

    order: dict[Vertex, int] = field(default_factory=dict[Vertex, int])
    """When each vertex was first seen."""
    lowest: dict[Vertex, int] = field(default_factory=dict[Vertex, int])
    """The earliest vertex known to be reachable from each one on the stack."""
    stack: list[Vertex] = field(default_factory=list[Vertex])
    """Vertices whose part is not complete."""
    open: set[Vertex] = field(default_factory=set[Vertex])
    """The same vertices, to ask for."""
    found: list[frozenset[Vertex]] = field(default_factory=list[frozenset[Vertex]])
    """The parts found that hold a cycle."""

    def enter(self, vertex: Vertex) -> None:
        self.order[vertex] = self.lowest[vertex] = len(self.order)
        self.stack.append(vertex)
        self.open.add(vertex)

    def next_unseen(self, vertex: Vertex, successors: Iterator[Vertex]) -> Vertex | None:
        for successor in successors:
            if successor not in self.order:
                return successor
            if successor in self.open:
                self.lowest[vertex] = min(self.lowest[vertex], self.order[successor])
        return None

    def leave(self, vertex: Vertex, parent: Vertex | None) -> None:
        if parent is not None:
            self.lowest[parent] = min(self.lowest[parent], self.lowest[vertex])
        if self.lowest[vertex] != self.order[vertex]:
            return
        at = len(self.stack) - 1
        while self.stack[at] is not vertex:
            at -= 1
        part = self.stack[at:]
        del self.stack[at:]
        self.open.difference_update(part)
        # A node and a name are never joined both ways by one edge, so a part of one vertex holds no cycle.
        if len(part) > 1:
            self.found.append(frozenset(part))


def _successors(vertex: Vertex, wiring: Wiring) -> Iterator[Vertex]:
    if isinstance(vertex, str):
        return iter(wiring.consumers.get(vertex, ()))
    return iter(vertex.outputs)
