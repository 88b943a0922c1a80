"""Which failures pass: what is worth trying again, and how long a server asks to wait first.

Retry policies and limits ask here. Exceptions of HTTP clients are told by the names of their classes and by what they
carry (a status, a response with headers), so that no client is imported. Nothing here raises, whatever it is given.

An exception that says nothing itself and was raised `from` another speaks with that one's voice in `status_of`,
`retry_after` and `throttled`. `default_retry_on` goes by the exception alone: who wraps one has decided that it is
something else now.
"""

from __future__ import annotations

import errno
import math
import re
import socket
import ssl
import time
from calendar import timegm
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from email.utils import parsedate_tz
from itertools import islice
from typing import Final, Literal, TypeAlias, cast

from piecework.errors import NodeTimeoutError, PieceworkError

__all__ = ("default_retry_on", "retry_after", "status_of", "throttled")

_Ruling: TypeAlias = Literal["again", "never", "inside", "status"]
"""Whether exceptions of a class pass: always, never, if the one inside does, or if their status says so."""

# Classes of others are told by package and name: the modules in between are private, and move.

_AGAIN: Final[tuple[type | str, ...]] = (
    NodeTimeoutError,
    ConnectionError,
    TimeoutError,
    socket.gaierror,
    socket.herror,
    # Of TLS broken connections only: a certificate that is not accepted now is not accepted in a second either.
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ssl.SSLSyscallError,
    "http.BadStatusLine",
    "http.IncompleteRead",
    "urllib.ContentTooShortError",
    *(f"{client}.TransportError" for client in ("httpx", "httpx2")),
    *(f"requests.{name}" for name in ("ChunkedEncodingError", "ConnectionError", "Timeout")),
    *(f"urllib3.{name}" for name in ("EmptyPoolError", "IncompleteRead", "InvalidChunkLength")),
    *(f"urllib3.{name}" for name in ("ProtocolError", "ProxyError", "TimeoutError")),
    "aiohttp.ClientConnectionError",
    "aiohttp.ClientPayloadError",
    "anthropic.APIConnectionError",
    "openai.APIConnectionError",
    "langchain_core.ModelConnectionError",
    "langchain_core.ModelTimeoutError",
)

_NEVER: Final[tuple[type | str, ...]] = (
    PieceworkError,
    # Faults of a program stay, whatever attributes the exception has.
    *(ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError, LookupError, MemoryError),
    *(NameError, NotImplementedError, RecursionError, ReferenceError, StopAsyncIteration, StopIteration, SyntaxError),
    *(SystemError, TypeError, ValueError, Warning),
    *(FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError),
    ssl.SSLCertVerificationError,
    *(f"{client}.{name}" for client in ("httpx", "httpx2") for name in ("LocalProtocolError", "UnsupportedProtocol")),
    "urllib3.ResponseNotChunked",
    "aiohttp.ClientConnectorCertificateError",
    "aiohttp.ServerFingerprintMismatch",
    BaseException,
)

_INSIDE: Final[tuple[type | str, ...]] = (
    "requests.SSLError",
    "urllib.URLError",
    "urllib3.MaxRetryError",
    "urllib3.SSLError",
)

_STATUS: Final[tuple[type | str, ...]] = (
    Exception,
    "urllib.HTTPError",
    # One of its kinds is a ValueError too: an answer in another form than asked for, as is a proxy's page for a 503.
    "aiohttp.ClientResponseError",
)

_RULINGS: Final[Mapping[type | str, _Ruling]] = {
    **dict.fromkeys(_AGAIN, "again"),
    **dict.fromkeys(_NEVER, "never"),
    **dict.fromkeys(_INSIDE, "inside"),
    **dict.fromkeys(_STATUS, "status"),
}
"""The first class of an exception's MRO that stands here decides."""

_CLASS_STATUSES: Final[Mapping[type | str, int]] = {
    "langchain_core.ModelRateLimitError": 429,
    "langchain_core.ModelAPIError": 500,
}
"""Statuses that classes stand for whose exceptions may have none themselves."""

_KIND_STATUSES: Final = {
    "api_error": 500,
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "server_error": 500,
    "timeout_error": 504,
}
"""Statuses for what an error inside of a stream calls itself."""

_UNREACHABLE: Final = frozenset(
    getattr(errno, name)
    for name in ("EADDRNOTAVAIL", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETRESET", "ENETUNREACH")
    if hasattr(errno, name)
)
"""Network trouble for which Python has no class."""

_STATUSES: Final = range(100, 600)

_REFUSALS: Final = range(400, 600)

_PASSING: Final = frozenset({408, 425, 429, *range(500, 600)})

_THROTTLED: Final = frozenset({429, 529})

_UNAVAILABLE: Final = 503

_DEEPEST: Final = 5
"""How many causes are followed."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)


def default_retry_on(error: BaseException) -> bool:
    """Whether to try again after this: a connection error, a timeout, or an HTTP status of 408, 425, 429 or 5xx.

    Knows those of Python, httpx, requests, urllib3, aiohttp, LangChain and the clients of Anthropic and OpenAI, and any
    other exception that carries a status. Of a group of exceptions, all must be worth it.
    """
    try:
        return _passes(error)
    except Exception:
        # Attributes of an exception may do anything. What cannot be read is not known to pass.
        return False


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception carries, from 100 to 599.

    An error that came inside of a stream, after a status of 200, has the one that its kind stands for.
    """
    try:
        return _said(error)[0]
    except Exception:
        return None


def retry_after(error: BaseException, *, now: float | None = None) -> float | None:
    """Seconds that the exception, or the server whose response it carries, asks to wait; None where it says nothing.

    Asks the exception's `retry_after` (a number, a `timedelta`, or a number as text), then the headers `retry-after-ms`
    and `Retry-After` (seconds, or a date). Of a group of exceptions, the longest wait counts.

    Args:
        error: The exception.
        now: What `time.time` says, by which a date is read that comes from a server without a clock.
    """
    try:
        if members := _members(error):
            waits = [retry_after(one, now=now) for one in members]
            return max((wait for wait in waits if wait is not None), default=None)
        return _said(error, now)[1]
    except Exception:
        return None


def throttled(error: BaseException) -> bool:
    """Whether the server refused since it is asked too much: 429, 529, or a 503 that says how long to wait."""
    try:
        if members := _members(error):
            return any(map(throttled, members))
        status, wait = _said(error)
    except Exception:
        return False
    return status in _THROTTLED or (status == _UNAVAILABLE and wait is not None)


def _passes(error: BaseException) -> bool:
    if members := _members(error):
        return all(map(default_retry_on, members))
    ruling = next(filter(None, map(_RULINGS.get, _known_as(type(error)))), "never")
    if ruling == "inside":
        reason = _attribute(error, "reason")
        inner = reason if isinstance(reason, BaseException) else error.args[0]
        return isinstance(inner, BaseException) and default_retry_on(inner)
    if ruling == "status":
        if type(error) is OSError:
            return error.errno in _UNREACHABLE
        return _own_status(error) in _PASSING
    return ruling == "again"


def _members(error: BaseException) -> tuple[BaseException, ...]:
    """The exceptions of a group, which has one at least; nothing for others."""
    is_group = isinstance(error, BaseExceptionGroup)
    return cast("BaseExceptionGroup[BaseException]", error).exceptions if is_group else ()


def _known_as(kind: type) -> Iterator[type | str]:
    """The classes of an MRO, nearest first, and the names that they go by here."""
    for parent in kind.__mro__:
        yield parent
        yield f"{parent.__module__.partition('.')[0]}.{parent.__qualname__}"


def _said(error: object, now: float | None = None) -> tuple[int | None, float | None]:
    """The status and the wait of an exception or, where it has neither, of the nearest cause that has."""
    for _ in range(1 + _DEEPEST):
        status, wait = _own_status(error), _own_wait(error, now)
        if status is not None or wait is not None:
            return status, wait
        error = _attribute(error, "__cause__")
    return None, None


def _own_status(error: object) -> int | None:
    # A response must not be asked for its truth: that of requests is false where its status is an error.
    response = _attribute(error, "response")
    holders = ((error, "status_code"), (error, "status"), (response, "status_code"), (response, "status"))
    stated = (_as_status(_attribute(*holder)) for holder in (*holders, (error, "code")))
    status = next((status for status in stated if status is not None), None)
    return status if status in _REFUSALS else _kind_status(error) or status


def _as_status(value: object) -> int | None:
    return int(value) if isinstance(value, int) and value in _STATUSES else None


def _kind_status(error: object) -> int | None:
    """The status that the body of an error, or its class, stands for."""
    body = _attribute(error, "body")
    for told in (_entry(body, "error"), body):
        for said in (_entry(told, "type"), _entry(told, "code")):
            if isinstance(said, str) and said in _KIND_STATUSES:
                return _KIND_STATUSES[said]
            # Some servers put the status there that they can no longer send.
            if (status := _as_status(said)) is not None:
                return status
    return next(filter(None, map(_CLASS_STATUSES.get, _known_as(type(error)))), None)


def _own_wait(error: object, now: float | None) -> float | None:
    wait = _seconds(_attribute(error, "retry_after"))
    for holder in (error, _attribute(error, "response")):
        if wait is None:
            wait = _asked(_attribute(holder, "headers"), now)
    return wait


def _asked(headers: object, now: float | None) -> float | None:
    """Seconds that headers ask to wait."""
    try:
        said = _header_texts(headers)
        for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
            wait = _seconds(said.get(name))
            if wait is not None:
                return wait / unit
        until = _date(said.get("retry-after", ""))
        if until is None:
            return None
        # By the server's own clock, which may go otherwise than ours.
        since = _date(said.get("date", ""))
        return max(0.0, until - (since if since is not None else time.time() if now is None else now))
    except Exception:
        return None


def _header_texts(headers: object) -> dict[str, str]:
    """The first value of each header, by its name in lower case, out of any mapping or any pairs."""
    items = _attribute(headers, "items")
    pairs = cast("Iterable[tuple[object, object]]", items() if callable(items) else headers or ())
    texts: dict[str, str] = {}
    for name, value in islice(pairs, 1000):
        texts.setdefault(_text(name).lower(), _text(value))
    return texts


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _seconds(value: object) -> float | None:
    """A time in seconds, however it is given; None where it is none."""
    try:
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, bool) or (isinstance(value, str) and not _NUMBER.fullmatch(value.strip())):
            return None
        if not isinstance(value, int | float | Decimal | str):
            return None
        seconds = float(value)
    except (ArithmeticError, ValueError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _date(text: str) -> float | None:
    """An HTTP date by the clock of `time.time`; it is in GMT where it does not say."""
    try:
        parsed = parsedate_tz(text)
        return None if parsed is None else timegm((*parsed[:6], 0, 0, 0)) - (parsed[9] or 0)
    except (ArithmeticError, ValueError, LookupError):
        return None


def _entry(mapping: object, key: str) -> object:
    return cast("Mapping[object, object]", mapping).get(key) if isinstance(mapping, Mapping) else None


def _attribute(holder: object, name: str) -> object:
    """What an object has under a name; None where it has nothing there, or where reading it fails."""
    try:
        return getattr(holder, name, None)
    except Exception:
        return None
