"""The orchestrator-worker program with a language model: planned, written side by side and joined, over real HTTP."""

from collections.abc import Callable, Iterator

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

from piecework import AsyncRunner, Graph, SyncRunner, node
from tests.provider.script import report
from tests.provider.server import Provider


class Section(BaseModel):
    name: str = Field(description="The section's name.")
    description: str = Field(description="What the section covers.")


class Sections(BaseModel):
    sections: list[Section] = Field(description="The sections of the report.")


Open = Callable[[], BaseChatModel]

MODELS = [
    pytest.param(lambda: ChatAnthropic(model_name="claude-haiku-4-5", timeout=4, stop=None), id="anthropic"),
    pytest.param(lambda: ChatOpenAI(model="gpt-5-mini", timeout=4), id="openai"),
]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Four sections are planned; none is written before all four are asked for."""
    with Provider(report(4, together=4)) as provider:
        for name, value in provider.environment().items():
            monkeypatch.setenv(name, value)
        yield provider


def to_plan(topic: str) -> list[SystemMessage | HumanMessage]:
    return [SystemMessage("Plan a report."), HumanMessage(f"The topic: {topic}")]


def to_write(section: Section) -> list[SystemMessage | HumanMessage]:
    return [SystemMessage("Write one section."), HumanMessage(f"{section.name}: {section.description}")]


def report_generator_with(llm: BaseChatModel) -> Graph:
    @node(output_name="sections")
    async def orchestrator(topic: str) -> list[Section]:
        plan = await llm.with_structured_output(Sections).ainvoke(to_plan(topic))
        assert isinstance(plan, Sections)
        return plan.sections

    @node(output_name="content")
    async def write_section(section: Section) -> str:
        message = await llm.ainvoke(to_write(section))
        assert isinstance(message.content, str)
        return message.content

    @node(output_name="final_report")
    async def synthesizer(content: list[str]) -> str:
        return "\n\n---\n\n".join(content)

    section_writer = Graph(nodes=[write_section], name="section_writer")
    return Graph(
        nodes=[
            orchestrator,
            section_writer.as_node().with_inputs(section="sections").map_over("sections"),
            synthesizer,
        ],
        name="report_generator",
    )


def blocking_report_generator_with(llm: BaseChatModel) -> Graph:
    @node(output_name="sections")
    def orchestrator(topic: str) -> list[Section]:
        plan = llm.with_structured_output(Sections).invoke(to_plan(topic))
        assert isinstance(plan, Sections)
        return plan.sections

    @node(output_name="content")
    def write_section(section: Section) -> str:
        message = llm.invoke(to_write(section))
        assert isinstance(message.content, str)
        return message.content

    @node(output_name="final_report")
    def synthesizer(content: list[str]) -> str:
        return "\n\n---\n\n".join(content)

    section_writer = Graph(nodes=[write_section], name="section_writer")
    return Graph(
        nodes=[
            orchestrator,
            section_writer.as_node().with_inputs(section="sections").map_over("sections"),
            synthesizer,
        ],
        name="report_generator",
    )


def assert_written_side_by_side(final_report: object, provider: Provider) -> None:
    paragraphs = [f"This paragraph is about Section {number}." for number in range(1, 5)]
    assert final_report == "\n\n---\n\n".join(paragraphs)
    assert provider.most_in_flight == 4
    plan, *writing = provider.asked
    assert plan.text == "The topic: LLM scaling laws"
    assert plan.wanted is not None
    assert plan.wanted.name == "Sections"
    assert sorted(asked.text for asked in writing) == [
        f"Section {number}: About Section {number}." for number in range(1, 5)
    ]
    assert not any(asked.repeats for asked in provider.asked)


@pytest.mark.parametrize("open_model", MODELS)
async def test_four_sections_are_written_at_once_in_five_requests(open_model: Open, provider: Provider) -> None:
    report_generator = report_generator_with(open_model())
    result = await AsyncRunner().run(report_generator, inputs={"topic": "LLM scaling laws"})
    assert_written_side_by_side(result["final_report"], provider)


@pytest.mark.parametrize("open_model", MODELS)
def test_blocking_nodes_write_four_sections_at_once_in_five_requests(open_model: Open, provider: Provider) -> None:
    report_generator = blocking_report_generator_with(open_model())
    result = SyncRunner().run(report_generator, inputs={"topic": "LLM scaling laws"})
    assert_written_side_by_side(result["final_report"], provider)


@pytest.mark.parametrize("open_model", MODELS)
def test_a_synchronous_caller_runs_coroutines_that_write_at_once(open_model: Open, provider: Provider) -> None:
    report_generator = report_generator_with(open_model())
    result = SyncRunner().run(report_generator, inputs={"topic": "LLM scaling laws"})
    assert_written_side_by_side(result["final_report"], provider)
