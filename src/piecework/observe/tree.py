"""A run's log as a tree: the run, its calls, nested graphs and fan-outs, each with how far it is.

Whoever shows a run reads one: `piecework show`, a viewer. Made of the fold of a log and of what the workflow consists
of, and of nothing else: no store, no clock.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from piecework.core.codec import Codec
from piecework.core.fact import Fact
from piecework.core.recorded import Recorded
from piecework.core.runs import RunStart

__all__ = ("Place", "PlaceKind", "PlaceState", "node_path", "read_tree")

PlaceKind: TypeAlias = Literal["run", "call", "graph", "fan-out"]
"""What stands at a place."""

PlaceState: TypeAlias = Literal["done", "failed", "paused", "stopped", "cancelled", "begun", "waiting", "skipped"]
"""How far it is. `begun` is a graph or a fan-out of which something has ended, but not all; `waiting` is what has not
ended yet, whether or not it runs; `skipped` is what a run that has completed did not need; `stopped` is a call that was
to be tried again when the run's budget was spent."""

_SEGMENT = re.compile(r"(?P<name>.*?)(?:\[(?P<item>[^\[\]]*)\])?(?P<turn>@\d+)?$", re.S)
_HANDLER = ":handler"
"""How the name of an error handler's calls ends, after that of its node."""

_KEYS = re.compile(r"\[[^\[\]/]*\]|@\d+")


@dataclass(frozen=True, slots=True)
class Place:
    """One place in a run's tree."""

    kind: PlaceKind
    """What stands there."""
    address: str
    """Its address; of a fan-out that of its items, without their keys."""
    name: str
    """Its address from where it is shown: more than one segment where a graph of one node is left out."""
    state: PlaceState
    """How far it is."""
    fact: Fact | None = None
    """What is recorded of a call."""
    size: int | None = None
    """How many items a fan-out has, as far as that is known."""
    inner: tuple[Place, ...] = ()
    """What is inside of it: nodes, children, items."""

    @property
    def counts(self) -> Counter[PlaceState]:
        """How many items of a fan-out are in each state; those that nothing is known of are waiting."""
        counts = Counter[PlaceState](place.state for place in self.inner)
        counts["waiting"] += max((self.size or 0) - len(self.inner), 0)
        return counts

    @property
    def tail(self) -> str:
        """What all items of a fan-out have after their key, as `write` in `writer[3]/write`; empty if they differ."""
        tails = {place.name.partition("/")[2] for place in self.inner}
        return next(iter(tails)) if len(tails) == 1 else ""

    def walk(self) -> Iterator[Place]:
        """Yield this place and all inside of it, outer ones first."""
        waiting: list[Place] = [self]
        while waiting:
            place = waiting.pop()
            yield place
            waiting.extend(reversed(place.inner))


def read_tree(start: RunStart, recorded: Recorded) -> Place:
    """Return the tree of a run.

    Args:
        start: What the run is.
        recorded: Its log, folded; large values of calls need not be filled in.
    """
    root = _Draft(start.name)
    for address, fact in recorded.calls.items():
        root.at(address).fact = fact
    for address in (*recorded.plans, *recorded.pulled):
        # Items that came before their plan, as in a log that goes on, have made the fan-out already.
        root.fan_out(address)
    ended = None if recorded.end is None else recorded.end.status
    reader = _Reader(recorded, _parts(start.shape), completed=ended == "done", stopped=ended == "stopped")
    return reader.place(root, "run", start.name)


def node_path(address: str) -> str:
    """The path of the node that an address belongs to: without the workflow's name, items and rounds."""
    return _KEYS.sub("", address.partition("/")[2])


@dataclass(slots=True)
class _Draft:
    """A place while the log is read."""

    address: str
    fact: Fact | None = None
    spread: bool = False
    """Whether what is inside are the items of a fan-out."""
    inner: dict[str, _Draft] = field(default_factory=dict[str, "_Draft"])

    def at(self, address: str) -> _Draft:
        """The draft at an address, made with all around it."""
        draft = self
        for segment in address.split("/")[1:]:
            found = _SEGMENT.match(segment)
            assert found is not None
            if found["item"] is not None:
                draft = draft._inside(f"{found['name']}{found['turn'] or ''}", draft.address)
                draft.spread = True
                draft = draft._inside(segment, draft.address.rpartition("/")[0])
            else:
                draft = draft._inside(segment, draft.address)
        return draft

    def fan_out(self, address: str) -> None:
        """See that there is a fan-out at an address."""
        self.at(address).spread = True

    def _inside(self, segment: str, frame: str) -> _Draft:
        draft = self.inner.get(segment)
        if draft is None:
            draft = self.inner[segment] = _Draft(f"{frame}/{segment}")
        return draft


def _parts(shape: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """For the path of each graph the names of its nodes, in order; that of the workflow is empty."""
    parts: dict[str, list[str]] = {}
    for path in shape:
        graph, _, name = path.rpartition("/")
        while graph and graph not in shape:  # A graph of one node has only that node in the shape.
            graph, _, name = graph.rpartition("/")
        names = parts.setdefault(graph, [])
        if name not in names:
            names.append(name)
    return parts


@dataclass(frozen=True, slots=True)
class _Reader:
    recorded: Recorded
    parts: Mapping[str, Sequence[str]]
    completed: bool
    stopped: bool

    def place(self, draft: _Draft, kind: PlaceKind, name: str) -> Place:
        if draft.spread:
            return self._fan_out(draft, name)
        path = node_path(draft.address)
        lone = next(iter(draft.inner.values())) if len(draft.inner) == 1 else None
        nested = kind != "run" and draft.fact is None and path not in self.parts
        if nested and lone is not None and lone.fact is not None:
            # A graph of one node records that node's call, and nothing of its own.
            return self.place(lone, "call", f"{name}{lone.address.removeprefix(draft.address)}")
        inner = tuple(self._inner(draft, path if kind == "run" or draft.fact is None else None))
        if draft.fact is not None:
            return Place("call", draft.address, name, self._call_state(draft.fact), draft.fact, inner=inner)
        return Place(kind, draft.address, name, self._graph_state(inner), inner=inner)

    def _inner(self, draft: _Draft, path: str | None) -> Iterator[Place]:
        """Yield what is inside: nodes in the order of their graph, also those that have not begun, then children.

        The calls of a node's error handler stand after the node's own.
        """
        names = () if path is None else self.parts.get(path, ())
        segments: dict[str, list[str]] = {}
        for segment in draft.inner:
            segments.setdefault(_SEGMENT.sub(r"\g<name>", segment), []).append(segment)
        for name in names:
            found = segments.pop(name, [])
            for segment in (*found, *segments.pop(f"{name}{_HANDLER}", [])):
                yield self.place(draft.inner[segment], "graph", segment)
            if not found:
                yield Place("call", f"{draft.address}/{name}", name, "skipped" if self.completed else "waiting")
        for segment in (segment for others in segments.values() for segment in others):
            yield self.place(draft.inner[segment], "graph", segment)

    def _call_state(self, fact: Fact) -> PlaceState:
        # A call that is told as paused and waits for no answer was not finished since nothing new may begin.
        if fact.status == "paused" and self.stopped and not self.recorded.asked_in(fact.address):
            return "stopped"
        return fact.status

    def _fan_out(self, draft: _Draft, name: str) -> Place:
        items = tuple(
            self.place(item, "graph", segment) for segment, item in sorted(draft.inner.items(), key=_by_number)
        )
        size = self._size(draft.address)
        place = Place("fan-out", draft.address, name, "begun", size=size, inner=items)
        counts = place.counts
        state: PlaceState = "waiting" if counts["waiting"] == counts.total() > 0 else "begun"
        if counts["failed"]:
            state = "failed"
        elif counts["done"] == counts.total() and (size is not None or self.completed):
            state = "done"
        elif counts["paused"]:
            state = "paused"
        elif counts["stopped"]:
            state = "stopped"
        return Place("fan-out", draft.address, name, state, size=size, inner=items)

    def _size(self, address: str) -> int | None:
        plan = self.recorded.plans.get(address)
        told = None if plan is None or plan.value is None else Codec().peek(plan.value)
        size = cast("dict[str, object]", told).get("size") if isinstance(told, dict) else None
        pulled = self.recorded.pulled.get(address)
        return size if isinstance(size, int) else len(pulled) if pulled else None

    def _graph_state(self, inner: Sequence[Place]) -> PlaceState:
        """How far a graph is; failures that a fan-out in it kept are no failure of its own."""
        if self.completed and not any(place.kind == "call" and place.state == "failed" for place in inner):
            return "done"
        states = {place.state for place in inner if place.kind != "fan-out" or place.state != "failed"}
        for state in ("failed", "paused", "stopped", "cancelled"):
            if state in states:
                return state
        if inner and all(place.state == "done" for place in inner):
            return "done"
        return "waiting" if inner and all(place.state == "waiting" for place in inner) else "begun"


def _by_number(item: tuple[str, _Draft]) -> tuple[bool, int]:
    """Sorts items by their number; keys that are text stay in the order in which they came, after them."""
    found = _SEGMENT.match(item[0])
    key = "" if found is None else found["item"] or ""
    return (False, int(key)) if key.isdecimal() else (True, 0)
