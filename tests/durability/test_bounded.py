"""A fan-out of 60 workers, 8 at once, killed after 30: what finished is on record although others still wait.

Other engines write nothing of a bounded fan-out before its last worker has started, and run all 60 again.
"""

from pathlib import Path
from typing import Literal

import pytest

from piecework.stores.opening import open_store
from tests.durability.child import Errand
from tests.durability.processes import begin, effects, on_record, run, was_killed

WORKERS, WIDTH, FINISHED = 60, 8, 30


def errand(folder: Path, kind: Literal["async", "blocking", "graph"], runner: Literal["async", "sync"]) -> Errand:
    return Errand(
        store=str(folder / "runs.db"),
        lines=str(folder / "lines"),
        items=WORKERS,
        width=WIDTH,
        kind=kind,
        runner=runner,
        finish=FINISHED,
    )


async def check_what_is_left(killed: Errand) -> None:
    with open_store(killed.store) as store:
        known = {address for address in await on_record(store) if address.endswith("]")}
    assert effects(killed).total() == FINISHED
    assert len(known) >= FINISHED - WIDTH
    killed.finish = None
    answer = run(killed)
    assert answer["total"] == sum(item * item for item in range(WORKERS))
    again = {address for address in answer["ran"] if "work" in address}
    assert not known & again
    assert len(again) == WORKERS - len(known) <= WORKERS - FINISHED + WIDTH
    assert max(effects(killed).values()) <= 2


@pytest.mark.parametrize("runner", ["async", "sync"])
@pytest.mark.parametrize("kind", ["async", "blocking", "graph"])
async def test_workers_that_finished_are_written_while_others_still_run(
    kind: Literal["async", "blocking", "graph"], runner: Literal["async", "sync"], tmp_path: Path
) -> None:
    killed = errand(tmp_path, kind, runner)
    killed.keep = FINISHED - WIDTH
    was_killed(begin(killed))
    await check_what_is_left(killed)


@pytest.mark.parametrize("kind", ["async", "blocking"])
async def test_under_sync_no_more_than_one_worker_for_each_lane_is_ever_unwritten(
    kind: Literal["async", "blocking"], tmp_path: Path
) -> None:
    killed = errand(tmp_path, kind, "async")
    killed.durability = "sync"
    was_killed(begin(killed))
    await check_what_is_left(killed)
