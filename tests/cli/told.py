"""What an observer is told of real runs, whose sections take as many turns of the loop as a test wants."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from piecework import Failure, PieceworkError
from piecework.observe import Event
from piecework.report import Citation, Report, Section, Writer, WrittenSection, write_report
from piecework.report.document import render

__all__ = ("Ending", "Memory", "Pace", "Told", "paced", "tell")

Ending = Literal["done", "empty", "failed"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How one section goes."""

    title: str
    turns: int = 0
    ending: Ending = "done"
    text: str = "Three words here "


@dataclass(frozen=True, slots=True)
class Told:
    """A run that is over: all its events, and its report if it came to that."""

    events: Sequence[Event]
    report: Report | None


class _Paced:
    def __init__(self, paces: Sequence[Pace]) -> None:
        self._paces = paces

    async def plan(self, topic: str, section_count: int) -> list[Section]:
        return [Section(str(index), pace.title, topic) for index, pace in enumerate(self._paces)]

    async def write(self, section: Section) -> WrittenSection:
        pace = self._paces[int(section.id)]
        for _ in range(pace.turns):
            await asyncio.sleep(0)
        if pace.ending == "failed":
            raise OSError("no ink,\n and no\x1b[31m pen")
        body = (pace.text, Citation("a.md", (1, 2)), ". And two - more.")
        return WrittenSection(section.id, section.title, () if pace.ending == "empty" else body)

    def join(self, topic: str, sections: Sequence[Section], content: Sequence[WrittenSection | Failure]) -> str:
        return render(topic, sections, content)


class Memory:
    """Keeps all events that it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


def paced(paces: Sequence[Pace]) -> Writer:
    """Return a writer whose sections go like that."""
    return _Paced(paces)


def tell(paces: Sequence[Pace], *, concurrency: int = 8) -> Told:
    """Run a report, and return what its observer was told."""
    memory, report = Memory(), None
    with suppress(PieceworkError):
        report = write_report("x", _Paced(paces), max_concurrency=concurrency, observers=[memory])
    return Told(memory.events, report)
