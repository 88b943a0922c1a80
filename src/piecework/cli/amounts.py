"""Sizes, spans of time, tokens and money as people write them: `12h` read, `3 h`, `1.2 MB` and `0.25` written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from piecework import Usage
from piecework.cli.errors import MisuseError
from piecework.core.fact import Fact

__all__ = ("age", "moment", "money", "read_span", "size", "used", "used_in")

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


def money(amount: float) -> str:
    """Return an amount with as many decimals as it needs, two at least and six at most."""
    whole, _, decimals = f"{amount:,.6f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def used_in(facts: Iterable[Fact]) -> Usage | None:
    """Return what the calls of a run have used up by its facts, all attempts counted; None where none says anything."""
    told = [fact.usage for fact in facts if fact.usage is not None]
    return sum(told, Usage()) if told else None


def used(usage: Usage) -> str:
    """Return what was used up: `1,240 tokens in, 300 out, 0.0082 in money`."""
    cost = f", {money(usage.cost)} in money" if usage.cost else ""
    return f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out{cost}"
