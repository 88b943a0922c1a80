"""Whether waiting workers really wait side by side: 1000 workers of 50 ms, at most 100 at a time.

The ideal is ten waves of 50 ms, half a second. Beside piecework stand what one writes by hand for the same: a
semaphore around gathered coroutines, and a thread pool.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

from timing import Measure, Table, arguments, heading, in_turns, ratios, spread, verdict

from piecework import AsyncRunner, Graph, node

WIDTH = 100
PAUSE = 0.05
TARGETS = {"async": 1.05, "blocking": 1.1}


async def waits(item: int) -> int:
    await asyncio.sleep(PAUSE)
    return item


def blocks(item: int) -> int:
    time.sleep(PAUSE)
    return item


def graph(worker: Callable[[int], object], width: int | None) -> Graph:
    one = node(output_name="value")(worker)
    return Graph([one.with_inputs(item="items").map_over("items", max_concurrency=width)], name="overlap")


async def by_runner(over: Graph, size: int) -> None:
    await AsyncRunner(max_concurrency=WIDTH).run(over, inputs={"items": range(size)})


async def by_map_over(over: Graph, size: int) -> None:
    await AsyncRunner().run(over, inputs={"items": range(size)})


async def by_semaphore(size: int) -> None:
    slots = asyncio.Semaphore(WIDTH)

    async def limited(item: int) -> int:
        async with slots:
            return await waits(item)

    await asyncio.gather(*[limited(item) for item in range(size)])


async def by_pool(size: int) -> None:
    with ThreadPoolExecutor(WIDTH) as pool:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*[loop.run_in_executor(pool, blocks, item) for item in range(size)])


def sides(size: int) -> dict[str, dict[str, Measure]]:
    return {
        "async": {
            "semaphore and gather": partial(by_semaphore, size),
            "AsyncRunner(max_concurrency=100)": partial(by_runner, graph(waits, None), size),
            "map_over(max_concurrency=100)": partial(by_map_over, graph(waits, WIDTH), size),
        },
        "blocking": {
            "ThreadPoolExecutor(100)": partial(by_pool, size),
            "AsyncRunner(max_concurrency=100)": partial(by_runner, graph(blocks, None), size),
            "map_over(max_concurrency=100)": partial(by_map_over, graph(blocks, WIDTH), size),
        },
    }


def main() -> None:
    chosen = arguments(__doc__ or "", repeat=7).parse_args()
    size = 300 if chosen.quick else 1000
    ideal = size / WIDTH * PAUSE
    heading(f"{size} workers of 50 ms, {WIDTH} at a time: ratio to the ideal {ideal:.2f} s (min-max)")
    table = Table(("workers", "way", "seconds", "ratio", "target"), (8, 32, 7, 19, 13))
    for kind, ways in sides(size).items():
        for way, taken in in_turns(ways, 3 if chosen.quick else chosen.repeat).items():
            ratio = ratios(taken, [ideal] * len(taken))
            target = TARGETS[kind] if "max_concurrency" in way else None
            table.row(kind, way, f"{median(taken):.3f}", spread(ratio, ".3f"), verdict(median(ratio), target))


if __name__ == "__main__":
    main()
