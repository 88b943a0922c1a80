"""Whether the loop stays alive under a fan-out, and how soon its first worker and its first result come.

A heartbeat wants to run every 10 ms; its lateness is what any other task of the program, a progress display or a
server, would suffer. The same heartbeat beside an idle loop and beside `asyncio.gather` shows what the machine adds.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from statistics import median
from time import perf_counter

from timing import Measure, Table, arguments, heading, in_turns, spread, verdict

from piecework import AsyncRunner, Graph, node

ITEMS = 100_000
BEAT = 0.01
LATEST = 50.0
"""Milliseconds that a beat, and the first worker, may be late."""
FIRST_PART = 1.0
"""Per cent of the items that may be done when the first result comes."""


async def quick(item: int) -> int:
    return item


def blocks(item: int) -> int:
    return item


def mapped(worker: Callable[[int], object]) -> Graph:
    return Graph([node(output_name="value")(worker).with_inputs(item="items").map_over("items")], name="fan_out")


class Heart:
    """A heartbeat on the running loop that keeps how late its latest beat was."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + BEAT
        self._timer = self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        self.worst = max(self.worst, now - self._due)
        self._due = now + BEAT
        self._timer = self._loop.call_at(self._due, self._beat)

    def stop(self) -> float:
        """Its worst lateness in seconds, that of the beat that is due counted too."""
        self._timer.cancel()
        return max(self.worst, self._loop.time() - self._due)


async def beside_heart(work: Callable[[], Awaitable[object]], late: list[float]) -> None:
    heart = Heart()
    await work()
    late.append(heart.stop() * 1e3)


async def gathered(size: int) -> None:
    await asyncio.gather(*[quick(item) for item in range(size)])


async def ours(worker: Callable[[int], object], size: int) -> None:
    await AsyncRunner().run(mapped(worker), inputs={"items": range(size)})


def print_lateness(size: int, repeat: int) -> None:
    works: dict[str, tuple[Callable[[], Awaitable[object]], float | None]] = {
        "nothing, for 0.5 s": (partial(asyncio.sleep, 0.5), None),
        "asyncio.gather": (partial(gathered, size), None),
        "piecework, async workers": (partial(ours, quick, size), LATEST),
        "piecework, blocking workers": (partial(ours, blocks, size), LATEST),
    }
    late: dict[str, list[float]] = {name: [] for name in works}
    sides: dict[str, Measure] = {name: partial(beside_heart, work, late[name]) for name, (work, _) in works.items()}
    in_turns(sides, repeat)
    table = Table((f"beside, {size:,} items", "worst lateness in ms", "target"), (30, 24, 12))
    for name, (_, target) in works.items():
        measured = late[name][1:]  # Without the warm-up.
        table.row(name, spread(measured, ".1f"), verdict(median(measured), target, ".0f"))


async def first_result(worker: Callable[[int], object], size: int) -> float:
    """The part of the items, in per cent, that are done when the first result can be read."""
    done = itertools.count()

    def counting(item: int) -> int:
        next(done)
        return item

    async def counting_async(item: int) -> int:
        return counting(item)

    graph = Graph([node(output_name="value")(counting if worker is blocks else counting_async)], name="first")
    async with aclosing(AsyncRunner().map_iter(graph, {"item": range(size)}, map_over="item")) as results:
        await anext(results)
        return next(done) / size * 100


async def first_worker(worker: Callable[[int], object], size: int) -> float:
    """Milliseconds from the call of `run` to the start of the first worker."""
    started: list[float] = []

    def noting(item: int) -> int:
        if not started:
            started.append(perf_counter())
        return item

    async def noting_async(item: int) -> int:
        return noting(item)

    graph = mapped(noting if worker is blocks else noting_async)
    items = list(range(size))
    begun = perf_counter()
    await AsyncRunner().run(graph, inputs={"items": items})
    return (started[0] - begun) * 1e3


def print_firsts(size: int, repeat: int) -> None:
    table = Table(("first of a fan-out", "items", "measured", "target"), (44, 8, 22, 14))
    for kind, worker in (("async", quick), ("blocking", blocks)):
        parts = [asyncio.run(first_result(worker, size)) for _ in range(repeat)]
        found = verdict(median(parts), FIRST_PART, ".0f")
        table.row(f"first result, {kind}: % of items done", f"{size:,}", spread(parts, ".3f"), found)
    for kind, worker in (("async", quick), ("blocking", blocks)):
        waits = [asyncio.run(first_worker(worker, 10_000)) for _ in range(repeat)]
        found = verdict(median(waits), LATEST, ".0f")
        table.row(f"first worker, {kind}: ms after run()", "10,000", spread(waits), found)


def main() -> None:
    chosen = arguments(__doc__ or "", repeat=9).parse_args()
    size, repeat = (20_000, 3) if chosen.quick else (ITEMS, chosen.repeat)
    heading("A heartbeat of 10 ms beside a fan-out of workers that do nothing (min-max)")
    print_lateness(size, repeat)
    print()
    print_firsts(ITEMS, repeat)


if __name__ == "__main__":
    main()
