"""The orchestrator-worker pattern as the documentation spells it, in both spellings."""

import asyncio
from dataclasses import dataclass

import pytest

from piecework import AsyncRunner, Graph, SyncRunner, node
from tests.core.harness import within


@dataclass(frozen=True)
class Section:
    name: str


@pytest.mark.parametrize("over", ["sections", "section"])
@pytest.mark.parametrize("wrapped", [True, False])
async def test_all_sections_of_a_report_are_written_at_once_in_both_spellings(over: str, wrapped: bool) -> None:
    barrier = asyncio.Barrier(4)

    @node(output_name="sections")
    async def orchestrator(topic: str) -> list[Section]:
        return [Section(f"{topic} {number}") for number in range(4)]

    @node(output_name="content")
    async def write_section(section: Section) -> str:
        await barrier.wait()
        return section.name.upper()

    @node(output_name="final_report")
    async def synthesizer(content: list[str]) -> str:
        return " | ".join(content)

    writer = Graph(nodes=[write_section], name="section_writer").as_node() if wrapped else write_section
    report_generator = Graph(
        nodes=[orchestrator, writer.with_inputs(section="sections").map_over(over), synthesizer],
        name="report_generator",
    )
    result = await within(AsyncRunner().run(report_generator, inputs={"topic": "law"}))
    assert result["final_report"] == "LAW 0 | LAW 1 | LAW 2 | LAW 3"


def test_the_pattern_runs_from_plain_code_with_one_call_at_a_time() -> None:
    @node(output_name="sections")
    def orchestrator(topic: str) -> list[Section]:
        return [Section(f"{topic} {number}") for number in range(4)]

    @node(output_name="content")
    async def write_section(section: Section) -> str:
        await asyncio.sleep(0)
        return section.name.upper()

    section_writer = Graph(nodes=[write_section], name="section_writer")
    graph = Graph(nodes=[orchestrator, section_writer.as_node().with_inputs(section="sections").map_over("sections")])
    assert SyncRunner(max_concurrency=1).run(graph, topic="a")["content"] == ["A 0", "A 1", "A 2", "A 3"]
