"""How runs stand: their rows as `RunInfo`, found one by one or listed.

`SqlStore` performs these on its writer thread. That a run was interrupted is not stored but seen: its row says that it
runs, and nobody holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from piecework.core.runs import RunInfo, RunStart, Standing, Tally
from piecework.errors import PieceworkError
from piecework.stores.database import Database, portions, spread
from piecework.stores.holding import Hold, owner_of
from piecework.stores.writer import Action

__all__ = ("FIND", "RUNS", "Query")

_SELECT = (
    "SELECT run_id, name, thread_id, parent, position, shape, labels, status, created, updated, epoch, owner, lease, "
    "facts, done, failed, planned, size FROM piecework_run"
)

_strings = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs somebody wants to see."""

    status: Standing | None
    """How they stand."""

    thread_id: str | None
    """The thread that they are a part of."""

    limit: int | None
    """How many at most."""


def _find(database: Database, run_ids: Sequence[str]) -> list[RunInfo | PieceworkError | None]:
    now = database.now()
    found: dict[str, RunInfo] = {}
    for some in portions(run_ids, width=1):
        rows = database.rows(spread(_SELECT + " WHERE run_id IN (...)", len(some)), some)
        found |= {row[0]: _info(row, now, database.name) for row in rows}
    return [found.get(run_id) for run_id in run_ids]


def _runs(database: Database, queries: Sequence[Query]) -> list[tuple[RunInfo, ...] | PieceworkError]:
    return [_list(database, query) for query in queries]


def _list(database: Database, query: Query) -> tuple[RunInfo, ...]:
    statement = _SELECT + " WHERE true"
    values: list[object] = []
    if query.status is not None:
        statement += " AND status = ?"
        values.append("running" if query.status == "interrupted" else query.status)
    if query.thread_id is not None:
        statement += " AND thread_id = ?"
        values.append(query.thread_id)
    statement += " ORDER BY created DESC, run_id DESC"
    # Which of the running ones are interrupted is seen here, so their number cannot be limited there.
    if query.limit is not None and query.status not in {"running", "interrupted"}:
        statement += " LIMIT ?"
        values.append(max(query.limit, 0))
    rows = database.rows(statement, values)
    now = database.now()
    found = [
        info for row in rows if (info := _info(row, now, database.name)).status == query.status or query.status is None
    ]
    return tuple(found if query.limit is None else found[: max(query.limit, 0)])


def _info(row: tuple[Any, ...], now: float, store: str) -> RunInfo:
    run_id, name, thread_id, parent, position, shape, labels = row[:7]
    status, created, updated, epoch, owner, lease = row[7:13]
    facts, done, failed, planned, size = row[13:]
    holder = Hold(store, run_id, status, epoch, facts, owner_of(owner), lease).holder(now)
    return RunInfo(
        start=RunStart(
            run_id=run_id,
            name=name,
            thread_id=thread_id,
            parent=parent,
            position=position,
            shape=_strings(shape),
            labels=_strings(labels),
        ),
        status="interrupted" if status == "running" and holder is None else status,
        created=created,
        updated=updated,
        facts=facts,
        tally=Tally(done, failed, planned),
        size=size,
        epoch=epoch,
        owner=holder,
        lease=0.0 if holder is None else lease,
    )


FIND: Final[Action[str, RunInfo | None]] = Action(_find, writes=False)
RUNS: Final[Action[Query, tuple[RunInfo, ...]]] = Action(_runs, writes=False)
