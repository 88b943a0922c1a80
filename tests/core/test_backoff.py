"""By which policy a failed call is tried again, and after how long."""

import math
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.core.backoff import choose, wait_before
from piecework.core.policy import RetryPolicy
from piecework.core.transient import default_retry_on


class AskingError(Exception):
    """Asks for a wait."""

    def __init__(self, retry_after: object) -> None:
        super().__init__()
        self.retry_after = retry_after


def never() -> float:
    raise AssertionError("chance was asked")


LEAST, MOST = 0.0, math.nextafter(1.0, 0.0)

POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 10),
    initial_interval=st.floats(0, 1e6),
    backoff_factor=st.floats(1, 1e3),
    max_interval=st.floats(0, 1e6),
    jitter=st.booleans(),
)

RETRIES = st.integers(0, 50) | st.integers(0, 10**9)

CHANCES = st.floats(0, 1, exclude_max=True)


# Which policy


def test_the_first_policy_that_matches_wins() -> None:
    narrow = RetryPolicy(retry_on=ConnectionResetError, max_attempts=9)
    wide = RetryPolicy(retry_on=ConnectionError)
    assert choose([narrow, wide], ConnectionResetError()) is narrow
    assert choose([narrow, wide], BrokenPipeError()) is wide
    assert choose([wide, narrow], ConnectionResetError()) is wide
    assert choose([narrow, wide], ValueError()) is None
    assert choose([], ValueError()) is None


@pytest.mark.parametrize(
    "policy",
    [
        RetryPolicy(retry_on=LookupError),
        RetryPolicy(retry_on=(ValueError, KeyError)),
        RetryPolicy(retry_on=[KeyError]),
        RetryPolicy(retry_on=lambda error: isinstance(error, KeyError)),
        RetryPolicy(retry_on=lambda error: error.args),  # type: ignore[arg-type,return-value]
    ],
)
def test_a_policy_matches_by_class_by_classes_or_by_a_function(policy: RetryPolicy) -> None:
    assert choose([policy], KeyError("x")) is policy
    assert choose([policy], TypeError()) is None


def test_a_policy_of_no_classes_matches_nothing() -> None:
    assert choose([RetryPolicy(retry_on=())], KeyError()) is None


def test_a_policy_that_says_nothing_matches_what_passes() -> None:
    policy = RetryPolicy()
    assert policy.retry_on is default_retry_on
    assert choose([policy], TimeoutError()) is policy
    assert choose([policy], KeyError()) is None


def test_a_function_that_raises_is_let_out() -> None:
    def broken(error: BaseException) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        choose([RetryPolicy(retry_on=broken)], KeyError())


# How long


def test_waits_grow_by_the_factor_up_to_the_longest() -> None:
    policy = RetryPolicy(initial_interval=0.5, backoff_factor=2, max_interval=5, jitter=False)
    waits = [wait_before(policy, retries, KeyError(), never) for retries in range(6)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_jitter_scatters_between_half_of_the_wait_and_all_of_it() -> None:
    policy = RetryPolicy(initial_interval=4)
    assert wait_before(policy, 0, KeyError(), lambda: LEAST) == 2.0
    assert wait_before(policy, 0, KeyError(), lambda: 0.5) == 3.0
    assert wait_before(policy, 0, KeyError(), lambda: MOST) == pytest.approx(4.0)


@pytest.mark.parametrize("factor", [2, 2.0, 1e300])
def test_a_huge_number_of_retries_does_not_overflow(factor: float) -> None:
    policy = RetryPolicy(backoff_factor=factor, max_interval=9, jitter=False)
    assert wait_before(policy, 10**9, KeyError(), never) == 9.0


def test_no_wait_stays_none_however_often() -> None:
    policy = RetryPolicy(initial_interval=0, backoff_factor=2)
    assert wait_before(policy, 10**9, KeyError(), lambda: MOST) == 0.0


@pytest.mark.parametrize(
    ("asked", "chance", "wait"),
    [
        (30, LEAST, 30.0),
        (30, 0.5, 31.5),
        (30, MOST, 33.0),
        (99, MOST, 100.0),
        (1000, LEAST, 100.0),
        (1000, MOST, 100.0),
        (timedelta(minutes=1), LEAST, 60.0),
    ],
)
def test_what_is_asked_for_goes_before_the_policy_and_is_only_lengthened(
    asked: object, chance: float, wait: float
) -> None:
    policy = RetryPolicy(initial_interval=2, max_interval=100)
    assert wait_before(policy, 3, AskingError(asked), lambda: chance) == pytest.approx(wait)


def test_being_asked_back_at_once_leaves_the_wait_to_the_policy() -> None:
    policy = RetryPolicy(initial_interval=2, jitter=False)
    assert wait_before(policy, 1, AskingError(0), never) == 4.0


def test_what_is_asked_for_is_kept_to_without_jitter() -> None:
    policy = RetryPolicy(jitter=False, max_interval=100)
    assert wait_before(policy, 3, AskingError(30), never) == 30.0
    assert wait_before(policy, 3, AskingError(300), never) == 100.0


def test_asking_for_nonsense_leaves_the_wait_to_the_policy() -> None:
    policy = RetryPolicy(initial_interval=2, jitter=False)
    assert wait_before(policy, 0, AskingError("soon"), never) == 2.0


@given(POLICIES, RETRIES, st.none() | st.floats(-1e9, 1e9), CHANCES)
def test_every_wait_is_between_nothing_and_the_longest(
    policy: RetryPolicy, retries: int, asked: float | None, chance: float
) -> None:
    wait = wait_before(policy, retries, AskingError(asked), lambda: chance)
    assert 0 <= wait <= policy.max_interval


@given(POLICIES, RETRIES, CHANCES)
def test_jitter_only_shortens_a_policys_own_wait_and_at_most_by_half(
    policy: RetryPolicy, retries: int, chance: float
) -> None:
    whole = _without_jitter(policy, retries, KeyError())
    wait = wait_before(policy, retries, KeyError(), lambda: chance)
    assert whole / 2 <= wait <= whole


@given(POLICIES, st.floats(0, 1e9, exclude_min=True), CHANCES)
def test_jitter_never_shortens_what_is_asked_for(policy: RetryPolicy, asked: float, chance: float) -> None:
    wait = wait_before(policy, 0, AskingError(asked), lambda: chance)
    assert min(asked, policy.max_interval) <= wait <= min(asked * 1.1, policy.max_interval)


@given(POLICIES, RETRIES, RETRIES)
def test_waits_never_shrink(policy: RetryPolicy, retries: int, more: int) -> None:
    first = _without_jitter(policy, retries, KeyError())
    assert first <= _without_jitter(policy, retries + more, KeyError())


def _without_jitter(policy: RetryPolicy, retries: int, error: BaseException) -> float:
    random: Callable[[], float] = never
    return wait_before(
        RetryPolicy(
            initial_interval=policy.initial_interval,
            backoff_factor=policy.backoff_factor,
            max_interval=policy.max_interval,
            jitter=False,
        ),
        retries,
        error,
        random,
    )
