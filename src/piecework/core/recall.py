"""Calls answered from the log: what a run that is resumed need not do again.

The journal asks here first, at the door. Reads the fold of a log and decodes what it needs of it; writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from piecework.core.call import Call
from piecework.core.codec import Codec
from piecework.core.fact import Fact
from piecework.core.outcome import Done, Failed, Outcome, Paused, Question
from piecework.core.policy import ChangedInputs
from piecework.core.recorded import Recorded
from piecework.errors import CodecError, InputChangedError

__all__ = ("UNKEPT", "Recall")


class _Unkept:
    """The type of `UNKEPT`; it cannot be encoded."""

    def __repr__(self) -> str:
        return "<a value that was not kept and that nothing needs>"


UNKEPT = _Unkept()
"""What a plan passes on for an output that was not kept, where all who take it are on record."""


class Recall:
    """What is on record of one run."""

    def __init__(self, recorded: Recorded, codec: Codec, *, changed_inputs: ChangedInputs, completed: bool) -> None:
        """Answer from a log.

        Args:
            recorded: The log, folded.
            codec: Reads its values.
            changed_inputs: What becomes of a call that is done on record, but was given other arguments.
            completed: Whether the run has completed, so that not even what failed in it is tried again.
        """
        self.recorded = recorded
        """The log, folded."""
        self._codec = codec
        self._changed_inputs = changed_inputs
        self._completed = completed

    def outcome(self, call: Call, arguments: Mapping[str, object]) -> Outcome | None:
        """How a call ended, if it need not be run again; else its count of attempts goes on where it stood."""
        fact = self.recorded.calls.get(call.address)
        if fact is None:
            return None
        if fact.status != "done":
            same = self._completed or (fact.inputs, fact.given) == (call.inputs, call.given)
            return self._undone(fact, call, same=same)
        changed = (fact.inputs != call.inputs or fact.given != call.given) and self._counts(arguments)
        if changed and self._changed_inputs == "error":
            return Failed(InputChangedError(node=call.target.name, address=call.address))
        if changed or fact.value is None:
            return None
        try:
            return Done(self._codec.decode(fact.value))
        except CodecError as fault:
            return Failed(_unreadable(call, fault))

    def _undone(self, fact: Fact, call: Call, *, same: bool) -> Outcome | None:
        if fact.status == "failed":
            if self._completed and fact.value is not None:
                return Failed(cast("BaseException", self._codec.decode(fact.value)), fact.attempts)
            call.living().attempts = fact.attempts + 1
        elif fact.status == "paused":
            asked = self.recorded.asked_in(call.address)
            if asked and same:
                return Paused(tuple(map(self.question, asked)))
            call.living().attempts = fact.attempts
        return None

    def _counts(self, arguments: Mapping[str, object]) -> bool:
        """Whether it matters that these are not the arguments on record."""
        return not self._completed and not any(value is UNKEPT for value in arguments.values())

    def done(self, address: str) -> bool:
        """Whether a call is on record as done."""
        fact = self.recorded.calls.get(address)
        return fact is not None and fact.status == "done"

    def planned(self, address: str, value: bytes) -> bool:
        """Whether a fan-out is on record with just this plan."""
        fact = self.recorded.plans.get(address)
        return fact is not None and fact.value == value

    def pulled(self, address: str, first: int, digests: Sequence[bytes]) -> bool:
        """Whether a source's items are on record as they are now.

        Args:
            address: The path of the items, without their keys.
            first: The number of the first.
            digests: What stands for each.

        Raises:
            InputChangedError: They were others, and the policy is to refuse that.
        """
        known = self.recorded.pulled.get(address, {})
        before = [known.get(first + offset) for offset in range(len(digests))]
        if self._changed_inputs == "error" and not self._completed:
            for offset, (was, now) in enumerate(zip(before, digests, strict=True)):
                if was is not None and was != now:
                    raise InputChangedError(node=address.rpartition("/")[2], address=f"{address}[{first + offset}]")
        return self._completed or before == list(digests)

    def answer(self, call: Call, question: Question) -> Done | None:
        """The answer to a question that a call asks, if it was given to the same question of the same arguments."""
        asked, answer = self.recorded.questions.get(question.id), self.recorded.answers.get(question.id)
        if asked is None or answer is None or answer.value is None:
            return None
        if (asked.inputs, asked.given) != (call.inputs, call.given):
            return None
        try:
            same = asked.value == self._codec.encode(question.value)
        except CodecError:
            return None  # It was never asked: the call fails when it asks.
        return Done(self._codec.decode(answer.value)) if same else None

    def question(self, fact: Fact) -> Question:
        """A question that is on record."""
        return Question(fact.address, None if fact.value is None else self._codec.decode(fact.value))

    def sizes(self) -> Iterator[tuple[str, int]]:
        """The addresses and sizes of fan-outs on record whose items are one call each."""
        for address, fact in self.recorded.plans.items():
            plan = None if fact.value is None else self._codec.decode(fact.value)
            if isinstance(plan, dict):
                told = cast("dict[str, object]", plan)
                size = told.get("size")
                if told.get("calls") and isinstance(size, int):
                    yield address, size


def _unreadable(call: Call, fault: CodecError) -> CodecError:
    error = CodecError(
        f"what node {call.target.name!r} made is recorded, but cannot be read any more: {fault} Let the runner know "
        f"the type as it was, or fork the run with rerun=[{call.target.name!r}] to make it again.",
        path=fault.path,
    )
    error.__cause__ = fault
    return error
