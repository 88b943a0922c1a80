"""Cycles are found where there are some, all of them, and shown by a shortest way round."""

import inspect
import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from piecework.dataflow.cycle import cycles, shortest_cycle
from piecework.dataflow.node import Node, node
from piecework.dataflow.wiring import wire

Edges = frozenset[tuple[int, int]]

SIZE = 6


def work_with(inputs: list[str]) -> Callable[..., None]:
    """Return a function with these parameters."""

    def work(**values: int) -> None: ...

    kind = inspect.Parameter.KEYWORD_ONLY
    work.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in inputs])  # type: ignore[attr-defined]
    return work


def build(edges: Edges) -> list[Node]:
    """Return a node for each number, joined as `edges` say; the value of each edge has a name of its own."""
    made: list[Node] = []
    for number in range(SIZE):
        inputs = [f"from{source}to{target}" for source, target in sorted(edges) if target == number]
        outputs = tuple(f"from{source}to{target}" for source, target in sorted(edges) if source == number)
        made.append(node(work_with(inputs), output_name=outputs, name=f"n{number}"))
    return made


def reachable(edges: Edges) -> set[tuple[int, int]]:
    """Return by brute force which number reaches which, in one step or more."""
    closed = set(edges)
    for middle, start, end in itertools.product(range(SIZE), repeat=3):
        if (start, middle) in closed and (middle, end) in closed:
            closed.add((start, end))
    return closed


EDGES = st.frozensets(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), max_size=14)


@given(EDGES)
def test_the_parts_found_are_the_sets_of_nodes_that_reach_one_another(edges: Edges) -> None:
    nodes = build(edges)
    found = {frozenset(v.name for v in part if isinstance(v, Node)) for part in cycles(nodes, wire(nodes))}
    closed = reachable(edges)
    expected = {
        frozenset(f"n{other}" for other in range(SIZE) if (one, other) in closed and (other, one) in closed)
        for one in range(SIZE)
        if (one, one) in closed
    }
    assert found == expected


@given(EDGES)
def test_a_shortest_cycle_is_a_way_round_from_every_node_of_its_part(edges: Edges) -> None:
    nodes = build(edges)
    wiring = wire(nodes)
    for part in cycles(nodes, wiring):
        for start in part:
            if not isinstance(start, Node):
                continue
            way = shortest_cycle(part, start, wiring)
            assert way[0] is start
            assert way[-1] is start
            assert len(set(way[:-1])) == len(way) - 1
            for maker, name, taker in zip(way[::2], way[1::2], way[2::2], strict=False):
                assert isinstance(maker, Node)
                assert isinstance(taker, Node)
                assert name in maker.outputs
                assert name in taker.inputs


def test_a_graph_without_a_cycle_has_none() -> None:
    nodes = build(frozenset({(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)}))
    assert cycles(nodes, wire(nodes)) == []


def test_two_separate_cycles_are_both_found() -> None:
    nodes = build(frozenset({(0, 1), (1, 0), (1, 2), (2, 3), (3, 2)}))
    assert len(cycles(nodes, wire(nodes))) == 2


def test_of_two_ways_round_the_shorter_is_shown() -> None:
    nodes = build(frozenset({(0, 1), (1, 2), (2, 0), (1, 0)}))
    wiring = wire(nodes)
    (part,) = cycles(nodes, wiring)
    assert shortest_cycle(part, nodes[0], wiring) == [nodes[0], "from0to1", nodes[1], "from1to0", nodes[0]]
