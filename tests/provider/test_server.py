"""The scripted provider as any HTTP client finds it: what it records, holds back and refuses, and how it ends."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected
from typing import Any

import pytest

from tests.provider.script import Asked, Cut, Garbage, Hang, Refuse, Reply, Structured, Text, Together, report
from tests.provider.server import Provider
from tests.provider.serving import KEY

MESSAGES = "/v1/messages"
COMPLETIONS = "/v1/chat/completions"

ASKING = {"model": "a-model", "messages": [{"role": "user", "content": "Hello?"}]}


@contextmanager
def connected(provider: Provider) -> Iterator[HTTPConnection]:
    with closing(HTTPConnection(provider.url.removeprefix("http://"), timeout=4)) as connection:
        yield connection


def send(
    connection: HTTPConnection, path: str = COMPLETIONS, key: str = KEY, text: str | None = None, **fields: Any
) -> HTTPResponse:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    connection.request("POST", path, text or json.dumps({**ASKING, **fields}), headers)
    return connection.getresponse()


def ask(provider: Provider, path: str = COMPLETIONS, key: str = KEY, **fields: Any) -> tuple[int, Any]:
    with connected(provider) as connection:
        response = send(connection, path, key, **fields)
        return response.status, json.loads(response.read())


def said(answer: Any) -> str:
    text: str = answer["choices"][0]["message"]["content"]
    return text


def test_a_request_is_written_down_as_it_was_asked() -> None:
    with Provider(lambda asked: Text("Yes.")) as provider:
        assert ask(provider, MESSAGES, system="Be brief.")[1]["content"][0]["text"] == "Yes."
        asking = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]
        assert said(ask(provider, messages=asking)[1]) == "Yes."
    first, second = provider.asked
    assert (first.protocol, second.protocol) == ("messages", "completions")
    assert (first.path, second.path) == (MESSAGES, COMPLETIONS)
    for number, asked in enumerate(provider.asked, start=1):
        assert (asked.number, asked.model, asked.system) == (number, "a-model", "Be brief.")
        assert (asked.messages, asked.text) == ((("user", "Hello?"),), "Hello?")
        assert (asked.wanted, asked.stream) == (None, False)
        assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (first.repeats, second.repeats) == (0, 1)
    assert first.at <= second.at


def test_a_request_says_how_often_it_was_asked_before() -> None:
    def answer(asked: Asked) -> Reply:
        return Text(f"{asked.number}/{asked.repeats}")

    with Provider(answer) as provider:
        other = [{"role": "user", "content": "Something else."}]
        assert [said(ask(provider)[1]), said(ask(provider, messages=other)[1]), said(ask(provider)[1])] == [
            "1/0",
            "2/0",
            "3/1",
        ]


@pytest.mark.parametrize("key", ["", "another"])
@pytest.mark.parametrize(("path", "kind"), [(MESSAGES, "authentication_error"), (COMPLETIONS, "invalid_request_error")])
def test_a_wrong_key_is_refused_and_the_request_not_written_down(path: str, kind: str, key: str) -> None:
    with Provider() as provider:
        status, answer = ask(provider, path, key)
    assert (status, answer["error"]["type"]) == (401, kind)
    assert provider.asked == ()


def test_a_key_may_come_in_a_header_of_its_own() -> None:
    with Provider() as provider, connected(provider) as connection:
        connection.request("POST", MESSAGES, json.dumps(ASKING), {"x-api-key": KEY})
        assert connection.getresponse().read()


def test_a_server_of_ones_own_wants_no_key() -> None:
    with Provider() as provider:
        path = provider.environment()["OLLAMA_HOST"].removeprefix(provider.url)
        status, _ = ask(provider, f"{path}{COMPLETIONS}", key="")
    assert (status, len(provider.asked)) == (200, 1)


def test_a_path_that_is_not_served_is_refused() -> None:
    with Provider() as provider:
        status, answer = ask(provider, "/v1/responses")
    assert (status, answer["error"]["message"]) == (404, "nothing is served at /v1/responses")


def test_a_refusal_brings_its_headers() -> None:
    slow = Refuse(429, "Slow down.", {"retry-after": "7"})
    with Provider(lambda asked: slow) as provider, connected(provider) as connection:
        response = send(connection, MESSAGES)
        error = json.loads(response.read())["error"]
    assert (response.status, response.headers["retry-after"]) == (429, "7")
    assert error == {"type": "rate_limit_error", "message": "Slow down."}


def test_the_report_script_plans_sections_and_names_the_one_it_writes() -> None:
    tool = {"type": "function", "function": {"name": "Sections", "parameters": {"type": "object"}}}
    with Provider(report(2)) as provider:
        call = ask(provider, tools=[tool])[1]["choices"][0]["message"]["tool_calls"][0]["function"]
        paragraph = said(ask(provider, messages=[{"role": "user", "content": "Write Section 2."}])[1])
    assert call["name"] == "Sections"
    assert [section["name"] for section in json.loads(call["arguments"])["sections"]] == ["Section 1", "Section 2"]
    assert paragraph == "This paragraph is about Section 2."


def test_requests_held_back_are_answered_when_all_are_there() -> None:
    with Provider(lambda asked: Together(4, Text("Now."))) as provider, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(provider), range(4)))
    assert [said(answer) for _, answer in answers] == ["Now."] * 4
    assert provider.most_in_flight == 4


def test_requests_that_never_come_together_fail_the_test() -> None:
    alone = Provider(lambda asked: Together(2, Text("Never.")), patience=0.05)
    with pytest.raises(AssertionError, match="one of 2 in flight together: there were 1 at most"), alone as provider:
        assert ask(provider)[0] == 500


def test_requests_asked_one_after_the_other_are_never_two_in_flight() -> None:
    with Provider(lambda asked: Text("One at a time.")) as provider:
        for number in range(30):
            with connected(provider) as connection:
                send(connection, stream=number % 2 == 0).read()
    assert provider.most_in_flight == 1


def test_a_script_that_fails_fails_the_test() -> None:
    def answer(asked: Asked) -> Reply:
        raise LookupError("no line for this")

    failure = pytest.raises(AssertionError, match="the script failed at request 1: LookupError")
    with failure, Provider(answer) as provider:
        assert ask(provider)[0] == 500


def test_a_script_that_fails_does_not_hide_what_failed_because_of_it() -> None:
    def answer(asked: Asked) -> Reply:
        raise LookupError("no line for this")

    with pytest.raises(KeyError) as caught, Provider(answer) as provider:
        ask(provider)[1]["choices"]
    assert "the script failed at request 1" in caught.value.__notes__[0]


def test_a_request_that_cannot_be_read_fails_the_test() -> None:
    failure = pytest.raises(AssertionError, match="could not be served: JSONDecodeError")
    with failure, Provider() as provider, connected(provider) as connection, pytest.raises(RemoteDisconnected):
        send(connection, COMPLETIONS, text="{")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("reply", [Hang(), Hang("Some words"), Together(2, Text("Never."))])
def test_the_end_hangs_up_on_requests_without_an_answer_and_leaves_no_thread(reply: Reply, stream: bool) -> None:
    before = set(threading.enumerate())
    with closing(socket.socket()) as client:
        client.settimeout(4)
        with Provider(lambda asked: reply, patience=3) as provider:
            client.connect(("127.0.0.1", int(provider.url.rpartition(":")[2])))
            text = json.dumps({**ASKING, "stream": stream})
            head = f"POST {COMPLETIONS} HTTP/1.1\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(text)}\r\n\r\n"
            client.sendall(f"{head}{text}".encode())
            provider.wait_for(1)
        assert set(threading.enumerate()) == before
        while client.recv(4096):
            pass


@pytest.mark.parametrize("path", [MESSAGES, COMPLETIONS])
@pytest.mark.parametrize("reply", [Hang("Some words"), Text("word " * 100_000)])
def test_a_client_may_hang_up(reply: Reply, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    with Provider(lambda asked: reply) as provider, connected(provider) as connection:
        assert send(connection, path, stream=True).read(10)
    assert capfd.readouterr() == ("", "")


def test_a_connection_is_closed_after_an_answer() -> None:
    with Provider() as provider, connected(provider) as connection:
        response = send(connection)
        assert response.read()
        assert response.headers["connection"] == "close"
        assert connection.sock is None


def test_a_connection_can_be_kept_after_an_answer() -> None:
    with Provider(lambda asked: Text("Again."), connections="kept") as provider, connected(provider) as connection:
        first = send(connection).read()
        kept = connection.sock
        assert first
        assert send(connection, stream=True).read().endswith(b"[DONE]\n\n")
        assert connection.sock is kept
        assert len(provider.asked) == 2


def test_a_connection_cut_off_is_closed_though_others_are_kept() -> None:
    cut = Provider(lambda asked: Cut(), connections="kept")
    with cut as provider, connected(provider) as connection, pytest.raises(RemoteDisconnected):
        send(connection)


def test_garbage_is_sent_as_it_is() -> None:
    with Provider(lambda asked: Garbage(b"<html>", "text/html")) as provider, connected(provider) as connection:
        response = send(connection)
        assert (response.status, response.headers["content-type"], response.read()) == (200, "text/html", b"<html>")


def test_data_without_a_wish_for_it_comes_as_text() -> None:
    with Provider(lambda asked: Structured({"a": 1})) as provider:
        assert said(ask(provider)[1]) == '{"a": 1}'


def test_waiting_for_a_request_that_does_not_come_ends() -> None:
    with Provider(patience=0.05) as provider, pytest.raises(TimeoutError, match=r"0 of 1 requests"):
        provider.wait_for(1)
