"""What one step costs: nodes that do nothing, each waiting for the one before it.

The floor awaits the same coroutines one after the other. Several runs are timed as one, since a single one is too
short; a run of a single node tells what a run costs before its first step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median

from timing import Measure, Table, arguments, heading, in_turns, spread, verdict

from piecework import AsyncRunner, Graph, MemoryStore, node

RUNS = 20
TARGETS = {"async nodes": 10.0, "async nodes, MemoryStore": 25.0}
"""Microseconds a node: for a step in memory, and for one that is recorded."""


async def step(value: int) -> int:
    return value + 1


def blocking_step(value: int) -> int:
    return value + 1


def chain(function: Callable[[int], object], length: int) -> Graph:
    link = node(output_name="after")(function)
    links = [
        link.with_name(f"step_{place}").with_inputs(value=f"v{place}").with_outputs(after=f"v{place + 1}")
        for place in range(length)
    ]
    return Graph(links, name="chain")


async def one_after_the_other(length: int) -> None:
    for _ in range(RUNS):
        value = 0
        for _ in range(length):
            value = await step(value)
        assert value == length


async def ours(graph: Graph, length: int, *, stored: bool) -> None:
    for _ in range(RUNS):
        runner = AsyncRunner(store=MemoryStore() if stored else None)
        result = await runner.run(graph, inputs={"v0": 0})
        assert result[f"v{length}"] == length


def sides(length: int) -> dict[str, Measure]:
    plain, blocking = chain(step, length), chain(blocking_step, length)
    return {
        "floor: awaited one by one": partial(one_after_the_other, length),
        "async nodes": partial(ours, plain, length, stored=False),
        "async nodes, MemoryStore": partial(ours, plain, length, stored=True),
        "blocking nodes": partial(ours, blocking, length, stored=False),
    }


def main() -> None:
    chosen = arguments(__doc__ or "", repeat=15).parse_args()
    repeat = 3 if chosen.quick else chosen.repeat
    heading("A chain of nodes that do nothing: µs a node (min-max)")
    table = Table(("what", "nodes", "µs a node", "x floor", "target"), (28, 5, 24, 8, 14))
    for length in (1, 100, 1000):
        taken = in_turns(sides(length), repeat)
        for what, seconds in taken.items():
            each = [one / (RUNS * length) * 1e6 for one in seconds]
            ratio = median(seconds) / median(taken["floor: awaited one by one"])
            target = TARGETS.get(what) if length > 1 else None
            table.row(what, length, spread(each), f"{ratio:.1f}", verdict(median(each), target, ".0f"))


if __name__ == "__main__":
    main()
