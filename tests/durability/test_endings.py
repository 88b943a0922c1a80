"""Runs that are cancelled, or whose store fails: they end promptly, say why, and are resumed."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from piecework import (
    AsyncRunner,
    Graph,
    MemoryStore,
    MissingInputError,
    RunCancelledError,
    RunHeldError,
    RunLostError,
    StoreError,
    SyncRunner,
    node,
)
from piecework.core.policy import Durability
from piecework.core.ports import RunLog
from piecework.core.runs import Batch, Claim
from piecework.stores.sqlite import SqliteStore
from piecework.testing.crashing import CrashingStore
from tests.core.harness import within

ran: Counter[int] = Counter()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()


class Gate:
    """Lets items through up to a number, and tells when one waits."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.reached = threading.Event()
        self.here = asyncio.Event()

    def graph(self) -> Graph:
        @node(output_name="made")
        async def work(item: int) -> int:
            ran[item] += 1
            if item >= self.first:
                self.here.set()
                self.reached.set()
                await asyncio.Event().wait()
            return item

        return Graph([work.with_inputs(item="items").map_over("items")], name="g")


async def finished(store: RunLog, run_id: str = "run") -> set[str]:
    return {fact.address for fact in await store.read(run_id) if (fact.kind, fact.status) == ("call", "done")}


async def resumed(store: RunLog, gate: Gate) -> None:
    """Go on with a run whose gate is open now, and see that only the rest runs."""
    known, before = await finished(store), ran.copy()
    gate.first = 100
    result = await within(AsyncRunner(store=store).run(gate.graph(), items=[0, 1, 2, 3], run_id="run"))
    assert result["made"] == [0, 1, 2, 3]
    assert {f"g/work[{item}]" for item in ran - before} == {f"g/work[{item}]" for item in range(4)} - known


@pytest.fixture
def _quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life every few milliseconds."""
    monkeypatch.setattr("piecework.core.lease.BEAT", 0.005)
    monkeypatch.setattr("piecework.core.scheduler.BEAT", 0.005)


@pytest.mark.usefixtures("_quick_beat")
async def test_a_run_that_somebody_else_asks_to_cancel_is_cancelled_and_can_be_resumed(tmp_path: Path) -> None:
    gate = Gate(2)
    with SqliteStore(tmp_path / "runs.db") as store, SqliteStore(tmp_path / "runs.db") as elsewhere:
        run = asyncio.create_task(AsyncRunner(store=store).run(gate.graph(), items=[0, 1, 2, 3], run_id="run"))
        await within(gate.here.wait())
        assert await elsewhere.ask_to_cancel("run")
        with pytest.raises(RunCancelledError, match="run 'run' was cancelled from outside"):
            await within(run)
        found = await elsewhere.find("run")
        assert found is not None
        assert found.status == "cancelled"
        assert await finished(elsewhere) == {"g/work[0]", "g/work[1]"}
        await resumed(elsewhere, gate)


@pytest.mark.usefixtures("_quick_beat")
def test_a_synchronous_run_is_cancelled_from_outside_too(tmp_path: Path) -> None:
    gate = Gate(2)
    graph = gate.graph()
    with SqliteStore(tmp_path / "runs.db") as store, SqliteStore(tmp_path / "runs.db") as elsewhere:

        def cancel() -> None:
            assert gate.reached.wait(20.0)
            asyncio.run(elsewhere.ask_to_cancel("run"))

        other = threading.Thread(target=cancel)
        other.start()
        with pytest.raises(RunCancelledError):
            SyncRunner(store=store).run(graph, items=[0, 1, 2, 3], run_id="run")
        other.join()
        assert SyncRunner(store=store).get("run").status == "cancelled"


@pytest.mark.usefixtures("_quick_beat")
async def test_a_run_that_is_taken_over_while_it_waits_hears_of_it() -> None:
    gate, store = Gate(2), MemoryStore()
    zombie = CrashingStore(store)
    run = asyncio.create_task(AsyncRunner(store=zombie).run(gate.graph(), items=[0, 1, 2, 3], run_id="run"))
    await within(gate.here.wait())
    first = gate.first
    gate.first = 100
    await within(AsyncRunner(store=store).resume("run", gate.graph()))
    gate.first = first
    facts = await store.read("run")
    with pytest.raises(RunLostError, match="run 'run' was taken over by"):
        await within(run)
    assert await store.read("run") == facts


@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
async def test_a_cancelled_task_keeps_what_finished(durability: Durability) -> None:
    gate, store = Gate(2), MemoryStore()
    runner = AsyncRunner(store=store, durability=durability)
    run = asyncio.create_task(runner.run(gate.graph(), items=[0, 1, 2, 3], run_id="run"))
    await within(gate.here.wait())
    with pytest.raises(RunHeldError, match="is held by this process"):
        await within(AsyncRunner(store=store).run(gate.graph(), items=[0, 1, 2, 3], run_id="run"))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within(run)
    assert await finished(store) == {"g/work[0]", "g/work[1]"}
    await resumed(store, gate)


CTRL_C = """
import asyncio, os, sys
from piecework import Graph, SyncRunner, node
from piecework.stores.sqlite import SqliteStore

@node(output_name="made")
async def work(item: int) -> int:
    os.write(1, b"%d" % item)
    if item >= int(sys.argv[2]):
        await asyncio.Event().wait()
    return item

graph = Graph([work.with_inputs(item="items").map_over("items")], name="g")
with SqliteStore(sys.argv[1]) as store:
    try:
        print(SyncRunner(store=store, max_concurrency=1).run(graph, items=[0, 1, 2, 3], run_id="run")["made"])
    except KeyboardInterrupt:
        print("ended", SyncRunner(store=store).get("run").status)
"""


def test_ctrl_c_keeps_what_finished(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", CTRL_C, str(tmp_path / "runs.db")]
    process = subprocess.Popen([*command, "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    seen = b""
    while not seen.endswith(b"2"):
        seen += os.read(process.stdout.fileno(), 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (seen, out, err.decode()) == (b"012", b"ended cancelled\n", "")
    again = subprocess.run([*command, "100"], capture_output=True, timeout=20, check=True)
    assert (again.stdout, again.stderr) == (b"23[0, 1, 2, 3]\n", b"")


@pytest.mark.parametrize("durability", ["async", "exit"])
async def test_a_run_that_ended_before_its_inputs_were_recorded_asks_for_them(durability: Durability) -> None:
    gate, store = Gate(100), MemoryStore()
    crashing = CrashingStore(store, at=2)
    with pytest.raises(StoreError):
        await within(AsyncRunner(store=crashing, durability=durability).run(gate.graph(), items=[0], run_id="run"))
    with pytest.raises(MissingInputError, match=r"resume\('run', inputs=\{'items': \.\.\.\}\)") as missing:
        await within(AsyncRunner(store=store).resume("run", gate.graph()))
    assert missing.value.names == ("items",)
    result = await within(AsyncRunner(store=store).resume("run", gate.graph(), inputs={"items": [0]}))
    assert result["made"] == [0]


async def test_a_run_that_is_worked_on_is_held_also_before_its_inputs_are_recorded() -> None:
    gate, store = Gate(0), MemoryStore()
    run = asyncio.create_task(AsyncRunner(store=store, durability="exit").run(gate.graph(), items=[0], run_id="run"))
    await within(gate.here.wait())
    with pytest.raises(RunHeldError):
        await within(AsyncRunner(store=store).resume("run", gate.graph()))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_a_cancelled_run_whose_store_fails_tells_that_too() -> None:
    gate, store = Gate(0), CrashingStore(MemoryStore())
    run = asyncio.create_task(AsyncRunner(store=store).run(gate.graph(), items=[0], run_id="run"))
    await within(gate.here.wait())
    store.crash()
    run.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await within(run)
    assert "crashed" in f"{cancelled.value.__cause__}{getattr(cancelled.value, '__notes__', '')}"


# --- stores that fail -----------------------------------------------------------------------------------------------


class Full(MemoryStore):
    """A disk that is full after some facts, until there is room."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    async def append(self, batch: Batch) -> None:
        if batch.first + len(batch.facts) > self.room:
            raise StoreError("store 'runs.db' cannot grow: its disk or quota is full. Make room; nothing was written.")
        await super().append(batch)


@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
@pytest.mark.parametrize("room", [0, 1, 2, 3, 5])
async def test_a_full_disk_ends_the_run_and_what_was_written_is_resumed(durability: Durability, room: int) -> None:
    gate, store = Gate(100), Full(room)
    elsewhere = CrashingStore(store)  # A process that is gone when its run is resumed.
    runner = AsyncRunner(store=elsewhere, durability=durability, max_concurrency=1)
    with pytest.raises(StoreError, match="its disk or quota is full"):
        await within(runner.run(gate.graph(), items=[0, 1, 2, 3], run_id="run"))
    assert len(await store.read("run")) <= room
    store.room = 1000
    await resumed(store, gate)


async def test_the_process_whose_disk_was_full_can_go_on_with_the_run_itself() -> None:
    gate, store = Gate(100), Full(3)
    with pytest.raises(StoreError, match="its disk or quota is full"):
        await within(AsyncRunner(store=store).run(gate.graph(), items=[0, 1, 2, 3], run_id="run"))
    store.room = 1000
    await resumed(store, gate)


async def test_a_disk_that_fills_up_ends_a_run_whose_calls_still_wait() -> None:
    gate, store = Gate(2), Full(3)
    run = asyncio.create_task(AsyncRunner(store=store).run(gate.graph(), items=[0, 1, 2, 3], run_id="run"))
    with pytest.raises(StoreError, match="its disk or quota is full"):
        await within(run)


async def test_a_file_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"

    @node(output_name="one")
    async def remove() -> int:
        for name in os.listdir(tmp_path):
            os.unlink(tmp_path / name)
        return 1

    @node(output_name="two")
    def after(one: int) -> int:
        return 2 * one

    graph = Graph([remove, after], name="g")
    with SqliteStore(path) as store, pytest.raises(StoreError, match="was removed or replaced while it was open"):
        await within(AsyncRunner(store=store, durability="sync").run(graph, run_id="run"))


async def test_a_store_that_recovers_between_two_signs_of_life_is_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("piecework.core.lease.BEAT", 0.001)
    monkeypatch.setattr("piecework.core.scheduler.BEAT", 0.001)
    beats = asyncio.Event()

    class Hiccup(MemoryStore):
        count = 0

        async def renew(self, claim: Claim) -> bool:
            self.count += 1
            if self.count < 4:
                raise StoreError("not now")
            beats.set()
            return await super().renew(claim)

    @node(output_name="one")
    async def wait() -> int:
        await beats.wait()
        return 1

    result = await within(AsyncRunner(store=Hiccup()).run(Graph([wait], name="g"), run_id="run"))
    assert result["one"] == 1
