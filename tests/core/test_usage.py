"""What calls use up, read from real answers of real clients, and from whatever else a node returns."""

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import anthropic
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, message_to_dict
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult
from msgspec import structs
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion
from openai.types.responses import Response, ResponseUsage

from piecework.core import usage as module
from piecework.core.usage import Reported, Usage
from tests.provider import script
from tests.provider.clients import CLIENTS, Client, Section, chat
from tests.provider.script import Structured, Text
from tests.provider.server import Provider
from tests.provider.serving import KEY


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def provider() -> Iterator[Provider]:
    answer = Text("Hello.", usage=script.Usage(read=20, written=3))
    data = Structured({"name": "One", "description": "The first."}, usage=script.Usage(read=20, written=3))
    with Provider(lambda asked: data if asked.wanted is not None else answer) as provider:
        yield provider


MODELS = {"anthropic": "claude-haiku-4-5", "openai": "gpt-5-mini"}


def usage(read: int, written: int) -> UsageMetadata:
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)


def message(read: int = 20, written: int = 3, model: str = "a-model") -> AIMessage:
    return AIMessage("Hello.", usage_metadata=usage(read, written), response_metadata={"model_name": model})


def usage_reported(value: object) -> list[Reported]:
    """What is reported, by whatever answer."""
    return [structs.replace(each, id="", answer=None) for each in module.usage_reported(value)]


HELLO = Reported("a-model", 20, 3)


# Real answers


def _of_anthropic(provider: Provider) -> anthropic.types.Message:
    with anthropic.Anthropic(api_key=KEY, base_url=provider.url) as client:
        return client.messages.create(model="a-model", max_tokens=9, messages=[{"role": "user", "content": "Hello?"}])


def _of_openai(provider: Provider) -> ChatCompletion:
    with openai.OpenAI(api_key=KEY, base_url=provider.openai_url) as client:
        return client.chat.completions.create(model="a-model", messages=[{"role": "user", "content": "Hello?"}])


@pytest.mark.parametrize("ask", [_of_anthropic, _of_openai])
def test_an_answer_of_a_client_reports_what_it_used(provider: Provider, ask: Callable[[Provider], Any]) -> None:
    answer = ask(provider)
    assert usage_reported(answer) == [HELLO]
    assert usage_reported(answer.model_dump()) == [HELLO]
    assert usage_reported(answer.to_dict()) == [HELLO]


def test_tokens_from_and_into_a_cache_count_as_read(provider: Provider) -> None:
    answer = _of_anthropic(provider)
    answer.usage.cache_creation_input_tokens = 100
    answer.usage.cache_read_input_tokens = 1000
    assert usage_reported(answer) == [Reported("a-model", 1120, 3)]
    assert usage_reported(answer.model_dump()) == [Reported("a-model", 1120, 3)]


def test_a_response_of_openai_reports_what_it_used() -> None:
    counts = ResponseUsage.model_construct(input_tokens=20, output_tokens=3, total_tokens=23)
    assert usage_reported(Response.model_construct(model="a-model", usage=counts)) == [HELLO]


def test_an_embedding_writes_nothing() -> None:
    answer = CreateEmbeddingResponse.model_validate(
        {"data": [], "model": "a-model", "object": "list", "usage": {"prompt_tokens": 20, "total_tokens": 20}}
    )
    assert usage_reported(answer) == [Reported("a-model", 20, 0)]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_message_of_langchain_reports_what_it_used(provider: Provider, client: Client) -> None:
    answer = chat(provider, client).invoke("Hello?")
    expected = [Reported(MODELS[client], 20, 3)]
    assert usage_reported(answer) == expected
    assert usage_reported(message_to_dict(answer)) == expected
    assert usage_reported(answer.model_dump()) == expected


@pytest.mark.parametrize("client", CLIENTS)
def test_chunks_report_together_what_the_whole_does(provider: Provider, client: Client) -> None:
    chunks = list(chat(provider, client).stream("Hello?"))
    reports = usage_reported(chunks)
    assert (sum(one.input_tokens for one in reports), sum(one.output_tokens for one in reports)) == (20, 3)


@pytest.mark.parametrize("client", CLIENTS)
def test_structured_output_reports_its_raw_answer(provider: Provider, client: Client) -> None:
    model = chat(provider, client).with_structured_output(Section, include_raw=True)
    answer = model.invoke("Hello?")
    assert isinstance(answer, dict)
    assert set(answer) == {"raw", "parsed", "parsing_error"}
    assert usage_reported(answer) == [Reported(MODELS[client], 20, 3)]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_result_of_langchain_reports_all_of_its_answers(provider: Provider, client: Client) -> None:
    result = chat(provider, client).generate([[HumanMessage("Hello?")], [HumanMessage("And?")]])
    reports = usage_reported(result)
    assert {one.model for one in reports} == {MODELS[client]}
    assert (sum(one.input_tokens for one in reports), sum(one.output_tokens for one in reports)) == (40, 6)


async def test_batches_report_each_answer(provider: Provider) -> None:
    model = chat(provider, "anthropic")
    answers = await asyncio.gather(*(model.ainvoke(f"Hello {number}?") for number in range(3)))
    assert usage_reported(answers) == [Reported(MODELS["anthropic"], 20, 3)] * 3


# Where answers are found


@pytest.mark.parametrize(
    "value",
    [
        message(),
        [message()],
        ("some text", message()),
        {"raw": message(), "parsed": 7},
        {"messages": [HumanMessage("Hello?"), message()]},
        [[[message()]]],
        {"usage": {"input_tokens": 20, "output_tokens": 3}, "model": "a-model"},
        {"usage": {"prompt_tokens": 20, "completion_tokens": 3}, "model": "a-model"},
        {"usage_metadata": usage(20, 3), "response_metadata": {"model": "a-model"}},
        SimpleNamespace(usage=SimpleNamespace(input_tokens=20, output_tokens=3), model="a-model"),
        SimpleNamespace(llm_output={"token_usage": {"prompt_tokens": 20, "completion_tokens": 3}, "model": "a-model"}),
        SimpleNamespace(generations=[ChatGeneration(message=message())]),
    ],
)
def test_an_answer_is_found(value: object) -> None:
    assert usage_reported(value) == [HELLO]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "some text",
        7,
        [],
        {},
        HumanMessage("Hello?"),
        AIMessage("Hello."),
        [[[[message()]]]],
        {message},
        iter([message()]),
        {"usage": None},
        {"usage": {}, "model": "a-model"},
        {"usage": {"total_tokens": 23}},
        {"input_tokens": 20, "output_tokens": 3},
        {"usage": {"input_tokens": 20.0, "output_tokens": 3}},
        {"usage": {"input_tokens": "20", "output_tokens": 3}},
        {"usage": {"input_tokens": True, "output_tokens": 3}},
        {"usage": {"input_tokens": -1, "output_tokens": 3}},
        {"usage": {"input_tokens": 20, "output_tokens": 3, "cache_read_input_tokens": -1}},
        {"usage": {"input_tokens": 20, "output_tokens": 3, "cache_read_input_tokens": "1"}},
        SimpleNamespace(generations=7, llm_output=7, usage=7, usage_metadata=7),
        SimpleNamespace(generations=[7, [7]]),
        Mock(),
        MagicMock(),
        Mock(spec=AIMessage),
        Mock(spec=dict),
        MagicMock(spec=dict),
        AIMessage,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_answer_reports_nothing(value: object) -> None:
    assert usage_reported(value) == []


def test_an_answer_that_does_not_name_its_model_reports_none() -> None:
    assert usage_reported({"usage": {"input_tokens": 20, "output_tokens": 3}, "model": 7}) == [Reported("", 20, 3)]
    assert usage_reported(AIMessage("Hello.", usage_metadata=usage(20, 3))) == [Reported("", 20, 3)]


def test_an_answer_that_is_there_twice_is_counted_once() -> None:
    one, other = message(), message()
    assert usage_reported([one, {"again": one}, (one, other)]) == [HELLO, HELLO]
    circle: list[object] = [one]
    circle.append(circle)
    assert usage_reported(circle) == [HELLO]


def _result(*messages: AIMessage, **counts: int) -> LLMResult:
    return LLMResult(
        generations=[[ChatGeneration(message=one) for one in messages]],
        llm_output={"token_usage": counts, "model_name": "a-model"} if counts else None,
    )


def test_a_result_that_counts_itself_speaks_for_its_answers() -> None:
    # Where several answers are asked for at once, each repeats what all of them used.
    answers = message(), message()
    counted = _result(*answers, prompt_tokens=20, completion_tokens=3)
    assert usage_reported(counted) == [HELLO]
    assert usage_reported([counted, *answers]) == [HELLO]
    assert usage_reported(_result(*answers)) == [HELLO, HELLO]


def test_an_answer_that_came_before_its_result_is_counted_once() -> None:
    answer = message()
    assert usage_reported([answer, _result(answer, prompt_tokens=20, completion_tokens=3)]) == [HELLO]


def test_no_more_than_a_thousand_objects_are_looked_at() -> None:
    assert usage_reported([*range(998), message()]) == [HELLO]
    assert usage_reported([*map(str, range(1000, 2100)), message()]) == []
    assert len(usage_reported([message() for _ in range(5000)])) == 999


# Anything at all


class Hostile:
    """Every attribute raises."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


class Unreadable(dict[str, object]):
    """A mapping that cannot be read."""

    def get(self, *args: object) -> object:
        raise KeyError(args)

    def values(self) -> Any:
        raise OSError


class Partly:
    """One attribute raises, another does not."""

    usage = SimpleNamespace(input_tokens=20, output_tokens=3)
    model = "a-model"

    @property
    def usage_metadata(self) -> object:
        raise RuntimeError


def test_what_cannot_be_read_hides_nothing_else() -> None:
    assert usage_reported([Hostile(), Unreadable(usage=7), Partly(), message()]) == [HELLO, HELLO]


NAMES = st.sampled_from(
    [
        *("usage", "usage_metadata", "response_metadata", "llm_output", "token_usage", "generations", "message"),
        *("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens", "cache_read_input_tokens", "model"),
    ]
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.builds(Mock)
    | st.builds(MagicMock)
    | st.builds(Hostile)
    | st.builds(Unreadable)
    | st.builds(Partly)
    | st.builds(message),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(NAMES, inner, max_size=4)
        | st.builds(lambda fields: SimpleNamespace(**fields), st.dictionaries(NAMES, inner, max_size=4))
    ),
    max_leaves=12,
)


@given(VALUES)
def test_nothing_is_raised_whatever_a_node_returned(value: object) -> None:
    for one in usage_reported(value):
        assert type(one.model) is str
        assert type(one.input_tokens) is int
        assert type(one.output_tokens) is int
        assert min(one.input_tokens, one.output_tokens) >= 0


# Counting


def test_usage_adds_up() -> None:
    both = Usage(1, 2, 0.5) + Usage(10, 20, 0.25)
    assert both == Usage(11, 22, 0.75)
    assert both.tokens == 33
    assert sum([Usage(1), Usage(0, 2)], Usage()) == Usage(1, 2)
