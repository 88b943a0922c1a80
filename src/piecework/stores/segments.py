"""A run's log as rows: one for each batch, large values apart.

`SqlStore` performs appends and reads on its writer thread. A value above 8 kB is kept once, under the digest of its
bytes, however many facts of however many runs have it; a segment then has the digest in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import msgspec

from piecework.core.fact import Fact
from piecework.core.runs import Batch
from piecework.errors import PieceworkError, StoreError
from piecework.stores.database import Database, first_of_each, portions, spread
from piecework.stores.holding import LEASE, Hold, holds, loss
from piecework.stores.writer import Action

__all__ = ("APPEND", "LARGE", "READ", "Delivery", "Reading", "deliver")

LARGE = 8192
"""Bytes above which a value is kept apart."""

_COUNT = (
    "WITH given (run_id, epoch, first, facts, size, done, failed, planned, status) AS (VALUES (...)) "
    "UPDATE piecework_run SET facts = piecework_run.facts + given.facts, size = piecework_run.size + given.size, "
    "done = given.done, failed = given.failed, planned = given.planned, status = given.status, updated = ?, "
    "owner = CASE WHEN given.status = 'running' THEN piecework_run.owner END, "
    "lease = CASE WHEN given.status = 'running' THEN ? ELSE 0 END "
    "FROM given WHERE piecework_run.run_id = given.run_id AND piecework_run.epoch = given.epoch "
    "AND piecework_run.facts = given.first AND piecework_run.status = 'running' RETURNING piecework_run.run_id"
)

_WRITE = "INSERT INTO piecework_log (run_id, first, epoch, facts) VALUES (...)"

_KEEP = "INSERT INTO piecework_kept (run_id, digest) VALUES (...) ON CONFLICT DO NOTHING RETURNING run_id, digest"

_ADD = "INSERT INTO piecework_value (digest, data) VALUES (...) ON CONFLICT DO NOTHING"

_GROW = "UPDATE piecework_run SET size = size + ? WHERE run_id = ?"

_LENGTHS = "SELECT digest, length(data) FROM piecework_value WHERE digest IN (...)"

_VALUES = "SELECT digest, data FROM piecework_value WHERE digest IN (...)"

_READ = (
    "SELECT first, facts FROM piecework_log WHERE run_id = ? AND first >= "
    "(SELECT coalesce(max(first), 0) FROM piecework_log WHERE run_id = ? AND first <= ?) ORDER BY first"
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Fact]).decode


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch as it is stored."""

    batch: Batch
    """Where it belongs."""

    data: bytes
    """Its facts."""

    large: dict[bytes, bytes]
    """Its large values by their digests."""

    refs: frozenset[bytes]
    """Digests of values that must be in the store already."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What somebody wants to read."""

    run_id: str
    """The run."""

    after: int
    """How many facts to leave out."""

    values: bool
    """Whether large values are wanted."""


def deliver(batch: Batch) -> Delivery:
    """Make of a batch what is stored of it."""
    large: dict[bytes, bytes] = {}
    refs: set[bytes] = set()
    facts: list[Fact] = []
    for fact in batch.facts:
        value = fact.value
        if value is None:
            if fact.ref is not None:
                refs.add(fact.ref)
        elif len(value) > LARGE:
            digest = blake2b(value, digest_size=16).digest()
            large[digest] = value
            fact = msgspec.structs.replace(fact, value=None, ref=digest)  # noqa: PLW2901 - as it is stored
        elif fact.ref is not None:
            fact = msgspec.structs.replace(fact, ref=None)  # noqa: PLW2901 - its value is not kept apart
        facts.append(fact)
    return Delivery(batch, _encode(facts), large, frozenset(refs - large.keys()))


def _append(database: Database, deliveries: Sequence[Delivery]) -> list[PieceworkError | None]:
    answers: dict[int, PieceworkError] = {}
    for some in first_of_each(deliveries, lambda delivery: delivery.batch.claim.run_id):
        ready, lengths = some, {digest: len(data) for one in some for digest, data in one.large.items()}
        if any(one.large or one.refs for one in some):
            database.hold_values(to_remove=False)
            lengths |= _lengths(database, {ref for one in some for ref in one.refs} - lengths.keys())
            for one in some:
                if not one.refs <= lengths.keys():
                    answers[id(one)] = _without_value(database, one.batch.claim.run_id)
            ready = [one for one in some if id(one) not in answers]
        written = _count(database, ready)
        refused = [one for one in ready if one.batch.claim.run_id not in written]
        if refused:
            answers |= _refusals(database, refused)
        _write(database, [one for one in ready if one.batch.claim.run_id in written], lengths)
    return [answers.get(id(delivery)) for delivery in deliveries]


def _count(database: Database, deliveries: Sequence[Delivery]) -> set[str]:
    """Say in the runs' rows what is about to be written; returns the runs whose rows were as the batches expect."""
    written: set[str] = set()
    now = database.now()
    for some in portions(deliveries, width=9):
        values: list[object] = []
        for one in some:
            batch, tally = one.batch, one.batch.tally
            values += (batch.claim.run_id, batch.claim.epoch, batch.first, len(batch.facts), len(one.data))
            values += (tally.done, tally.failed, tally.planned, batch.status)
        rows = database.rows(spread(_COUNT, 9, len(some)), [*values, now, now + LEASE])
        written |= {row[0] for row in rows}
    return written


def _write(database: Database, deliveries: Sequence[Delivery], lengths: dict[bytes, int]) -> None:
    kept = [(one.batch.claim.run_id, digest) for one in deliveries for digest in {*one.large, *one.refs}]
    if kept:
        grown = _keep(database, kept, lengths)
        large = {digest: data for one in deliveries for digest, data in one.large.items()}
        # In one order everywhere, so that two processes that add the same values do not wait for each other.
        for some in portions(sorted(large.items()), width=2, size=lambda row: len(row[1])):
            database.run(spread(_ADD, 2, len(some)), [value for row in some for value in row])
        for run_id, size in grown.items():
            database.run(_GROW, (size, run_id))
    segments = [one for one in deliveries if one.batch.facts]
    for portion in portions(segments, width=4, size=lambda one: len(one.data)):
        values: list[object] = []
        for one in portion:
            values += (one.batch.claim.run_id, one.batch.first, one.batch.claim.epoch, one.data)
        database.run(spread(_WRITE, 4, len(portion)), values)


def _keep(database: Database, kept: Sequence[tuple[str, bytes]], lengths: dict[bytes, int]) -> dict[str, int]:
    """Note which runs have which values; returns by how much runs that did not have them grew."""
    grown: dict[str, int] = {}
    for some in portions(kept, width=2):
        rows = database.rows(spread(_KEEP, 2, len(some)), [value for row in some for value in row])
        for run_id, digest in rows:
            grown[run_id] = grown.get(run_id, 0) + lengths[digest]
    return grown


def _lengths(database: Database, digests: Iterable[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for some in portions(digests, width=1):
        found |= dict(database.rows(spread(_LENGTHS, len(some)), some))
    return found


def _refusals(database: Database, deliveries: Sequence[Delivery]) -> dict[int, PieceworkError]:
    """Why batches were not written, those that need not be left out."""
    found = holds(database, [one.batch.claim.run_id for one in deliveries])
    refusals: dict[int, PieceworkError] = {}
    for one in deliveries:
        refusal = _refusal(one.batch, found.get(one.batch.claim.run_id), database.label)
        if refusal is not None:
            refusals[id(one)] = refusal
    return refusals


def _refusal(batch: Batch, hold: Hold | None, label: str) -> PieceworkError | None:
    claim = batch.claim
    if hold is not None and hold.epoch == claim.epoch and _is_there(batch, hold):
        return None
    lost = loss(claim, hold)
    if lost is not None:
        return lost
    assert hold is not None
    return StoreError(
        f"{label} has {hold.facts} facts of run {claim.run_id!r}, but was given some to follow on {batch.first}. "
        "Add facts in order, each batch once the one before is written.",
        store=label,
    )


def _is_there(batch: Batch, hold: Hold) -> bool:
    """Whether a batch is in the log already: its claim is still the last one, and nobody else wrote since."""
    if not batch.facts:
        return hold.facts == batch.first and hold.status == batch.status
    return batch.claim.facts <= batch.first and batch.first + len(batch.facts) <= hold.facts


def _read(database: Database, readings: Sequence[Reading]) -> list[tuple[Fact, ...] | PieceworkError]:
    return [_read_one(database, reading) for reading in readings]


def _read_one(database: Database, reading: Reading) -> tuple[Fact, ...]:
    rows = database.rows(_READ, (reading.run_id, reading.run_id, reading.after))
    facts: list[Fact] = []
    start = min(rows[0][0], reading.after) if rows else 0
    for first, data in rows:
        if first != start + len(facts):
            raise _damaged(database, reading.run_id, f"facts {start + len(facts)} to {first} are missing")
        try:
            facts += _decode(data)
        except msgspec.MsgspecError as error:
            raise _damaged(database, reading.run_id, f"facts from {first} on cannot be read: {error}") from error
    del facts[: max(reading.after - start, 0)]
    return _filled(database, reading.run_id, facts) if reading.values else tuple(facts)


def _filled(database: Database, run_id: str, facts: list[Fact]) -> tuple[Fact, ...]:
    """The facts with their large values."""
    wanted = {fact.ref for fact in facts if fact.ref is not None}
    if not wanted:
        return tuple(facts)
    data: dict[bytes, bytes] = {}
    for some in portions(sorted(wanted), width=1):
        data |= dict(database.rows(spread(_VALUES, len(some)), some))
    if len(data) < len(wanted):
        raise _damaged(database, run_id, f"{len(wanted) - len(data)} of its large values are missing")
    return tuple(
        fact if fact.ref is None else msgspec.structs.replace(fact, value=data[fact.ref], ref=None) for fact in facts
    )


def _damaged(database: Database, run_id: str, what: str) -> StoreError:
    return StoreError(
        f"run {run_id!r} in {database.label} is damaged: {what}. Something else wrote to the store, or its disk "
        "fails; restore it from a copy, or delete the run.",
        store=database.name,
    )


def _without_value(database: Database, run_id: str) -> StoreError:
    return StoreError(
        f"{database.label} was given facts for run {run_id!r} whose large values it does not have. Copy facts while "
        "the run that they are from is there, or read them with their values.",
        store=database.name,
    )


APPEND: Final[Action[Batch, None]] = Action(_append, prepare=deliver)
READ: Final[Action[Reading, tuple[Fact, ...]]] = Action(_read, writes=False)
