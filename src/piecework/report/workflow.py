"""The report as an orchestrator-worker workflow: plan the sections, write them side by side, join them.

The whole graph is here; what its three nodes do is up to the `Writer` whose methods they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from piecework import Failure, Graph, RunLog, RunResult, SyncRunner, node
from piecework.observe import Observer
from piecework.report.gaps import Gap, gaps_in
from piecework.report.writer import Section, Writer, WrittenSection

__all__ = ("DEFAULT_CONCURRENCY", "DEFAULT_SECTION_COUNT", "Report", "report_generator", "report_of", "write_report")

DEFAULT_SECTION_COUNT = 6
"""How many sections a report has if nothing else is asked for."""

DEFAULT_CONCURRENCY = 8
"""How many sections are written at once if nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report."""

    text: str
    """The document, in Markdown."""
    sections: tuple[WrittenSection, ...]
    """The sections that were written, in order."""
    gaps: tuple[Gap, ...] = ()
    """The sections that failed, in order."""

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of the sections that were written."""
        return tuple(section.title for section in self.sections)


def report_generator(writer: Writer) -> Graph:
    """Return the workflow with the methods of `writer` as its nodes.

    Its inputs are `topic` and `section_count`, its outputs `sections`, `content` and `final_report`. A section that
    fails is a `Failure` in `content`; the others go on.
    """
    orchestrator = node(writer.plan, output_name="sections", name="orchestrator")
    write_section = node(writer.write, output_name="content", name="write_section")
    synthesizer = node(writer.join, output_name="final_report", name="synthesizer")
    section_writer = Graph(nodes=[write_section], name="section_writer")
    return Graph(
        nodes=[
            orchestrator,
            section_writer.as_node().with_inputs(section="sections").map_over("sections", on_error="keep"),
            synthesizer,
        ],
        name="report_generator",
    )


def write_report(
    topic: str,
    writer: Writer,
    *,
    section_count: int = DEFAULT_SECTION_COUNT,
    max_concurrency: int = DEFAULT_CONCURRENCY,
    observers: Sequence[Observer] = (),
    store: RunLog | None = None,
    run_id: str | None = None,
) -> Report:
    """Write a report on `topic`.

    Args:
        topic: What the report is about.
        writer: Who plans, writes and joins: an `ExtractiveWriter`, a `ModelWriter`, or your own.
        section_count: How many sections to write, at most.
        max_concurrency: How many sections to write at once, at most.
        observers: Are told what happens.
        store: Keeps what was written; None keeps nothing.
        run_id: Names the report in the store. One of that name goes on where it stopped, and pays for nothing twice.

    Returns:
        The report; a section that failed is one of its gaps.

    Raises:
        EmptyTopicError: The topic has no words.
        OffTopicError: Nothing in the sources bears on it.
        NoStoreError: `run_id` was given without a store.
        SectionCountError: `section_count` is below 1.
        ReportFailedError: There is no plan, or no section of it could be written.
    """
    runner = SyncRunner(max_concurrency=max_concurrency, observers=observers, store=store)
    inputs = {"topic": topic, "section_count": section_count}
    return report_of(runner.run(report_generator(writer), inputs, run_id=run_id))


def report_of(result: RunResult) -> Report:
    """Return the report that a run of `report_generator` came to.

    Args:
        result: The result of a run that has completed.
    """
    sections = cast("Sequence[Section]", result["sections"])
    content = cast("Sequence[WrittenSection | Failure]", result["content"])
    written = tuple(one for one in content if isinstance(one, WrittenSection) and one.body)
    return Report(cast("str", result["final_report"]), written, gaps_in(sections, content))
