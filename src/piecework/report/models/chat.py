"""One language model as the writer asks it: messages in, text out, and a count of what it cost.

The one place where requests are made. A LangChain chat model does the asking, once; to ask again after a failure is for
the workflow. An answer that breaks off in the middle is an answer that was cut off. What a request used up is told to
the node that it is made in, however it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from piecework import Limit, OutsideRunError, add_usage
from piecework.report.models.errors import RefusedAnswerError
from piecework.report.models.faults import Unfinished, is_filtered, refuses_request, unfinished
from piecework.report.models.thinking import without_thinking

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ("Answer", "Chat", "Message", "Structured", "Usage")

Message: TypeAlias = tuple[Literal["system", "human", "ai"], str]
"""Who says something, and what."""

_CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"})
"""What providers call the end of an answer that has reached its greatest length."""

_SENTENCE_ENDS = (".", "!", "?", ":", ")", "]", "}", '"', "`", "|", "*", "\u201d", "\u3002")
_REFUSED = frozenset({"refusal", "content_filter"})
"""What providers call the end of an answer that the model or a filter refuses to give."""

_MOST_CHARACTERS = 60_000
"""Where an answer is no longer read: nobody asks for so much, so the model has lost its end."""

_THINKING = frozenset({"thinking", "redacted_thinking", "reasoning"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said."""

    text: str
    """Its words, without its thinking."""
    end: Literal["told", "cut off", "untold"]
    """Whether the model came to its end, or had more to say; untold where it seems so and nobody says."""
    thought: bool = False
    """Whether there was thinking."""
    refused: bool = False
    """Whether the model, or a filter, refused to say more."""


@dataclass(frozen=True, slots=True)
class Structured:
    """What a model said when it was asked to fill a schema."""

    value: object | None
    """What the schema was filled with; None where the answer is no such data."""
    text: str
    """The answer as text."""
    cut_off: bool = False
    """Whether it had more to say."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked of a model so far, as the provider counts it."""

    requests: int = 0
    """Answers that were given."""
    input_tokens: int = 0
    """Tokens read."""
    output_tokens: int = 0
    """Tokens written, thinking included."""


class Chat:
    """A language model that is asked."""

    def __init__(
        self,
        model: BaseChatModel,
        *,
        name: str | None = None,
        priced_as: str = "",
        limit: Limit | None = None,
        explain: Callable[[Exception], Exception] | None = None,
    ) -> None:
        """Take any LangChain chat `model`.

        Args:
            model: Answers. It should not repeat requests by itself: workflows do, and count them.
            name: What reports and messages call it; by default the name of its class.
            priced_as: The name by which a budget finds its price; by default the one that its answers tell.
            limit: What nodes that ask it count under.
            explain: Makes the errors of its client into others; by default they stay as they are.
        """
        self._model = model
        self._explain = explain
        self._priced_as = priced_as
        self._usage = Usage()
        self.name = name or type(model).__name__
        """What reports and messages call the model."""
        self.limit = limit
        """What nodes that ask the model count under."""

    @property
    def usage(self) -> Usage:
        """What was asked so far."""
        return self._usage

    async def ask(self, messages: Sequence[Message]) -> Answer:
        """Return the answer to `messages`, read as it comes.

        Raises:
            RefusedAnswerError: The model refuses.
            Exception: What the client raises before there is any text, explained.
        """
        heard = _Heard()
        try:
            # Left in the middle, the clients' generators would be closed some time later, by nobody; a cancellation
            # takes them all down at once.
            async with asyncio.timeout(None) as reading:
                async for piece in self._model.astream(list(messages)):
                    heard.take(piece)
                    if heard.length > _MOST_CHARACTERS:
                        reading.reschedule(0)
        except Exception as error:
            heard.broken = True
            if not heard.answer().text.strip():
                raise self._explained(error) from error
        finally:
            self._count(heard)
        return self._answered(heard)

    async def ask_for(self, messages: Sequence[Message], schema: Mapping[str, object]) -> Structured | None:
        """Return the answer to `messages` as data that should fit a JSON schema; None where the model takes no schema.

        Raises:
            RefusedAnswerError: The model refuses.
            Exception: What the client raises, explained.
        """
        try:
            structured = self._model.with_structured_output(dict(schema), method="json_schema", include_raw=True)
            said: Any = await structured.ainvoke(list(messages))
        except Exception as error:
            if isinstance(error, NotImplementedError) or refuses_request(error):
                return None
            if is_filtered(error):
                raise RefusedAnswerError(self.name) from error
            found = unfinished(error)
            if found is None:
                raise self._explained(error) from error
            return self._begun(found)
        heard = _Heard()
        heard.take(said["raw"])
        self._count(heard)
        answer = self._answered(heard)
        return Structured(said["parsed"], answer.text, cut_off=answer.end == "cut off")

    def _explained(self, error: Exception) -> Exception:
        return error if self._explain is None else self._explain(error)

    def _begun(self, found: Unfinished) -> Structured:
        """What there is of data that was cut off."""
        heard = _Heard()
        heard.input_tokens, heard.output_tokens = found.input_tokens, found.output_tokens
        self._count(heard)
        self._usage = replace(self._usage, requests=self._usage.requests + 1)
        return Structured(None, without_thinking(found.text), cut_off=True)

    def _count(self, heard: _Heard) -> None:
        """Count what a request used up, as far as the provider has told, and tell the node that it was made in."""
        read, written = max(heard.input_tokens, 0), max(heard.output_tokens, 0)
        if not read and not written:
            return
        before = self._usage
        self._usage = Usage(before.requests, before.input_tokens + read, before.output_tokens + written)
        with suppress(OutsideRunError):  # A chat may be asked without a workflow.
            add_usage(input_tokens=read, output_tokens=written, model=self._priced_as or heard.model)

    def _answered(self, heard: _Heard) -> Answer:
        self._usage = replace(self._usage, requests=self._usage.requests + 1)
        answer = heard.answer()
        if answer.refused:
            raise RefusedAnswerError(self.name, answer.text)
        return answer


class _Heard:
    """An answer as it comes, whole or in pieces; LangChain's own sum of pieces would copy all of it each time."""

    def __init__(self) -> None:
        self.broken = False
        """Whether it was not heard to its end."""
        self.length = 0
        """How many characters it has so far."""
        self.input_tokens = 0
        self.output_tokens = 0
        self.model = ""
        """What the provider calls the model; empty where it does not say."""
        self._texts: list[str] = []
        self._ends: set[str] = set()
        self._thinking = False

    def take(self, message: Any) -> None:
        """Take a message, or the next piece of one."""
        text = str(message.text)
        self._texts.append(text)
        self.length += len(text)
        used: dict[str, Any] = getattr(message, "usage_metadata", None) or {}
        self.input_tokens += int(used.get("input_tokens", 0))
        self.output_tokens += int(used.get("output_tokens", 0))
        about: dict[str, Any] = message.response_metadata
        self.model = str(about.get("model_name") or about.get("model") or self.model)
        details: dict[str, Any] = about.get("incomplete_details") or {}
        ends = (about.get("stop_reason"), about.get("finish_reason"), details.get("reason"))
        self._ends.update(end for end in ends if isinstance(end, str))
        self._thinking = self._thinking or _has_thinking(message.content)

    def answer(self) -> Answer:
        """Return what was heard so far."""
        said = "".join(self._texts)
        text = without_thinking(said)
        return Answer(
            text,
            end=self._end(text),
            thought=self._thinking or text != said,
            refused=not _REFUSED.isdisjoint(self._ends),
        )

    def _end(self, text: str) -> Literal["told", "cut off", "untold"]:
        if self.broken or not _CUT_OFF.isdisjoint(self._ends):
            return "cut off"
        # A stream that ends without a reason was closed on the way, unless the server never gives one.
        return "told" if self._ends or not text or text.endswith(_SENTENCE_ENDS) else "untold"


def _has_thinking(content: object) -> bool:
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    kinds = (cast("dict[str, object]", block).get("type") for block in blocks if isinstance(block, dict))
    return any(kind in _THINKING for kind in kinds)
