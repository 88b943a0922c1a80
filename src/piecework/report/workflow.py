"""The report as an orchestrator-worker workflow: plan the sections, write them side by side, join them.

The whole graph is here; what its three nodes do is up to the `Writer` they are given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from piecework import Graph, SyncRunner, node
from piecework.report.extractive import ExtractiveWriter
from piecework.report.library import Library
from piecework.report.writer import Section, Writer, WrittenSection

__all__ = ("DEFAULT_SECTION_COUNT", "Report", "report_generator", "write_report")

DEFAULT_SECTION_COUNT = 6
"""How many sections a report has if nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report."""

    text: str
    """The document, in Markdown."""
    titles: tuple[str, ...]
    """The titles of its sections, in order: fewer than asked for where the sources do not yield as many."""


@node(output_name="sections")
def orchestrator(topic: str, section_count: int, library: Library, writer: Writer) -> list[Section]:
    """Decide which sections the report has, and what each may draw on."""
    return list(writer.plan(topic, library, section_count))


@node(output_name="content")
def write_section(section: Section, library: Library, writer: Writer) -> WrittenSection:
    """Write one section."""
    return writer.write(section, library)


@node(output_name="final_report")
def synthesizer(topic: str, content: list[WrittenSection], library: Library, writer: Writer) -> str:
    """Join the sections to one document."""
    return writer.join(topic, library, content)


section_writer = Graph(nodes=[write_section], name="section_writer")

report_generator = Graph(
    nodes=[
        orchestrator,
        section_writer.as_node().with_inputs(section="sections").map_over("sections"),
        synthesizer,
    ],
    name="report_generator",
)
"""The workflow; its inputs are `topic`, `section_count`, `library` and `writer`, its result is
`final_report`."""


def write_report(
    topic: str,
    library: Library,
    *,
    section_count: int = DEFAULT_SECTION_COUNT,
    writer: Writer | None = None,
) -> Report:
    """Write a report on `topic` from the sources in `library`.

    Args:
        topic: What the report is about, in words that the sources use.
        library: The sources, as `read_library` returns them.
        section_count: How many sections to write, at most.
        writer: Who plans, writes and joins; by default an `ExtractiveWriter`, which needs no language model.

    Returns:
        The report.

    Raises:
        EmptyTopicError: The topic has no words.
        OffTopicError: Nothing in the library bears on it.
        SectionCountError: `section_count` is below 1.
    """
    inputs = {
        "topic": topic,
        "section_count": section_count,
        "library": library,
        "writer": writer or ExtractiveWriter(),
    }
    result = SyncRunner().run(report_generator, inputs=inputs)
    content = cast("list[WrittenSection]", result["content"])
    return Report(cast("str", result["final_report"]), tuple(section.title for section in content))
