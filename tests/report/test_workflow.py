"""The workflow's parts can be exchanged: whoever plans, writes and joins."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from piecework import AsyncRunner, Failure, MemoryStore, SyncRunner
from piecework.report import Gap, NothingWrittenError, Section, WrittenSection, report_generator, write_report
from piecework.report.document import render


class Scripted:
    """A writer that says what it was asked."""

    def plan(self, topic: str, section_count: int) -> list[Section]:
        return [Section(str(number), f"{topic} {number}", topic) for number in range(section_count)]

    def write(self, section: Section) -> WrittenSection:
        return WrittenSection(section.id, section.title, (section.title.upper(),))

    def join(self, topic: str, sections: Sequence[Section], content: Sequence[WrittenSection | Failure]) -> str:
        return render(topic, sections, content)


class Waiting(Scripted):
    """The same in coroutines, none of which goes on before all sections are being written."""

    def __init__(self) -> None:
        self.all_there = asyncio.Barrier(3)

    async def write(self, section: Section) -> WrittenSection:  # type: ignore[override]
        await self.all_there.wait()
        return super().write(section)


class Faltering(Scripted):
    """One that cannot write some sections."""

    def __init__(self, *unwritable: str) -> None:
        self.unwritable = unwritable

    def write(self, section: Section) -> WrittenSection:
        if section.id in self.unwritable:
            raise OSError(f"no ink for {section.title}")
        return super().write(section)


def test_another_writer_can_plan_write_and_join() -> None:
    report = write_report("x", Scripted(), section_count=2)
    assert report.text == "# X\n\n## x 0\n\nX 0\n\n## x 1\n\nX 1\n"
    assert (report.titles, report.gaps) == (("x 0", "x 1"), ())


def test_a_writer_of_coroutines_writes_its_sections_side_by_side() -> None:
    report = write_report("x", Waiting(), section_count=3)
    assert report.titles == ("x 0", "x 1", "x 2")


def test_the_graph_can_be_run_by_itself_and_recorded() -> None:
    inputs = {"topic": "x", "section_count": 2}
    result = SyncRunner(store=MemoryStore()).run(report_generator(Scripted()), inputs=inputs)
    assert result["final_report"] == write_report("x", Scripted(), section_count=2).text


async def test_the_graph_runs_in_a_coroutine() -> None:
    result = await AsyncRunner().run(report_generator(Waiting()), topic="x", section_count=3)
    sections = cast("list[Section]", result["sections"])
    assert [section.title for section in sections] == ["x 0", "x 1", "x 2"]


def test_a_failed_section_is_a_gap_and_the_others_stand() -> None:
    report = write_report("x", Faltering("1"), section_count=3)
    assert report.titles == ("x 0", "x 2")
    assert report.gaps == (Gap("1", "x 1", "OSError: no ink for x 1"),)
    assert "## x 1\n\n> **This section is missing.**" in report.text


def test_a_report_of_gaps_alone_is_an_error() -> None:
    with pytest.raises(NothingWrittenError, match="no ink for x 0"):
        write_report("x", Faltering("0", "1"), section_count=2)


class Counting(Scripted):
    """One that counts what it is asked, and cannot join at first."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.can_join = False

    def plan(self, topic: str, section_count: int) -> list[Section]:
        self.asked.append("plan")
        return super().plan(topic, section_count)

    def write(self, section: Section) -> WrittenSection:
        self.asked.append(f"write {section.id}")
        return super().write(section)

    def join(self, topic: str, sections: Sequence[Section], content: Sequence[WrittenSection | Failure]) -> str:
        if not self.can_join:
            raise OSError("no paper")
        return super().join(topic, sections, content)


def test_a_report_in_a_store_goes_on_where_it_stopped() -> None:
    writer, store = Counting(), MemoryStore()
    with pytest.raises(OSError, match="no paper"):
        write_report("x", writer, section_count=2, store=store, run_id="mine")
    assert sorted(writer.asked) == ["plan", "write 0", "write 1"]
    writer.asked.clear()
    writer.can_join = True
    report = write_report("x", writer, section_count=2, store=store, run_id="mine")
    assert (report.titles, writer.asked) == (("x 0", "x 1"), [])
