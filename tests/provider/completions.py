"""OpenAI's Chat Completions protocol: reads its requests, and writes answers and errors in its form.

The server calls it; nothing here knows a socket. Shapes are those the installed `openai` client reads; others speak the
protocol too, such as Ollama.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from tests.provider.script import Asked, Refuse, Structured, Text, Wanted, pieces
from tests.provider.spoken import Read

__all__ = ("beginning", "error", "key", "read", "stream", "stream_error", "wanted", "whole")

_KINDS: dict[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}

_STOPS = {"end": "stop", "length": "length", "refusal": "content_filter"}

_CREATED = 1_750_000_000


def key(headers: Mapping[str, str]) -> str:
    """Return the key a request came with."""
    return headers.get("authorization", "").removeprefix("Bearer").strip()


def read(body: Mapping[str, Any]) -> Read:
    """Return the system text of a request, and role and text of its messages."""
    messages = [(message["role"], _text(message["content"])) for message in body["messages"]]
    system = [text for role, text in messages if role in {"system", "developer"}]
    return "\n\n".join(system), tuple((role, text) for role, text in messages if role not in {"system", "developer"})


def wanted(body: Mapping[str, Any]) -> Wanted | None:
    """Return the structure a request asks for: a tool that is offered, or a form of the text."""
    form = body.get("response_format", {})
    if form.get("type") == "json_schema":
        return Wanted(form["json_schema"]["name"], form["json_schema"].get("schema"), "json")
    if form.get("type") == "json_object":
        return Wanted(None, None, "json")
    choice = body.get("tool_choice")
    forced = choice["function"]["name"] if isinstance(choice, dict) else None
    for tool in body.get("tools", []):
        function = tool["function"]
        if forced in {None, function["name"]}:
            return Wanted(function["name"], function.get("parameters"), "tool")
    return None


def whole(reply: Text | Structured, asked: Asked) -> dict[str, Any]:
    """Return an answer in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": _content(reply, asked.wanted), "refusal": None}
    if message["content"] is None:
        message["tool_calls"] = [_tool_call(asked, reply.text)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _stop(reply, asked)}
    return {**_completion("chat.completion", asked), "choices": [choice], "usage": _usage(reply)}


def stream(reply: Text | Structured, asked: Asked) -> Iterator[bytes]:
    """Yield the chunks of an answer; the last has the usage and no choice, if the request asks for it."""
    head = _completion("chat.completion.chunk", asked)
    with_usage = asked.body.get("stream_options", {}).get("include_usage", False)

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**head, "choices": [choice], **({"usage": None} if with_usage else {})})

    content = _content(reply, asked.wanted)
    if content is None:
        opened = {**_tool_call(asked, ""), "index": 0}
        yield chunk({"role": "assistant", "content": None, "tool_calls": [opened], "refusal": None})
        for piece in pieces(reply.text):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    else:
        yield chunk({"role": "assistant", "content": "", "refusal": None})
        for piece in pieces(content):
            yield chunk({"content": piece})
    yield chunk({}, _stop(reply, asked))
    if with_usage:
        yield _data({**head, "choices": [], "usage": _usage(reply)})
    yield b"data: [DONE]\n\n"


def beginning(text: str, asked: Asked) -> Iterator[bytes]:
    """Yield the chunks of an answer up to the end of its text."""
    return takewhile(lambda chunk: b'"finish_reason": null' in chunk, stream(Text(text), asked))


def error(refusal: Refuse) -> dict[str, Any]:
    """Return an error's body."""
    kind, code = _KINDS.get(
        refusal.status, ("server_error" if refusal.status >= 500 else "invalid_request_error", None)
    )
    return {"error": {"message": refusal.message, "type": kind, "param": None, "code": code}}


def stream_error(refusal: Refuse) -> bytes:
    """Return an error as a chunk of a stream that has begun."""
    return _data(error(refusal))


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n\n".join(part["text"] for part in content if part["type"] == "text")


def _completion(kind: str, asked: Asked) -> dict[str, Any]:
    return {"id": f"chatcmpl-{asked.number:04}", "object": kind, "created": _CREATED, "model": asked.model}


def _content(reply: Text | Structured, wants: Wanted | None) -> str | None:
    """Return the text of an answer, or None if it is a tool call."""
    if isinstance(reply, Structured) and wants is not None and wants.way == "tool":
        return None
    # There is no field for thinking in this protocol: models served through it put it before the answer.
    return reply.text if reply.thinking is None else f"<think>\n{reply.thinking}\n</think>\n\n{reply.text}"


def _tool_call(asked: Asked, arguments: str) -> dict[str, Any]:
    name = asked.wanted.name if asked.wanted is not None else None
    return {"id": f"call_{asked.number:04}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _stop(reply: Text | Structured, asked: Asked) -> str:
    # A call of the one tool that was named ends with "stop"; a call of one that was offered, with "tool_calls".
    named = isinstance(asked.body.get("tool_choice"), dict)
    if reply.stop == "end" and not named and _content(reply, asked.wanted) is None:
        return "tool_calls"
    return _STOPS[reply.stop]


def _usage(reply: Text | Structured) -> dict[str, int]:
    read, written = reply.usage.read, reply.usage.written
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _data(chunk: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()
