"""A million items from a generator, their results streamed out: time an item, and how far the memory grows.

Each case runs in a process of its own, since a process's peak never falls again. What is counted is how much higher
the peak stands at the end than after a first small run.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Callable, Iterator
from time import perf_counter

from timing import Table, arguments, heading, in_fresh_process, verdict

from piecework import AsyncRunner, Graph, node

WARM_UP = 10_000
TARGET = 100.0
"""Megabytes."""


@node(output_name="value")
async def suspends_once(x: int) -> int:
    await asyncio.sleep(0)
    return x


@node(output_name="value")
def blocks(x: int) -> int:
    return x


WORKERS = {"suspends once": suspends_once, "blocks": blocks}


def peak() -> float:
    """The most memory that this process ever held, in megabytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # Bytes there, kilobytes elsewhere.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def counted(size: int) -> Iterator[int]:
    """What the fan-out draws from; a list of this length never exists."""
    yield from range(size)


async def floor(size: int) -> None:
    """The least that can be asked: await the same coroutine function for one item after the other."""
    for item in counted(size):
        await suspends_once.func(item)


async def streamed(graph: Graph, size: int) -> None:
    total = count = 0
    async for index, result in AsyncRunner().map_iter(graph, {"x": counted(size)}, map_over="x"):
        assert result["value"] == index
        count += 1
        total += index
    assert count == size
    assert total == size * (size - 1) // 2


def measure(name: str, size: int) -> tuple[float, float, float, float]:
    """One case, in the process it is called in: seconds, seconds of the floor, megabytes grown, and the peak."""
    graph = Graph([WORKERS[name]], name="million")
    asyncio.run(streamed(graph, WARM_UP))
    before = peak()
    seconds = _seconds(lambda: asyncio.run(streamed(graph, size)))
    after = peak()
    least = _seconds(lambda: asyncio.run(floor(size)))
    return seconds, least, after - before, after


def _seconds(work: Callable[[], None]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def main() -> None:
    options = arguments(__doc__ or "", repeat=1)
    options.add_argument("--items", type=int, default=1_000_000, help="items of the first case")
    chosen = options.parse_args()
    size = 100_000 if chosen.quick else chosen.items
    heading("Items from a generator, results through map_iter; growth of the peak of memory after 10,000 items")
    table = Table(
        ("workers", "items", "µs an item", "one by one", "ratio", "peak MB", "growth MB", "target"),
        (14, 9, 10, 10, 6, 8, 9, 14),
    )
    for name, items in (("suspends once", size), ("blocks", max(size // 10, WARM_UP))):
        for _ in range(chosen.repeat):
            seconds, least, growth, most = in_fresh_process(measure, name, items)
            each, floor_each = (f"{taken / items * 1e6:.2f}" for taken in (seconds, least))
            found = verdict(growth, TARGET, ".0f")
            table.row(
                name, f"{items:,}", each, floor_each, f"{seconds / least:.2f}", f"{most:.0f}", f"{growth:.1f}", found
            )


if __name__ == "__main__":
    main()
