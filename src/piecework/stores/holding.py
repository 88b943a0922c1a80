"""Who may write a run: claims, renewals, and requests to cancel.

`SqlStore` performs these on its writer thread. A run is held while its lease runs, unless the process that holds it was
on this machine and is gone; each claim raises the epoch, which fences off whoever claimed it before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from piecework.core.runs import Claim, Owner, RunStart
from piecework.errors import InternalError, PieceworkError, RunHeldError, RunLostError, UnknownRunError
from piecework.stores.database import Database, first_of_each, portions, spread
from piecework.stores.owner import described, works_on
from piecework.stores.writer import Action

__all__ = ("CANCEL", "CLAIM", "LEASE", "RENEW", "ClaimRequest", "Hold", "holds", "loss", "owner_of")

LEASE = 30.0
"""Seconds for which a claim holds if its owner is not heard from."""

_HOLDS = (
    "SELECT run_id, status, epoch, facts, owner, lease FROM piecework_run WHERE run_id IN (...) ORDER BY run_id "
    "FOR UPDATE"
)

_MAKE = (
    "INSERT INTO piecework_run (run_id, name, thread_id, parent, position, shape, labels, status, created, updated, "
    "epoch, owner, lease, cancel, facts, done, failed, planned, size) VALUES (...) "
    "ON CONFLICT (run_id) DO NOTHING RETURNING run_id"
)

_TAKE = (
    "UPDATE piecework_run SET status = 'running', updated = ?, epoch = ?, owner = ?, lease = ?, cancel = 0 "
    "WHERE run_id = ?"
)

_RENEW = (
    "WITH given (run_id, epoch) AS (VALUES (...)) UPDATE piecework_run SET lease = ? FROM given "
    "WHERE piecework_run.run_id = given.run_id AND piecework_run.epoch = given.epoch "
    "AND piecework_run.status = 'running' RETURNING piecework_run.run_id, piecework_run.cancel"
)

_CANCEL = "UPDATE piecework_run SET status = 'cancelled', owner = NULL, lease = 0, updated = ? WHERE run_id = ?"

_owner = msgspec.json.Decoder(Owner).decode
_json = msgspec.json.Encoder().encode


@dataclass(slots=True)
class ClaimRequest:
    """Who wants to write which run."""

    start: RunStart
    """What the run is."""

    owner: Owner
    """Who wants it."""

    claimed: tuple[int, float] | None = None
    """The epoch and the lease as they were written, if it was; whether that was committed may not be known."""


@dataclass(frozen=True, slots=True)
class Hold:
    """How far a run's row says that somebody has it."""

    store: str
    """The store's name."""

    run_id: str
    """The run."""

    status: str
    """The status as it was stored."""

    epoch: int
    """How often it was claimed."""

    facts: int
    """How many facts its log has."""

    owner: Owner | None
    """Who claimed it last, until they gave it back."""

    lease: float
    """Until when."""

    def holder(self, now: float) -> Owner | None:
        """Who works on it; None where it is free."""
        if self.status != "running" or self.owner is None or self.lease <= now:
            return None
        return self.owner if works_on(self.owner, self.store, self.run_id, self.epoch) else None

    def held(self, now: float) -> RunHeldError | None:
        """The error for whoever else wants it; None where it is free."""
        holder = self.holder(now)
        if holder is None:
            return None
        return RunHeldError(self.run_id, held_by=described(holder), seconds=self.lease - now)


def owner_of(text: str | None) -> Owner | None:
    """An owner as it is stored."""
    return None if text is None else _owner(text)


def holds(database: Database, run_ids: Iterable[str]) -> dict[str, Hold]:
    """How some runs stand, those that there are; nobody changes that until the transaction ends."""
    found: dict[str, Hold] = {}
    for some in portions(run_ids, width=1):
        rows = database.rows(spread(_HOLDS, len(some)), some)
        found |= {row[0]: Hold(database.name, row[0], row[1], row[2], row[3], owner_of(row[4]), row[5]) for row in rows}
    return found


def loss(claim: Claim, hold: Hold | None) -> RunLostError | None:
    """The error for whoever writes under a claim that is no longer the last; None where it is."""
    if hold is None:
        return RunLostError(claim.run_id, taken_by="somebody who removed it")
    if hold.epoch != claim.epoch:
        return RunLostError(claim.run_id, taken_by=described(hold.owner))
    if hold.status != "running":
        return RunLostError(claim.run_id, taken_by=f"somebody who ended it as {hold.status}")
    return None


def _claim(database: Database, requests: Sequence[ClaimRequest]) -> list[Claim | PieceworkError]:
    answers: dict[int, Claim | PieceworkError] = {}
    for some in first_of_each(requests, lambda request: request.start.run_id):
        waiting = some
        while waiting:
            found = holds(database, [request.start.run_id for request in waiting])
            made = _make(database, [request for request in waiting if request.start.run_id not in found])
            for request in waiting:
                hold = found.get(request.start.run_id)
                if hold is not None:
                    answers[id(request)] = _take(database, request, hold)
                elif request.start.run_id in made:
                    answers[id(request)] = Claim(request.start.run_id, 1)
            waiting = [request for request in waiting if id(request) not in answers]  # Somebody else was faster.
    return [answers[id(request)] for request in requests]


def _make(database: Database, requests: Sequence[ClaimRequest]) -> set[str]:
    """Add runs that nobody has; returns those that were really new."""
    made: set[str] = set()
    for some in portions(requests, width=19):
        values: list[object] = []
        for request in some:
            now, start = database.now(), request.start
            request.claimed = (1, now + LEASE)
            values += (start.run_id, start.name, start.thread_id, start.parent, start.position)
            values += (_json(start.shape).decode(), _json(start.labels).decode(), "running", now, now)
            values += (1, _json(request.owner).decode(), now + LEASE, 0, 0, 0, 0, 0, 0)
        made |= {row[0] for row in database.rows(spread(_MAKE, 19, len(some)), values)}
    return made


def _take(database: Database, request: ClaimRequest, hold: Hold) -> Claim | PieceworkError:
    run_id, now = request.start.run_id, database.now()
    if request.claimed == (hold.epoch, hold.lease) and hold.owner == request.owner:
        return Claim(run_id, hold.epoch, hold.facts)  # It was committed, and the answer was lost.
    held = hold.held(now)
    if held is not None:
        return held
    request.claimed = (hold.epoch + 1, now + LEASE)
    database.run(_TAKE, (now, hold.epoch + 1, _json(request.owner).decode(), now + LEASE, run_id))
    return Claim(run_id, hold.epoch + 1, hold.facts)


def _renew(database: Database, claims: Sequence[Claim]) -> list[bool | PieceworkError]:
    answers: dict[int, bool | PieceworkError] = {}
    for some in first_of_each(claims, lambda claim: claim.run_id):
        asked: dict[str, bool] = {}
        for portion in portions(some, width=2):
            asked |= _prolong(database, portion)
        lost = [claim.run_id for claim in some if claim.run_id not in asked]
        found = holds(database, lost)
        for claim in some:
            answers[id(claim)] = (
                asked[claim.run_id]
                if claim.run_id in asked
                else loss(claim, found.get(claim.run_id)) or InternalError(f"run {claim.run_id!r} cannot be renewed.")
            )
    return [answers[id(claim)] for claim in claims]


def _prolong(database: Database, claims: Sequence[Claim]) -> dict[str, bool]:
    """Renew the leases of claims that are the last on their runs; returns which these are, and who shall cancel."""
    values: list[object] = [value for claim in claims for value in (claim.run_id, claim.epoch)]
    rows = database.rows(spread(_RENEW, 2, len(claims)), [*values, database.now() + LEASE])
    return {row[0]: bool(row[1]) for row in rows}


def _cancel(database: Database, run_ids: Sequence[str]) -> list[bool | PieceworkError]:
    return [_cancel_one(database, run_id) for run_id in run_ids]


def _cancel_one(database: Database, run_id: str) -> bool | PieceworkError:
    hold, now = holds(database, [run_id]).get(run_id), database.now()
    if hold is None:
        return UnknownRunError(run_id, store=database.name)
    if hold.holder(now) is not None:
        database.run("UPDATE piecework_run SET cancel = 1 WHERE run_id = ?", (run_id,))
        return True
    if hold.status not in {"running", "paused", "stopped"}:
        return False
    # An owner that was only slow finds the run ended, and its facts are refused.
    database.run(_CANCEL, (now, run_id))
    return True


CLAIM: Final[Action[ClaimRequest, Claim]] = Action(_claim)
RENEW: Final[Action[Claim, bool]] = Action(_renew)
CANCEL: Final[Action[str, bool]] = Action(_cancel)
