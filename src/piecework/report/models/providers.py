"""Which language model writes: the provider named by the user, or the one whose key is in the environment.

The only module that names vendors. It reads names and loads nothing; `opening` makes a `Chat` of what is chosen here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from piecework.report.models.errors import MissingModelNameError, UnknownProviderError
from piecework.wording import did_you_mean

__all__ = (
    "DEFAULT_TIMEOUT",
    "PROVIDERS",
    "ModelName",
    "Provider",
    "choose_model",
    "read_model_name",
)

DEFAULT_TIMEOUT = 180.0
"""Seconds without any sign of life after which a request counts as hung: a model that thinks may be silent for long."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who serves models, and what of ours speaks to it."""

    name: str
    """What users call it, before the colon."""
    package: str
    """The LangChain package."""
    client: str
    """The chat model class in it."""
    sdk: str
    """The package under it that raises errors."""
    key: str | None
    """The environment variable that holds the key; None where no key is needed."""
    base_url: str
    """The environment variable that says where it is."""
    default: str | None
    """The model to use when none is named; None where that would be a guess."""


PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            name="anthropic",
            package="langchain_anthropic",
            client="ChatAnthropic",
            sdk="anthropic",
            key="ANTHROPIC_API_KEY",
            base_url="ANTHROPIC_BASE_URL",
            default="claude-sonnet-5-5",
        ),
        Provider(
            name="openai",
            package="langchain_openai",
            client="ChatOpenAI",
            sdk="openai",
            key="OPENAI_API_KEY",
            base_url="OPENAI_BASE_URL",
            default="gpt-5-mini",
        ),
        Provider(
            name="ollama",
            package="langchain_openai",
            client="ChatOpenAI",
            sdk="openai",
            key=None,
            base_url="OLLAMA_HOST",
            default=None,
        ),
    )
}
"""All providers by name; the first one whose key is there is used where no model is named."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """One model of one provider."""

    provider: Provider
    """Who serves it."""
    model: str
    """What the provider calls it."""

    def __str__(self) -> str:
        """Return it as users write it."""
        return f"{self.provider.name}:{self.model}"


def read_model_name(text: str) -> ModelName:
    """Read `PROVIDER:NAME`; without `:NAME` it is the provider's default.

    Raises:
        UnknownProviderError: There is no such provider.
        MissingModelNameError: The provider has no default.
    """
    name, _, model = (part.strip() for part in text.partition(":"))
    provider = PROVIDERS.get(name.lower())
    if provider is None or not model.isprintable():
        raise UnknownProviderError(text, tuple(PROVIDERS), hint=did_you_mean(name, PROVIDERS))
    chosen = model or provider.default
    if chosen is None:
        raise MissingModelNameError(provider.name)
    return ModelName(provider, chosen)


def choose_model(environment: Mapping[str, str] = os.environ) -> ModelName | None:
    """Return the default model of the first provider whose key is in the environment, or None."""
    for provider in PROVIDERS.values():
        if provider.key is not None and provider.default is not None and environment.get(provider.key, "").strip():
            return ModelName(provider, provider.default)
    return None
