"""What can be wrong with a language model: asked for wrongly, or failing.

Each class is one condition, and each message says what to do; `faults` tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from piecework.report.errors import ReportError, ReportFailedError

__all__ = (
    "BadSettingError",
    "EmptyAnswerError",
    "MissingKeyError",
    "MissingModelNameError",
    "ModelError",
    "PlanError",
    "RefusedAnswerError",
    "UnknownProviderError",
)

_SHOWN = 120


class UnknownProviderError(ReportError):
    """A model is named whose provider is not known."""

    def __init__(self, name: str, known: Sequence[str], *, hint: str = "") -> None:
        """Keep the `name` as it was given; `hint` is a sentence on what may have been meant."""
        self.name = name
        """The model as it was named."""
        forms = ", ".join(f"{provider}:NAME" for provider in known)
        super().__init__(f"{name!r} names no model. Write {forms}, or extractive for no model.{hint}")


class MissingModelNameError(ReportError):
    """A provider is named without a model, and has no default."""

    def __init__(self, provider: str) -> None:
        """Keep the `provider`'s name."""
        self.provider = provider
        """The provider's name."""
        super().__init__(f"{provider!r} does not say which model. Write {provider}:NAME, such as {provider}:qwen3.")


class MissingKeyError(ReportError):
    """The environment holds no key for the provider."""

    def __init__(self, provider: str, variable: str) -> None:
        """Keep the `provider` and the environment `variable` that should hold its key."""
        self.provider = provider
        """The provider's name."""
        self.variable = variable
        """The environment variable."""
        super().__init__(
            f"{provider} needs a key: set {variable} "
            "(to any text for a server of your own that asks for none), or choose another --model."
        )


class BadSettingError(ReportError):
    """An environment variable holds what cannot be right."""

    def __init__(self, provider: str, variable: str, fault: str) -> None:
        """Keep `provider` and `variable`; `fault` says what is wrong and does not quote it, as it may be secret."""
        self.provider = provider
        """The provider's name."""
        self.variable = variable
        """The environment variable."""
        super().__init__(f"{provider} cannot be asked: {fault}. Set {variable} anew.")


class ModelError(ReportFailedError):
    """The model's provider does not answer as it should."""

    def __init__(
        self,
        reason: str,
        advice: str,
        *,
        provider: str,
        status: int | None = None,
        passing: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """Say the `reason`, then the `advice`; keep the facts beside them."""
        self.provider = provider
        """The provider's name."""
        self.status = status
        """The HTTP status it answered with, where it did."""
        self.reason = reason
        """What is wrong, without what to do about it."""
        self.passing = passing
        """Whether the same request may well be answered in a while."""
        self.retry_after = retry_after
        """Seconds that the provider asks to wait before, where it does and they are worth waiting."""
        super().__init__(f"{reason}{advice}")


class EmptyAnswerError(ReportFailedError):
    """The model answered with nothing to read."""

    def __init__(self, model: str, *, thought: bool) -> None:
        """Keep the `model`'s name; `thought` is whether it was cut off while it was still thinking."""
        self.model = model
        """The model, as it was named."""
        what = "spent its whole answer on thinking" if thought else "gave no text to read"
        super().__init__(f"{model} {what}. Try again, or choose another --model.")


class RefusedAnswerError(ReportFailedError):
    """The model, or a filter of its provider, refuses to answer."""

    def __init__(self, model: str, told: str = "") -> None:
        """Keep the `model`'s name, and what it `told` instead of an answer."""
        self.model = model
        """The model, as it was named."""
        self.told = told
        """What it said."""
        line = " ".join(told.split())
        said = f": {line if len(line) <= _SHOWN else line[:_SHOWN] + '...'}" if line else ""
        super().__init__(
            f"{model} refuses to answer{said.rstrip('.')}. Word the topic otherwise, or choose another --model."
        )


class PlanError(ReportFailedError):
    """The model made no plan that can be read."""

    def __init__(self, model: str, reason: str) -> None:
        """Keep the `model`'s name and the `reason` its last answer is no plan."""
        self.model = model
        """The model, as it was named."""
        self.reason = reason
        """What is wrong with its last answer."""
        super().__init__(f"{model} made no plan, also when asked again: {reason}. Choose another --model.")
