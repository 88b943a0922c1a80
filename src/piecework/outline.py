"""A graph as plain data: boxes, and arrows between them.

Front ends make outlines of their graphs; drawing, viewers and the command line read them and see nothing else of a
graph. An outline holds names only: no function, no value, no size and no place on a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ("Arrow", "Box", "BoxKind", "Outline")

BoxKind: TypeAlias = Literal["input", "node", "end"]
"""What a box stands for: an input of the graph, a node, or where what leaves the graph goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Something that arrows start from or lead to."""

    id: str
    """Names the box; no other box of the outline has it, nor any inside another box.

    For a node it is the way to it, as in the addresses of calls: `article/review/judge`.
    """
    name: str
    """What it is called, which other boxes may be called too."""
    kind: BoxKind = "node"
    """What it stands for."""
    map_over: tuple[str, ...] = ()
    """What a mapped node maps over, by inner name."""
    inside: Outline | None = None
    """For a node that is a graph: that graph."""

    @property
    def label(self) -> str:
        """What a picture writes on it: the name, and what it maps over."""
        return f"{self.name} - map_over {', '.join(self.map_over)}" if self.map_over else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """That something goes from one box to another, both of one outline."""

    source: str
    """The id of the box it starts from."""
    target: str
    """The id of the box it leads to."""
    label: str = ""
    """What goes along it, such as the name of a value; empty where the source tells it already."""
    optional: bool = False
    """Whether a run may do without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A graph, or a graph that is a node of another one."""

    name: str | None = None
    """The graph's name, if it has one."""
    boxes: tuple[Box, ...]
    """The boxes, in the order in which a picture tells them: inputs, nodes, end."""
    arrows: tuple[Arrow, ...]
    """The arrows between these boxes; those inside a box are in its own outline."""
