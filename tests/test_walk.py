"""The walk budget: what a small durable run enters of our own code, and that its cost per node does not grow."""

import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

import pytest

import piecework
from piecework import AsyncRunner, Graph, MemoryStore, RunResult, node

OURS = str(Path(piecework.__file__).parent)
"""Where all code of ours lives."""

FILES, FUNCTIONS, FRAMES = 10, 60, 6


class Walk:
    """Counts the calls of our own functions, in every thread, while it is on."""

    def __init__(self) -> None:
        self.calls: Counter[CodeType] = Counter()

    def _note(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            self.calls[frame.f_code] += 1

    async def of(self, graph: Graph, **inputs: object) -> RunResult:
        runner = AsyncRunner(store=MemoryStore())
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            return await runner.run(graph, inputs)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


def chain(length: int) -> Graph:
    def link(index: int) -> Callable[..., object]:
        names: dict[str, Callable[..., object]] = {}
        exec(f"async def link{index}(v{index}):\n    return v{index} + 1\n", names)  # noqa: S102 - inputs are names
        return names[f"link{index}"]

    return Graph([node(link(index), output_name=f"v{index + 1}") for index in range(length)], name="chain")


async def test_a_durable_two_node_run_stays_within_the_walk_budget() -> None:
    graph = chain(2)
    await AsyncRunner().run(graph, v0=0)  # A graph is compiled once, with its first run.
    walk = Walk()
    result = await walk.of(graph, v0=0)
    assert result["v2"] == 2
    files = sorted({Path(code.co_filename).name for code in walk.calls})
    functions = sorted(code.co_qualname for code in walk.calls)
    assert len(files) <= FILES, files
    assert len(functions) <= FUNCTIONS, functions


@pytest.mark.parametrize("limit", [None, 5])
async def test_few_frames_of_ours_stand_above_an_async_function(limit: int | None) -> None:
    @node(output_name="frames")
    async def look(x: int) -> list[str]:
        return [frame.name for frame in traceback.extract_stack() if frame.filename.startswith(OURS)]

    frames = (await AsyncRunner(max_concurrency=limit, store=MemoryStore()).run(Graph([look]), x=1))["frames"]
    assert isinstance(frames, list)
    # Where there is a limit, the driver that lends slots stands below the lane.
    assert len(frames) <= FRAMES + (0 if limit is None else 2), frames


async def test_a_mapped_function_stands_below_the_frames_of_its_fan_out_too() -> None:
    @node(output_name="frames")
    async def look(x: int) -> list[str]:
        return [frame.name for frame in traceback.extract_stack() if frame.filename.startswith(OURS)]

    stacks = (await AsyncRunner().run(Graph([look.map_over("x")]), x=range(3)))["frames"]
    assert isinstance(stacks, list)
    # The fan-out adds its own: the action, its performance, its lane and the item.
    assert max(map(len, stacks)) <= FRAMES + 4, stacks


async def test_few_frames_of_ours_stand_above_a_blocking_function() -> None:
    @node(output_name="frames")
    def look(x: int) -> list[str]:
        return [frame.name for frame in traceback.extract_stack() if frame.filename.startswith(OURS)]

    frames = (await AsyncRunner(store=MemoryStore()).run(Graph([look]), x=1))["frames"]
    assert isinstance(frames, list)
    assert len(frames) <= FRAMES + 2, frames  # The thread's own two.


async def test_calls_per_node_do_not_grow_with_the_graph() -> None:
    per_node: dict[int, float] = {}
    for length in (12, 500):
        graph = chain(length)
        await AsyncRunner().run(graph, v0=0)
        walk = Walk()
        await walk.of(graph, v0=0)
        per_node[length] = walk.calls.total() / length
    assert per_node[12] == pytest.approx(per_node[500], rel=0.1), per_node
