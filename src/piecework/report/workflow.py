"""The report as an orchestrator-worker workflow: plan the sections, write them side by side, join them.

The whole graph is here; what its three nodes do is up to the `Writer` whose methods they are. That they are tried again
when what failed may pass, and stand under the limit of the writer's model, is said here and done by the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from piecework import Budget, Failure, Graph, Limit, MemoryStore, RunLog, RunResult, SyncRunner, node
from piecework.observe import Observer
from piecework.report.errors import BudgetSpentError
from piecework.report.gaps import Gap, gaps_in
from piecework.report.patience import PATIENCE
from piecework.report.writer import LimitedWriter, Section, Writer, WrittenSection

__all__ = (
    "DEFAULT_CONCURRENCY",
    "DEFAULT_SECTION_COUNT",
    "Report",
    "concurrency_of",
    "joined",
    "report_generator",
    "report_of",
    "write_report",
)

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

    Its inputs are `topic` and `section_count`, its outputs `sections`, `content` and `final_report`. What fails in a
    way that may pass is tried again. A section that fails for good is a `Failure` in `content`; the others go on.
    """
    limits = _limits(writer)
    orchestrator = node(writer.plan, output_name="sections", name="orchestrator", retry=PATIENCE, limits=limits)
    write_section = node(writer.write, output_name="content", name="write_section", retry=PATIENCE, limits=limits)
    synthesizer = node(writer.join, output_name="final_report", name="synthesizer", retry=PATIENCE)
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
    max_concurrency: int | None = None,
    budget: Budget | None = None,
    observers: Sequence[Observer] = (),
    store: RunLog | None = None,
    run_id: str | None = None,
) -> Report:
    """Write a report on `topic`.

    Args:
        topic: What the report is about.
        writer: Who plans, writes and joins: an `ExtractiveWriter`, a `ModelWriter`, or your own.
        section_count: How many sections to write, at most.
        max_concurrency: How many sections to write at once, at most; by default as many as the limit of the writer's
            model lets in, and 8 where there is none.
        budget: What may be used up. When it is spent, no further section is begun.
        observers: Are told what happens.
        store: Keeps what was written; None keeps nothing.
        run_id: Names the report in the store. One of that name goes on where it stopped, and pays for nothing twice.

    Returns:
        The report; a section that failed is one of its gaps.

    Raises:
        EmptyTopicError: The topic has no words.
        OffTopicError: Nothing in the sources bears on it.
        BudgetSpentError: The budget was spent before the report was there.
        NoStoreError: `run_id` was given without a store.
        SectionCountError: `section_count` is below 1.
        ReportFailedError: There is no plan, or no section of it could be written.
    """
    at_once = concurrency_of(writer) if max_concurrency is None else max_concurrency
    if budget is not None and store is None and run_id is None:
        store = MemoryStore()  # What is written must be there when it is joined.
    runner = SyncRunner(max_concurrency=at_once, budget=budget, observers=observers, store=store)
    inputs, graph = {"topic": topic, "section_count": section_count}, report_generator(writer)
    return report_of(joined(runner.run(graph, inputs, run_id=run_id), graph, store))


def joined(result: RunResult, graph: Graph, store: RunLog | None) -> RunResult:
    """Return the result of a run; where its budget was spent by the last section, the report is joined all the same.

    Args:
        result: What the run came to.
        graph: What it is a run of.
        store: Keeps it; None where it has no budget.
    """
    if result.status != "stopped" or store is None:
        return result
    runner = SyncRunner(store=store)
    told = runner.get(result.run_id).tally
    # Where a section has ended, the plan is there, and with it the number of them all. The join is not planned.
    all_written = told.done > 1 and not told.failed and told.planned == told.done
    return runner.resume(result.run_id, graph) if all_written else result


def report_of(result: RunResult) -> Report:
    """Return the report that a run of `report_generator` came to.

    Args:
        result: The result of a run that has ended.

    Raises:
        BudgetSpentError: It was stopped before there was a report.
    """
    if result.status == "stopped":
        raise BudgetSpentError
    sections = cast("Sequence[Section]", result["sections"])
    content = cast("Sequence[WrittenSection | Failure]", result["content"])
    written = tuple(one for one in content if isinstance(one, WrittenSection) and one.body)
    return Report(cast("str", result["final_report"]), written, gaps_in(sections, content))


def concurrency_of(writer: Writer) -> int | None:
    """Return how many sections are written at once if nothing else is asked for; None where a limit sees to it."""
    return DEFAULT_CONCURRENCY if not _limits(writer) else None


def _limits(writer: Writer) -> tuple[Limit, ...]:
    limit = writer.limit if isinstance(writer, LimitedWriter) else None
    return () if limit is None else (limit,)
