"""What a protocol module offers, so that the server can speak either without knowing which it is."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tests.provider.script import Asked, Refuse, Structured, Text, Wanted

__all__ = ("Read", "Spoken")

Read = tuple[str, tuple[tuple[str, str], ...]]
"""The system text of a request, and role and text of its other messages."""


class Spoken(Protocol):
    """The functions of `messages` and of `completions`."""

    def key(self, headers: Mapping[str, str], /) -> str:
        """Return the key a request came with."""
        ...

    def read(self, body: Mapping[str, Any], /) -> Read:
        """Return what a request says."""
        ...

    def wanted(self, body: Mapping[str, Any], /) -> Wanted | None:
        """Return the structure a request asks for."""
        ...

    def whole(self, reply: Text | Structured, asked: Asked, /) -> dict[str, Any]:
        """Return an answer in one piece."""
        ...

    def stream(self, reply: Text | Structured, asked: Asked, /) -> Iterator[bytes]:
        """Yield the events of an answer."""
        ...

    def beginning(self, text: str, asked: Asked, /) -> Iterator[bytes]:
        """Yield the events of an answer up to the end of its text."""
        ...

    def error(self, refusal: Refuse, /) -> dict[str, Any]:
        """Return an error's body."""
        ...

    def stream_error(self, refusal: Refuse, /) -> bytes:
        """Return an error as an event of a stream that has begun."""
        ...
