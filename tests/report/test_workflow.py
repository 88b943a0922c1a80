"""The workflow's parts can be exchanged: whoever plans, writes and joins."""

from collections.abc import Sequence

from piecework import SyncRunner
from piecework.report import Library, Section, WrittenSection, read_library, report_generator, write_report
from tests.report.reading import CORPUS


class Scripted:
    """A writer that says what it was asked."""

    def plan(self, topic: str, library: Library, section_count: int) -> list[Section]:
        return [Section(f"{topic} {number}", topic, ()) for number in range(section_count)]

    def write(self, section: Section, library: Library) -> WrittenSection:
        return WrittenSection(section.title.upper(), ())

    def join(self, topic: str, library: Library, content: Sequence[WrittenSection]) -> str:
        return ", ".join(section.title for section in content)


def test_another_writer_can_plan_write_and_join() -> None:
    report = write_report("x", read_library([CORPUS]), section_count=3, writer=Scripted())
    assert (report.text, report.titles) == ("X 0, X 1, X 2", ("X 0", "X 1", "X 2"))


def test_the_graph_can_be_run_by_itself() -> None:
    inputs = {"topic": "x", "section_count": 2, "library": read_library([CORPUS]), "writer": Scripted()}
    assert SyncRunner().run(report_generator, inputs=inputs)["final_report"] == "X 0, X 1"
