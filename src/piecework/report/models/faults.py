"""What a provider's error means to the user: which of the few things that go wrong it is, and what to do about it.

`Chat` asks it about every exception that comes out of a client. Errors are told apart by class and status, never by
their text.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

from piecework.report.models.errors import ModelError

__all__ = ("Explainer", "is_filtered", "refuses_request", "unfinished_text")

_LONGEST = 200
_SHORTEST_SECRET = 12
"""What is shorter is no key of a provider, but a word that stands elsewhere too."""

_BAD_REQUEST, _FORBIDDEN, _MISSING, _TOO_LARGE, _UNPROCESSABLE, _LIMITED = 400, 403, 404, 413, 422, 429
_SERVER_FAULT = 500
_OVERLOADED = 529

# Clients raise their own classes or, while an answer is being read, those of the HTTP library that they happen to use.
_TIMEOUTS = frozenset({"APITimeoutError", "TimeoutException"})
_CONNECTION_ERRORS = frozenset(
    {
        "APIConnectionError",
        "TransportError",
        "InvalidURL",
        "BaseExceptionGroup",  # several addresses were tried
        "ImportError",  # the package for a kind of proxy
    }
)


def refuses_request(error: Exception) -> bool:
    """Return whether a provider refused a request as such, so that asking in another way may help."""
    return getattr(error, "status_code", None) in {_BAD_REQUEST, _UNPROCESSABLE}


def is_filtered(error: Exception) -> bool:
    """Return whether a client raises because a filter of the provider's kept the answer back."""
    return type(error).__name__ == "ContentFilterFinishReasonError"


def unfinished_text(error: Exception) -> str | None:
    """Return the answer that an error carries because it was cut off before it filled a schema, if it carries one."""
    completion: Any = getattr(error, "completion", None)
    choices: Any = getattr(completion, "choices", None)
    return str(choices[0].message.content or "") if choices else None


@dataclass(frozen=True, slots=True)
class Explainer:
    """Makes the errors of one provider's client into ours."""

    provider: str
    """The provider's name."""
    model: str
    """The model's name."""
    key: str | None
    """The environment variable that holds the key."""
    secret: str
    """The key itself, which no message may show."""
    base_url: str
    """The environment variable that says where the provider is."""
    sdk: ModuleType
    """The package whose error classes the client raises."""
    timeout: float
    """Seconds that a request may be silent."""

    def __call__(self, error: Exception) -> ModelError:
        """Return the error as ours."""
        sdk: Any = self.sdk
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if isinstance(error, TimeoutError) or kinds & _TIMEOUTS:
            return self._fault(
                f"gave no sign of life for {self.timeout:g} s. Try again, or wait longer with --timeout."
            )
        if kinds & _CONNECTION_ERRORS:
            return self._fault(f"cannot be reached{_because(_root(error))}. {self._where()}")
        status = getattr(error, "status_code", None)
        if isinstance(status, int) and status >= _BAD_REQUEST:
            too_long = status == _TOO_LARGE or "ContextOverflowError" in kinds
            return self._fault(self._refusal(_TOO_LARGE if too_long else status, _told(error)), status=status)
        if isinstance(error, sdk.APIError):
            return self._fault(f"breaks off with an error{_told(error) or _because(error)}. Try again.")
        return self._fault(
            f"gave an answer that cannot be read ({_line(type(error).__name__)}{_because(error)}). "
            f"Check {self.base_url} if it is set, or see --debug."
        )

    def _fault(self, what: str, *, status: int | None = None) -> ModelError:
        told = what.replace(self.secret, "***") if len(self.secret) >= _SHORTEST_SECRET else what
        return ModelError(f"{self.provider} {told}", provider=self.provider, status=status)

    def _refusal(self, status: int, told: str) -> str:
        code = f"({status}{told})"
        if status in {401, _FORBIDDEN}:
            check = f"Check {self.key}." if self.key else "Check its settings."
            return f"refuses the key {code}. {check}"
        if status == _MISSING:
            pull = f" or fetch it: ollama pull {self.model}" if self.provider == "ollama" else ""
            return f"does not know the model {self.model!r} {code}. Check its name{pull}."
        if status == _LIMITED:
            return f"limits how much may be asked {code}, also after waiting. Try later, or with fewer --sections."
        if status == _TOO_LARGE:
            return f"finds the request too long {code}. Choose a --model that reads more at once."
        if status >= _SERVER_FAULT:
            why = "is overloaded" if status == _OVERLOADED else "fails"
            return f"{why} {code}, also when asked again. Try later."
        return f"refuses the request {code}. Choose another --model, or see --debug."

    def _where(self) -> str:
        if self.provider == "ollama":
            return f"Start it with 'ollama serve', or say where it is with {self.base_url}."
        return f"Check the network, and {self.base_url} and the variables of the proxy if they are set."


def _told(error: Exception) -> str:
    """Return what the provider itself says, as the end of a parenthesis."""
    message: object = getattr(error, "body", None)
    while isinstance(message, dict):
        inner = cast("dict[str, object]", message)
        message = inner.get("error", inner.get("message"))
    return f": {_line(message).rstrip('.')}" if isinstance(message, str) and message.strip() else ""


def _root(error: BaseException) -> BaseException:
    """Return what an error came from: clients wrap the words that help two or three times."""
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
        elif error.__cause__ is not None and str(error.__cause__).strip():
            error = error.__cause__
        else:
            return error


def _because(error: BaseException | None) -> str:
    told = _line(str(error)) if error is not None else ""
    return f": {told.rstrip('.')}" if told else ""


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST].rstrip()}..."
