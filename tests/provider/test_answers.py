"""What the real clients make of the scripted provider's answers."""

import json
from typing import Any

import pytest
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from pydantic import BaseModel, ValidationError

from tests.provider.clients import CLIENTS, Client, Section, Sections, chat, streamed
from tests.provider.script import Asked, Reply, Structured, Text, Usage
from tests.provider.server import Provider

PLAN = {"sections": [{"name": "Data", "description": "How much is enough."}]}

METHODS = [
    ("anthropic", "function_calling", "tool"),
    ("anthropic", "json_schema", "json"),
    ("openai", "function_calling", "tool"),
    ("openai", "json_schema", "json"),
    ("openai", "json_mode", "json"),
]


def stop(message: AIMessage) -> object:
    metadata = message.response_metadata
    return metadata.get("stop_reason") or metadata.get("finish_reason")


async def planned(model: Runnable[LanguageModelInput, Any]) -> dict[str, Any]:
    answer = await model.ainvoke("Plan it.")
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_text_arrives_whole_with_its_usage(client: Client) -> None:
    with Provider(lambda asked: Text("Hello, you.", usage=Usage(30, 4))) as provider:
        message = await chat(provider, client).ainvoke([SystemMessage("Be kind."), HumanMessage("Say hello.")])
    assert (message.text, message.content) == ("Hello, you.", "Hello, you.")
    usage = message.usage_metadata
    assert usage is not None
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (30, 4, 34)
    assert stop(message) in {"end_turn", "stop"}
    (asked,) = provider.asked
    assert (asked.system, asked.messages) == ("Be kind.", (("user", "Say hello."),))


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_text_arrives_in_pieces_with_its_usage(client: Client) -> None:
    with Provider(lambda asked: Text("One two  three.\n", usage=Usage(30, 4))) as provider:
        pieces, whole = await streamed(chat(provider, client))
    assert pieces == ["One ", "two  ", "three.\n"]
    assert whole.text == "One two  three.\n"
    assert whole.usage_metadata is not None
    assert (whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]) == (30, 4)
    assert stop(whole) in {"end_turn", "stop"}
    assert provider.asked[0].stream


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Text("Cut sho", stop="length"), {"max_tokens", "length"}),
        (Text("No.", stop="refusal"), {"refusal", "content_filter"}),
        (Text(""), {"end_turn", "stop"}),
    ],
)
async def test_the_client_hears_why_an_answer_ends(client: Client, reply: Text, expected: set[str]) -> None:
    with Provider(lambda asked: reply) as provider:
        model = chat(provider, client)
        message = await model.ainvoke("Go on.")
        _, whole = await streamed(model)
    assert (message.text, whole.text) == (reply.text, reply.text)
    assert {stop(message), stop(whole)} <= expected


async def test_thinking_comes_in_blocks_of_its_own() -> None:
    with Provider(lambda asked: Text("Four.", thinking="Two and two.")) as provider:
        model = chat(provider, "anthropic", model="claude-sonnet-5-5", thinking={"type": "adaptive"})
        message = await model.ainvoke("Add.")
        pieces, whole = await streamed(model)
    for answer in (message, whole):
        assert answer.text == "Four."
        assert isinstance(answer.content, list)
        assert [block["type"] for block in answer.content if isinstance(block, dict)] == ["thinking", "text"]
    assert pieces == ["Four."]


async def test_thinking_comes_before_the_text_where_the_protocol_has_no_place_for_it() -> None:
    with Provider(lambda asked: Text("Four.", thinking="Two and two.")) as provider:
        message = await chat(provider, "openai").ainvoke("Add.")
    assert message.text == "<think>\nTwo and two.\n</think>\n\nFour."


@pytest.mark.parametrize(("client", "method", "way"), METHODS)
async def test_a_plan_arrives_by_each_method(client: Client, method: str, way: str) -> None:
    with Provider(lambda asked: Structured(PLAN)) as provider:
        model = chat(provider, client).with_structured_output(Sections, method=method, include_raw=True)
        answer = await planned(model)
    assert answer["parsed"] == Sections(sections=[Section(name="Data", description="How much is enough.")])
    assert answer["parsing_error"] is None
    wanted = provider.asked[0].wanted
    assert wanted is not None
    assert (wanted.name, wanted.way) == (None if method == "json_mode" else "Sections", way)
    assert (wanted.schema is None) == (method == "json_mode")


# The client puts its own parsed object where its own class declares none.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@pytest.mark.parametrize(("client", "method", "way"), METHODS)
async def test_a_plan_arrives_by_each_method_in_pieces(client: Client, method: str, way: str) -> None:
    with Provider(lambda asked: Structured(PLAN)) as provider:
        model = chat(provider, client, streaming=True).with_structured_output(Sections, method=method)
        assert await model.ainvoke("Plan it.") == Sections.model_validate(PLAN)
    assert provider.asked[0].stream


async def test_a_model_that_takes_no_forced_tool_is_offered_one() -> None:
    with Provider(lambda asked: Structured(PLAN)) as provider:
        model = chat(provider, "anthropic", model="claude-sonnet-5-5")
        with pytest.warns(UserWarning, match="forced tool calling"):
            planner = model.with_structured_output(Sections)
        assert await planner.ainvoke("Plan it.") == Sections.model_validate(PLAN)
    (asked,) = provider.asked
    assert asked.wanted is not None
    assert (asked.wanted.name, "tool_choice" in asked.body) == ("Sections", False)


@pytest.mark.parametrize(("choice", "expected"), [("auto", "tool_calls"), ("Sections", "stop")])
async def test_the_one_tool_that_was_named_is_called_without_saying_so(choice: str, expected: str) -> None:
    with Provider(lambda asked: Structured(PLAN)) as provider:
        model = chat(provider, "openai").bind_tools([Sections], tool_choice=choice)
        message = await model.ainvoke("Plan it.")
    assert message.tool_calls[0]["args"] == PLAN
    assert stop(message) == expected


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("text", ["Here is a plan.", ""])
async def test_prose_instead_of_a_tool_call_is_no_plan(client: Client, text: str) -> None:
    with Provider(lambda asked: Text(text)) as provider:
        model = chat(provider, client)
        answer = await planned(model.with_structured_output(Sections, method="function_calling", include_raw=True))
    assert (answer["parsed"], answer["parsing_error"]) == (None, None)
    assert isinstance(answer["raw"], AIMessage)
    assert answer["raw"].text == text


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_plan_of_another_shape_is_returned_with_its_error(client: Client) -> None:
    with Provider(lambda asked: Structured({"chapters": []})) as provider:
        model = chat(provider, client)
        answer = await planned(model.with_structured_output(Sections, method="function_calling", include_raw=True))
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], ValidationError)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_tool_call_cut_off_is_no_plan(client: Client, streaming: bool) -> None:
    with Provider(lambda asked: Structured(PLAN, stop="length")) as provider:
        model = chat(provider, client, streaming=streaming)
        answer = await planned(model.with_structured_output(Sections, method="function_calling", include_raw=True))
    assert answer["parsed"] is None
    assert isinstance(answer["raw"], AIMessage)
    assert stop(answer["raw"]) in {"max_tokens", "length"}


async def test_an_answer_may_depend_on_what_is_wanted() -> None:
    class Verdict(BaseModel):
        good: bool

    def answer(asked: Asked) -> Reply:
        names = {"Sections": PLAN, "Verdict": {"good": True}}
        return Structured(names[asked.wanted.name or ""]) if asked.wanted else Text(json.dumps(asked.messages))

    with Provider(answer) as provider:
        model = chat(provider, "openai")
        assert await model.with_structured_output(Verdict).ainvoke("Good?") == Verdict(good=True)
        assert await model.with_structured_output(Sections).ainvoke("Plan.") == Sections.model_validate(PLAN)
        assert (await model.ainvoke("Write.")).text == '[["user", "Write."]]'
