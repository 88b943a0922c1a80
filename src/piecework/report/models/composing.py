"""One text from a model, to its end: what is cut off is continued, what is empty is asked for once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from piecework.report.models.chat import Chat, Message
from piecework.report.models.errors import EmptyAnswerError
from piecework.report.models.prompts import GO_ON
from piecework.report.models.seam import clipped, joined, whole_sentences

__all__ = ("Composed", "compose")

_MOST_CONTINUATIONS = 4
_MOST_CHARACTERS = 40_000
"""How much text is not continued any more."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A text, put together from as many answers as it took."""

    text: str
    """The text; it ends with a whole sentence."""
    complete: bool
    """Whether the model came to its end."""


async def compose(chat: Chat, request: Sequence[Message]) -> Composed:
    """Return what a model writes on `request`.

    Raises:
        EmptyAnswerError: It wrote nothing, also when asked again, or used up its answer with thinking.
        RefusedAnswerError: It refuses.
        ModelError: The provider fails.
    """
    answer = await chat.ask(request)
    if not answer.text.strip() and not answer.cut_off:
        answer = await chat.ask(request)
    text = answer.text
    if not text.strip():
        raise EmptyAnswerError(chat.name, thought=answer.thought or answer.cut_off)
    for _ in range(_MOST_CONTINUATIONS):
        if not answer.cut_off or len(text) > _MOST_CHARACTERS:
            break
        text = clipped(text)
        answer = await chat.ask([*request, ("ai", text.rstrip()), ("human", GO_ON)])
        text = joined(text, answer.text)
    return Composed(whole_sentences(text) if answer.cut_off else text, complete=not answer.cut_off)
