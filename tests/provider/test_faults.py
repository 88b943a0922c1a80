"""What the real clients make of the scripted provider's faults."""

import json
from itertools import pairwise

import anthropic
import httpx2
import openai
import pytest
from langchain_core.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.language_models import BaseChatModel

from tests.provider.clients import CLIENTS, Client, chat, streamed
from tests.provider.script import Asked, Cut, Garbage, Hang, Refuse, Reply, Text
from tests.provider.server import Provider

SOON = {"retry-after-ms": "10"}

STATUSES = [
    (400, ModelInvalidRequestError, 1),
    (401, ModelAuthenticationError, 1),
    (403, ModelPermissionDeniedError, 1),
    (404, ModelNotFoundError, 1),
    (429, ModelRateLimitError, 3),
    (500, ModelAPIError, 3),
    (529, ModelAPIError, 3),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("status", "kind", "attempts"), STATUSES)
async def test_a_refusal_is_an_error_of_its_kind(
    client: Client, status: int, kind: type[ModelError], attempts: int
) -> None:
    with (
        Provider(lambda asked: Refuse(status, "Not so.", SOON)) as provider,
        pytest.raises(kind, match=r"Not so\.") as caught,
    ):
        await chat(provider, client).ainvoke("Hello?")
    assert isinstance(caught.value, anthropic.APIStatusError | openai.APIStatusError)
    assert caught.value.status_code == status
    assert [asked.repeats for asked in provider.asked] == list(range(attempts))


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_wrong_key_is_an_error_of_its_kind(client: Client) -> None:
    with Provider() as provider, pytest.raises(ModelAuthenticationError):
        await chat(provider, client, api_key="another").ainvoke("Hello?")
    assert provider.asked == ()


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_client_asks_again_when_it_was_told_to(client: Client, streaming: bool) -> None:
    def answer(asked: Asked) -> Reply:
        return Refuse(429, "Slow down.", {"retry-after-ms": "60"}) if asked.repeats < 2 else Text("Here you are.")

    with Provider(answer) as provider:
        message = await chat(provider, client, streaming=streaming).ainvoke("Hello?")
    assert message.text == "Here you are."
    assert all(second.at - first.at >= 0.06 for first, second in pairwise(provider.asked))
    assert len(provider.asked) == 3


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_error_holds_when_to_ask_again(client: Client) -> None:
    with (
        Provider(lambda asked: Refuse(429, "Slow down.", {"retry-after": "300"})) as provider,
        pytest.raises(ModelRateLimitError) as caught,
    ):
        await chat(provider, client, max_retries=0).ainvoke("Hello?")
    assert isinstance(caught.value, anthropic.APIStatusError | openai.APIStatusError)
    assert caught.value.response.headers["retry-after"] == "300"


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("reply", [Hang(), Hang("Some words")])
async def test_a_client_does_not_wait_longer_than_it_may(client: Client, reply: Reply) -> None:
    with Provider(lambda asked: reply) as provider, pytest.raises(ModelTimeoutError):
        await chat(provider, client, timeout=0.1, max_retries=0).ainvoke("Hello?")
    assert len(provider.asked) == 1


@pytest.mark.parametrize(("client", "kind"), [("anthropic", httpx2.ReadTimeout), ("openai", ModelTimeoutError)])
async def test_a_stream_that_falls_silent_ends_with_an_error(client: Client, kind: type[Exception]) -> None:
    heard: list[str] = []

    async def listen(model: BaseChatModel) -> None:
        async for chunk in model.astream("Hello?"):
            heard.append(chunk.text)  # noqa: PERF401 - what comes before the error counts

    with Provider(lambda asked: Hang("Some words")) as provider, pytest.raises(kind):
        await listen(chat(provider, client, timeout=0.5, max_retries=0))
    assert "".join(heard) == "Some words"


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("reply", [Cut(), Cut("Some words")])
async def test_an_answer_cut_off_is_a_connection_error(client: Client, reply: Reply) -> None:
    with Provider(lambda asked: reply) as provider, pytest.raises(ModelConnectionError):
        await chat(provider, client, max_retries=0).ainvoke("Hello?")


@pytest.mark.parametrize(
    ("client", "kind"), [("anthropic", httpx2.RemoteProtocolError), ("openai", ModelConnectionError)]
)
async def test_a_stream_cut_off_ends_with_an_error(client: Client, kind: type[Exception]) -> None:
    with Provider(lambda asked: Cut("Some words")) as provider, pytest.raises(kind):
        await streamed(chat(provider, client))
    assert len(provider.asked) == 1


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_stream_cut_off_before_its_first_word_is_asked_for_again(client: Client) -> None:
    def answer(asked: Asked) -> Reply:
        return Text("Here you are.") if asked.repeats else Cut()

    with Provider(answer) as provider:
        _, whole = await streamed(chat(provider, client))
    assert (whole.text, len(provider.asked)) == ("Here you are.", 2)


async def test_an_error_in_mid_stream_says_what_it_is_but_not_as_a_status() -> None:
    with (
        Provider(lambda asked: Refuse(529, "Overloaded.", after="Some words")) as provider,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        await streamed(chat(provider, "anthropic"))
    assert (caught.value.status_code, caught.value.type) == (200, "overloaded_error")
    assert not isinstance(caught.value, ModelError)


async def test_an_error_in_mid_stream_has_no_status() -> None:
    with (
        Provider(lambda asked: Refuse(500, "Out of order.", after="Some words")) as provider,
        pytest.raises(openai.APIError, match=r"Out of order\.") as caught,
    ):
        await streamed(chat(provider, "openai"))
    assert not isinstance(caught.value, openai.APIStatusError | ModelError)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_refusal_with_words_before_it_is_a_plain_one_where_nothing_is_streamed(client: Client) -> None:
    with (
        Provider(lambda asked: Refuse(400, "Not so.", after="Some words")) as provider,
        pytest.raises(ModelInvalidRequestError),
    ):
        await chat(provider, client).ainvoke("Hello?")


@pytest.mark.parametrize("client", CLIENTS)
async def test_broken_json_is_an_error(client: Client) -> None:
    with Provider(lambda asked: Garbage(b'{"id": ')) as provider, pytest.raises(json.JSONDecodeError):
        await chat(provider, client).ainvoke("Hello?")


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_stream_that_is_none_is_an_error(client: Client) -> None:
    with (
        Provider(lambda asked: Garbage(b"<html>", "text/html")) as provider,
        pytest.raises(ValueError, match="No generation chunks"),
    ):
        await streamed(chat(provider, client))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_blocking_client_meets_the_same_faults(client: Client) -> None:
    def answer(asked: Asked) -> Reply:
        replies: dict[str, Reply] = {"slow": Refuse(429, "Slow down.", SOON), "cut": Cut(), "hang": Hang()}
        return replies.get(asked.text, Text("Fine."))

    with Provider(answer) as provider:
        model = chat(provider, client, max_retries=0)
        with pytest.raises(ModelRateLimitError):
            model.invoke("slow")
        with pytest.raises(ModelConnectionError):
            model.invoke("cut")
        with pytest.raises(ModelTimeoutError):
            chat(provider, client, timeout=0.1, max_retries=0).invoke("hang")
        assert model.invoke("fine").text == "Fine."
