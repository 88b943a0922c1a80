"""Removing runs with all that is theirs alone.

`SqlStore` performs these on its writer thread. A large value goes with the last run that has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from piecework.errors import PieceworkError
from piecework.stores.database import Database, portions, spread
from piecework.stores.holding import holds
from piecework.stores.writer import Action

__all__ = ("DELETE", "PRUNE", "Pruning")


_ENDED = (
    "SELECT run_id, updated FROM piecework_run WHERE status IN ('completed', 'failed', 'cancelled') "
    "ORDER BY created DESC, run_id DESC FOR UPDATE"
)

_REMOVE_VALUES = (
    "DELETE FROM piecework_value WHERE digest IN (SELECT digest FROM piecework_kept WHERE run_id IN (...)) "
    "AND NOT EXISTS (SELECT 1 FROM piecework_kept WHERE piecework_kept.digest = piecework_value.digest "
    "AND piecework_kept.run_id NOT IN (...))"
)

_REMOVE = (
    "DELETE FROM piecework_kept WHERE run_id IN (...)",
    "DELETE FROM piecework_log WHERE run_id IN (...)",
    "DELETE FROM piecework_run WHERE run_id IN (...)",
)


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which of the ended runs may go."""

    older_than: float | None
    """Those not written for so many seconds."""

    keep: int | None
    """All but so many of the newest."""


def _delete(database: Database, wishes: Sequence[Sequence[str]]) -> list[int | PieceworkError]:
    return [_delete_some(database, run_ids) for run_ids in wishes]


def _delete_some(database: Database, run_ids: Sequence[str]) -> int | PieceworkError:
    database.hold_values(to_remove=True)
    found, now = holds(database, dict.fromkeys(run_ids)), database.now()
    for hold in found.values():
        held = hold.held(now)
        if held is not None:
            return held
    _remove(database, list(found))
    return len(found)


def _prune(database: Database, prunings: Sequence[Pruning]) -> list[tuple[str, ...] | PieceworkError]:
    return [_prune_some(database, pruning) for pruning in prunings]


def _prune_some(database: Database, pruning: Pruning) -> tuple[str, ...]:
    if pruning.older_than is None and pruning.keep is None:
        return ()
    database.hold_values(to_remove=True)
    ended = database.rows(_ENDED)
    before = database.now() - (pruning.older_than or 0.0)
    old = tuple(row[0] for row in ended[max(pruning.keep or 0, 0) :] if row[1] <= before)
    _remove(database, old)
    return old


def _remove(database: Database, run_ids: Sequence[str]) -> None:
    for some in portions(run_ids, width=2):
        database.run(spread(_REMOVE_VALUES, len(some)), [*some, *some])
        for statement in _REMOVE:
            database.run(spread(statement, len(some)), some)
    if run_ids:
        database.reclaim()


DELETE: Final[Action[Sequence[str], int]] = Action(_delete)
PRUNE: Final[Action[Pruning, tuple[str, ...]]] = Action(_prune)
