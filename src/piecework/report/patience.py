"""How often what failed is tried again: the retry policies of a report's nodes.

The workflow hands them to the engine, which counts the attempts and waits; clients of providers repeat nothing by
themselves. Writers ask here whether there will be another attempt.
"""

from __future__ import annotations

from typing import Final

from piecework import RetryPolicy, default_retry_on
from piecework.report.models.errors import ModelError

__all__ = ("LONGEST_WAIT", "PATIENCE", "is_passing", "will_try_again")

LONGEST_WAIT: Final = 300.0
"""Seconds that a provider may ask to wait; one that wants to be left alone for longer is not asked again."""


def is_passing(error: BaseException) -> bool:
    """Return whether what failed may well succeed when it is tried again: by the provider's answer, or by the class."""
    return error.passing if isinstance(error, ModelError) else default_retry_on(error)


def _is_silence(error: BaseException) -> bool:
    """Whether nobody answered: each attempt costs the whole time-out, and who is not there is not there soon."""
    return isinstance(error, ModelError) and error.status is None and is_passing(error)


PATIENCE: Final = (
    RetryPolicy(max_attempts=3, max_interval=LONGEST_WAIT, retry_on=_is_silence),
    RetryPolicy(max_attempts=4, max_interval=LONGEST_WAIT, retry_on=is_passing),
)
"""When a node of a report is tried again. The first that matches counts."""


def will_try_again(error: BaseException, tried: int) -> bool:
    """Return whether a node that failed with `error` in its attempt number `tried` will have another one."""
    if _is_silence(error):
        return tried < PATIENCE[0].max_attempts
    return is_passing(error) and tried < PATIENCE[1].max_attempts
