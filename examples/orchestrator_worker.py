"""Orchestrator and workers: the pieces of the job are known only at run time.

The orchestrator reads a text and plans one section for each of its subjects; a worker writes each section, all of them
side by side; the synthesizer joins what came back. One worker fails on purpose: its section is told, the rest stays.

Run it: python examples/orchestrator_worker.py
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

from piecework import AsyncRunner, Failure, Graph, node

NOTES = """
Tides: The moon pulls on the oceans and raises two bulges of water.
Rivers: A river carries its valley to the sea, grain by grain.
Tides: Where a bay has the right length, the tide grows to many metres.
Glaciers: Ice flows like honey, a few metres a year.
Lakes:
Rivers: Most of the work is done in a few days of flood.
"""


@dataclass(frozen=True)
class Section:
    """The order for one section."""

    title: str
    sentences: tuple[str, ...]


@node(output_name="sections")
def orchestrator(notes: str) -> list[Section]:
    """Plan a section for each subject, the one with the most notes first."""
    lines = [line.partition(":") for line in notes.strip().splitlines()]
    counts = Counter(subject for subject, _, _ in lines)
    return [
        Section(title, tuple(text.strip() for subject, _, text in lines if subject == title and text.strip()))
        for title, _ in counts.most_common()
    ]


@node(output_name="content")
async def write_section(section: Section) -> str:
    """Write one section; a real worker would wait for a model here."""
    await asyncio.sleep(0.01)
    if not section.sentences:
        raise ValueError(f"there is nothing to say about {section.title.lower()}")
    return f"## {section.title}\n\n{' '.join(section.sentences)}\n"


@node(output_name="final_report")
def synthesizer(content: list[str | Failure]) -> str:
    """Join the sections, and say what is missing."""
    missing = [f"- {part.error}\n" for part in content if isinstance(part, Failure)]
    written = [part for part in content if not isinstance(part, Failure)]
    return "\n".join(["# Water\n", *written, "## Left out\n", *missing])


report_generator = Graph(
    nodes=[
        orchestrator,
        write_section.with_inputs(section="sections").map_over("sections", on_error="keep"),
        synthesizer,
    ],
    name="report_generator",
)


async def main() -> None:
    """Write the report, with at most two workers at a time."""
    result = await AsyncRunner(max_concurrency=2).run(report_generator, inputs={"notes": NOTES})
    print(result["final_report"])


if __name__ == "__main__":
    asyncio.run(main())
