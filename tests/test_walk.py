"""The walk budget: how many files and functions of ours a run enters, and how many stand above the user's function.

A run in SQLite walks on two threads: its own, and the one that the store has for all runs, which writes what it is
given. The budget is for the first; what the second does for one run has a bound of its own.
"""

import asyncio
import sys
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Literal

import pytest

import piecework
from piecework import AsyncRunner, Graph, MemoryStore, SqliteStore, node
from piecework.dataflow import Node
from piecework.executors.local import LocalExecutor
from tests.core.harness import within

OURS = str(Path(piecework.__file__).parent)

FILES = 10
FUNCTIONS = 60
FRAMES = 6

STORE_FILES = 6
STORE_FUNCTIONS = 50
"""What the thread of a store enters for one run."""

LENDING = 2
"""Frames below a lane that lend slots, where there is a limit."""

FAN_OUT = 4
"""Frames that a fan-out adds: the action, its performance, its lane and the item."""

Kind = Literal["async", "blocking"]


async def step(x: int) -> int:
    return x


def blocking_step(x: int) -> int:
    return x


def chain(length: int, kind: Kind) -> Graph:
    """Nodes that each take the output of the one before."""
    first = node(output_name="n0", name="n0")(step if kind == "async" else blocking_step)
    others: list[Node] = [
        first.with_name(f"n{index}").with_inputs(x=f"n{index - 1}").with_outputs(n0=f"n{index}")
        for index in range(1, length)
    ]
    return Graph([first, *others])


async def walked(graph: Graph, path: Path, *, by_store: bool = False) -> Counter[CodeType]:
    """The calls of our functions from the call of a run in SQLite until its result.

    Those of the store's own thread are left out, or alone are told.
    """
    calls: Counter[CodeType] = Counter()

    def profile(frame: FrameType, event: str, _: object) -> None:
        stores = threading.current_thread().name == "piecework-store"
        if event == "call" and stores is by_store and frame.f_code.co_filename.startswith(OURS):
            calls[frame.f_code] += 1

    threading.setprofile(profile)
    try:
        with SqliteStore(path / "runs.db") as store:
            runner = AsyncRunner(store=store, executor=LocalExecutor())  # New threads, which are watched.
            await within(runner.run(graph, {"x": 1}))  # A graph is compiled, and a store opened, with the first run.
            calls.clear()
            sys.setprofile(profile)
            await runner.run(graph, {"x": 1})
            sys.setprofile(None)
            found = calls.copy()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return found


def told(calls: Counter[CodeType]) -> str:
    names = sorted(f"{code.co_filename[len(OURS) + 1 :]}: {code.co_qualname}" for code in calls)
    files = {code.co_filename for code in calls}
    return f"{len(files)} files, {len(calls)} functions\n" + "\n".join(names)


def frames_of_ours() -> list[str]:
    """The frames of ours that stand above the caller."""
    found: list[str] = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith(OURS):
            found.append(f"{frame.f_code.co_filename[len(OURS) + 1 :]}: {frame.f_code.co_qualname}")
        frame = frame.f_back
    return found


async def look() -> list[str]:
    return frames_of_ours()


def look_blocking() -> list[str]:
    return frames_of_ours()


async def test_a_durable_run_of_two_nodes_stays_within_the_walk_budget(tmp_path: Path) -> None:
    calls = await walked(chain(2, "async"), tmp_path)
    assert len({code.co_filename for code in calls}) <= FILES, told(calls)
    assert len(calls) <= FUNCTIONS, told(calls)


async def test_what_the_thread_of_a_store_does_for_it_is_bounded_too(tmp_path: Path) -> None:
    calls = await walked(chain(2, "async"), tmp_path, by_store=True)
    assert 0 < len({code.co_filename for code in calls}) <= STORE_FILES, told(calls)
    assert len(calls) <= STORE_FUNCTIONS, told(calls)


@pytest.mark.parametrize("kind", ["async", "blocking"])
@pytest.mark.parametrize("limit", [None, 1])
async def test_few_frames_of_ours_stand_above_the_users_function(kind: Kind, limit: int | None) -> None:
    work = node(look, output_name="stack") if kind == "async" else node(look_blocking, output_name="stack")
    runner = AsyncRunner(store=MemoryStore(), executor=LocalExecutor(), max_concurrency=limit)
    stack = (await within(runner.run(Graph([work]))))["stack"]
    assert isinstance(stack, list)
    assert 0 < len(stack) <= FRAMES + (LENDING if limit is not None and kind == "async" else 0), "\n".join(stack)


async def test_a_mapped_function_has_the_frames_of_its_fan_out_above_it_too() -> None:
    @node(output_name="stack")
    async def work(x: int) -> list[str]:
        return frames_of_ours()

    stacks = (await within(AsyncRunner().run(Graph([work.map_over("x")]), x=range(3))))["stack"]
    assert isinstance(stacks, list)
    assert max(map(len, stacks)) <= FRAMES + FAN_OUT, stacks


def test_a_node_costs_as_many_calls_in_a_long_chain_as_in_a_short_one(tmp_path: Path) -> None:
    per_node: dict[int, float] = {}
    one = asyncio.run(walked(chain(1, "async"), tmp_path)).total()
    for length in (12, 500):
        per_node[length] = (asyncio.run(walked(chain(length, "async"), tmp_path)).total() - one) / (length - 1)
    assert abs(per_node[500] - per_node[12]) < per_node[12] / 10, per_node
