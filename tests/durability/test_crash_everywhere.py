"""Random graphs, crashed at every write: the same result as without a crash, and nothing on record runs again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from piecework import AsyncRunner, Graph
from piecework.core.current import CURRENT
from piecework.core.policy import Durability
from piecework.core.ports import RunLog
from piecework.testing.crashing import CrashingStore, CrashMoment, StoreCrashError
from tests.core.harness import within
from tests.core.test_interleavings import Part, Probe, evaluate, workflows
from tests.durability.places import opening

modes: st.SearchStrategy[Durability] = st.sampled_from(["async", "async", "sync", "exit"])


class Counting(Probe):
    """Counts, beside what the probe watches, how often the function of each call ran."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.ran: Counter[str] = Counter()

    @contextmanager
    def working(self, needs: tuple[str, ...] = ()) -> Iterator[None]:
        call = CURRENT.get()
        assert call is not None
        with self.lock:
            self.ran[call.address] += 1
        with super().working(needs):
            yield


class Case:
    """One graph, run over one place by one process after the other."""

    def __init__(self, parts: list[Part], x: int, limit: int | None, seed: int, durability: Durability) -> None:
        self.parts, self.x, self.limit, self.seed = parts, x, limit, seed
        self.durability: Durability = durability
        self.expected = evaluate(parts, x)

    async def incarnation(self, probe: Counting, graph: Graph, store: RunLog) -> dict[str, object] | None:
        """Run, or go on with the run; None where the process crashed."""
        runner = AsyncRunner(max_concurrency=self.limit, store=store, durability=self.durability)
        probe.waiting.clear()
        releasing = asyncio.create_task(probe.release())
        try:
            result = await within(runner.run(graph, {"x": self.x}, run_id="run"), 10.0)
        except StoreCrashError:
            return None
        finally:
            releasing.cancel()
        return dict(result.values)

    async def crash(self, open_store: Callable[[], RunLog], crashes: list[tuple[int, CrashMoment]]) -> bool:
        """Crash at these writes, one process after the other, then come to the end; whether all crashed."""
        probe = Counting(self.seed)
        graph = Graph([built for part in self.parts for built in part.build(probe)], name="g")
        values, crashed = None, True
        known: set[str] = set()
        before: Counter[str] = Counter()
        for at, when in [*crashes, (0, "before")]:
            store = open_store()
            values = await self.incarnation(probe, graph, CrashingStore(store, at=at, when=when) if at else store)
            again = probe.ran - before
            assert not known & again.keys(), f"on record, and ran again: {known & again.keys()}"
            known, before = await on_record(store), probe.ran.copy()
            if values is not None:
                crashed = at == 0
                break
        assert values is not None
        await self.check(open_store(), probe, values)
        return crashed

    async def check(self, store: RunLog, probe: Counting, values: dict[str, object]) -> None:
        assert {name: values[name] for name in values if name in self.expected} == {
            part.name: self.expected[part.name] for part in self.parts
        }
        done = Counter(fact.address for fact in await store.read("run") if done_call(fact))
        assert set(done.values()) <= {1}
        assert probe.active == 0
        found = await store.find("run")
        assert found is not None
        assert found.status == "completed"
        calls = {fact.address for fact in await store.read("run") if fact.kind == "call"}
        assert len(calls) == sum(part.calls(self.expected) for part in self.parts)
        failed = len(calls) - len(done)
        assert (found.tally.done, found.tally.failed, found.tally.planned) == (len(done), failed, len(calls))


def done_call(fact: object) -> bool:
    return (getattr(fact, "kind", ""), getattr(fact, "status", "")) == ("call", "done")


async def on_record(store: RunLog) -> set[str]:
    return {fact.address for fact in await store.read("run") if done_call(fact)}


cases = st.builds(
    Case,
    workflows(),
    st.integers(0, 50),
    st.sampled_from([None, 1, 2, 5]),
    st.integers(0, 2**16),
    modes,
)
moments: st.SearchStrategy[CrashMoment] = st.sampled_from(["before", "after"])


async def everywhere(case: Case, kind: str) -> int:
    """Crash at every write in turn; returns how many runs crashed."""
    crashed = 0
    whens: tuple[CrashMoment, ...] = ("before", "after")
    for when in whens:
        at = 1
        with TemporaryDirectory() as folder:
            going_on = True
            while going_on:
                place = Path(folder) / str(at)
                place.mkdir()
                with opening(kind, place) as open_store:
                    going_on = await case.crash(open_store, [(at, when)])
                crashed += going_on
                at += 1
    return crashed


@settings(max_examples=settings().max_examples // 2)
@given(case=cases)
def test_a_crash_at_any_write_changes_nothing_of_the_result(case: Case) -> None:
    assert asyncio.run(everywhere(case, "memory")) >= 2


@settings(max_examples=settings().max_examples // 15)
@given(case=cases)
def test_a_crash_at_any_write_to_a_file_changes_nothing_of_the_result(case: Case) -> None:
    assert asyncio.run(everywhere(case, "sqlite")) >= 2


@given(case=cases, crashes=st.lists(st.tuples(st.integers(1, 6), moments), min_size=2, max_size=6))
def test_crash_after_crash_changes_nothing_of_the_result(case: Case, crashes: list[tuple[int, CrashMoment]]) -> None:
    async def main() -> None:
        with TemporaryDirectory() as folder, opening("memory", Path(folder)) as open_store:
            await case.crash(open_store, crashes)

    asyncio.run(main())
