"""What of a graph need not run again: which nodes a resumed run leaves out, and which a fork runs anew.

Plans and runners ask. Everything follows from the compiled graph and from what is on record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from piecework.core.call import Target
from piecework.dataflow.blueprint import Blueprint, Step
from piecework.errors import UnknownNodeError
from piecework.wording import near_miss

__all__ = ("rerun_paths", "skipped_steps", "takers")


def skipped_steps(graph: Blueprint, done: Callable[[str], bool]) -> frozenset[int]:
    """The steps whose outputs were not kept and are not needed either.

    A step is left out if it is a function whose output is not recorded, none of its outputs is one of the graph, and
    each step that takes one is on record as done or left out itself.

    Args:
        graph: The graph that is resumed.
        done: Whether the call at this path inside the graph is on record as done.
    """
    skipped: set[int] = set()
    waiting = [
        index for index, step in enumerate(graph.steps) if isinstance(step.body, Target) and not step.body.record
    ]
    while found := [index for index in waiting if index not in skipped and _needless(graph, index, done, skipped)]:
        skipped.update(found)
    return frozenset(skipped)


def _needless(graph: Blueprint, index: int, done: Callable[[str], bool], skipped: Collection[int]) -> bool:
    step = graph.steps[index]
    if any(name in graph.outputs for name in step.outputs):
        return False
    takers = {taker for name in step.outputs for taker in graph.consumers.get(name, ())}
    if not takers:
        return _done(step, done)
    return all(taker in skipped or _done(graph.steps[taker], done) for taker in takers)


def _done(step: Step, done: Callable[[str], bool]) -> bool:
    """Whether a step is on record with all that it made."""
    if not isinstance(step.body, Target) or step.mapping is not None:
        return False
    return (step.body.record or not step.outputs) and done(step.path)


def rerun_paths(graph: Blueprint, names: Iterable[str]) -> frozenset[str]:
    """The paths of some nodes and of all that come after them.

    Args:
        graph: The graph.
        names: Nodes, by name; one inside a graph node by its path, as in `"section_writer/write"`.

    Raises:
        UnknownNodeError: There is no such node.
    """
    paths: set[str] = set()
    for name in names:
        paths |= _from(graph, name, name)
    return frozenset(paths)


def takers(graph: Blueprint, inputs: Collection[str]) -> list[str]:
    """The names of the nodes that take some of the graph's inputs themselves."""
    return [step.name for step in graph.steps if any(outer in inputs for outer, _ in step.arguments)]


def _from(graph: Blueprint, path: str, asked: str) -> set[str]:
    head, _, rest = path.partition("/")
    index = next((number for number, step in enumerate(graph.steps) if step.name == head), None)
    if index is None:
        known = tuple(step.name for step in graph.steps)
        raise UnknownNodeError(asked, known=known, suggestion=near_miss(head, known))
    step = graph.steps[index]
    later = _after(graph, index)
    if not rest or isinstance(step.body, Target):
        return {step.name} | later
    return {f"{step.name}/{inner}" for inner in _from(step.body, rest, asked)} | later


def _after(graph: Blueprint, index: int) -> set[str]:
    """The names of all steps that take something from a step, directly or not."""
    found: set[int] = set()
    waiting = [index]
    while waiting:
        for name in graph.steps[waiting.pop()].outputs:
            new = [taker for taker in graph.consumers.get(name, ()) if taker not in found]
            found.update(new)
            waiting.extend(new)
    return {graph.steps[number].name for number in found}
