"""What a run may use up, and how much of it is gone.

Users declare budgets, the door counts against them and asks whether they are spent. Nothing here starts or stops
anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct

__all__ = ("Budget", "Price", "Prices")


class Price(Struct, frozen=True, kw_only=True):
    """What a model costs, for a million tokens."""

    input: float
    """A million tokens read."""

    output: float
    """A million tokens written."""


Prices: TypeAlias = Mapping[str, Price] | Callable[[str, int, int], float]
"""By a model's name its price; or a function of a model's name, tokens read and tokens written, that says the cost."""


class Budget(Struct, frozen=True, kw_only=True):
    """What the calls of a run may use up together."""

    max_tokens: int | None = None
    """Tokens, read and written together."""

    max_cost: float | None = None
    """Money, in the currency of `prices`."""

    prices: Prices | None = None
    """What models cost; needed with `max_cost`."""
