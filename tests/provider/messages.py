"""Anthropic's Messages protocol: reads its requests, and writes answers and errors in its form.

The server calls it; nothing here knows a socket. Shapes are those the installed `anthropic` client reads.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from tests.provider.script import Asked, Refuse, Structured, Text, Wanted, pieces
from tests.provider.spoken import Read

__all__ = ("beginning", "error", "key", "read", "stream", "stream_error", "wanted", "whole")

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

_STOPS = {"end": "end_turn", "length": "max_tokens", "refusal": "refusal"}

_SIGNATURE = "c2lnbmVk"


def key(headers: Mapping[str, str]) -> str:
    """Return the key a request came with."""
    # The client's newer versions send the key as a bearer token, older ones in a header of its own.
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer").strip()


def read(body: Mapping[str, Any]) -> Read:
    """Return the system text of a request, and role and text of its messages."""
    messages = tuple((message["role"], _text(message["content"])) for message in body["messages"])
    return _text(body.get("system", "")), messages


def wanted(body: Mapping[str, Any]) -> Wanted | None:
    """Return the structure a request asks for: a tool that is offered, or a schema for the text."""
    form = body.get("output_config", {}).get("format") or body.get("output_format")
    if form:
        return Wanted(form["schema"].get("title"), form["schema"], "json")
    tools = body.get("tools", [])
    forced = body.get("tool_choice", {}).get("name")
    for tool in tools:
        if forced in {None, tool["name"]}:
            return Wanted(tool["name"], tool["input_schema"], "tool")
    return None


def whole(reply: Text | Structured, asked: Asked) -> dict[str, Any]:
    """Return an answer in one piece."""
    return {
        **_message(asked),
        "content": [block for block, _ in _blocks(reply, asked)],
        "stop_reason": _stop(reply, asked.wanted),
        "usage": _usage(reply),
    }


def stream(reply: Text | Structured, asked: Asked) -> Iterator[bytes]:
    """Yield the events of an answer."""
    usage = {"input_tokens": reply.usage.read, "output_tokens": 1}
    yield _event("message_start", message={**_message(asked), "content": [], "usage": usage})
    yield _event("ping")
    for index, (block, deltas) in enumerate(_blocks(reply, asked)):
        yield _event("content_block_start", index=index, content_block=_opened(block))
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event(
        "message_delta",
        delta={"stop_reason": _stop(reply, asked.wanted), "stop_sequence": None},
        usage=_usage(reply),
    )
    yield _event("message_stop")


def beginning(text: str, asked: Asked) -> Iterator[bytes]:
    """Yield the events of an answer up to the end of its text."""
    return takewhile(lambda event: not event.startswith(b"event: content_block_stop"), stream(Text(text), asked))


def error(refusal: Refuse) -> dict[str, Any]:
    """Return an error's body."""
    kind = _KINDS.get(refusal.status, "api_error" if refusal.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": "req_scripted"}


def stream_error(refusal: Refuse) -> bytes:
    """Return an error as an event of a stream that has begun."""
    return _event("error", error=error(refusal)["error"])


def _usage(reply: Text | Structured) -> dict[str, int]:
    return {"input_tokens": reply.usage.read, "output_tokens": reply.usage.written}


def _text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join(block["text"] for block in content if block["type"] == "text")


def _message(asked: Asked) -> dict[str, Any]:
    return {
        "id": f"msg_{asked.number:04}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _stop(reply: Text | Structured, wants: Wanted | None) -> str:
    if isinstance(reply, Structured) and reply.stop == "end" and wants is not None and wants.way == "tool":
        return "tool_use"
    return _STOPS[reply.stop]


Block = tuple[dict[str, Any], list[dict[str, Any]]]
"""One block of content, and the deltas that stream it."""


def _blocks(reply: Text | Structured, asked: Asked) -> Iterator[Block]:
    if reply.thinking is not None:
        yield (
            {"type": "thinking", "thinking": reply.thinking, "signature": _SIGNATURE},
            [
                *({"type": "thinking_delta", "thinking": piece} for piece in pieces(reply.thinking)),
                {"type": "signature_delta", "signature": _SIGNATURE},
            ],
        )
    wants = asked.wanted
    if isinstance(reply, Structured) and wants is not None and wants.way == "tool":
        yield _tool_use(reply, wants, asked.number)
        return
    if reply.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(reply.text)]
        yield {"type": "text", "text": reply.text, "citations": None}, deltas


def _tool_use(reply: Structured, wants: Wanted, number: int) -> Block:
    # A tool call that was cut off has no input that could be read as JSON: in one piece it comes without any.
    data = reply.data if reply.stop == "end" else {}
    block = {"type": "tool_use", "id": f"toolu_{number:04}", "name": wants.name, "input": data}
    return block, [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(reply.text)]]


def _opened(block: dict[str, Any]) -> dict[str, Any]:
    empty = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: empty.get(name, value) for name, value in block.items()}


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
