"""What a provider's error means to the user: which of the few things that go wrong it is, and what to do about it.

`Chat` asks it about every exception that comes out of a client. Errors are told apart by class and status, never by
their text. Whether one is worth another request is said on ours, for the workflow's retry policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

from piecework import default_retry_on
from piecework.report.models.errors import ModelError
from piecework.report.models.waits import told_wait
from piecework.report.patience import LONGEST_WAIT

__all__ = ("Explainer", "Unfinished", "is_filtered", "refuses_request", "unfinished")

_LONGEST = 200
_SHORTEST_SECRET = 12
"""What is shorter is no key of a provider, but a word that stands elsewhere too."""

_BAD_REQUEST, _FORBIDDEN, _MISSING, _TOO_LARGE, _UNPROCESSABLE, _LIMITED = 400, 403, 404, 413, 422, 429
_SERVER_FAULT = 500
_OVERLOADED = 529
_MINUTE = 60

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


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An answer that was cut off before it filled a schema."""

    text: str
    """What there is of it."""
    input_tokens: int
    """Tokens read."""
    output_tokens: int
    """Tokens written."""


def unfinished(error: Exception) -> Unfinished | None:
    """Return the answer that an error carries because it was cut off before it filled a schema, if it carries one."""
    completion: Any = getattr(error, "completion", None)
    choices: Any = getattr(completion, "choices", None)
    if not choices:
        return None
    usage: Any = getattr(completion, "usage", None)
    read, written = getattr(usage, "prompt_tokens", 0), getattr(usage, "completion_tokens", 0)
    return Unfinished(str(choices[0].message.content or ""), int(read), int(written))


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
            what = f"gave no sign of life for {self.timeout:g} s"
            return self._fault(what, ". Try again, or wait longer with --timeout.", passing=True)
        if kinds & _CONNECTION_ERRORS:
            what = f"cannot be reached{_because(_root(error))}"
            return self._fault(what, f". {self._where()}", passing=default_retry_on(error))
        status = getattr(error, "status_code", None)
        if isinstance(status, int) and status >= _BAD_REQUEST:
            return self._refused(error, status, too_long="ContextOverflowError" in kinds)
        if isinstance(error, sdk.APIError):
            # What broke off came from a provider that had taken the request.
            return self._fault(
                f"breaks off with an error{_told(error) or _because(error)}", ". Try again.", passing=True
            )
        return self._fault(
            f"gave an answer that cannot be read ({_line(type(error).__name__)}{_because(error)})",
            f". Check {self.base_url} if it is set, or see --debug.",
        )

    def _fault(
        self,
        what: str,
        advice: str,
        *,
        status: int | None = None,
        passing: bool = False,
        retry_after: float | None = None,
    ) -> ModelError:
        told = what.replace(self.secret, "***") if len(self.secret) >= _SHORTEST_SECRET else what
        return ModelError(
            f"{self.provider} {told}",
            advice,
            provider=self.provider,
            status=status,
            passing=passing,
            retry_after=retry_after,
        )

    def _refused(self, error: Exception, status: int, *, too_long: bool) -> ModelError:
        what, advice = self._refusal(_TOO_LARGE if too_long else status, f"({status}{_told(error)})")
        headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", None) or {}
        wait, advised = told_wait(headers), headers.get("x-should-retry")
        passing = not too_long and (advised == "true" if advised in {"true", "false"} else default_retry_on(error))
        if passing and wait is not None and wait > LONGEST_WAIT:
            later = f", and wants to be left alone for {wait / _MINUTE:,.0f} minutes. Try again then."
            return self._fault(what, later, status=status)
        return self._fault(what, advice, status=status, passing=passing, retry_after=wait)

    def _refusal(self, status: int, code: str) -> tuple[str, str]:
        """What a status means, and what to do about it."""
        if status in {401, _FORBIDDEN}:
            check = f"Check {self.key}." if self.key else "Check its settings."
            return f"refuses the key {code}", f". {check}"
        if status == _MISSING:
            pull = f" or fetch it: ollama pull {self.model}" if self.provider == "ollama" else ""
            return f"does not know the model {self.model!r} {code}", f". Check its name{pull}."
        if status == _LIMITED:
            again = ", also after waiting. Try later, or with fewer --sections."
            return f"limits how much may be asked {code}", again
        if status == _TOO_LARGE:
            return f"finds the request too long {code}", ". Choose a --model that reads more at once."
        if status >= _SERVER_FAULT:
            why = "is overloaded" if status == _OVERLOADED else "fails"
            return f"{why} {code}", ", also when asked again. Try later."
        return f"refuses the request {code}", ". Choose another --model, or see --debug."

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
