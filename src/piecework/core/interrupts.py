"""Questions that a call asks before it can go on.

A running function asks; the attempt turns that into a `Paused` outcome, and whoever waits for the call pauses with it.
Answers are facts of the run's log.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, cast

from piecework.core.call import Call
from piecework.core.current import CURRENT, given_up
from piecework.core.outcome import Done, Paused, Question
from piecework.errors import OutsideRunError

__all__ = ("Interruption", "interrupt", "paused_by")


class Interruption(BaseException):
    """Unwinds a call that has asked; not an `Exception`, so that user code does not take it for a failure."""

    def __init__(self, paused: Paused) -> None:
        """Carry what was asked to the call's outcome."""
        super().__init__(paused)
        self.paused = paused
        """What the call comes to."""


Answer: TypeAlias = Any
"""Whatever the question was answered with."""


class _Answers(Protocol):
    """What an answer is had from: the run."""

    def answer(self, call: Call, question: Question) -> Done | None:
        """The answer to a question that a call asks, where there is one."""
        ...


def interrupt(value: object) -> Answer:
    """Ask something from inside a node, which pauses until somebody answers.

    The run goes on with whatever else it can, then ends as paused, and its result has the question. Resumed with an
    answer, the function starts again from its beginning, and this call returns the answer. Works in mapped nodes and in
    nested graphs, on the loop and on threads.

    Args:
        value: What is asked; the store must be able to keep it.

    Returns:
        The answer. Its question's id is the call's address and the number of the question in that call, so several
        questions of one call are answered in the order in which they are asked. An answer counts for the same question
        of the same arguments only: if the function asks something else when it runs again, that is asked anew.

    Raises:
        OutsideRunError: Called outside of any running node.
    """
    call = CURRENT.get()
    if call is None:
        raise OutsideRunError(
            "interrupt() asks from inside a node, and no node runs here: call it in a node's function."
        )
    if given_up(call):
        raise OutsideRunError(
            f"this attempt of node {call.target.name!r} took too long and was given up: it can ask nothing more."
        )
    live = call.living()
    live.asked += 1
    around: Call | None = call
    while around is not None:
        around.living().asks = True
        around = around.site.owner.calling
    question = Question(f"{call.address}?{live.asked}", value)
    answer = cast("_Answers", call.site.owner.run).answer(call, question)
    if answer is not None:
        return answer.value
    raise Interruption(Paused((question,)))


def paused_by(error: BaseException) -> Paused | None:
    """What a call comes to that such an exception unwinds; None where it is another one.

    Task groups raise several together: they count where nothing else is raised as well.
    """
    if isinstance(error, Interruption):
        return error.paused
    if not isinstance(error, BaseExceptionGroup):
        return None
    inside = [paused_by(each) for each in cast("BaseExceptionGroup[BaseException]", error).exceptions]
    paused = [each for each in inside if each is not None]
    if len(paused) < len(inside):
        return None
    questions = tuple(question for each in paused for question in each.questions)
    return Paused(questions, stopped=next((each.stopped for each in paused if each.stopped), ""))
