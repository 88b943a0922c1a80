"""Opens a chat with a model: loads the LangChain package that speaks to its provider, and sets it up.

It asks the model nothing; keys, base URLs and proxies are left to the providers' own environment variables.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from piecework import Limit
from piecework.report.errors import MissingExtraError
from piecework.report.models.chat import Chat
from piecework.report.models.errors import BadSettingError, MissingKeyError
from piecework.report.models.faults import Explainer
from piecework.report.models.providers import DEFAULT_TIMEOUT, ModelName, Provider, read_model_name

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ("ollama_url", "open_model")

_OLLAMA_PORT = 11434
_AT_ONCE = 8
"""How many nodes may ask a model at once, unless its limit is updated."""

_MOST_TOKENS = 16_384
_HOST = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>\[[^\]]*\]|[^:/]*)(?::(?P<port>\d+))?(?P<path>/.*)?")
_DEFAULT_PORTS = {"http": 80, "https": 443, None: _OLLAMA_PORT}


def open_model(name: str | ModelName, *, timeout: float = DEFAULT_TIMEOUT) -> Chat:
    """Return a chat with a model.

    Its client repeats nothing by itself: the workflow whose nodes ask does, and counts. All chats with one model have
    one limit: 8 nodes at once, fewer for a while when the provider says that it is asked too much.

    Args:
        name: `"anthropic:NAME"`, `"openai:NAME"` or `"ollama:NAME"`.
        timeout: Seconds without any sign of life after which a request counts as hung.

    Raises:
        UnknownProviderError: There is no such provider.
        MissingModelNameError: The name lacks the model, and the provider has no default.
        MissingKeyError: The environment holds no key for the provider.
        MissingExtraError: The package that speaks to the provider is not installed.
        BadSettingError: A key, a base URL or a proxy in the environment cannot be right.
    """
    chosen = read_model_name(name) if isinstance(name, str) else name
    provider = chosen.provider
    key = _key(provider)
    model = _client(chosen, key, timeout)
    explain = Explainer(
        provider=provider.name,
        model=chosen.model,
        key=provider.key,
        secret=key,
        base_url=provider.base_url,
        sdk=import_module(provider.sdk),
        timeout=timeout,
    )
    limit = Limit(str(chosen), max_concurrency=_AT_ONCE)
    return Chat(model, name=str(chosen), priced_as=chosen.model, limit=limit, explain=explain)


def _key(provider: Provider) -> str:
    if provider.key is None:
        return provider.name  # Its client wants one all the same.
    key = os.environ.get(provider.key, "").strip()
    if not key:
        raise MissingKeyError(provider.name, provider.key)
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadSettingError(provider.name, provider.key, "its key holds a space, a line break or a special character")
    return key


def _client(name: ModelName, key: str, timeout: float) -> BaseChatModel:
    provider = name.provider
    options: dict[str, Any] = {
        "model": name.model,
        "api_key": key,
        "timeout": timeout,
        "max_retries": 0,
        "stream_usage": True,
    }
    if provider.package == "langchain_openai":
        # It is built on asyncio.wait_for, which before Python 3.12 may lose a cancellation: Ctrl-C would go unheard.
        options["stream_chunk_timeout"] = None
    if provider.name == "ollama":
        # By itself it lets a model that has lost its end go on for ever.
        options |= {"base_url": ollama_url(os.environ.get(provider.base_url, "")), "max_tokens": _MOST_TOKENS}
    try:
        module = import_module(provider.package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{provider.name} as the model", "models") from error
    try:
        model: BaseChatModel = getattr(module, provider.client)(**options)
    except Exception as error:
        fault = f"its client refuses the base URL or the proxy that the environment names ({type(error).__name__})"
        raise BadSettingError(provider.name, f"{provider.base_url}, or the variables of the proxy,", fault) from error
    return model


def ollama_url(host: str) -> str:
    """Return the base URL of Ollama's OpenAI-compatible port for what `OLLAMA_HOST` holds, in any of its forms."""
    match = _HOST.fullmatch(host.strip())
    if match is None:
        return f"{host.strip().rstrip('/')}/v1"
    # An address to listen on, such as 0.0.0.0, is none to connect to.
    there = "127.0.0.1" if match["host"] in {"", "0.0.0.0", "[::]"} else match["host"]  # noqa: S104
    port = match["port"] or _DEFAULT_PORTS[match["scheme"]]
    path = (match["path"] or "").rstrip("/")
    return f"{match['scheme'] or 'http'}://{there}:{port}{path}" + ("" if path.endswith("/v1") else "/v1")
