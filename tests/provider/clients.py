"""The real clients, pointed at the scripted provider, and what is asked of them in these tests."""

from typing import Any, Literal

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from tests.provider.server import Provider
from tests.provider.serving import KEY

__all__ = ("CLIENTS", "Client", "Section", "Sections", "chat", "streamed")

Client = Literal["anthropic", "openai"]

CLIENTS: tuple[Client, ...] = ("anthropic", "openai")


class Section(BaseModel):
    name: str
    description: str


class Sections(BaseModel):
    sections: list[Section]


def chat(provider: Provider, client: Client, **options: Any) -> BaseChatModel:
    """Return a client; the options are those of its class."""
    if client == "anthropic":
        return ChatAnthropic(**{"model": "claude-haiku-4-5", "base_url": provider.url, "api_key": KEY, **options})
    given = {"model": "gpt-5-mini", "base_url": provider.openai_url, "api_key": KEY, "stream_usage": True}
    return ChatOpenAI(**{**given, **options})


async def streamed(model: BaseChatModel, text: str = "Say hello.") -> tuple[list[str], AIMessageChunk]:
    """Return the texts of a streamed answer as they came, empty ones left out, and their sum."""
    chunks = [chunk async for chunk in model.astream(text)]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return [chunk.text for chunk in chunks if chunk.text], whole
