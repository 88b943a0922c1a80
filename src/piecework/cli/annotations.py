"""What the functions that take an input of a graph say about its type."""

from __future__ import annotations

import functools
import inspect
import typing
from collections import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType

from piecework import Graph
from piecework.dataflow import FunctionNode, GraphNode

__all__ = ("Taker", "is_text", "takers", "without_none", "written")

_ITERABLES: tuple[object, ...] = (
    abc.Iterable,
    abc.Iterator,
    abc.Generator,
    abc.Reversible,
    abc.AsyncIterable,
    abc.AsyncIterator,
    abc.AsyncGenerator,
)
"""What a list is given for."""


@dataclass(frozen=True, slots=True)
class Taker:
    """A function that takes an input."""

    node: str
    """The name of its node."""
    annotation: object
    """What it calls the input's type, seen from the graph; `Any` where it says nothing."""


def takers(graph: Graph, name: str) -> Iterator[Taker]:
    """Yield the functions of a graph, inner graphs included, that take an input.

    Where a node maps over it, the graph's input is a list of what the function takes.
    """
    for node in graph.needed:
        inner = node.inner_inputs.get(name)
        if inner is None:
            continue
        inside: Iterator[Taker] = iter(())
        if isinstance(node, GraphNode):
            inside = takers(node.graph, inner)
        elif isinstance(node, FunctionNode):
            function = typing.cast("FunctionNode[..., object]", node).func
            inside = iter([Taker(node.name, _annotation(function, inner))])
        mapped = node.mapping is not None and inner in node.mapping.params
        for taker in inside:
            yield Taker(taker.node, list[taker.annotation]) if mapped else taker  # type: ignore[name-defined]


def is_text(annotation: object) -> bool:
    """Whether only text fits an annotation, leaving None aside."""
    annotation = without_none(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return is_text(typing.get_args(annotation)[0])
    if origin is typing.Literal:
        return all(isinstance(choice, str) for choice in typing.get_args(annotation))
    return annotation is str


def without_none(annotation: object) -> object:
    """Return `T` for `T | None`, and other annotations as they are."""
    if typing.get_origin(annotation) not in {typing.Union, UnionType}:
        return annotation
    kept = tuple(part for part in typing.get_args(annotation) if part is not NoneType)
    return typing.Union[kept]  # noqa: UP007 - of what is known at run time only


def written(annotation: object) -> str:
    """Return an annotation as one writes it."""
    return inspect.formatannotation(annotation).replace("typing.", "")


def _annotation(function: Callable[..., object], parameter: str) -> object:
    target: object = function
    while isinstance(target, functools.partial):
        target = target.func
    if inspect.isclass(target):
        target = target.__init__
    elif not inspect.isroutine(target):
        target = type(target).__call__
    return _listed(_resolved(target, parameter))


def _resolved(target: object, parameter: str) -> object:
    """One parameter's annotation; an annotation of another that exists for type checkers only is no hindrance."""
    own = getattr(target, "__annotations__", {}).get(parameter, typing.Any)
    holder = type("Holder", (), {"__annotations__": {parameter: own}})
    names = getattr(inspect.unwrap(typing.cast("Callable[..., object]", target)), "__globals__", {})
    try:
        return typing.get_type_hints(holder, globalns=names, include_extras=True)[parameter]
    except (NameError, TypeError, AttributeError, SyntaxError):
        return typing.Any


def _listed(annotation: object) -> object:
    """Name a list where an annotation names any iterable: that is what is given."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _ITERABLES:
        return list
    if origin is list or origin in _ITERABLES:
        return list[_listed(parts[0])]  # type: ignore[misc]
    return annotation
