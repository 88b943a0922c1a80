"""What every store promises, as checks that any store can be held to.

A store of your own passes them if piecework can rely on it. From pytest, with a new place for each check:

    @pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
    async def test_my_store_keeps_its_promises(check: StoreCheck, tmp_path: Path) -> None:
        await check(lambda: MyStore(tmp_path / "runs"))

or from anywhere: `asyncio.run(check_store(lambda: MyStore(path)))`. The function is called several times and must open
the same place each time, as another process would; it may be a coroutine function. Give the checks a place of their
own: they remove runs that have ended.
"""

from __future__ import annotations

from typing import Final

from piecework.testing import storage_claims as claims
from piecework.testing import storage_facts as facts
from piecework.testing import storage_runs as runs
from piecework.testing.storage_log import ConformanceError, OpenStore, StoreCheck, hold_to

__all__ = ("STORE_CHECKS", "ConformanceError", "OpenStore", "StoreCheck", "check_store")

STORE_CHECKS: Final[tuple[StoreCheck, ...]] = (
    facts.facts_are_read_in_the_order_they_were_added,
    facts.facts_come_back_as_they_were,
    facts.another_opening_sees_what_was_written,
    facts.facts_are_read_from_a_position,
    facts.a_batch_delivered_twice_is_written_once,
    facts.a_batch_with_a_gap_before_it_is_refused,
    facts.large_values_are_read_with_the_facts_and_without,
    facts.facts_are_copied_without_their_large_values,
    facts.many_runs_are_written_at_once,
    claims.an_older_claim_is_fenced_off,
    claims.a_held_run_is_refused_and_says_who_has_it,
    claims.a_run_of_a_process_that_is_gone_is_free,
    claims.a_run_that_ended_can_be_claimed_again,
    claims.of_many_claims_one_wins,
    claims.a_request_to_cancel_reaches_the_owner,
    claims.a_run_that_nobody_works_on_is_cancelled_at_once,
    runs.a_run_is_told_as_it_was_made,
    runs.status_and_tally_are_kept,
    runs.runs_are_listed_newest_first,
    runs.a_run_that_nobody_works_on_is_interrupted,
    runs.a_run_nobody_made_is_unknown,
    runs.deleted_runs_are_gone,
    runs.old_runs_are_pruned,
)
"""All promises."""


async def check_store(open_store: OpenStore) -> None:
    """Hold a store to all promises.

    Args:
        open_store: Opens it, again at each call.

    Raises:
        ConformanceError: It breaks some; names them all.
    """
    await hold_to(STORE_CHECKS, open_store)
