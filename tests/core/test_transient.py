"""Which failures pass: exceptions as they may be made, and whatever else may be asked about."""

import asyncio
import concurrent.futures
import errno
import http.client
import math
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from email.message import Message
from http import HTTPStatus
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import anthropic
import httpx
import httpx2
import openai
import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.exceptions import ModelAPIError, ModelConnectionError, ModelRateLimitError, ModelTimeoutError
from requests.structures import CaseInsensitiveDict

from piecework.core.transient import default_retry_on, retry_after, status_of, throttled
from piecework.errors import (
    InputChangedError,
    InternalError,
    NodeCancelledError,
    NodeTimeoutError,
    RunTimeoutError,
    StoreError,
)

# What servers ask for


WAITS: list[tuple[dict[str, str], float | None]] = [
    ({"retry-after": "7"}, 7.0),
    ({"Retry-After": "1.5"}, 1.5),
    ({"RETRY-AFTER": " 120 "}, 120.0),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
    ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "-3"}, 0.0),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "9" * 400}, None),
    ({"retry-after": "1e3"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": ""}, None),
    ({}, None),
]


def _refusal(status: int, headers: Mapping[str, str]) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://a.test")
    response = httpx.Response(status, headers=dict(headers), request=request)
    return httpx.HTTPStatusError("refused", request=request, response=response)


@pytest.mark.parametrize(("headers", "wait"), WAITS)
def test_headers_say_how_long_to_wait(headers: Mapping[str, str], wait: float | None) -> None:
    assert retry_after(_refusal(429, headers)) == wait


NOON = "Sun, 06 Nov 1994 12:00:00 GMT"

NOON_SECONDS = 784_123_200.0


@pytest.mark.parametrize(
    ("until", "date", "wait"),
    [
        (NOON, None, 60.0),
        ("Sunday, 06-Nov-94 12:00:00 GMT", None, 60.0),
        ("Sun Nov  6 12:00:00 1994", None, 60.0),
        ("Sun, 06 Nov 1994 14:00:00 +0200", None, 60.0),
        ("Sun, 06 Nov 1994 11:00:00 GMT", None, 0.0),
        (NOON, "Sun, 06 Nov 1994 11:59:30 GMT", 30.0),
        (NOON, "Sun, 06 Nov 1994 12:00:01 GMT", 0.0),
        (NOON, "yesterday", 60.0),
        (NOON, "Sun, 06 Nov 99999 12:00:00 GMT", 60.0),
        ("Sun, 06 Nov 99999 12:00:00 GMT", None, None),
        ("Sun, 06 Foo 1994 12:00:00 GMT", None, None),
    ],
)
def test_a_date_is_a_wait(until: str, date: str | None, wait: float | None) -> None:
    headers = {"Retry-After": until} if date is None else {"Retry-After": until, "Date": date}
    assert retry_after(_refusal(429, headers), now=NOON_SECONDS - 60) == wait


def test_a_date_without_a_clock_is_read_by_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOON_SECONDS - 5)
    assert retry_after(_refusal(429, {"Retry-After": NOON})) == 5.0


def _message() -> Message:
    message = Message()
    message["Retry-After"] = "7"
    return message


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7"},
        {b"retry-after": b"7"},
        {"retry-after": 7},
        [("x", "y"), ("RETRY-AFTER", "7")],
        ((b"Retry-After", b"7"), (b"retry-after", b"8")),
        httpx.Headers({"Retry-After": "7"}),
        CaseInsensitiveDict({"Retry-After": "7"}),
        urllib3.HTTPHeaderDict({"Retry-After": "7"}),
        _message(),
    ],
)
def test_headers_may_be_any_mapping(headers: object) -> None:
    assert retry_after(with_fields(Exception(), headers=headers)) == 7.0
    assert retry_after(with_fields(Exception(), response=SimpleNamespace(headers=headers))) == 7.0


@pytest.mark.parametrize(
    "headers", [None, (), 7, "retry-after: 7", [7], [("retry-after",)], {None: None}, Mock(), object]
)
def test_headers_that_are_none_say_nothing(headers: object) -> None:
    assert retry_after(with_fields(Exception(), headers=headers)) is None


@pytest.mark.parametrize(
    ("given", "wait"),
    [
        (7, 7.0),
        (0.5, 0.5),
        (Decimal("1.5"), 1.5),
        (timedelta(minutes=2), 120.0),
        ("30", 30.0),
        (" 1.5 ", 1.5),
        (0, 0.0),
        (-3, 0.0),
        (timedelta(seconds=-1), 0.0),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
        (Decimal("sNaN"), None),
        (True, None),
        ("soon", None),
        (b"7", None),
        (lambda: 7, None),
        (None, None),
    ],
)
def test_an_exception_may_say_itself_how_long_to_wait(given: object, wait: float | None) -> None:
    assert retry_after(with_fields(RuntimeError(), retry_after=given)) == wait


def test_what_an_exception_says_goes_before_what_its_response_does() -> None:
    error = _refusal(429, {"retry-after": "7"})
    assert retry_after(with_fields(error, retry_after=3)) == 3.0
    assert retry_after(with_fields(error, retry_after="soon")) == 7.0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ModelRateLimitError(), 429),
        (ModelAPIError(), 500),
        (ModelConnectionError(), None),
        (ModelTimeoutError(), None),
    ],
)
def test_errors_of_langchain_pass_for_any_provider(error: Exception, status: int | None) -> None:
    assert default_retry_on(error)
    assert status_of(error) == status


# Kinds of exceptions


def with_fields(error: BaseException, **fields: object) -> BaseException:
    for name, value in fields.items():
        setattr(error, name, value)
    return error


def made(module: str, name: str, *bases: type) -> Any:
    """A class that looks like one of a package that need not be installed."""
    return type(name, bases or (Exception,), {"__module__": module})


# aiohttp is not installed with the tests: its classes are drawn after 3.13.
_client_error = made("aiohttp.client_exceptions", "ClientError")
_response_error = made("aiohttp.client_exceptions", "ClientResponseError", _client_error)
_content_type_error = made("aiohttp.client_exceptions", "ContentTypeError", _response_error, ValueError)
_connection_error = made("aiohttp.client_exceptions", "ClientConnectionError", _client_error)
_os_error = made("aiohttp.client_exceptions", "ClientOSError", _connection_error, OSError)
_connector_error = made("aiohttp.client_exceptions", "ClientConnectorError", _os_error)
_certificate_error = made(
    "aiohttp.client_exceptions", "ClientConnectorCertificateError", _connector_error, ssl.SSLCertVerificationError
)
_server_timeout = made("aiohttp.client_exceptions", "ServerTimeoutError", _connection_error, TimeoutError)
_payload_error = made("aiohttp.client_exceptions", "ClientPayloadError", _client_error)
_invalid_url = made("aiohttp.client_exceptions", "InvalidURL", _client_error, ValueError)

PASSING: list[BaseException] = [
    ConnectionResetError(),
    BrokenPipeError(),
    TimeoutError(),
    concurrent.futures.TimeoutError(),
    socket.gaierror(socket.EAI_NONAME, "unknown"),
    socket.herror(),
    OSError(errno.EHOSTUNREACH, "no route"),
    OSError(errno.ENETUNREACH, "no network"),
    ssl.SSLEOFError(),
    ssl.SSLZeroReturnError(),
    http.client.RemoteDisconnected("no answer"),
    http.client.IncompleteRead(b""),
    http.client.BadStatusLine("?"),
    urllib.error.URLError(ConnectionRefusedError()),
    urllib.error.URLError(TimeoutError()),
    urllib.error.ContentTooShortError("cut", (b"", Message())),  # type: ignore[arg-type]
    httpx.ReadTimeout("slow"),
    httpx.PoolTimeout("slow"),
    httpx.ConnectError("no"),
    httpx.RemoteProtocolError("no"),
    httpx2.WriteError("no"),
    requests.ConnectionError(),
    requests.ReadTimeout(),
    requests.exceptions.ChunkedEncodingError(),
    requests.exceptions.SSLError(urllib3.exceptions.SSLError(ssl.SSLEOFError())),
    urllib3.exceptions.ProtocolError("cut"),
    urllib3.exceptions.IncompleteRead(1, 2),
    anthropic.APITimeoutError(httpx2.Request("POST", "http://a.test")),
    openai.APIConnectionError(request=httpx2.Request("POST", "http://a.test")),
    _os_error(),
    _connector_error(),
    _server_timeout(),
    _payload_error(),
    with_fields(_response_error(), status=503, headers=None),
    with_fields(_content_type_error(), status=503, headers=None),
    NodeTimeoutError(node="a", seconds=1),
    with_fields(Exception(), status_code=503),
    with_fields(RuntimeError(), status=HTTPStatus.TOO_MANY_REQUESTS),
    with_fields(Exception(), response=SimpleNamespace(status=500)),
    with_fields(Exception(), code=504, status="DEADLINE_EXCEEDED"),
    made("somebody", "SlowReadTimeout", httpx.ReadTimeout)("slow"),
    made("somebody", "StrangeError", ConnectionError, ValueError)(),
    ExceptionGroup("all", [TimeoutError(), ExceptionGroup("more", [ConnectionResetError()])]),
]

FAILING: list[BaseException] = [
    Exception(),
    RuntimeError(),
    OSError(),
    OSError(errno.ENOSPC, "disk full"),
    OSError("connection reset"),
    FileNotFoundError(),
    PermissionError(),
    ssl.SSLError(),
    ssl.SSLCertVerificationError(),
    http.client.InvalidURL(),
    urllib.error.URLError("unknown url type: x"),
    urllib.error.URLError(ssl.SSLCertVerificationError()),
    httpx.UnsupportedProtocol("x"),
    httpx.LocalProtocolError("x"),
    httpx.InvalidURL("x"),
    httpx.TooManyRedirects("x"),
    httpx.DecodingError("x"),
    httpx2.UnsupportedProtocol("x"),
    requests.exceptions.InvalidURL(),
    requests.exceptions.MissingSchema(),
    requests.exceptions.JSONDecodeError("x", "y", 0),
    requests.exceptions.RetryError(),
    requests.exceptions.TooManyRedirects(),
    requests.exceptions.SSLError(urllib3.exceptions.SSLError(ssl.SSLCertVerificationError())),
    requests.exceptions.SSLError(),
    urllib3.exceptions.LocationParseError("x"),
    urllib3.exceptions.ResponseNotChunked("x"),
    urllib3.exceptions.DecodeError("x"),
    openai.LengthFinishReasonError(completion=Mock(usage=None)),
    _certificate_error(),
    _invalid_url(),
    with_fields(_response_error(), status=404, headers=None),
    RunTimeoutError("r", seconds=1),
    NodeCancelledError(node="a"),
    InputChangedError(node="a", address="g/a"),
    StoreError("disk full", store="runs.db"),
    with_fields(InternalError("x"), status_code=503),
    asyncio.CancelledError(),
    KeyboardInterrupt(),
    with_fields(SystemExit(), code=503),
    with_fields(Exception(), status_code="503"),
    with_fields(Exception(), status_code=1503),
    with_fields(Exception(), status_code=True),
    with_fields(Exception(), code="500"),
    with_fields(PermissionError(), status_code=503),
    *(
        with_fields(kind("x"), status_code=503, response=SimpleNamespace(status_code=503))
        for kind in (TypeError, ValueError, KeyError, AssertionError, AttributeError, ZeroDivisionError, ImportError)
    ),
    ExceptionGroup("both", [TimeoutError(), ValueError()]),
    BaseExceptionGroup("both", [TimeoutError(), KeyboardInterrupt()]),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_passes_by_itself_is_tried_again(error: BaseException) -> None:
    assert default_retry_on(error)


@pytest.mark.parametrize("error", FAILING, ids=repr)
def test_what_would_fail_again_is_not_tried_again(error: BaseException) -> None:
    assert not default_retry_on(error)


def test_an_exception_that_carries_itself_does_not_pass() -> None:
    error = urllib.error.URLError("x")
    error.reason = error
    error.args = (error,)
    assert not default_retry_on(error)


# Causes and groups


def chained(*errors: BaseException) -> BaseException:
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def test_an_exception_that_says_nothing_speaks_for_its_cause() -> None:
    error = chained(RuntimeError("the model failed"), _refusal(429, {"retry-after": "7"}))
    assert (status_of(error), retry_after(error), throttled(error)) == (429, 7.0, True)


def test_who_wraps_an_exception_decides_that_it_does_not_pass() -> None:
    assert not default_retry_on(chained(RuntimeError("the model failed"), _refusal(429, {})))


def test_an_exception_that_says_something_speaks_for_itself() -> None:
    error = chained(_refusal(400, {}), _refusal(429, {"retry-after": "7"}))
    assert (status_of(error), retry_after(error), throttled(error)) == (400, None, False)


@pytest.mark.parametrize(("wrappings", "status"), [(5, 503), (6, None)])
def test_five_causes_are_followed(wrappings: int, status: int | None) -> None:
    error = chained(*(RuntimeError() for _ in range(wrappings)), _refusal(503, {}))
    assert status_of(error) == status


def test_what_was_being_handled_is_no_cause() -> None:
    error = RuntimeError()
    error.__context__ = _refusal(429, {})
    assert status_of(error) is None


def test_causes_in_a_circle_say_nothing() -> None:
    first, second = RuntimeError(), RuntimeError()
    chained(first, second, first)
    assert (status_of(first), retry_after(first), throttled(first)) == (None, None, False)


def test_a_group_waits_for_whoever_asks_for_longest() -> None:
    waits: list[Exception] = [_refusal(429, {"retry-after": seconds}) for seconds in ("0", "7", "x", "3")]
    group = ExceptionGroup("refused", [*waits, ExceptionGroup("more", [_refusal(500, {"retry-after": "5"})])])
    assert (retry_after(group), throttled(group), status_of(group)) == (7.0, True, None)
    assert retry_after(ExceptionGroup("refused", [_refusal(429, {"retry-after": "0"})])) == 0.0
    assert not throttled(ExceptionGroup("refused", [_refusal(500, {}), ValueError()]))


# Anything at all


class Hostile:
    """Every attribute raises, and so does its truth."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)

    def __bool__(self) -> bool:
        raise RuntimeError


class HostileError(Exception):
    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


class Nagging(dict[str, object]):
    """A mapping that cannot be read."""

    def get(self, *args: object) -> object:
        raise KeyError(args)

    def items(self) -> Any:
        raise OSError


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.decimals()
    | st.timedeltas()
    | st.builds(Mock)
    | st.builds(MagicMock)
    | st.builds(Hostile)
    | st.builds(Nagging)
    | st.sampled_from([200, 404, 429, 503, 529, "overloaded_error", "429", NOON, object, HTTPStatus.OK])
)

NAMES = st.sampled_from(
    [
        *("status_code", "status", "code", "headers", "response", "body", "reason", "retry_after", "retry-after"),
        *("Retry-After", "retry-after-ms", "date", "type", "error", "items", "get", "exceptions", "errno"),
    ]
)

VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=4)
        | st.builds(lambda fields: SimpleNamespace(**fields), st.dictionaries(NAMES, inner, max_size=4))
    ),
    max_leaves=8,
)

KINDS: list[type[BaseException]] = [
    *(Exception, OSError, RuntimeError, ValueError, KeyError, HostileError, KeyboardInterrupt, urllib.error.URLError),
    *(requests.HTTPError, requests.exceptions.SSLError, ConnectionError, _response_error, asyncio.CancelledError),
]


def _error(kind: type[BaseException], fields: Mapping[str, object], cause: BaseException | None) -> BaseException:
    error = kind("x")
    for name, value in fields.items():
        try:
            setattr(error, name, value)
        except (TypeError, AttributeError):
            continue
    if cause is not None:
        error.__cause__ = cause
    return error


ERRORS: st.SearchStrategy[BaseException] = st.recursive(
    st.builds(_error, st.sampled_from(KINDS), st.dictionaries(NAMES, VALUES, max_size=4), st.none()),
    lambda inner: (
        st.builds(_error, st.sampled_from(KINDS), st.dictionaries(NAMES, VALUES, max_size=4), inner)
        | st.builds(BaseExceptionGroup, st.just("several"), st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("name", ["status_code", "retry_after", "headers", "response", "body", "code"])
def test_what_cannot_be_read_says_nothing(name: str) -> None:
    error = with_fields(Exception(), **{name: Hostile()})
    assert not default_retry_on(error)
    assert (status_of(error), retry_after(error), throttled(error)) == (None, None, False)


@given(ERRORS | VALUES)
def test_nothing_is_raised_whatever_is_asked_about(error: Any) -> None:
    assert default_retry_on(error) in {True, False}
    assert throttled(error) in {True, False}
    status = status_of(error)
    assert status is None or 100 <= status <= 599
    wait = retry_after(error)
    assert wait is None or 0 <= wait < math.inf
    assert wait is None or type(wait) is float


@given(st.dictionaries(NAMES, VALUES), st.sampled_from([ValueError, TypeError, KeyError, AssertionError]))
def test_a_fault_of_a_program_never_passes(fields: Mapping[str, object], kind: type[Exception]) -> None:
    assert not default_retry_on(_error(kind, fields, None))


@given(st.floats(min_value=0, max_value=1e9))
def test_seconds_as_text_are_these_seconds(seconds: float) -> None:
    assert retry_after(_refusal(429, {"retry-after": f"{seconds:f}"})) == float(f"{seconds:f}")
