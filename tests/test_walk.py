"""The walk budget: how many files and functions of ours a run enters, and how many stand above the user's function."""

import asyncio
import sys
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

import pytest

import piecework
from piecework import AsyncRunner, Graph, MemoryStore, node
from piecework.dataflow import Node
from piecework.executors.local import LocalExecutor
from tests.core.harness import within

OURS = str(Path(piecework.__file__).parent)

FILES = 10
FUNCTIONS = 60
FRAMES = 6


async def step(x: int) -> int:
    return x


def blocking_step(x: int) -> int:
    return x


def chain(length: int, kind: str) -> Graph:
    """Nodes that each take the output of the one before."""
    first = node(output_name="n0", name="n0")(step if kind == "async" else blocking_step)
    nodes: list[Node] = [first]
    for index in range(1, length):
        nodes.append(
            first.with_name(f"n{index}").with_inputs(x=f"n{index - 1}").with_outputs(n0=f"n{index}")
        )
    return Graph(nodes)


async def walked(graph: Graph) -> Counter[CodeType]:
    """The calls of our functions, on all threads, from the call of a durable run until its result."""
    calls: Counter[CodeType] = Counter()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            calls[frame.f_code] += 1

    runner = AsyncRunner(store=MemoryStore(), executor=LocalExecutor())  # New threads, which are watched.
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        await runner.run(graph, x=1)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return calls


def told(calls: Counter[CodeType]) -> str:
    names = sorted(f"{code.co_filename[len(OURS) + 1 :]}: {code.co_qualname}" for code in calls)
    files = {code.co_filename for code in calls}
    return f"{len(files)} files, {len(calls)} functions\n" + "\n".join(names)


@pytest.mark.parametrize("kind", ["async", "blocking"])
@pytest.mark.parametrize("runs_before", [0, 1])
async def test_a_durable_run_of_two_nodes_stays_within_the_walk_budget(kind: str, runs_before: int) -> None:
    graph = chain(2, kind)
    for _ in range(runs_before):
        await within(AsyncRunner(store=MemoryStore()).run(graph, x=1))
    calls = await walked(graph)
    assert len({code.co_filename for code in calls}) <= FILES, told(calls)
    assert len(calls) <= FUNCTIONS, told(calls)


@pytest.mark.parametrize("kind", ["async", "blocking"])
@pytest.mark.parametrize("limit", [None, 1])
async def test_few_frames_of_ours_stand_above_the_users_function(kind: str, limit: int | None) -> None:
    stack: list[str] = []

    def look() -> int:
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename.startswith(OURS):
                stack.append(f"{frame.f_code.co_filename[len(OURS) + 1 :]}: {frame.f_code.co_qualname}")
            frame = frame.f_back
        return 1

    async def look_on_loop() -> int:
        return look()

    work = node(output_name="out", name="work")(look_on_loop if kind == "async" else look)
    runner = AsyncRunner(store=MemoryStore(), executor=LocalExecutor(), max_concurrency=limit)
    await within(runner.run(Graph([work])))
    assert len(stack) <= FRAMES, "\n".join(stack)


@pytest.mark.parametrize("kind", ["async", "blocking"])
def test_a_node_costs_as_many_calls_in_a_long_chain_as_in_a_short_one(kind: str) -> None:
    per_node: dict[int, float] = {}
    for length in (12, 500):
        graph = chain(length, kind)
        empty = sum(asyncio.run(walked(chain(1, kind))).values())
        per_node[length] = (sum(asyncio.run(walked(graph)).values()) - empty) / (length - 1)
    assert abs(per_node[500] - per_node[12]) < per_node[12] / 10, per_node
