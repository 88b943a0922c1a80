"""Questions that a call asks before it can go on.

A running function asks; the attempt turns that into a `Paused` outcome, and whoever waits for the call pauses with it.
Answers are facts of the run's log.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, cast

from piecework.core.call import Call
from piecework.core.current import CURRENT
from piecework.core.outcome import Done, Question
from piecework.errors import OutsideRunError

__all__ = ("Interruption", "asked_in", "interrupt")


class Interruption(BaseException):
    """Unwinds a call that has asked; not an `Exception`, so that user code does not take it for a failure."""

    def __init__(self, questions: tuple[Question, ...]) -> None:
        """Carry the questions to the call's outcome."""
        super().__init__(questions)
        self.questions = questions
        """What was asked."""


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
    live = call.living()
    live.asked += 1
    question = Question(f"{call.address}?{live.asked}", value)
    answer = cast("_Answers", call.site.owner.run).answer(call, question)
    if answer is not None:
        return answer.value
    raise Interruption((question,))


def asked_in(error: BaseException) -> tuple[Question, ...]:
    """The questions that unwind a call, also out of a task group; none where something else is raised as well."""
    if isinstance(error, Interruption):
        return error.questions
    if not isinstance(error, BaseExceptionGroup):
        return ()
    inside = [asked_in(each) for each in cast("BaseExceptionGroup[BaseException]", error).exceptions]
    return tuple(question for questions in inside for question in questions) if all(inside) else ()
