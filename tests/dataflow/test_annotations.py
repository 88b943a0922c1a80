"""Which classes the annotations of a graph name, wherever in an annotation they stand."""

import dataclasses
import enum
from typing import Generic, Literal, NamedTuple, NewType, TypeVar

from typing_extensions import TypeAliasType, TypedDict

from piecework import Graph, node
from piecework.dataflow.annotations import annotated_types

T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    left: "Leaf"


@dataclasses.dataclass
class Leaf:
    up: "list[Leaf] | None" = None


@dataclasses.dataclass
class Box(Generic[T]):
    held: T


class State(TypedDict):
    pairs: list[Pair]


class WrongError(Exception):
    pass


@dataclasses.dataclass
class Aliased:
    pass


Alias = TypeAliasType("Alias", list[Aliased])
New = NewType("New", Box[int])


@node(output_name="out")
def work(state: State, error: WrongError, alias: Alias, new: New, colour: Literal[Colour.RED]) -> None: ...


def test_classes_are_found_in_typed_dicts_aliases_generics_and_literals() -> None:
    assert set(annotated_types(Graph([work]))) == {Pair, Leaf, Box, WrongError, Aliased, Colour}
