"""The three roles of a report writer, and what passes between them.

The workflow asks a `Writer` for its outline, for each section, and for the finished document. The package's
own one is `ExtractiveWriter`; another kind of writer implements the same three methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from piecework.report.library import Library

__all__ = ("Quotation", "Section", "Writer", "WrittenSection")


@dataclass(frozen=True, slots=True)
class Section:
    """The order for one section: what the orchestrator hands to a worker."""

    title: str
    """The section's heading."""
    topic: str
    """What the whole report is about."""
    passages: tuple[int, ...]
    """The passages of the library that are this section's to use, and no other's."""
    adopted: frozenset[int] = frozenset()
    """Those of them that come from under another heading."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """Whole sentences of a source, and where they stand."""

    text: str
    """The sentences."""
    source: str
    """The file, as the user named it."""
    lines: tuple[int, int]
    """The first and last line."""


@dataclass(frozen=True, slots=True)
class WrittenSection:
    """One section as its worker wrote it."""

    title: str
    """The section's heading."""
    paragraphs: tuple[tuple[Quotation, ...], ...]
    """Its paragraphs, each a run of quotations."""


class Writer(Protocol):
    """Plans, writes and joins a report."""

    def plan(self, topic: str, library: Library, section_count: int) -> Sequence[Section]:
        """Return the sections of a report on `topic`, in reading order."""
        ...

    def write(self, section: Section, library: Library) -> WrittenSection:
        """Return `section` written; called for many sections at once."""
        ...

    def join(self, topic: str, library: Library, content: Sequence[WrittenSection]) -> str:
        """Return the whole report as Markdown."""
        ...
