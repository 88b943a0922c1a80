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

from piecework.dataflow.graph import Graph, GraphNode
from piecework.dataflow.node import FunctionNode

__all__ = ("annotated_types",)


def annotated_types(graph: Graph) -> tuple[type, ...]:
    """The dataclasses, Structs, enums and pydantic models reachable from the annotations of a graph's functions.

    An annotation that cannot be resolved, such as a name that exists for type checkers only, adds nothing.
    """
    found: dict[type, None] = {}
    waiting = list(_annotations(graph))
    while waiting:
        annotation = waiting.pop()
        waiting.extend(typing.get_args(annotation))
        if isinstance(annotation, type) and annotation not in found and _is_record(annotation):
            found[annotation] = None
            waiting.extend(_hints(annotation))
    return tuple(found)


def _annotations(graph: Graph) -> Iterator[object]:
    for node in graph.nodes:
        if isinstance(node, GraphNode):
            yield from _annotations(node.graph)
        elif isinstance(node, FunctionNode):
            yield from _hints(typing.cast("FunctionNode[..., object]", node).func)


def _hints(owner: object) -> Iterable[object]:
    try:
        return typing.get_type_hints(owner).values()
    except (NameError, TypeError, AttributeError):
        return getattr(owner, "__annotations__", {}).values()


def _is_record(kind: type[typing.Any]) -> bool:
    ours = dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct) or issubclass(kind, Enum)
    return ours or (hasattr(kind, "model_validate") and hasattr(kind, "model_fields"))
