"""How long a provider asks to wait, out of the headers of its answer.

`faults` asks here. Clock times are read by the provider's own clock where it tells it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ("told_wait",)

_MILLISECONDS = 1000


def told_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait; None where it asks for nothing that can be read.

    Args:
        headers: Those of the answer, by name in any case.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / _MILLISECONDS
    told = headers.get("retry-after")
    seconds = _number(told)
    if seconds is not None or told is None:
        return seconds
    until = _moment(told)
    now = _moment(headers.get("date", "")) or datetime.now(UTC)
    return None if until is None else max(0.0, (until - now).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
