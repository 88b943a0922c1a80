"""A process that works on a run and is killed, and one that goes on with it; started by the tests of this folder.

`python -m tests.durability.child '{...}'` reads an `Errand`. A worker's effect is one line in a file, appended by one
write, so that whatever happened to the process can be counted afterwards.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Literal

import msgspec

from piecework import AsyncRunner, Graph, RunResult, SyncRunner, interrupt, node
from piecework.core import lease, scheduler
from piecework.core.ports import RunLog
from piecework.core.runs import Batch, Claim, Owner, RunInfo, RunStart
from piecework.dataflow import Node
from piecework.stores import holding, segments
from piecework.stores.opening import open_store
from piecework.testing.crashing import CrashingStore

Boundary = Literal["claim", "input", "plan", "first item", "last item", "join", "end", "question", "answer"]
"""The first write that has such a thing."""


class Errand(msgspec.Struct, kw_only=True):
    """What the process does."""

    store: str
    """Where the run is kept."""
    lines: str
    """The file of the workers' effects."""
    items: int = 12
    width: int = 4
    kind: Literal["async", "blocking", "graph"] = "async"
    runner: Literal["async", "sync"] = "async"
    durability: Literal["async", "sync", "exit"] = "async"
    work: float = 0.0
    """Seconds that a worker takes, up to twice of it."""
    asks: bool = False
    """Whether the synthesizer asks whether it may."""
    answer: str | None = None
    """The answer to that."""
    kill: Boundary | None = None
    """The write to be killed at."""
    when: Literal["before", "after"] = "before"
    finish: int | None = None
    """How many workers finish before the process kills itself; the others wait for ever."""
    lease: float | None = None
    """Seconds for which a claim holds; None leaves that to the store."""
    keep: int = 0
    """How many of them must be on record by then; 0 kills at once."""


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


class Killing(CrashingStore):
    """Kills its process at a write."""

    def __init__(self, store: RunLog, errand: Errand, finished: Counter[str]) -> None:
        super().__init__(store)
        self.inner, self.errand, self.finished, self.items = store, errand, finished, 0

    async def claim(self, start: RunStart, *, owner: Owner | None = None) -> Claim:
        self.at("before", due=self.errand.kill == "claim")
        claim = await self.inner.claim(start, owner=owner)
        self.at("after", due=self.errand.kill == "claim")
        return claim

    async def append(self, batch: Batch) -> None:
        due = self.errand.kill in {found for fact in batch.facts for found in self.boundaries(fact.kind, fact.name)}
        self.at("before", due=due)
        await self.inner.append(batch)
        self.at("after", due=due)
        if self.errand.keep and self.finished.total() >= (self.errand.finish or 0) and self.items >= self.errand.keep:
            die()

    def boundaries(self, kind: str, name: str) -> set[str]:
        if kind == "call" and name == "join":
            return {"join"}
        if kind == "call" and name == "work":
            self.items += 1
            return {"first item"} if self.items == 1 else {"last item"} if self.items == self.errand.items else set()
        return {kind}

    def at(self, moment: str, *, due: bool) -> None:
        if due and self.errand.when == moment:
            die()


class Worker:
    """The graph's functions, and what they did in this process."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.ran: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.file = os.open(errand.lines, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def waits(self, item: int) -> bool:
        return self.errand.finish is not None and item >= self.errand.finish

    def effect(self, item: int) -> int:
        os.write(self.file, f"{item}\n".encode())
        with self.lock:
            self.ran[f"g/work[{item}]"] += 1
            self.finished["work"] += 1
            if self.finished.total() == self.errand.finish and not self.errand.keep:
                die()
        if self.errand.finish is None or self.errand.keep:
            os.write(sys.stdout.fileno(), b".")
        return item * item

    def seconds(self, item: int) -> float:
        return self.errand.work * (1 + item * 7919 % 100 / 100)

    def graph(self) -> Graph:
        async def on_loop(item: int) -> int:
            if self.waits(item):
                await asyncio.Event().wait()
            await asyncio.sleep(self.seconds(item))
            return self.effect(item)

        def on_thread(item: int) -> int:
            if self.waits(item):
                threading.Event().wait()
            threading.Event().wait(self.seconds(item))
            return self.effect(item)

        def plan(count: int) -> list[int]:
            self.ran["g/plan"] += 1
            return list(range(count))

        async def twice(square: int) -> int:
            return 2 * square

        async def join(squares: list[int]) -> int:
            self.ran["g/join"] += 1
            if self.errand.asks and interrupt("May I?") != "yes":
                return -1
            return sum(squares)

        blocking = self.errand.kind == "blocking"
        function: Callable[..., object] = on_thread if blocking else on_loop
        work: Node = node(output_name="square", name="work")(function)
        if self.errand.kind == "graph":
            after = node(output_name="double", name="twice")(twice)
            work = Graph([work, after], name="inner").select("square", "double").as_node("work")
            work = work.with_outputs(square="squares", double="doubles")
        else:
            work = work.with_outputs(square="squares")
        mapped = work.with_inputs(item="items").map_over("items")
        made = node(output_name="items", name="plan")(plan)
        return Graph([made, mapped, node(output_name="total", name="join")(join)], name="g")


def perform(errand: Errand) -> None:
    """Do the errand, and tell the result and what ran."""
    worker = Worker(errand)
    with_answer = None if errand.answer is None else {"g/join?1": errand.answer}
    with open_store(errand.store) as store:
        used: RunLog = (
            store if errand.kill is None and errand.finish is None else Killing(store, errand, worker.finished)
        )
        graph = worker.graph()
        if errand.runner == "sync":
            runner = SyncRunner(store=used, max_concurrency=errand.width, durability=errand.durability)
            if with_answer is None:
                result = runner.run(graph, count=errand.items, run_id="run")
            else:
                result = runner.resume("run", graph, answers=with_answer)
            info = runner.get("run")
        else:
            result, info = asyncio.run(on_this_loop(errand, used, graph, with_answer))
    told = {"status": result.status, "total": result.get("total"), "ran": dict(worker.ran), "tally": info.tally}
    sys.stdout.write("\n" + json.dumps(msgspec.to_builtins(told)) + "\n")


async def on_this_loop(
    errand: Errand, store: RunLog, graph: Graph, answers: dict[str, str] | None
) -> tuple[RunResult, RunInfo]:
    runner = AsyncRunner(store=store, max_concurrency=errand.width, durability=errand.durability)
    if answers is None:
        result = await runner.run(graph, count=errand.items, run_id="run")
    else:
        result = await runner.resume("run", graph, answers=answers)
    return result, await runner.get("run")


def hold_for(seconds: float) -> None:
    """Have leases run out sooner than anybody would want to wait for, and signs of life come accordingly."""
    for module, name, value in (
        (holding, "LEASE", seconds),
        (segments, "LEASE", seconds),
        (lease, "BEAT", seconds / 4),
        (scheduler, "BEAT", seconds / 4),
    ):
        setattr(module, name, value)


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=Errand)
    if given.lease is not None:
        hold_for(given.lease)
    perform(given)
