"""What a run may use up, and how much of it is gone.

Users declare budgets, the door counts against them and asks whether they are spent. Nothing here starts or stops
anything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final, SupportsFloat, TypeAlias, cast

from msgspec import Struct

from piecework.core.usage import Reported, Usage
from piecework.errors import UnknownPriceError

__all__ = ("Budget", "Price", "Prices", "Spending")

_MILLION: Final = 1_000_000

_DATE: Final = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2})\Z", re.ASCII)
"""How providers date a model's name: `-20260101`, `@20260101`, `-2026-01-01`."""


class Price(Struct, frozen=True, kw_only=True):
    """What a model costs, for a million tokens.

    Raises:
        ValueError: One is below 0, or not finite.
        TypeError: One is no number.
    """

    input: float
    """A million tokens read."""

    output: float
    """A million tokens written."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, price in (("input", self.input), ("output", self.output)):
            if not _is_number(price):
                raise TypeError(
                    f"{name}={price!r} is no number. Write what a million tokens cost: Price(input=3, output=15)."
                )
            if not 0 <= price < math.inf:
                raise ValueError(f"{name}={price} must be what a million tokens cost, 0 or more.")


Prices: TypeAlias = Mapping[str, Price] | Callable[[str, int, int], float]
"""By a model's name its price; or a function of a model's name, tokens read and tokens written, that says the cost.

A price holds for the dated names of its model too: that of `"claude-sonnet-5"` for `"claude-sonnet-5-20260101"`, unless
that one has a price of its own.
"""


class Budget(Struct, frozen=True, kw_only=True):
    """What the calls of a run may use up together.

    Raises:
        ValueError: No bound is given, one is not above 0, or `max_cost` is without `prices`.
        TypeError: A bound is no number, or `prices` are none of what they may be.
    """

    max_tokens: int | None = None
    """Tokens, read and written together."""

    max_cost: float | None = None
    """Money, in the currency of `prices`."""

    prices: Prices | None = None
    """What models cost; needed with `max_cost`."""

    def __post_init__(self) -> None:
        """Check the bounds and the prices."""
        if self.max_tokens is None and self.max_cost is None:
            raise ValueError("a Budget needs max_tokens, max_cost or both.")
        tokens, cost = cast("object", self.max_tokens), cast("object", self.max_cost)
        if tokens is not None and (isinstance(tokens, bool) or not isinstance(tokens, int)):
            raise TypeError(f"max_tokens={tokens!r} is no whole number of tokens. Write max_tokens=100_000.")
        if cost is not None and not _is_number(cost):
            raise TypeError(f"max_cost={cost!r} is no amount of money. Write max_cost=2.50, in the currency of prices.")
        for name, bound in (("max_tokens", self.max_tokens), ("max_cost", self.max_cost)):
            if bound is not None and not bound > 0:
                raise ValueError(f"{name}={bound} must be above 0.")
        if self.max_cost is not None and self.prices is None:
            raise ValueError(
                f"max_cost={self.max_cost} needs prices: Budget(max_cost=..., prices={{'a-model': "
                "Price(input=3, output=15)}), for a million tokens each."
            )
        if not _are_prices(self.prices):
            raise TypeError(
                f"prices={self.prices!r} must be a dict from a model's name to its Price, or a function of a model's "
                "name, tokens read and tokens written."
            )


class Spending:
    """How much of a budget is gone. Any thread may ask and take."""

    __slots__ = ("_budget", "_lock", "_used")

    def __init__(self, budget: Budget, used: Usage | None = None) -> None:
        """Start from what is on record as used."""
        self._budget = budget
        self._used = Usage() if used is None else used
        self._lock = Lock()

    def cost(self, reported: Reported) -> float:
        """What an answer cost, by the budget's prices; 0 where it has none.

        Raises:
            UnknownPriceError: The budget counts money, and its prices do not tell the model's.
            ValueError: The function that is the budget's prices said what no cost is.
            Exception: What that function raises.
        """
        prices = self._budget.prices
        if prices is None or not (reported.input_tokens or reported.output_tokens):
            return 0.0
        if callable(prices):
            return _cost_said(prices(reported.model, reported.input_tokens, reported.output_tokens), reported.model)
        price = _price(prices, reported.model)
        if price is not None:
            return (price.input * reported.input_tokens + price.output * reported.output_tokens) / _MILLION
        if self._budget.max_cost is None:
            return 0.0
        raise UnknownPriceError(reported.model)

    def take(self, usage: Usage) -> None:
        """Count what a call has used up."""
        with self._lock:
            self._used += usage

    @property
    def used(self) -> Usage:
        """What was used up so far, what is on record included."""
        return self._used

    @property
    def spent(self) -> bool:
        """Whether a bound is reached."""
        return bool(self._spent(self._used))

    @property
    def text(self) -> str:
        """How much was used of what is spent, and what to do; of every bound where none is."""
        used, budget = self._used, self._budget
        amounts: dict[str, str] = {}
        if budget.max_tokens is not None:
            amounts["max_tokens"] = f"{used.tokens:,} of {budget.max_tokens:,} tokens"
        if budget.max_cost is not None:
            amounts["max_cost"] = f"{_money(used.cost)} of {_money(budget.max_cost)} in money"
        spent = self._spent(used)
        said = f"used {' and '.join(amounts[name] for name in spent or amounts)}"
        if not spent:
            return said
        return f"{said}. What finished is kept; resume the run with a larger {' and '.join(spent)} to go on."

    def _spent(self, used: Usage) -> list[str]:
        """The names of the bounds that are reached."""
        budget = self._budget
        bounds = (("max_tokens", used.tokens, budget.max_tokens), ("max_cost", used.cost, budget.max_cost))
        return [name for name, amount, bound in bounds if bound is not None and amount >= bound]


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _cost_said(given: object, model: str) -> float:
    """A cost, as a function of prices said it, which may say anything."""
    # A NaN would make a budget that is never spent, a negative cost one that grows.
    cost = float(given) if isinstance(given, SupportsFloat) and not isinstance(given, bool) else math.nan
    if 0 <= cost < math.inf:
        return cost
    why = " A function that ends without a return says None." if given is None else ""
    raise ValueError(f"prices said {given!r} for model {model!r}; it must say a cost, 0 or more.{why}")


def _are_prices(prices: object) -> bool:
    if isinstance(prices, Mapping):
        pairs = cast("Mapping[object, object]", prices).items()
        return all(isinstance(name, str) and isinstance(price, Price) for name, price in pairs)
    return prices is None or callable(prices)


def _price(prices: Mapping[str, Price], model: str) -> Price | None:
    """A model's own price, or that of its name without the date."""
    return prices.get(model) or prices.get(_DATE.sub("", model))


def _money(amount: float) -> str:
    """An amount with as many decimals as it needs, two at least and six at most."""
    whole, _, decimals = f"{amount:,.6f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
