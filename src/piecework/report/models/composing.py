"""One text from a model, to its end: what is cut off is continued, what is empty is asked for once more.

A failure that may pass ends the attempt, for the workflow to wait and try again; the next attempt goes on with the text
that the one before had come to.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from piecework.report.models.chat import Answer, Chat, Message
from piecework.report.models.errors import EmptyAnswerError
from piecework.report.models.prompts import GO_ON
from piecework.report.models.seam import clipped, joined, whole_sentences
from piecework.report.patience import will_try_again

__all__ = ("Composed", "Draft", "compose")

_log = logging.getLogger(__name__)

_MOST_CONTINUATIONS = 4
_PREAMBLE = re.compile(
    r"\s*[^\n.:]{0,60}\b(?:the rest|continu\w*|the remain\w*|left off)\b[^\n.:]{0,60}:\s+", re.IGNORECASE
)
"""What some models say before they go on."""

_MOST_CHARACTERS = 40_000
"""How much text is not continued any more."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A text, put together from as many answers as it took."""

    text: str
    """The text; it ends with a whole sentence."""
    complete: bool
    """Whether the model came to its end."""


@dataclass(slots=True)
class Draft:
    """A text that several attempts may work on."""

    tried: int = 0
    """How many attempts there were, this one included."""
    text: str = ""
    """What they have come to; it has no end yet."""


async def compose(chat: Chat, request: Sequence[Message], draft: Draft) -> Composed:
    """Return what a model writes on `request`, going on with what the draft has.

    Raises:
        EmptyAnswerError: It wrote nothing, also when asked again, or used up its answer with thinking.
        RefusedAnswerError: It refuses.
        ModelError: The provider fails. Where there will be another attempt, the draft has what was written.
    """
    answer = Answer(draft.text, end="cut off") if draft.text else await _begin(chat, request)
    text = answer.text
    for _ in range(_MOST_CONTINUATIONS):
        if answer.end == "told" or len(text) > _MOST_CHARACTERS:
            break
        begun = clipped(text)
        try:
            rest = await chat.ask([*request, ("ai", begun.rstrip()), ("human", GO_ON)])
        except Exception as error:
            kept = whole_sentences(text)
            draft.text = text
            if not kept.strip() or will_try_again(error, draft.tried):
                raise
            _log.info("%s did not go on with an answer that was cut off: %r", chat.name, error)
            return Composed(kept, complete=False)
        more = rest.text[found.end() :] if (found := _PREAMBLE.match(rest.text)) else rest.text
        if not more.strip():
            # Nothing more comes; an answer whose end nobody told may well have been whole.
            untold = answer.end == "untold"
            return Composed(text if untold else whole_sentences(text), complete=untold)
        text, answer = joined(begun, more), rest
    complete = answer.end == "told"
    return Composed(text if complete else whole_sentences(text), complete=complete)


async def _begin(chat: Chat, request: Sequence[Message]) -> Answer:
    """Return the first answer, which has some text."""
    answer = await chat.ask(request)
    if not answer.text.strip() and answer.end == "told":
        answer = await chat.ask(request)
    if not answer.text.strip():
        raise EmptyAnswerError(chat.name, thought=answer.thought or answer.end == "cut off")
    return answer
