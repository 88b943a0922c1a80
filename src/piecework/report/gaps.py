"""Sections that failed, as the gaps they leave in the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from piecework import Failure, PieceworkError
from piecework.report.writer import Section, WrittenSection

__all__ = ("Gap", "gaps_in")


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
        Gap(section.id, section.title, _reason(failed[index]))
        for index, section in enumerate(sections)
        if index in failed
    )


def _reason(error: BaseException) -> str:
    """Say what is wrong; our own errors say it in whole sentences, of others the class says most."""
    message = " ".join(str(error).split())
    if isinstance(error, PieceworkError) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
