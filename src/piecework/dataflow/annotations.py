"""The types that a graph's annotations name: what its values may be made of when they are stored.

Runners register them with the codec of a run that has a store, so that only what the program itself names is ever
rebuilt from stored bytes. Nothing is imported by name, and nothing is called.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator
from enum import Enum

import msgspec
from typing_extensions import is_typeddict

from piecework.dataflow.graph import Graph, GraphNode
from piecework.dataflow.node import FunctionNode

__all__ = ("annotated_types",)


def annotated_types(graph: Graph) -> tuple[type, ...]:
    """The classes reachable from the annotations of a graph's functions whose instances can be stored once registered.

    They are dataclasses, NamedTuples, Structs, enums, exceptions and pydantic models, also where a TypedDict or an
    alias names them. An annotation that cannot be resolved, such as a name that exists for type checkers only, adds
    nothing.
    """
    found: dict[type, None] = {}
    seen: dict[int, object] = {id(None): None}  # By identity, and kept: what an alias is made of may have no hash.
    waiting = list(_annotations(graph))
    while waiting:
        annotation = waiting.pop()
        if id(annotation) in seen:
            continue
        seen[id(annotation)] = annotation
        waiting.extend(_inside(annotation))
        if not isinstance(annotation, type):
            continue
        if _is_record(annotation):
            found[annotation] = None
        if annotation in found or is_typeddict(annotation):
            waiting.extend(_hints(annotation))
    return tuple(found)


def _inside(annotation: object) -> Iterator[object]:
    """What an annotation that is more than a class is made of."""
    yield from typing.get_args(annotation)
    yield typing.get_origin(annotation)  # The class in `Page[int]`.
    for part in ("__value__", "__supertype__", "__bound__"):  # `type X = ...`, NewType, TypeVar.
        yield getattr(annotation, part, None)
    yield from getattr(annotation, "__constraints__", ())
    if isinstance(annotation, Enum):  # In a Literal.
        yield type(annotation)


def _annotations(graph: Graph) -> Iterator[object]:
    for node in graph.nodes:
        if node.mapping is not None and node.mapping.handler is not None:
            yield from _hints(node.mapping.handler.function)
        if isinstance(node, GraphNode):
            yield from _annotations(node.graph)
        elif isinstance(node, FunctionNode):
            function = typing.cast("FunctionNode[..., object]", node)
            yield from _hints(function.func)
            if function.handler is not None:
                yield from _hints(function.handler.function)


def _hints(owner: object) -> Iterable[object]:
    try:
        return typing.get_type_hints(owner).values()
    except (NameError, TypeError, AttributeError):
        return getattr(owner, "__annotations__", {}).values()


def _is_record(kind: type[typing.Any]) -> bool:
    if dataclasses.is_dataclass(kind) or issubclass(kind, (msgspec.Struct, Enum, BaseException)):
        return True
    if issubclass(kind, tuple):
        return hasattr(typing.cast("object", kind), "_fields")
    return hasattr(kind, "model_validate") and hasattr(kind, "model_fields")
