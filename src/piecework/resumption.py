"""Opening a run that is in a store: what is on record is compared with what is given, and claimed.

The engine comes here when a run is named, never for a new one. What does not fit is told before the run is claimed, so
that a refused resume changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from time import time
from typing import Any, Literal, TypeAlias, cast

from msgspec import Struct, msgpack, structs

from piecework.core.codec import Codec
from piecework.core.fact import Fact
from piecework.core.journal import Count, Opened, input_fact
from piecework.core.outcome import Done, Outcome
from piecework.core.plan import Action, Finish, Plan
from piecework.core.policy import KeepPolicy
from piecework.core.ports import RunLog
from piecework.core.recall import Recall
from piecework.core.recorded import Recorded
from piecework.core.runs import Batch, Claim, RunInfo, RunStart
from piecework.core.usage import Usage
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

BATCH = "graph for each of "
"""How the shape of a batch of runs begins to tell its graph."""

Change: TypeAlias = tuple[dict[str, str], list[str]]
"""What a workflow is made of now, and the paths of nodes whose functions are others than they were, or are gone."""


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

    outputs: tuple[str, ...] = ()
    """What it is wanted for, where its outputs have names."""

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

    failed: Literal["keep", "retry"] = "keep"
    """What becomes of items that failed in a run that has completed all the same."""


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
        if request.answers:
            raise UnknownQuestionError(start.run_id, request.answers, waiting=())
        work.check(work.given)
        plan = work.plan(work.given)
        opened = Opened(claim=await store.claim(start), inputs={**work.bound, **work.given}, bound=_own(work))
        return Found(start=start, plan=plan, opened=opened, inputs=work.given)
    _check_kind(info, work, request)
    # Whoever works on the run is told first of all; else it is claimed when all is well.
    claim = await store.claim(info.start) if info.status == "running" else None
    try:
        return await _take_up(store, codec, work, request=request, info=info, claim=claim, keep=keep)
    except BaseException:
        if claim is not None:
            store.give_up(claim)
        raise


def _check_kind(info: RunInfo, work: Work, request: Request) -> None:
    """See that a run is of the kind, and in the thread, that it is asked for as."""
    batch = any(told.startswith(BATCH) for told in info.start.shape.values())
    if batch and work.name != info.name:
        raise UnknownGraphError(info.run_id, name="batch")
    if request.thread_id not in {None, info.start.thread_id}:
        raise RunChangedError(
            f"run {info.run_id!r} is no part of thread {request.thread_id!r}. Leave thread_id out to go on with it.",
            run_id=info.run_id,
            changes=["thread_id"],
        )


def _own(work: Work) -> frozenset[str]:
    """The inputs that the workflow brings itself and nobody gave."""
    return frozenset(work.bound.keys() - work.given.keys())


async def _take_up(
    store: RunLog,
    codec: Codec,
    work: Work,
    *,
    request: Request,
    info: RunInfo,
    claim: Claim | None,
    keep: KeepPolicy,
) -> Found:
    """Take a run up where it stopped."""
    run_id = info.run_id
    facts = list(await store.read(run_id))
    recorded = Recorded(facts)
    change = _change(recorded, info.start, work, refuse=request.on_change == "error")
    again = request.failed == "retry" and any(fact.status == "failed" for fact in recorded.calls.values())
    completed = info.status == "completed" and change is None and not again
    told = _told(codec, recorded)
    inputs = _inputs(codec, told, work, run_id, over=completed, grown=change is not None)
    answers = _answers(codec, recorded, request, run_id)
    finished = _outputs_on_record(codec, recorded, work) if completed else None
    if finished is not None:
        return Found(start=info.start, plan=_Finished(finished), opened=Opened(claim=None), inputs=inputs)
    _check_given(told, work, run_id)
    plan = _plan(work, inputs, recorded, run_id)
    if claim is None and not completed:
        claim = await store.claim(info.start)
        if claim.facts != len(facts):  # Somebody went on with it meanwhile.
            recorded = Recorded([*facts, *await store.read(run_id, after=len(facts))])
            change = _change(recorded, info.start, work, refuse=False)
    if change is not None:
        recorded.forget_below(change[1])
    for fact in answers:
        recorded.answered(fact)
    opened = Opened(
        claim=claim,
        recall=Recall(recorded, codec, changed_inputs=keep.changed_inputs, completed=completed),
        inputs={**work.bound, **inputs} if recorded.input is None else None,
        bound=_own(work),
        keeps_outputs=bool(told.absent),
        used=_used(facts),
        first=(*_updates(change), *answers),
    )
    return Found(start=info.start, plan=plan, opened=opened, inputs=inputs)


def _used(facts: Iterable[Fact]) -> Usage:
    """What the calls of a run have used up so far, all attempts counted."""
    return sum((fact.usage for fact in facts if fact.usage is not None), Usage())


def _updates(change: Change | None) -> tuple[Fact, ...]:
    """The fact of a workflow that is another now."""
    if change is None:
        return ()
    return (Fact("update", "", value=msgpack.encode(change), ended=int(time() * 1000)),)


def _outputs_on_record(codec: Codec, recorded: Recorded, work: Work) -> Done | None:
    """The outputs of a completed run, where its end has them, as it has where an input could not be stored."""
    end = recorded.end
    if end is None or end.status != "done" or end.value is None:
        return None
    outputs = codec.decode(end.value)
    if work.outputs and isinstance(outputs, dict):
        made = cast("dict[str, object]", outputs)
        return Done({name: made[name] for name in work.outputs}) if made.keys() >= set(work.outputs) else None
    return Done(outputs)


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
    _check_kind(info, work, Request())
    if await store.find(start.run_id) is not None:
        raise RunExistsError(start.run_id)
    facts = list(await store.read(run_id))
    recorded = Recorded(facts)
    change = _change(recorded, info.start, work, refuse=on_change == "error")
    told = _told(codec, recorded)
    inputs = {**told.kept, **{name: work.bound[name] for name in told.bound if name in work.bound}, **work.given}
    _check_given(told, work, run_id)
    work.check({**work.bound, **inputs})
    plan = work.plan(inputs)
    recorded.forget_below({*rerun, *(change[1] if change is not None else ())})
    fact, whole = input_fact(codec, {**work.bound, **inputs}, bound=_own(work))
    kept = [fact, *(each for each in facts if _goes_along(each, recorded))]
    start = structs.replace(start, parent=run_id, position=len(facts))
    recall = Recall(Recorded(kept), codec, changed_inputs="rerun", completed=False)
    claim = await store.claim(start)
    try:  # All at once: nobody must find half a fork.
        await store.append(Batch(claim=claim, first=0, facts=kept, tally=Count.recalled(recall)[1]))
    except BaseException:
        store.give_up(claim)
        raise
    claim = Claim(claim.run_id, claim.epoch, len(kept))
    opened = Opened(claim=claim, recall=recall, keeps_outputs=not whole, used=_used(kept), anew=frozenset(rerun))
    return Found(start=start, plan=plan, opened=opened, inputs=inputs)


def _goes_along(fact: Fact, recorded: Recorded) -> bool:
    """Whether a fact is copied into a fork."""
    kept: Mapping[str, Mapping[str, Fact]] = {
        "call": recorded.calls,
        "plan": recorded.plans,
        "question": recorded.questions,
        "answer": recorded.answers,
    }
    if fact.kind == "plan" and fact.address.endswith(":]"):
        return fact.address[:-2].rpartition("[")[0] in recorded.pulled
    return fact.kind in kept and kept[fact.kind].get(fact.address) is fact


def _change(recorded: Recorded, start: RunStart, work: Work, *, refuse: bool) -> Change | None:
    """What the workflow is now and which of its nodes are others than they were; None where it is the same.

    Raises:
        RunChangedError: It is another, and that is to be refused.
    """
    was = start.shape if recorded.shape is None else recorded.shape
    changes = sorted(_changes(start.name, was, work))
    if not changes:
        return None
    if refuse:
        raise RunChangedError(
            f"run {start.run_id!r} was started with another graph: {'; '.join(changes)}. Resume it with the graph it "
            'had, or reuse what is still there with on_change="continue".',
            run_id=start.run_id,
            changes=changes,
        )
    others = [
        path
        for path, told in was.items()
        if path not in work.shape or told.partition(" ")[0] != work.shape[path].partition(" ")[0]
    ]
    return dict(work.shape), others


def _changes(name: str, shape: Mapping[str, str], work: Work) -> Iterator[str]:
    """What is different between the workflow that a run was started with and the one given now."""
    if name != work.name:
        yield f"the run is of {name!r}, not of {work.name!r}"
    for path in work.shape.keys() - shape.keys():
        yield f"node {path!r} was added"
    for path in shape.keys() - work.shape.keys():
        yield f"node {path!r} was removed"
    for path, was in shape.items():
        now = work.shape.get(path, was)
        if now != was:
            yield f"node {path!r} was {was}, and is {now}"


class _Told(Struct, frozen=True):
    """What is on record of a run's inputs."""

    kept: Mapping[str, object] = {}
    """Those that could be stored."""

    absent: Sequence[str] = ()
    """The names of the others."""

    bound: Collection[str] = ()
    """The names of those that the workflow brought itself."""


def _told(codec: Codec, recorded: Recorded) -> _Told:
    if recorded.input is None or recorded.input.value is None:
        return _Told()
    told = cast("dict[str, Any]", codec.decode(recorded.input.value))
    return _Told(told["given"], told["absent"], told["bound"])


def _inputs(codec: Codec, told: _Told, work: Work, run_id: str, *, over: bool, grown: bool) -> dict[str, object]:
    """All inputs of a run: what is on record, and what was given now for what is not.

    Args:
        codec: Compares values.
        told: What is on record.
        work: Has what is given now.
        run_id: The run.
        over: Whether the run has completed, so that what it was bound to does not matter.
        grown: Whether the workflow is another than before, and may have inputs that it did not have.

    Raises:
        RunChangedError: The run was started with other inputs.
    """
    if not told.kept and not told.absent:
        return dict(work.given)
    others = [
        name for name, value in work.given.items() if name in told.kept and not _same(codec, value, told.kept[name])
    ]
    strange = [name for name in work.given if name not in told.kept and name not in told.absent]
    others += [name for name in strange if not grown]
    bound = [name for name in told.bound if name in work.bound and name in told.kept and not over]
    others += [name for name in bound if not _same(codec, work.bound[name], told.kept[name]) and name not in work.given]
    if others:
        raise RunChangedError(
            f"run {run_id!r} was started with other inputs: {listed(others)}. Resume it without them, and with "
            "the graph bound as it was, or start a new run from it with fork(run_id, inputs={...}).",
            run_id=run_id,
            changes=[f"input {name!r}" for name in others],
        )
    again = {name: value for name, value in work.given.items() if name in told.absent or name in strange}
    return {**told.kept, **again}


def _check_given(told: _Told, work: Work, run_id: str) -> None:
    """See that what could not be stored is given again."""
    missing = [name for name in told.absent if name not in work.given and name not in work.bound]
    if missing:
        raise MissingInputError(
            f"run {run_id!r} was given {listed(missing)}, which could not be stored. Give it again, beside the run's "
            f"id: inputs={{{missing[0]!r}: ...}}.",
            names=tuple(missing),
            needed_by={},
        )


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
    may = {fact.address for fact in recorded.waited_for()}
    unknown = [question for question in request.answers if question not in may]
    if unknown:
        waiting = [fact.address for fact in recorded.open_questions()]
        raise UnknownQuestionError(run_id, unknown, waiting=waiting or sorted(may))
    return [_answer(codec, question, answer) for question, answer in request.answers.items()]


def _answer(codec: Codec, question: str, answer: object) -> Fact:
    try:
        return Fact("answer", question, value=codec.encode(answer), ended=int(time() * 1000))
    except CodecError as fault:
        raise CodecError(f"the answer to {question!r} cannot be kept: {fault}", path=fault.path) from fault
