"""What it costs to go on: a fan-out of which all but one item is on record, resumed by a store opened anew.

Each round resumes a copy of the same file. The floor is `asyncio.gather` of as many workers that do nothing; for
workers that sleep it is their first run. How many functions ran is counted: it is one.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from uuid import uuid4

from timing import Measure, Table, arguments, heading, in_turns, ratios, spread, verdict

from piecework import AsyncRunner, Graph, SqliteStore, node

SIZE = 10_000
SLEEP = 0.001
WIDTH = 100


class Workers:
    """Workers that are counted, the last of which fails until it is mended."""

    def __init__(self, seconds: float) -> None:
        self.ran = 0
        self.mended = False
        self._seconds = seconds

    async def work(self, item: int) -> int:
        """Give the item back; the last one fails until the workers are mended."""
        if item == SIZE - 1 and not self.mended:
            await asyncio.sleep(100 * self._seconds)  # All others have ended by then, and none is cancelled.
            raise LookupError(item)
        self.ran += 1
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return item

    def graph(self, width: int | None) -> Graph:
        """Map the workers over a list."""
        each = node(output_name="values", name="work")(self.work)
        return Graph([each.with_inputs(item="items").map_over("items", max_concurrency=width)], name="fan_out")


async def no_op(item: int) -> int:
    return item


async def gathered() -> None:
    assert len(await asyncio.gather(*[no_op(item) for item in range(SIZE)])) == SIZE


async def first(path: Path, graph: Graph) -> None:
    """Run until the last item fails; all others are on record then."""
    with SqliteStore(path) as store:
        try:
            await AsyncRunner(store=store).run(graph, {"items": list(range(SIZE))}, run_id="run")
        except LookupError:
            return
    raise AssertionError("the last worker should have failed")


async def whole(folder: Path, graph: Graph) -> None:
    with SqliteStore(folder / f"{uuid4().hex}.db") as store:
        await AsyncRunner(store=store).run(graph, {"items": list(range(SIZE))})


async def resumed(copies: Iterator[Path], workers: Workers, graph: Graph) -> None:
    before = workers.ran
    with SqliteStore(next(copies)) as store:
        result = await AsyncRunner(store=store).resume("run", graph)
    assert result["values"] == list(range(SIZE))
    assert workers.ran - before == 1, workers.ran - before


def prepared(folder: Path, seconds: float, width: int | None, rounds: int) -> tuple[Graph, Measure]:
    """A graph, and what resumes a run of it in a copy of its own each time."""
    workers = Workers(seconds)
    graph, path = workers.graph(width), folder / f"{uuid4().hex}.db"
    asyncio.run(first(path, graph))
    workers.mended = True
    copies = [Path(shutil.copy(path, folder / f"{uuid4().hex}.db")) for _ in range(rounds + 1)]
    return graph, partial(resumed, iter(copies), workers, graph)


def compare(table: Table, what: str, floor: Measure, ours: Measure, *, target: float, repeat: int) -> None:
    taken = in_turns({"floor": floor, "resume": ours}, repeat)
    ratio = ratios(taken["resume"], taken["floor"])
    seconds: Callable[[str], str] = lambda side: spread([one * 1000 for one in taken[side]], ".0f")  # noqa: E731
    table.row(what, seconds("floor"), seconds("resume"), spread(ratio), verdict(median(ratio), target))


def main() -> None:
    chosen = arguments(__doc__ or "", repeat=9).parse_args()
    repeat = 3 if chosen.quick else chosen.repeat
    heading(f"Resume of {SIZE} items with one missing, which alone runs: milliseconds, and the ratio (min-max)")
    table = Table(("workers", "floor", "resume", "x floor", "target"), (34, 20, 20, 20, 14))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, ours = prepared(folder, 0.0, None, repeat)
        compare(table, "do nothing; floor: gather", gathered, ours, target=1.5, repeat=repeat)
        graph, ours = prepared(folder, SLEEP, WIDTH, repeat)
        floor = partial(whole, folder, graph)
        compare(table, "1 ms, 100 at once; floor: first run", floor, ours, target=0.25, repeat=repeat)


if __name__ == "__main__":
    main()
