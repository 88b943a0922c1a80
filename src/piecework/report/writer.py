"""The three roles of a report writer, and what passes between them.

The workflow makes a node of each method of a `Writer`, so each may be a coroutine or block. The package has two
writers: `ExtractiveWriter` quotes the sources, `ModelWriter` asks a language model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from piecework import Failure, Limit

__all__ = ("Citation", "LimitedWriter", "Section", "Writer", "WrittenSection")


@dataclass(frozen=True, slots=True)
class Section:
    """The order for one section: what the orchestrator hands to a worker."""

    id: str
    """Names the section in its report; no other has it."""
    title: str
    """The section's heading."""
    topic: str
    """What the whole report is about."""
    brief: str = ""
    """What the section is to tell."""
    outline: tuple[str, ...] = ()
    """The whole report, a line for each section, so that a worker knows what the others write."""
    passages: tuple[int, ...] = ()
    """What the section may draw on, by number: passages of the library, or excerpts of the material."""
    adopted: frozenset[int] = frozenset()
    """Those of them that come from under another heading."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where in the sources something stands."""

    source: str
    """The file, as the user named it."""
    lines: tuple[int, int]
    """The first and last line."""


@dataclass(frozen=True, slots=True)
class WrittenSection:
    """One section as its worker wrote it."""

    id: str
    """The id of the section that was ordered."""
    title: str
    """The section's heading."""
    body: tuple[str | Citation, ...]
    """Markdown, and after each thing that comes from a source, the citation of it. Empty where there was nothing to
    write."""
    removed: int = 0
    """How many citations were taken out because they named no passage that the worker was given."""
    complete: bool = True
    """Whether it was written to its end; otherwise its last whole sentence is the last."""

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The citations, in the order of the text."""
        return tuple(piece for piece in self.body if isinstance(piece, Citation))


class Writer(Protocol):
    """Plans, writes and joins a report. The names of the parameters join the nodes, so they are part of it."""

    def plan(self, topic: str, section_count: int) -> Sequence[Section] | Awaitable[Sequence[Section]]:
        """Return the sections of a report on `topic`, in reading order."""
        ...

    def write(self, section: Section) -> WrittenSection | Awaitable[WrittenSection]:
        """Return `section` written; called for many sections at once."""
        ...

    def join(
        self, topic: str, sections: Sequence[Section], content: Sequence[WrittenSection | Failure]
    ) -> str | Awaitable[str]:
        """Return the whole report as Markdown; `content` has a `Failure` for each section that failed."""
        ...


@runtime_checkable
class LimitedWriter(Protocol):
    """A writer that may not be asked as much as one likes."""

    @property
    def limit(self) -> Limit | None:
        """What planning and writing count under, in this report and all others."""
        ...
