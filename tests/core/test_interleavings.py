"""Random workflows under random interleavings: the same result as the plain sequential reading, every law kept."""

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from piecework import AsyncRunner, Failure, Graph, MemoryStore, node
from piecework.core.call import Target
from piecework.core.children import start
from piecework.core.handle import Handle
from piecework.core.outcome import Done
from piecework.dataflow import Node
from tests.core.harness import OneCall, Ran, run_plan, within

Kind = Literal["async", "blocking"]
OnError = Literal["raise", "keep", "drop"]

FAILS_AT = 7
"""Items whose value is divisible by this fail, where a fan-out takes failures."""


class Probe:
    """Watches workers: what started, what ended, how many at once; and lets them go on in a seeded order."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - an order that can be repeated, no secret
        self.lock = threading.Lock()
        self.started = 0
        self.ended: set[str] = set()
        self.last: dict[str, str] = {}
        self.active = 0
        self.most = 0
        self.waiting: list[asyncio.Future[None]] = []

    @contextmanager
    def working(self, needs: tuple[str, ...] = ()) -> Iterator[None]:
        with self.lock:
            assert self.ended.issuperset(map(self._final, needs)), "a node started before its inputs were there"
            self.started += 1
            self.active += 1
            self.most = max(self.most, self.active)
        try:
            yield
        finally:
            with self.lock:
                self.active -= 1

    def _final(self, name: str) -> str:
        while name in self.last:
            name = self.last[name]
        return name

    @contextmanager
    def lending(self) -> Iterator[None]:
        with self.lock:
            self.active -= 1
        try:
            yield
        finally:
            with self.lock:
                self.active += 1
                self.most = max(self.most, self.active)

    async def turn(self) -> None:
        """Suspend until the seeded order says so."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        await future

    async def release(self) -> None:
        """Let one random waiter go on, whenever the loop comes round."""
        while True:
            await asyncio.sleep(0)
            self.random.shuffle(self.waiting)
            if self.waiting and self.random.random() < 0.7:
                future = self.waiting.pop()
                if not future.done():
                    future.set_result(None)


def mix(values: list[int], salt: int) -> int:
    return (sum(values) * 31 + salt) % 1009


# --- graphs ---------------------------------------------------------------------------------------------------------


@dataclass
class Plain:
    """A function node."""

    name: str
    takes: tuple[str, ...]
    kind: Kind
    suspends: int

    def build(self, probe: Probe) -> list[Node]:
        needs = tuple(name for name in self.takes if name != "x")
        salt = len(self.name)

        async def on_loop(**values: int) -> int:
            with probe.working(needs):
                for _ in range(self.suspends):
                    await probe.turn()
            probe.ended.add(self.name)
            return mix(list(values.values()), salt)

        def on_thread(**values: int) -> int:
            with probe.working(needs):
                result = mix(list(values.values()), salt)
            probe.ended.add(self.name)
            return result

        work: Callable[..., object] = on_loop if self.kind == "async" else on_thread
        return [function_node(work, self.takes, self.name, is_async=self.kind == "async")]

    def read(self, values: dict[str, int]) -> int:
        return mix([values[name] for name in self.takes], len(self.name))

    def calls(self, values: dict[str, int]) -> int:
        return 1


@dataclass
class Inner:
    """A graph as a node; its last node's output is this node's."""

    name: str
    takes: tuple[str, ...]
    parts: list["Part"] = field(default_factory=list)

    def build(self, probe: Probe) -> list[Node]:
        inside = Graph([built for part in self.parts for built in part.build(probe)], name=f"graph_{self.name}")
        last = probe.last[self.name] = self.parts[-1].name
        outer = inside.select(last).as_node(self.name).with_inputs(x=self.takes[0])
        return [outer.with_outputs(**{last: self.name})]

    def inside(self, values: dict[str, int]) -> dict[str, int]:
        return evaluate(self.needed(), values[self.takes[0]])

    def needed(self) -> list["Part"]:
        wanted = {self.parts[-1].name}
        for part in reversed(self.parts):
            if part.name in wanted:
                wanted.update(part.takes)
        return [part for part in self.parts if part.name in wanted]

    def read(self, values: dict[str, int]) -> int:
        return self.inside(values)[self.parts[-1].name]

    def calls(self, values: dict[str, int]) -> int:
        reached = self.inside(values)
        return sum(part.calls(reached) for part in self.needed())


@dataclass
class Mapped:
    """A fan-out between a node that spreads a number into lists and one that folds the results."""

    name: str
    takes: tuple[str, ...]
    kind: Kind
    suspends: int
    mode: Literal["zip", "product"]
    on_error: OnError
    width: int | None
    nested: bool

    def items(self, value: int) -> list[tuple[int, int]]:
        left, right = self.columns(value)
        return list(zip(left, right, strict=True) if self.mode == "zip" else product(left, right))

    def columns(self, value: int) -> tuple[list[int], list[int]]:
        length = value % 4
        return [value + index for index in range(length)], [index * 3 for index in range(length)]

    def one(self, left: int, right: int) -> int:
        if self.on_error != "raise" and (left + right) % FAILS_AT == 0:
            raise LookupError(left)
        return mix([left, right], 5)

    def build(self, probe: Probe) -> list[Node]:
        name = self.name

        def spread(source: int) -> tuple[list[int], list[int]]:
            with probe.working(tuple(taken for taken in self.takes if taken != "x")):
                return self.columns(source)

        async def on_loop(left: int, right: int) -> int:
            with probe.working():
                for _ in range(self.suspends):
                    await probe.turn()
                return self.one(left, right)

        def on_thread(left: int, right: int) -> int:
            with probe.working():
                return self.one(left, right)

        def fold(results: list[int | Failure]) -> int:
            with probe.working():
                total = mix([-1 if isinstance(result, Failure) else result for result in results], len(results))
            probe.ended.add(name)
            return total

        work: Callable[..., object] = on_loop if self.kind == "async" else on_thread
        item: Node = node(output_name=f"{name}_results", name=f"{name}_item")(work)
        if self.nested:
            item = Graph([item], name=f"{name}_graph").as_node()
        mapped = item.with_inputs(left=f"{name}_left", right=f"{name}_right").map_over(
            f"{name}_left",
            f"{name}_right",
            mode=self.mode,
            on_error=self.on_error,
            max_concurrency=self.width,
        )
        return [
            node(output_name=(f"{name}_left", f"{name}_right"), name=f"{name}_spread")(spread).with_inputs(
                source=self.takes[0]
            ),
            mapped,
            node(output_name=name, name=f"{name}_fold")(fold).with_inputs(results=f"{name}_results"),
        ]

    def read(self, values: dict[str, int]) -> int:
        results: list[int] = []
        for left, right in self.items(values[self.takes[0]]):
            try:
                results.append(self.one(left, right))
            except LookupError:
                if self.on_error == "keep":
                    results.append(-1)
        return mix(results, len(results))

    def calls(self, values: dict[str, int]) -> int:
        return 2 + len(self.items(values[self.takes[0]]))


Part = Plain | Inner | Mapped


def function_node(work: Callable[..., object], takes: tuple[str, ...], name: str, *, is_async: bool) -> Node:
    """A node whose function has just these parameters."""
    first, second = takes[0], takes[-1]
    if len(takes) == 1:

        async def one_on_loop(a: int) -> object:
            return await work(a=a)  # type: ignore[misc]

        def one(a: int) -> object:
            return work(a=a)

        return node(output_name=name, name=name)(one_on_loop if is_async else one).with_inputs(a=first)

    async def two_on_loop(a: int, b: int) -> object:
        return await work(a=a, b=b)  # type: ignore[misc]

    def two(a: int, b: int) -> object:
        return work(a=a, b=b)

    return node(output_name=name, name=name)(two_on_loop if is_async else two).with_inputs(a=first, b=second)


def evaluate(parts: list[Part], x: int) -> dict[str, int]:
    """The plain sequential reading."""
    values = {"x": x}
    for part in parts:
        values[part.name] = part.read(values)
    return values


@st.composite
def workflows(draw: st.DrawFn, prefix: str = "n", depth: int = 0) -> list[Part]:
    parts: list[Part] = []
    for index in range(draw(st.integers(1, 6 if depth == 0 else 3))):
        name = f"{prefix}{index}"
        known = ["x", *(part.name for part in parts)]
        takes = tuple(draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True)))
        kinds: st.SearchStrategy[Kind] = st.sampled_from(["async", "async", "blocking"])
        shape = draw(st.sampled_from(["plain", "plain", "mapped", "inner"] if depth < 2 else ["plain", "mapped"]))
        if shape == "inner":
            parts.append(Inner(name, takes[:1], draw(workflows(f"{name}_", depth + 1))))
        elif shape == "plain":
            parts.append(Plain(name, takes, draw(kinds), draw(st.integers(0, 3))))
        else:
            parts.append(
                Mapped(
                    name,
                    takes[:1],
                    draw(kinds),
                    draw(st.integers(0, 2)),
                    draw(st.sampled_from(["zip", "product"])),
                    draw(st.sampled_from(["raise", "keep", "drop"])),
                    draw(st.sampled_from([None, 1, 2])),
                    draw(st.booleans()),
                )
            )
    return parts


@given(
    parts=workflows(),
    x=st.integers(0, 50),
    limit=st.sampled_from([None, 1, 2, 3, 5]),
    seed=st.integers(0, 2**16),
)
def test_any_graph_in_any_order_comes_to_what_reading_it_line_by_line_does(
    parts: list[Part], x: int, limit: int | None, seed: int
) -> None:
    probe, store = Probe(seed), MemoryStore()
    graph = Graph([built for part in parts for built in part.build(probe)], name="g")
    expected = evaluate(parts, x)

    async def main() -> dict[str, object]:
        releasing = asyncio.create_task(probe.release())
        try:
            result = await within(AsyncRunner(max_concurrency=limit, store=store).run(graph, x=x))
        finally:
            releasing.cancel()
        calls = [fact for fact in await store.read(result.run_id) if fact.kind == "call"]
        assert len({fact.address for fact in calls}) == len(calls) == probe.started
        return dict(result.values)

    values = asyncio.run(main())
    assert {name: values[name] for name in values if name in expected} == {
        part.name: expected[part.name] for part in parts
    }
    assert probe.started == sum(part.calls(expected) for part in parts)
    assert probe.active == 0
    assert limit is None or probe.most <= limit


# --- calls that start calls -----------------------------------------------------------------------------------------

Wait = Literal["in order", "gather", "as_completed", "wait", "tasks", "task group", "not at all"]


@dataclass
class Tree:
    """A call and the calls it starts."""

    kind: Kind
    wait: Wait
    suspends: int
    children: list["Tree"]

    @property
    def size(self) -> int:
        return 1 + sum(child.size for child in self.children)


def trees() -> st.SearchStrategy[Tree]:
    kinds: st.SearchStrategy[Kind] = st.sampled_from(["async", "blocking"])
    waits: st.SearchStrategy[Wait] = st.sampled_from(
        ["in order", "gather", "as_completed", "wait", "tasks", "task group", "not at all"]
    )
    leaves = st.builds(Tree, kinds, waits, st.integers(0, 2), st.just([]))
    return st.recursive(
        leaves,
        lambda inner: st.builds(Tree, kinds, waits, st.integers(0, 2), st.lists(inner, min_size=1, max_size=3)),
        max_leaves=8,
    )


async def awaited(handle: Handle) -> object:
    return await handle


async def in_task_group(handles: list[Handle]) -> None:
    async with asyncio.TaskGroup() as group:
        for handle in handles:
            group.create_task(awaited(handle))


async def one_by_one(handles: list[Handle]) -> None:
    for handle in handles:
        await handle


async def as_they_come(handles: list[Handle]) -> None:
    for arriving in asyncio.as_completed(handles):
        await arriving


WAYS: dict[Wait, Callable[[list[Handle]], Coroutine[Any, Any, object]]] = {
    "in order": one_by_one,
    "gather": lambda handles: asyncio.wait_for(asyncio.gather(*handles), None),
    "as_completed": as_they_come,
    "wait": asyncio.wait,
    "tasks": lambda handles: asyncio.wait_for(asyncio.gather(*map(awaited, handles)), None),
    "task group": in_task_group,
}


def tree_target(tree: Tree, probe: Probe) -> Target:
    async def on_loop() -> int:
        with probe.working():
            for _ in range(tree.suspends):
                await probe.turn()
            handles = [start(tree_target(child, probe), {}) for child in tree.children]
            if tree.wait != "not at all" and handles:
                with probe.lending():
                    await WAYS[tree.wait](handles)
        return tree.size

    def on_thread() -> int:
        with probe.working():
            handles = [start(tree_target(child, probe), {}) for child in tree.children]
            if tree.wait != "not at all":
                with probe.lending():
                    for handle in handles:
                        handle.result()
        return tree.size

    return Target("call", on_loop, "async") if tree.kind == "async" else Target("call", on_thread, "blocking")


@given(tree=trees(), limit=st.sampled_from([1, 2, 3, 4]), seed=st.integers(0, 2**16))
def test_calls_that_start_calls_end_whatever_the_limit_and_however_they_wait(tree: Tree, limit: int, seed: int) -> None:
    probe = Probe(seed)

    async def main() -> Ran:
        releasing = asyncio.create_task(probe.release())
        try:
            return await within(run_plan(OneCall(tree_target(tree, probe)), limit=limit, grace=0.05), 2)
        finally:
            releasing.cancel()

    ran = asyncio.run(main())
    assert ran.outcome == Done(tree.size)
    assert len({fact.address for fact in ran.calls}) == len(ran.calls) == probe.started == tree.size
    assert probe.most <= limit
    assert probe.active == 0
