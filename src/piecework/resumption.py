"""Opening a run that is in a store: what is on record is compared with what is given, and claimed.

The engine comes here when a run is named, never for a new one. What does not fit is told before the run is claimed, so
that a refused resume changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from time import time
from typing import Literal, TypeAlias, cast

from msgspec import Struct, structs

from piecework.core.codec import Codec
from piecework.core.fact import Fact
from piecework.core.journal import BATCH, Count, Opened, input_fact
from piecework.core.outcome import Done, Outcome
from piecework.core.plan import Action, Finish, Plan
from piecework.core.policy import KeepPolicy
from piecework.core.ports import RunLog
from piecework.core.recall import Recall
from piecework.core.recorded import Recorded
from piecework.core.runs import Batch, Claim, RunInfo, RunStart
from piecework.errors import (
    CodecError,
    MissingInputError,
    RunChangedError,
    RunExistsError,
    UnknownGraphError,
    UnknownQuestionError,
    UnknownRunError,
)
from piecework.wording import listed

__all__ = ("Found", "OnChange", "Request", "Work", "find_run", "fork_run", "open_run")

OnChange: TypeAlias = Literal["error", "continue"]
"""What becomes of a resume whose graph is not the one that the run was started with."""

BATCH_NAME = "batch"
"""What batches of runs are called, whatever their graph is."""

_PLACES = re.compile(r"\[[^\[\]/]*\]|@\d+")


def _anything(inputs: Mapping[str, object]) -> None:
    """Any inputs will do."""


class Work(Struct, frozen=True, eq=False, kw_only=True):
    """A workflow and what it is given."""

    name: str
    """The workflow's name, the first segment of every address."""

    shape: Mapping[str, str]
    """For the path of each node its function's name, and after a space how it is used."""

    given: Mapping[str, object]
    """The inputs that the caller gave."""

    bound: Mapping[str, object] = {}
    """The inputs that the workflow brings itself."""

    plan: Callable[[Mapping[str, object]], Plan]
    """Makes the plan of one run out of inputs that were checked."""

    check: Callable[[Mapping[str, object]], None] = _anything
    """Raises where these are not all the inputs that a run needs."""


class Request(Struct, frozen=True, kw_only=True):
    """Which run is wanted, and how."""

    run_id: str | None = None
    """The run to start, or to go on with if it is in the store."""

    thread_id: str | None = None
    """The thread that a new run belongs to."""

    known: bool = False
    """Whether the run must be in the store already."""

    answers: Mapping[str, object] = {}
    """Answers to questions that the run waits for, by the question's id."""

    on_change: OnChange = "error"
    """What to do if the workflow is no longer what it was."""


class Found(Struct, frozen=True, kw_only=True):
    """A run ready to be performed."""

    start: RunStart
    """What it is."""

    plan: Plan
    """What to do."""

    opened: Opened
    """Its claim and what is on record."""

    inputs: Mapping[str, object]
    """All its inputs, those on record included."""


async def find_run(store: RunLog, run_id: str) -> RunInfo:
    """How a run stands.

    Raises:
        UnknownRunError: There is no such run.
    """
    info = await store.find(run_id)
    if info is None:
        raise UnknownRunError(run_id, store=repr(store))
    return info


async def open_run(
    store: RunLog, codec: Codec, work: Work, request: Request, *, start: RunStart, keep: KeepPolicy
) -> Found:
    """Make a run, or take it up where it stopped.

    Args:
        store: Where runs are kept.
        codec: Reads and writes its values.
        work: What is to be run.
        request: Which run, and how.
        start: What the run is if it is a new one.
        keep: How runs are kept.

    Raises:
        UnknownRunError: It must be in the store, and is not.
        RunChangedError: It was started with another graph, or with other inputs.
        MissingInputError: It was given something that could not be stored, and that is not given now.
        UnknownQuestionError: It does not wait for one of the answers.
        RunHeldError: Somebody else works on it.
    """
    info = await store.find(start.run_id)
    if info is None:
        if request.known:
            raise UnknownRunError(start.run_id, store=repr(store))
        work.check(work.given)
        plan = work.plan(work.given)
        opened = Opened(claim=await store.claim(start), inputs={**work.bound, **work.given})
        return Found(start=start, plan=plan, opened=opened, inputs=work.given)
    if info.name == BATCH_NAME != work.name:
        raise UnknownGraphError(info.run_id, name=info.name)
    changes = tuple(_changes(info.start, work))
    if changes and request.on_change == "error":
        raise _changed(info.run_id, changes)
    # Whoever works on the run is told first of all; else it is claimed when all is well.
    claim = await store.claim(info.start) if info.status == "running" else None
    try:
        return await _take_up(store, codec, work, request=request, info=info, claim=claim, keep=keep, whole=not changes)
    except BaseException:
        if claim is not None:
            store.give_up(claim)
        raise


async def _take_up(
    store: RunLog,
    codec: Codec,
    work: Work,
    *,
    request: Request,
    info: RunInfo,
    claim: Claim | None,
    keep: KeepPolicy,
    whole: bool,
) -> Found:
    """Take a run up where it stopped; `whole` says that the workflow is the one that it was started with."""
    run_id = info.run_id
    facts = list(await store.read(run_id))
    recorded = _folded(facts, info.start, work)
    completed = info.status == "completed" and whole
    if completed and _ended_with_outputs(recorded):
        return _over(codec, recorded, work, info)
    inputs = _inputs(codec, recorded, work, run_id)
    plan = _plan(work, inputs, recorded, run_id)
    answers = _answers(codec, recorded, request, run_id)
    if claim is None and not completed:
        claim = await store.claim(info.start)
        if claim.facts != len(facts):  # Somebody went on with it meanwhile.
            facts += await store.read(run_id, after=len(facts))
            recorded = _folded(facts, info.start, work)
    for fact in answers:
        recorded.answered(fact)
    opened = Opened(
        claim=claim,
        recall=Recall(recorded, codec, changed_inputs=keep.changed_inputs, completed=completed),
        inputs={**work.bound, **inputs} if recorded.input is None else None,
        answers=tuple(answers),
    )
    return Found(start=info.start, plan=plan, opened=opened, inputs=inputs)


def _ended_with_outputs(recorded: Recorded) -> bool:
    """Whether the end of a run has its outputs, as it has where an input could not be stored."""
    return recorded.end is not None and recorded.end.status == "done" and recorded.end.value is not None


def _over(codec: Codec, recorded: Recorded, work: Work, info: RunInfo) -> Found:
    """A completed run whose outputs are on record as they are."""
    assert recorded.end is not None
    assert recorded.end.value is not None
    inputs = {**_told(codec, recorded)[0], **work.given}
    plan = _Finished(Done(codec.decode(recorded.end.value)))
    return Found(start=info.start, plan=plan, opened=Opened(claim=None), inputs=inputs)


class _Finished:
    """The plan of a run that is over."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def start(self) -> Sequence[Action]:
        return [Finish(self._outcome)]

    def advance(self, token: object, outcome: Outcome) -> Sequence[Action]:  # noqa: ARG002 - nothing was started
        return [Finish(outcome)]


async def fork_run(
    store: RunLog,
    codec: Codec,
    work: Work,
    run_id: str,
    *,
    start: RunStart,
    rerun: Collection[str],
    on_change: OnChange,
) -> Found:
    """Make a new run that has on record what another has, but for some nodes.

    Args:
        store: Where runs are kept.
        codec: Reads and writes its values.
        work: What is to be run; its given inputs count more than those on record.
        run_id: The run to start from, which stays as it is.
        start: What the new run is.
        rerun: The paths of the nodes that are to run again.
        on_change: What to do if the workflow is no longer what it was.

    Raises:
        UnknownRunError: There is no run to start from.
        RunChangedError: It was started with another graph.
        MissingInputError: It was given something that could not be stored, and that is not given now.
    """
    info = await find_run(store, run_id)
    if info.name == BATCH_NAME != work.name:
        raise UnknownGraphError(info.run_id, name=info.name)
    if await store.find(start.run_id) is not None:
        raise RunExistsError(start.run_id)
    changes = tuple(_changes(info.start, work))
    if changes and on_change == "error":
        raise _changed(run_id, changes)
    facts = list(await store.read(run_id))
    recorded = _folded(facts, info.start, work)
    inputs = {**_inputs(codec, recorded, structs.replace(work, given={}), run_id, given_later=work.given), **work.given}
    work.check(inputs)
    plan = work.plan(inputs)
    dropped = set(recorded.forget_below(rerun, node_path))
    kept = [input_fact(codec, {**work.bound, **inputs})[0]]
    kept += [fact for fact in facts if _goes_along(fact, recorded, dropped)]
    start = structs.replace(start, parent=run_id, position=len(facts))
    claim = await store.claim(start)
    recall = Recall(Recorded(kept), codec, changed_inputs="rerun", completed=False)
    await _copy(store, claim, kept, recall)
    claim = Claim(claim.run_id, claim.epoch, len(kept))
    return Found(start=start, plan=plan, opened=Opened(claim=claim, recall=recall), inputs=inputs)


def node_path(address: str) -> str:
    """The path of the node that an address belongs to: without the workflow's name, items and rounds."""
    return _PLACES.sub("", address.partition("/")[2])


def _goes_along(fact: Fact, recorded: Recorded, dropped: Collection[str]) -> bool:
    """Whether a fact is copied into a fork."""
    if fact.kind == "call":
        return recorded.calls.get(fact.address) is fact
    if fact.kind in {"question", "answer"}:
        return fact.address.rpartition("?")[0] not in dropped
    return fact.kind == "plan" and fact.address not in dropped


async def _copy(store: RunLog, claim: Claim, facts: list[Fact], recall: Recall) -> None:
    tally = Count.recalled(recall)[1]
    for first in range(0, len(facts), BATCH):
        await store.append(Batch(claim=claim, first=first, facts=facts[first : first + BATCH], tally=tally))


def _folded(facts: Iterable[Fact], start: RunStart, work: Work) -> Recorded:
    """A log without the calls of functions that are no longer the same."""
    recorded = Recorded(facts)
    others = {
        path
        for path, told in start.shape.items()
        if path not in work.shape or told.partition(" ")[0] != work.shape[path].partition(" ")[0]
    }
    recorded.forget_below(others, node_path)
    return recorded


def _changes(start: RunStart, work: Work) -> Iterator[str]:
    """What is different between the workflow that a run was started with and the one given now."""
    if start.name != work.name:
        yield f"the run is of {start.name!r}, not of {work.name!r}"
    for path in work.shape.keys() - start.shape.keys():
        yield f"node {path!r} was added"
    for path in start.shape.keys() - work.shape.keys():
        yield f"node {path!r} was removed"
    for path, was in start.shape.items():
        now = work.shape.get(path, was)
        if now != was:
            yield f"node {path!r} was {was}, and is {now}"


def _changed(run_id: str, changes: tuple[str, ...]) -> RunChangedError:
    told = "; ".join(sorted(changes))
    return RunChangedError(
        f"run {run_id!r} was started with another graph: {told}. Resume it with the graph it had, or reuse what is "
        'still there with on_change="continue".',
        run_id=run_id,
        changes=sorted(changes),
    )


def _inputs(
    codec: Codec, recorded: Recorded, work: Work, run_id: str, *, given_later: Collection[str] = ()
) -> dict[str, object]:
    """All inputs of a run: what is on record, and what was given now for what is not."""
    if recorded.input is None:
        return dict(work.given)
    kept, absent = _told(codec, recorded)
    others = [name for name, value in work.given.items() if name in kept and not _same(codec, value, kept[name])]
    others += [name for name in work.given if name not in kept and name not in absent and name not in work.bound]
    if others:
        raise RunChangedError(
            f"run {run_id!r} was started with other inputs: {listed(others)}. Resume it without them, or start a new "
            "run from it with fork(run_id, inputs={...}).",
            run_id=run_id,
            changes=[f"input {name!r}" for name in others],
        )
    missing = [name for name in absent if name not in work.given and name not in work.bound and name not in given_later]
    if missing:
        raise MissingInputError(
            f"run {run_id!r} was given {listed(missing)}, which could not be stored. Give it again: "
            f"resume({run_id!r}, inputs={{{missing[0]!r}: ...}}).",
            names=tuple(missing),
            needed_by={},
        )
    return {**kept, **{name: work.given[name] for name in absent if name in work.given}}


def _told(codec: Codec, recorded: Recorded) -> tuple[dict[str, object], list[str]]:
    """The inputs that are on record, and the names of those that could not be stored."""
    if recorded.input is None or recorded.input.value is None:
        return {}, []
    told = cast("dict[str, object]", codec.decode(recorded.input.value))
    return cast("dict[str, object]", told["given"]), cast("list[str]", told["absent"])


def _plan(work: Work, inputs: Mapping[str, object], recorded: Recorded, run_id: str) -> Plan:
    try:
        work.check(inputs)
    except MissingInputError as error:
        if recorded.input is not None:
            raise
        raise MissingInputError(
            f"run {run_id!r} stopped before its inputs were recorded. Give them again: "
            f"resume({run_id!r}, inputs={{{error.names[0]!r}: ...}}).",
            names=error.names,
            needed_by=error.needed_by,
        ) from error
    return work.plan(inputs)


def _same(codec: Codec, one: object, other: object) -> bool:
    return codec.digest(one) == codec.digest(other)


def _answers(codec: Codec, recorded: Recorded, request: Request, run_id: str) -> list[Fact]:
    if not request.answers:
        return []
    waiting = [fact.address for fact in recorded.open_questions()]
    unknown = [question for question in request.answers if question not in waiting]
    if unknown:
        raise UnknownQuestionError(run_id, unknown, waiting=waiting)
    return [_answer(codec, question, answer) for question, answer in request.answers.items()]


def _answer(codec: Codec, question: str, answer: object) -> Fact:
    try:
        return Fact("answer", question, value=codec.encode(answer), ended=int(time() * 1000))
    except CodecError as fault:
        raise CodecError(f"the answer to {question!r} cannot be kept: {fault}", path=fault.path) from fault
