"""Reports by language models: which model, how it is asked, and what is made of its answers.

    writer = ModelWriter(open_model("anthropic:claude-sonnet-5-5"), read_material(["notes/"]))
    report = write_report("LLM scaling laws", writer)

A name's module is imported when the name is first used: the writer needs the `models` extra, choosing a model does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piecework.report.models.chat import Chat, Usage
    from piecework.report.models.errors import (
        BadSettingError,
        EmptyAnswerError,
        MissingKeyError,
        MissingModelNameError,
        ModelError,
        PlanError,
        RefusedAnswerError,
        UnknownProviderError,
    )
    from piecework.report.models.opening import open_model
    from piecework.report.models.providers import (
        DEFAULT_TIMEOUT,
        PROVIDERS,
        ModelName,
        Provider,
        choose_model,
        read_model_name,
    )
    from piecework.report.models.writer import ModelWriter

__all__ = (
    "DEFAULT_TIMEOUT",
    "PROVIDERS",
    "BadSettingError",
    "Chat",
    "EmptyAnswerError",
    "MissingKeyError",
    "MissingModelNameError",
    "ModelError",
    "ModelName",
    "ModelWriter",
    "PlanError",
    "Provider",
    "RefusedAnswerError",
    "UnknownProviderError",
    "Usage",
    "choose_model",
    "open_model",
    "read_model_name",
)

_HOMES = {
    "Chat": "chat",
    "Usage": "chat",
    "DEFAULT_TIMEOUT": "providers",
    "PROVIDERS": "providers",
    "ModelName": "providers",
    "Provider": "providers",
    "choose_model": "providers",
    "open_model": "opening",
    "read_model_name": "providers",
    "ModelWriter": "writer",
}
"""Where public names live; those not named here are errors."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
