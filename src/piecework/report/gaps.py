"""Sections that failed, as the gaps they leave in the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from piecework import Failure, PieceworkError
from piecework.report.models.errors import ModelError
from piecework.report.writer import Section, WrittenSection

__all__ = ("Gap", "brief_reason_of", "gaps_in", "reason_of")


@dataclass(frozen=True, slots=True)
class Gap:
    """A section that could not be written."""

    id: str
    """The section's id."""
    title: str
    """Its heading."""
    reason: str
    """Why, in one line."""


def gaps_in(sections: Sequence[Section], content: Sequence[WrittenSection | Failure]) -> tuple[Gap, ...]:
    """Return the sections that failed, in the order of the plan."""
    failed = {one.index: one.error for one in content if isinstance(one, Failure)}
    return tuple(
        Gap(section.id, section.title, reason_of(failed[index]))
        for index, section in enumerate(sections)
        if index in failed
    )


def reason_of(error: BaseException) -> str:
    """Return why a section failed, in one line: our own errors say it all, of others the class says most."""
    # Providers put into messages what they were sent, which may be anything.
    words = "".join(one for one in str(error) if one.isprintable() or one.isspace()).split()
    message = " ".join(words)
    if isinstance(error, PieceworkError) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def brief_reason_of(error: BaseException) -> str:
    """Return why an attempt failed, in one line, without what to do about it: it is being done."""
    return error.reason if isinstance(error, ModelError) else reason_of(error)
