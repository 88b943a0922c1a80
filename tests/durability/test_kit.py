"""The durability kit over every store of ours; and it finds what it is there to find."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from piecework import MemoryStore
from piecework.core.ports import RunLog
from piecework.core.runs import Batch, Claim, Owner, RunStart
from piecework.testing.durability import DURABILITY_CHECKS, check_durability
from piecework.testing.storage import ConformanceError, StoreCheck
from tests.durability.places import opening


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], RunLog]]:
    with opening(request.param, tmp_path) as open_one:
        yield open_one


@pytest.mark.parametrize("check", DURABILITY_CHECKS, ids=lambda check: check.__name__)
async def test_runs_survive(check: StoreCheck, open_store: Callable[[], RunLog]) -> None:
    await check(open_store)


class _Wrapped(MemoryStore):
    """A store in memory that can be made to break a promise."""


class _Forgetful(_Wrapped):
    async def append(self, batch: Batch) -> None:
        """Say that all is well, and lose the facts of calls."""
        kept = [fact for fact in batch.facts if fact.kind != "call"]
        info = self._runs[batch.claim.run_id].info
        told: dict[str, Any] = {name: getattr(batch, name) for name in ("claim", "tally", "status")}
        await super().append(Batch(first=info.facts, facts=kept, **told))


class _Hoarding(_Wrapped):
    """Writes nothing before a run ends."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Batch] = []

    async def append(self, batch: Batch) -> None:
        self.held.append(batch)
        if batch.status != "running":
            held, self.held = self.held, []
            for one in held:
                await super().append(one)


class _Fenceless(_Wrapped):
    async def append(self, batch: Batch) -> None:
        """Take batches from whoever brings them."""
        kept = self._runs[batch.claim.run_id]
        claim = Claim(batch.claim.run_id, kept.info.epoch)
        told: dict[str, Any] = {name: getattr(batch, name) for name in ("facts", "tally", "status")}
        await super().append(Batch(claim=claim, first=len(kept.facts), **told))


class _Free(_Wrapped):
    async def claim(self, start: RunStart, *, owner: Owner | None = None) -> Claim:
        """Give the run to whoever asks."""
        if start.run_id in self._runs:
            kept = self._runs[start.run_id]
            kept.info = type(kept.info)(
                **{name: getattr(kept.info, name) for name in kept.info.__struct_fields__ if name != "lease"}
            )
        return await super().claim(start, owner=owner)


class _Doubling(_Wrapped):
    async def append(self, batch: Batch) -> None:
        """Write a batch again that was delivered again."""
        kept = self._runs[batch.claim.run_id]
        told: dict[str, Any] = {name: getattr(batch, name) for name in ("claim", "facts", "tally", "status")}
        await super().append(Batch(first=len(kept.facts), **told))


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (_Forgetful, "a_completed_run_gives_its_result_and_runs_nothing"),
        (_Hoarding, "a_cancelled_run_keeps_what_finished|with_sync"),
        (_Fenceless, "a_runner_that_was_taken_over_is_fenced_off"),
        (_Free, "of_two_runners_one_gets_the_run"),
        (_Doubling, "batches_delivered_twice_change_nothing"),
    ],
)
async def test_a_store_that_breaks_a_promise_is_found_out(kind: type[MemoryStore], promise: str) -> None:
    store = kind()
    with pytest.raises(ConformanceError, match=promise):
        await check_durability(lambda: store)


async def test_a_store_that_keeps_all_promises_passes_all_at_once() -> None:
    store = MemoryStore()
    await check_durability(lambda: store)
