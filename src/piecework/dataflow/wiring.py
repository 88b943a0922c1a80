"""How the nodes of a graph are joined by names: who makes each value, who takes it, what is left as input.

Graphs compute this once when they are built, and again only what `bind` or `select` change. Every function
here is linear in nodes plus names, and none of them judges: faults are found in `validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from piecework.dataflow.node import Node

__all__ = ("InputSpec", "Wiring", "input_spec", "needed_nodes", "wire")


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """The edges of a graph, by the name of the value that flows along them."""

    producers: Mapping[str, tuple[Node, ...]]
    """For each output name the nodes that make it, in node order."""
    consumers: Mapping[str, tuple[Node, ...]]
    """For each input name the nodes that take it, in node order."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InputSpec:
    """What a graph takes from outside. A parameter fed by an edge is no input."""

    required: tuple[str, ...]
    """The inputs that a run must be given."""
    optional: Mapping[str, object]
    """The inputs that have a default, with it."""
    bound: Mapping[str, object]
    """The inputs that have a bound value, with it; a run may still override it."""

    def __post_init__(self) -> None:
        """Guard the mappings against change."""
        object.__setattr__(self, "optional", MappingProxyType(dict(self.optional)))
        object.__setattr__(self, "bound", MappingProxyType(dict(self.bound)))

    @property
    def all(self) -> tuple[str, ...]:
        """All inputs: the required ones, then the optional, then the bound."""
        return (*self.required, *self.optional, *self.bound)

    def __reduce__(self) -> tuple[Callable[..., InputSpec], tuple[object, ...]]:
        """Pickle plain copies of the guarded mappings."""
        return InputSpec, (self.required, dict(self.optional), dict(self.bound))

    def __repr__(self) -> str:
        """Show names only, since values may be large."""
        return f"InputSpec(required={self.required}, optional={tuple(self.optional)}, bound={tuple(self.bound)})"


def wire(nodes: Iterable[Node]) -> Wiring:
    """Join nodes by the names of their outputs and inputs."""
    producers: dict[str, list[Node]] = {}
    consumers: dict[str, list[Node]] = {}
    for node in dict.fromkeys(nodes):
        for name in node.outputs:
            producers.setdefault(name, []).append(node)
        for name in node.inputs:
            consumers.setdefault(name, []).append(node)
    return Wiring(producers=_guarded(producers), consumers=_guarded(consumers))


def needed_nodes(nodes: tuple[Node, ...], wiring: Wiring, selected: tuple[str, ...] | None) -> tuple[Node, ...]:
    """Return the nodes that the selected outputs need, in node order; all of them where nothing is selected.

    A node that is run for its effect makes nothing that could be selected, so a selection leaves it out.
    """
    if selected is None:
        return nodes
    wanted = list(selected)
    seen: set[Node] = set()
    while wanted:
        for node in wiring.producers.get(wanted.pop(), ()):
            if node not in seen:
                seen.add(node)
                wanted.extend(node.inputs)
    return tuple(node for node in nodes if node in seen)


def input_spec(needed: tuple[Node, ...], wiring: Wiring, bound: Mapping[str, object]) -> InputSpec:
    """Return what the needed nodes take from outside, each kind in node order."""
    required: dict[str, None] = {}
    optional: dict[str, object] = {}
    used: dict[str, object] = {}
    for node in needed:
        for name in node.inputs:
            if name in wiring.producers:
                continue
            if name in bound:
                used[name] = bound[name]
            elif name in node.defaults:
                optional.setdefault(name, node.defaults[name])
            else:
                required[name] = None
    return InputSpec(required=tuple(required), optional=optional, bound=used)


def _guarded(lists: dict[str, list[Node]]) -> Mapping[str, tuple[Node, ...]]:
    return MappingProxyType({name: tuple(nodes) for name, nodes in lists.items()})
