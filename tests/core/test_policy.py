"""Policies: what is refused when they are made, and which of two holds."""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from piecework.core.policy import (
    CachePolicy,
    CallPolicy,
    KeepPolicy,
    RetryPolicy,
    RunPolicy,
    TimeoutPolicy,
    in_seconds,
)
from piecework.core.transient import default_retry_on

NUMBERS = [
    ({"max_attempts": 0}, "max_attempts=0 must be a whole number, at least 1"),
    ({"max_attempts": -1}, "max_attempts=-1 must be a whole number, at least 1"),
    ({"initial_interval": -0.1}, "initial_interval=-0.1 must be a number of seconds, 0 or more"),
    ({"initial_interval": math.nan}, "initial_interval=nan"),
    ({"initial_interval": math.inf}, "initial_interval=inf"),
    ({"max_interval": -1}, "max_interval=-1"),
    ({"max_interval": math.inf}, "max_interval=inf"),
    ({"backoff_factor": 0.5}, "backoff_factor=0.5 must be 1 or more"),
    ({"backoff_factor": math.nan}, "backoff_factor=nan"),
    ({"backoff_factor": math.inf}, "backoff_factor=inf"),
]


@pytest.mark.parametrize(("fields", "words"), NUMBERS)
def test_a_retry_policy_with_a_number_out_of_range_is_refused(fields: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        RetryPolicy(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"initial_interval": "5"}, "initial_interval='5' is no number of seconds. Write initial_interval=0.5."),
        ({"initial_interval": True}, "initial_interval=True is no number of seconds."),
        ({"max_interval": None}, "max_interval=None is no number of seconds. Write max_interval=60."),
        ({"max_interval": timedelta(minutes=2)}, "is no number of seconds. Write max_interval=120.0."),
        (
            {"backoff_factor": "2"},
            "backoff_factor='2' is no number. Write backoff_factor=2.0, which doubles each wait.",
        ),
        ({"backoff_factor": True}, "backoff_factor=True is no number."),
    ],
)
def test_a_retry_policy_says_what_to_write_where_a_number_is_none(fields: Mapping[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=re.escape(words)):
        RetryPolicy(**fields)


@pytest.mark.parametrize("retry_on", [None, 429, "ConnectionError", int, [ConnectionError, 429], [int], KeyError()])
def test_what_says_nothing_of_exceptions_is_refused(retry_on: Any) -> None:
    with pytest.raises(TypeError, match="must be an exception class, a tuple of them, or a function"):
        RetryPolicy(retry_on=retry_on)


@pytest.mark.parametrize(
    "retry_on", [KeyError, BaseException, (KeyError, OSError), [KeyError], (), lambda error: True, default_retry_on]
)
def test_what_says_something_of_exceptions_is_taken(retry_on: Any) -> None:
    assert RetryPolicy(retry_on=retry_on).retry_on is retry_on


def test_a_retry_policy_may_do_without_retries_and_without_waits() -> None:
    policy = RetryPolicy(max_attempts=1, initial_interval=0, max_interval=0, backoff_factor=1)
    assert (policy.max_attempts, policy.max_interval) == (1, 0)


def test_the_defaults_of_a_retry_policy_are_those_of_its_page() -> None:
    policy = RetryPolicy()
    assert (policy.max_attempts, policy.initial_interval, policy.backoff_factor) == (3, 0.5, 2.0)
    assert (policy.max_interval, policy.jitter, policy.retry_on) == (128.0, True, default_retry_on)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "needs run_timeout, idle_timeout or both"),
        ({"refresh_on": "heartbeat"}, "needs run_timeout, idle_timeout or both"),
        ({"run_timeout": 0}, "run_timeout=0 must be a number of seconds above 0"),
        ({"run_timeout": -1.5}, "run_timeout=-1.5"),
        ({"run_timeout": math.nan}, "run_timeout=nan"),
        ({"run_timeout": 5, "idle_timeout": timedelta(0)}, "idle_timeout=0.0"),
        ({"idle_timeout": timedelta(seconds=-1)}, "idle_timeout=-1.0"),
        ({"run_timeout": 5, "refresh_on": "never"}, "refresh_on='never' is neither 'auto' nor 'heartbeat'"),
    ],
)
def test_a_timeout_policy_without_sense_is_refused(fields: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        TimeoutPolicy(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run_timeout": "30"}, "run_timeout='30' is no time. Give seconds, run_timeout=30, or a timedelta."),
        ({"run_timeout": True}, "run_timeout=True is no time."),
        ({"run_timeout": 5, "idle_timeout": "5s"}, "idle_timeout='5s' is no time. Give seconds, idle_timeout=30,"),
    ],
)
def test_a_timeout_that_is_no_time_is_refused(fields: Mapping[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=re.escape(words)):
        TimeoutPolicy(**fields)


def test_times_are_seconds_or_timedeltas() -> None:
    policy = TimeoutPolicy(run_timeout=timedelta(minutes=2), idle_timeout=0.5)
    assert (policy.run_seconds, policy.idle_seconds) == (120.0, 0.5)
    assert TimeoutPolicy(run_timeout=1).idle_seconds is None
    assert in_seconds(None) is None


@pytest.mark.parametrize("ttl", [-1, math.nan, timedelta(seconds=-1)])
def test_a_time_below_nothing_is_refused(ttl: Any) -> None:
    with pytest.raises(ValueError, match=r"ttl=.* must be a number of seconds, 0 or more, or None"):
        CachePolicy(ttl=ttl)


@pytest.mark.parametrize("ttl", ["1h", True, False])
def test_a_ttl_that_is_no_time_is_refused_with_what_to_write(ttl: Any) -> None:
    words = f"ttl={ttl!r} is no time. Give seconds, ttl=3600, a timedelta, 0 to keep nothing, or None to keep"
    with pytest.raises(TypeError, match=re.escape(words)):
        CachePolicy(ttl=ttl)


@pytest.mark.parametrize("ttl", [0, timedelta(0)])
def test_a_cache_policy_without_time_keeps_nothing(ttl: Any) -> None:
    assert not CachePolicy(ttl=ttl).keeps


def test_a_cache_policy_keeps_for_good_by_default() -> None:
    assert CachePolicy().seconds is None
    assert CachePolicy(ttl=timedelta(hours=1)).seconds == 3600.0


def test_a_call_policy_goes_before_another_where_it_says_something() -> None:
    own = CallPolicy(retry=(), max_concurrency=3)
    other = CallPolicy(retry=(RetryPolicy(),), timeout=TimeoutPolicy(run_timeout=1))
    both = own.over(other)
    assert both == CallPolicy(retry=(), timeout=TimeoutPolicy(run_timeout=1), max_concurrency=3)
    assert own.over(None) is own


def test_policies_are_made_once() -> None:
    with pytest.raises(AttributeError):
        RetryPolicy().max_attempts = 5  # type: ignore[misc]
    assert KeepPolicy() == KeepPolicy(durability="async", changed_inputs="rerun")
    assert RunPolicy().max_concurrency is None
