"""What a fan-out costs beside its workers: a mapped graph against `asyncio.gather` of the same workers.

The workers do nothing, so all that is measured is overhead. Blocking workers have two floors: `asyncio.gather` of
coroutines that do nothing, which the target is set against, and a raw thread pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from statistics import median

from timing import Measure, Table, arguments, heading, in_turns, ratios, spread, verdict

from piecework import AsyncRunner, Graph, node

SIZES = (1_000, 10_000, 100_000)
PEERS = {"langgraph": "langgraph", "hypergraph": "hypergraph", "pydantic_graph": "pydantic-graph", "dbos": "dbos"}
"""Packages worth a look beside this one, by the name they are imported under."""


async def never_suspends(item: int) -> int:
    return item


async def suspends_once(item: int) -> int:
    await asyncio.sleep(0)
    return item


def blocks(item: int) -> int:
    return item


@dataclass(frozen=True)
class Case:
    """One way to run a fan-out, and what it is held against."""

    name: str
    worker: Callable[[int], object]
    floor: Callable[[int], Coroutine[object, object, int]]
    """The coroutine function that the floor gathers."""
    run_width: int | None = None
    """The runner's `max_concurrency`."""
    map_width: int | None = None
    """The one of `map_over`."""
    targets: tuple[float | None, float | None, float | None] = (None, None, None)
    """The ratio to reach at each size."""


CASES = (
    Case("never suspends", never_suspends, never_suspends, targets=(None, 0.5, 0.35)),
    Case("suspends once, runner 100", suspends_once, suspends_once, run_width=100, targets=(None, 0.8, 0.8)),
    Case("suspends once, map_over 100", suspends_once, suspends_once, map_width=100, targets=(None, 0.8, 0.8)),
    Case("suspends once, unlimited", suspends_once, suspends_once, targets=(None, 2.0, 2.0)),
    Case("blocks", blocks, never_suspends, targets=(None, 0.6, 0.6)),
)


def mapped(worker: Callable[[int], object], width: int | None) -> Graph:
    """A graph that maps a worker's own graph over a list."""
    inner = Graph([node(output_name="value")(worker)], name="worker")
    each = inner.as_node().with_inputs(item="items").map_over("items", max_concurrency=width)
    return Graph([each], name="fan_out")


async def gathered(worker: Callable[[int], Coroutine[object, object, int]], size: int) -> None:
    values = await asyncio.gather(*[worker(item) for item in range(size)])
    assert len(values) == size


async def pooled(worker: Callable[[int], object], size: int) -> None:
    with ThreadPoolExecutor() as pool:
        values = list(pool.map(worker, range(size)))
    assert len(values) == size


async def ours(graph: Graph, width: int | None, size: int) -> None:
    result = await AsyncRunner(max_concurrency=width).run(graph, inputs={"items": list(range(size))})
    values = result["value"]
    assert isinstance(values, list)
    assert len(values) == size
    assert values[-1] == size - 1


def measure(case: Case, size: int, target: float | None, repeat: int, table: Table) -> None:
    graph = mapped(case.worker, case.map_width)
    sides: dict[str, Measure] = {
        "gather": partial(gathered, case.floor, size),
        "piecework": partial(ours, graph, case.run_width, size),
    }
    if case.worker is blocks:
        sides["pool"] = partial(pooled, blocks, size)
    seconds = in_turns(sides, repeat)
    each = {side: f"{median(taken) / size * 1e6:.2f}" for side, taken in seconds.items()}
    ratio = ratios(seconds["piecework"], seconds["gather"])
    table.row(
        case.name,
        f"{size:,}",
        each["gather"],
        each.get("pool", "-"),
        each["piecework"],
        spread(ratio),
        verdict(median(ratio), target),
    )


def peers() -> str:
    """Which peers are importable here."""
    found = [f"{name} {version(name)}" for module, name in PEERS.items() if find_spec(module) is not None]
    return f"peers: {', '.join(found) if found else 'none installed'}"


def main() -> None:
    options = arguments(__doc__ or "", repeat=9)
    options.add_argument("--only", default="", help="cases whose name contains this")
    chosen = options.parse_args()
    sizes = SIZES[:2] if chosen.quick else SIZES
    heading("Fan-out of workers that do nothing: µs an item, medians; ratio to gather (min-max)")
    table = Table(("workers", "items", "gather", "pool", "piecework", "ratio", "target"), (28, 8, 7, 6, 9, 17, 12))
    for case in CASES:
        if chosen.only not in case.name:
            continue
        for size, target in zip(SIZES, case.targets, strict=True):
            if size in sizes:
                measure(case, size, target, min(chosen.repeat, 3) if chosen.quick else chosen.repeat, table)
    print(f"\n{peers()}")


if __name__ == "__main__":
    main()
