"""What it costs to lose nothing: fan-outs and chains that are recorded, against `asyncio.gather` in memory.

Workers that do nothing keep the loop busy all the time, which is the hard case: the thread that writes must get its
share of the interpreter. Workers that sleep show what is left of the cost where there is something to wait for. Stores
are opened once, as a program does, and each run is a new one in them. Postgres is measured where one answers: at
PIECEWORK_TEST_POSTGRES, else on this machine.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from timing import Measure, Table, arguments, heading, in_turns, ratios, spread, verdict

from piecework import AsyncRunner, Graph, MemoryStore, PostgresStore, SqliteStore, StoreError, node
from piecework.core.ports import RunLog

POSTGRES = os.environ.get("PIECEWORK_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")

SLEEP = 0.001
WIDTH = 100

TARGETS = {("SQLite", 10_000): 1.2, ("SQLite", 100_000): 0.8, ("Postgres", 10_000): 4.0, ("Postgres", 100_000): 4.0}
"""The ratio to gather, by store and number of items that do nothing."""


async def no_op(item: int) -> int:
    return item


async def sleeps(item: int) -> int:
    await asyncio.sleep(SLEEP)
    return item


async def large(item: int) -> bytes:
    return item.to_bytes(8, "big") * 12_500


def mapped(worker: Callable[[int], object], width: int | None = None) -> Graph:
    each = node(output_name="values")(worker).with_inputs(item="items").map_over("items", max_concurrency=width)
    return Graph([each], name="fan_out")


async def gathered(size: int) -> None:
    values = await asyncio.gather(*[no_op(item) for item in range(size)])
    assert len(values) == size


async def bounded(size: int) -> None:
    room = asyncio.Semaphore(WIDTH)

    async def one(item: int) -> int:
        async with room:
            return await sleeps(item)

    assert len(await asyncio.gather(*[one(item) for item in range(size)])) == size


async def ours(store: RunLog, graph: Graph, size: int) -> None:
    result = await AsyncRunner(store=store).run(graph, {"items": list(range(size))})
    values = result["values"]
    assert isinstance(values, list)
    assert len(values) == size


async def in_memory(graph: Graph, size: int) -> None:
    await ours(MemoryStore(), graph, size)


def has_postgres() -> bool:
    try:
        with PostgresStore(POSTGRES, timeout=2) as store:
            asyncio.run(store.runs(limit=1))
    except StoreError as error:
        print(f"no Postgres: {error}")
        return False
    return True


def fan_outs(stores: Mapping[str, RunLog], sizes: tuple[int, ...], repeat: int) -> None:
    heading("A durable fan-out of workers that do nothing: µs an item, and the ratio to gather in memory (min-max)")
    table = Table(("where", "items", "µs an item", "x gather", "target"), (16, 7, 24, 20, 14))
    for size in sizes:
        graph = mapped(no_op)
        sides: dict[str, Measure] = {
            "gather": partial(gathered, size),
            "MemoryStore": partial(in_memory, graph, size),
            **{name: partial(ours, store, graph, size) for name, store in stores.items()},
        }
        taken = in_turns(sides, repeat)
        for where, seconds in taken.items():
            each = [one / size * 1e6 for one in seconds]
            ratio = ratios(seconds, taken["gather"])
            table.row(where, size, spread(each), spread(ratio), verdict(median(ratio), TARGETS.get((where, size))))


def sleepers(store: SqliteStore, size: int, repeat: int) -> None:
    heading(f"A durable fan-out of {size} workers that sleep {SLEEP * 1000:.0f} ms, {WIDTH} at once")
    table = Table(("where", "seconds", "x by hand"), (28, 24, 20))
    graph = mapped(sleeps, WIDTH)
    sides: dict[str, Measure] = {
        "by hand: semaphore, gather": partial(bounded, size),
        "SQLite": partial(ours, store, graph, size),
    }
    taken = in_turns(sides, repeat)
    for where, seconds in taken.items():
        table.row(where, spread(seconds), spread(ratios(seconds, taken["by hand: semaphore, gather"])))


async def chained(store: RunLog, graph: Graph, length: int) -> None:
    result = await AsyncRunner(store=store).run(graph, inputs={"v0": 0})
    assert result[f"v{length}"] == length


async def step(value: int) -> int:
    return value + 1


def chains(store: SqliteStore, repeat: int) -> None:
    heading("A durable chain of nodes that do nothing: µs a step, the run's own cost included")
    table = Table(("where", "nodes", "µs a step", "target"), (16, 7, 24, 14))
    link = node(output_name="after")(step)
    for length in (100, 1000):
        links = [
            link.with_name(f"step_{place}").with_inputs(value=f"v{place}").with_outputs(after=f"v{place + 1}")
            for place in range(length)
        ]
        graph = Graph(links, name="chain")
        sides: dict[str, Measure] = {
            "MemoryStore": partial(chained, MemoryStore(), graph, length),
            "SQLite": partial(chained, store, graph, length),
        }
        for where, seconds in in_turns(sides, repeat).items():
            each = [one / length * 1e6 for one in seconds]
            table.row(where, length, spread(each), verdict(median(each), 25.0, ".0f"))


def sizes_on_disk(folder: Path) -> None:
    heading("What it takes on disk, all files of the store together, closed")
    table = Table(("what", "calls", "bytes", "target"), (40, 7, 24, 14))
    each = _kept(folder / "small.db", mapped(no_op), 10_000) / 10_000
    table.row("bytes a call, payload of 1 to 3 included", 10_000, f"{each:.0f}", verdict(each, 400.0, ".0f"))
    ratio = _kept(folder / "large.db", mapped(large), 1_000) / (1_000 * 100_000)
    table.row("outputs of 100 kB: ratio to their size", 1_000, f"{ratio:.3f}", verdict(ratio, 1.3))


def _kept(path: Path, graph: Graph, size: int) -> int:
    """Run a graph into a new file; how many bytes it takes then."""
    with SqliteStore(path) as store:
        asyncio.run(ours(store, graph, size))
    return sum(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))


def main() -> None:
    chosen = arguments(__doc__ or "", repeat=9).parse_args()
    sizes, repeat = ((10_000,), 3) if chosen.quick else ((10_000, 100_000), chosen.repeat)
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        sqlite = closing.enter_context(SqliteStore(folder / "normal.db"))
        full = closing.enter_context(SqliteStore(folder / "full.db", synchronous="FULL"))
        stores: dict[str, RunLog] = {"SQLite": sqlite, "SQLite, FULL": full}
        if has_postgres():
            stores["Postgres"] = closing.enter_context(PostgresStore(POSTGRES))
        fan_outs(stores, sizes, repeat)
        sleepers(sqlite, 5_000, min(repeat, 5))
        chains(sqlite, repeat)
        sizes_on_disk(folder)


if __name__ == "__main__":
    main()
