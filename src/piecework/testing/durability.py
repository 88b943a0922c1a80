"""What piecework promises of durable runs, as checks that any store can be held to together with the engine.

`storage` checks a store by itself; these run workflows over it, end their process at every write, go on with them from
another one, and count what was done. From pytest, with a new place for each check:

    @pytest.mark.parametrize("check", DURABILITY_CHECKS, ids=lambda check: check.__name__)
    async def test_runs_in_my_store_survive(check: StoreCheck, tmp_path: Path) -> None:
        await check(lambda: MyStore(tmp_path / "runs"))

or from anywhere: `asyncio.run(check_durability(lambda: MyStore(path)))`. The function must open the same place each
time, as another process would.
"""

from __future__ import annotations

from typing import Final

from piecework.testing import durability_crashes as crashes
from piecework.testing import durability_runs as runs
from piecework.testing.storage_log import OpenStore, StoreCheck, hold_to

__all__ = ("DURABILITY_CHECKS", "check_durability")

DURABILITY_CHECKS: Final[tuple[StoreCheck, ...]] = (
    runs.a_completed_run_gives_its_result_and_runs_nothing,
    runs.a_failed_call_runs_again_until_it_is_done_and_then_never,
    runs.a_cancelled_run_keeps_what_finished,
    runs.of_two_runners_one_gets_the_run,
    runs.a_runner_that_was_taken_over_is_fenced_off,
    runs.questions_and_answers_survive,
    crashes.nothing_on_record_runs_again_wherever_a_run_crashes,
    crashes.a_run_that_crashes_again_and_again_comes_to_its_end,
    crashes.batches_delivered_twice_change_nothing,
    crashes.a_bounded_fan_out_loses_only_what_was_in_flight,
    crashes.with_sync_a_call_is_committed_before_what_takes_its_output_starts,
    crashes.with_async_a_fan_outs_plan_is_committed_before_its_items_start,
    crashes.with_exit_all_is_written_at_the_end,
)
"""All promises."""


async def check_durability(open_store: OpenStore) -> None:
    """Hold a store, and the engine over it, to all promises.

    Args:
        open_store: Opens the store, again at each call.

    Raises:
        ConformanceError: Some are broken; names them all.
    """
    await hold_to(DURABILITY_CHECKS, open_store)
