"""Which failures pass: what real clients raise against a real server that refuses, breaks off or falls silent."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from email.utils import formatdate
from typing import Any
from unittest.mock import Mock

import anthropic
import httpx
import httpx2
import openai
import pytest
import requests
import urllib3

from piecework.core.transient import default_retry_on, retry_after, status_of, throttled
from tests.provider.clients import CLIENTS, Client, chat
from tests.provider.script import Cut, Hang, Refuse, Reply
from tests.provider.server import Provider
from tests.provider.serving import KEY, OPEN

# Asking

QUESTION: dict[str, Any] = {"model": "a-model", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello?"}]}

PATH = f"{OPEN}/v1/messages"

Ask = Callable[[str, float], object]
"""Asks the server at a URL, with a timeout; raises for a refusal."""


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def with_httpx(url: str, timeout: float) -> object:
    return httpx.post(url + PATH, json=QUESTION, timeout=timeout).raise_for_status()


def with_httpx2(url: str, timeout: float) -> object:
    return httpx2.post(url + PATH, json=QUESTION, timeout=timeout).raise_for_status()


def with_requests(url: str, timeout: float) -> object:
    with requests.post(url + PATH, json=QUESTION, timeout=timeout) as response:
        response.raise_for_status()
        return response


def with_urllib(url: str, timeout: float) -> object:
    body = json.dumps(QUESTION).encode()
    request = urllib.request.Request(url + PATH, body, method="POST")  # noqa: S310 - on loopback
    with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310 - on loopback
        return response.read()


def with_urllib3(url: str, timeout: float) -> object:
    with urllib3.PoolManager(retries=urllib3.Retry(0), timeout=timeout) as pool:
        return pool.request("POST", url + PATH, json=QUESTION).data


def with_anthropic(url: str, timeout: float) -> object:
    with anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0, timeout=timeout) as client:
        return client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hello?"}])


def with_openai(url: str, timeout: float) -> object:
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0, timeout=timeout) as client:
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello?"}])


TELLING: tuple[Ask, ...] = (with_httpx, with_httpx2, with_requests, with_urllib, with_anthropic, with_openai)
"""The clients that raise for a refusal."""

ALL: tuple[Ask, ...] = (*TELLING, with_urllib3)


def caught(ask: Ask, reply: Reply, timeout: float = 5.0) -> BaseException:
    """What a client raises when it is given a reply."""
    with Provider(lambda asked: reply) as provider:
        return raised(ask, provider.url, timeout)


def raised(ask: Ask, url: str, timeout: float = 5.0) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the question
        ask(url, timeout)
    if isinstance(caught.value, urllib.error.HTTPError):
        caught.value.close()
    return caught.value


STATUSES = {
    **dict.fromkeys((400, 401, 403, 404, 409, 413, 422), False),
    **dict.fromkeys((408, 425, 429, 500, 502, 503, 504, 529), True),
}


@pytest.mark.parametrize("ask", TELLING)
@pytest.mark.parametrize(("status", "passes"), STATUSES.items())
def test_a_refusal_passes_according_to_its_status(ask: Ask, status: int, passes: bool) -> None:
    error = caught(ask, Refuse(status))
    assert status_of(error) == status
    assert default_retry_on(error) is passes
    assert throttled(error) is (status in {429, 529})
    assert retry_after(error) is None


@pytest.mark.parametrize("ask", ALL)
@pytest.mark.parametrize("reply", [Cut(), Cut("Some words")])
def test_a_connection_that_breaks_passes(ask: Ask, reply: Reply) -> None:
    error = caught(ask, reply)
    assert default_retry_on(error)
    assert not throttled(error)


@pytest.mark.parametrize("ask", ALL)
def test_a_server_that_does_not_answer_in_time_passes(ask: Ask) -> None:
    assert default_retry_on(caught(ask, Hang(), timeout=0.1))


@pytest.mark.parametrize("ask", ALL)
def test_a_server_that_is_not_there_passes(ask: Ask) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    error = raised(ask, f"http://127.0.0.1:{port}")
    assert default_retry_on(error)
    assert status_of(error) is None


@pytest.mark.parametrize("ask", ALL)
def test_a_host_without_an_address_passes(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    # No name server is asked: it may take its time.
    monkeypatch.setattr("socket.getaddrinfo", Mock(side_effect=socket.gaierror(socket.EAI_NONAME, "unknown")))
    assert default_retry_on(raised(ask, "http://nowhere.invalid"))


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that reads what comes first, sends some bytes and hangs up."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


@pytest.mark.parametrize("ask", ALL)
def test_a_tls_connection_that_breaks_passes(ask: Ask) -> None:
    with answering(b"") as url:
        assert default_retry_on(raised(ask, url))


@pytest.mark.parametrize("ask", [with_requests, with_urllib, with_urllib3])
def test_a_server_that_speaks_no_tls_does_not_pass(ask: Ask) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        assert not default_retry_on(raised(ask, url))


@pytest.mark.parametrize("ask", [with_httpx, with_httpx2, with_requests, with_urllib, with_urllib3])
@pytest.mark.parametrize("url", ["nothing://127.0.0.1", "127.0.0.1/no-scheme", "http://[::1"])
def test_an_address_that_is_none_does_not_pass(ask: Ask, url: str) -> None:
    assert not default_retry_on(raised(ask, url))


# What servers ask for


@pytest.mark.parametrize("ask", TELLING)
@pytest.mark.parametrize(
    ("headers", "wait"), [({"retry-after": "7"}, 7.0), ({"Retry-After": "1.5"}, 1.5), ({"retry-after-ms": "250"}, 0.25)]
)
def test_a_client_hands_on_how_long_its_server_asks_to_wait(ask: Ask, headers: Mapping[str, str], wait: float) -> None:
    error = caught(ask, Refuse(503, headers=headers))
    assert retry_after(error) == wait
    assert throttled(error)


@pytest.mark.parametrize("ask", TELLING)
def test_a_date_to_wait_for_is_read_by_the_servers_clock(ask: Ask) -> None:
    until = 4_000_000_000
    error = caught(ask, Refuse(429, headers={"retry-after": formatdate(until, usegmt=True)}))
    # The server sends its own time too, so that ours does not count.
    assert retry_after(error, now=until) == pytest.approx(until - time.time(), abs=5)


# Errors inside of a stream


def _stream(client: Client, refusal: Refuse) -> BaseException:
    with Provider(lambda asked: refusal) as provider, pytest.raises(Exception) as caught:  # noqa: PT011
        for _ in chat(provider, client, max_retries=0).stream("Hello?"):
            pass
    return caught.value


@pytest.mark.parametrize(("status", "slows"), [(529, True), (429, True), (500, False)])
def test_an_error_inside_of_an_anthropic_stream_has_the_status_of_its_kind(status: int, slows: bool) -> None:
    error = _stream("anthropic", Refuse(status, after="Some words"))
    assert isinstance(error, anthropic.APIStatusError)
    assert error.status_code == 200
    assert status_of(error) == status
    assert default_retry_on(error)
    assert throttled(error) is slows


@pytest.mark.parametrize(("status", "slows"), [(429, True), (500, False)])
def test_an_error_inside_of_an_openai_stream_has_the_status_of_its_kind(status: int, slows: bool) -> None:
    error = _stream("openai", Refuse(status, after="Some words"))
    assert not isinstance(error, openai.APIStatusError)
    assert status_of(error) == status
    assert default_retry_on(error)
    assert throttled(error) is slows


@pytest.mark.parametrize("client", CLIENTS)
def test_a_fault_of_ours_inside_of_a_stream_does_not_pass(client: Client) -> None:
    error = _stream(client, Refuse(400, after="Some words"))
    assert not default_retry_on(error)
    assert not throttled(error)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": 502, "message": "provider returned an error"}, 502),
        ({"error": {"code": 429}}, 429),
        ({"type": "error", "error": {"type": "overloaded_error"}}, 529),
        ({"type": ["overloaded_error"]}, None),
        ({"error": "overloaded_error"}, None),
        ("overloaded_error", None),
        (None, None),
    ],
)
def test_the_body_of_an_error_without_a_status_tells_one(body: object, status: int | None) -> None:
    error = openai.APIError("no", httpx2.Request("POST", "http://a.test"), body=body)
    assert status_of(error) == status


def test_the_status_of_a_refusal_goes_before_what_its_body_says() -> None:
    error = caught(with_anthropic, Refuse(400))
    assert isinstance(error, anthropic.APIStatusError)
    error.body = {"error": {"type": "overloaded_error"}}
    assert status_of(error) == 400


# LangChain


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("status", "passes"), [(400, False), (404, False), (429, True), (500, True), (529, True)])
def test_a_refusal_through_langchain_passes_according_to_its_status(client: Client, status: int, passes: bool) -> None:
    headers = {"retry-after": "7"}
    with Provider(lambda asked: Refuse(status, headers=headers)) as provider, pytest.raises(Exception) as caught:  # noqa: PT011
        chat(provider, client, max_retries=0).invoke("Hello?")
    assert (status_of(caught.value), retry_after(caught.value)) == (status, 7.0)
    assert default_retry_on(caught.value) is passes


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("reply", [Cut(), Hang()])
def test_a_connection_through_langchain_that_breaks_passes(client: Client, reply: Reply) -> None:
    with Provider(lambda asked: reply) as provider, pytest.raises(Exception) as caught:  # noqa: PT011
        chat(provider, client, max_retries=0, timeout=0.1).invoke("Hello?")
    assert default_retry_on(caught.value)
