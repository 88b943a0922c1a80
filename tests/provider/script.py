"""What a test says to the scripted provider: requests as a test reads them, answers as a test writes them.

A script is a function from `Asked` to a `Reply`. It knows no protocol and no socket; `messages` and `completions` turn
the same script into what each client expects.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = (
    "Asked",
    "Cut",
    "Garbage",
    "Hang",
    "Protocol",
    "Refuse",
    "Reply",
    "Script",
    "Single",
    "Stop",
    "Structured",
    "Text",
    "Together",
    "Usage",
    "Wanted",
    "pieces",
    "report",
)

Protocol = Literal["messages", "completions"]
"""Anthropic's Messages, or OpenAI's Chat Completions."""

Stop = Literal["end", "length", "refusal"]
"""Why an answer ends."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The structure a request asks for."""

    name: str | None
    """The schema's or the tool's name; None where only some JSON is asked for, or a schema without a name."""
    schema: Mapping[str, Any] | None
    """The JSON schema, or None where only some JSON is asked for."""
    way: Literal["tool", "json"]
    """Whether the structure is to come as a tool call or as the text of the answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    number: int
    """Which request of the provider this is, from 1."""
    repeats: int
    """How many earlier requests had the same system text and messages: retries, mostly."""
    at: float
    """When it was read, on the monotonic clock."""
    protocol: Protocol
    """Which of the two it was asked in."""
    path: str
    """The path it was sent to."""
    model: str
    """The model's name."""
    system: str
    """The system text, or nothing."""
    messages: tuple[tuple[str, str], ...]
    """Role and text of every other message."""
    wanted: Wanted | None
    """The structure it asks for, or None for prose."""
    stream: bool
    """Whether the answer is to be streamed."""
    headers: Mapping[str, str]
    """The headers, their names in lower case."""
    body: Mapping[str, Any]
    """The whole request, for what has no field here."""

    @property
    def text(self) -> str:
        """The text of the last message."""
        return self.messages[-1][1] if self.messages else ""


@dataclass(frozen=True, slots=True)
class Usage:
    """How many tokens an answer says it cost."""

    read: int = 11
    written: int = 7


@dataclass(frozen=True, slots=True)
class Text:
    """An answer in prose; `Text("")` is the empty answer."""

    text: str
    stop: Stop = "end"
    thinking: str | None = None
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Structured:
    """Data, as a tool call or as JSON according to how it was asked for."""

    data: Any
    stop: Stop = "end"
    """`length` sends the first half of the JSON only."""
    thinking: str | None = None
    usage: Usage = Usage()

    @property
    def text(self) -> str:
        """The JSON that is sent."""
        text = json.dumps(self.data)
        return text[: len(text) // 2] if self.stop == "length" else text


@dataclass(frozen=True, slots=True)
class Refuse:
    """An error in the protocol's own form."""

    status: int
    message: str = "refused by the script"
    headers: Mapping[str, str] = field(default_factory=dict)
    after: str = ""
    """Where this is given and the answer is streamed: the text that comes first, before the error as an event."""


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer, or no more of it, until the client hangs up or the provider closes."""

    after: str = ""
    """Where this is given and the answer is streamed: the text that comes first."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A connection closed in the middle of the answer; with no text, before its first byte."""

    after: str = ""


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes of the script's own, sent with status 200."""

    body: bytes
    content_type: str = "application/json"


Single = Text | Structured | Refuse | Hang | Cut | Garbage


@dataclass(frozen=True, slots=True)
class Together:
    """An answer held back until `count` requests are held back at the same time."""

    count: int
    reply: Single


Reply = Single | Together

Script = Callable[[Asked], Reply]


def pieces(text: str) -> list[str]:
    """Cut a text into what a stream sends at a time: words, each with the blanks after it."""
    return re.findall(r"\S+\s*|\s+", text)


def report(section_count: int = 4, *, together: int = 1) -> Script:
    """Return a script that plans a report of `section_count` sections and writes each in a paragraph that names it.

    Args:
        section_count: How many sections a request for `Sections` gets.
        together: How many paragraphs must be asked for at once before any is given.
    """

    def answer(asked: Asked) -> Reply:
        if asked.wanted is not None:
            names = [f"Section {number}" for number in range(1, section_count + 1)]
            return Structured({"sections": [{"name": name, "description": f"About {name}."} for name in names]})
        # A request may tell the whole plan before it names the section to be written.
        names = re.findall(r"Section \d+", asked.text)
        paragraph = Text(f"This paragraph is about {names[-1] if names else asked.text}.")
        return Together(together, paragraph) if together > 1 else paragraph

    return answer
