"""Questions that a call asks before it can go on.

A running function asks; the attempt turns that into a `Paused` outcome, and whoever waits for the call pauses with it.
Answers are facts of the run's log.
"""

from __future__ import annotations

from piecework.core.current import CURRENT
from piecework.core.outcome import Question
from piecework.errors import InternalError

__all__ = ("Interruption", "ask")


class Interruption(BaseException):
    """Unwinds a call that has asked; not an `Exception`, so that user code does not take it for a failure."""

    def __init__(self, questions: tuple[Question, ...]) -> None:
        """Carry the questions to the call's outcome."""
        super().__init__(questions)
        self.questions = questions
        """What was asked."""


def ask(value: object) -> object:
    """Ask something from inside a call, which pauses until there is an answer.

    The question's id is the call's address and the number of the question in it, so it is the same on every resume.

    Raises:
        Interruption: There is no answer yet.
        InternalError: Called outside of any call.
    """
    call = CURRENT.get()
    if call is None:
        raise InternalError("a question was asked outside of any call.")
    live = call.living()
    live.asked += 1
    raise Interruption((Question(f"{call.address}?{live.asked}", value),))
