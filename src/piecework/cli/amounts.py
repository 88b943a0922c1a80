"""Sizes and spans of time as people write them: `12h` read, `3 h` and `1.2 MB` written."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from piecework.cli.errors import MisuseError

__all__ = ("age", "moment", "read_span", "size")

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", re.IGNORECASE)

_AGES: Final = ((86400, "d"), (3600, "h"), (60, "min"))

_KILO = 1000


def read_span(text: str) -> float:
    """Return the seconds of a span such as `12h` or `30d`.

    Raises:
        MisuseError: It is none.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise MisuseError(f"{text!r} is no span of time. Write a number with s, m, h, d or w, such as 12h or 30d.")
    return float(found[1]) * _SECONDS[found[2].lower()]


def age(seconds: float) -> str:
    """Return how long ago something was, roughly: `12 s`, `5 min`, `3 h`, `12 d`."""
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{max(int(seconds), 0)} s"


def size(count: int) -> str:
    """Return a number of bytes: `812 B`, `1.2 kB`, `34 MB`."""
    amount = float(count)
    for name in ("B", "kB", "MB", "GB"):
        if amount < _KILO - 0.5:
            return f"{amount:.0f} {name}" if name == "B" or amount >= 9.95 else f"{amount:.1f} {name}"  # noqa: PLR2004
        amount /= _KILO
    return f"{amount:.1f} TB"


def moment(seconds: float) -> str:
    """Return a time of the clock, in the time zone of this machine: `2026-11-21 15:30:07`."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
