"""What a report may use up, as the command line is told it: `--max-tokens`, `--max-cost` and `--price`.

`report` and `resume` read it here, and tell here that it is spent. There is no list of prices: they change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

import typer

from piecework import Budget, Usage
from piecework.cli.amounts import money, used_in
from piecework.cli.errors import MisuseError
from piecework.cli.keeping import Keeping
from piecework.cli.streams import say
from piecework.core.portal import run_blocking
from piecework.report import BudgetSpentError, Writer, models

__all__ = ("Allowance", "MaxCost", "MaxTokens", "PriceOption", "read_allowance", "read_labels", "stopping")

MaxTokens = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Tokens, read and written, after which no section is begun.", show_default=False
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(metavar="X", help="Money after which no section is begun; needs --price.", show_default=False),
]
PriceOption = Annotated[
    str | None,
    typer.Option(
        metavar="IN/OUT", help="What a million tokens cost that are read, and written: 3/15.", show_default=False
    ),
]

_PRICE: Final = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*/\s*(\d+(?:\.\d+)?|\.\d+)\s*", re.ASCII)
_MILLION: Final = 1_000_000
_STOPPED: Final = 1


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the calls of a report may use up together."""

    max_tokens: int | None = None
    """Tokens, read and written."""
    max_cost: float | None = None
    """Money, in the currency of the price."""
    price: str | None = None
    """What a million tokens cost, read and written, as it was typed."""

    def budget(self) -> Budget | None:
        """Return it as a runner takes it; None where there is no bound."""
        if self.max_tokens is None and self.max_cost is None:
            return None
        prices = None if self.price is None else partial(_cost, *_read_price(self.price))
        return Budget(max_tokens=self.max_tokens, max_cost=self.max_cost, prices=prices)

    def words(self) -> list[str]:
        """Return it as it is typed."""
        return [word for name, text in self.labels().items() for word in (f"--{name.replace('_', '-')}", text)]

    def labels(self) -> dict[str, str]:
        """Return it as labels of a run."""
        told = {
            "max_tokens": None if self.max_tokens is None else str(self.max_tokens),
            "max_cost": None if self.max_cost is None else _number(self.max_cost),
            "price": self.price,
        }
        return {name: text for name, text in told.items() if text is not None}

    def spent(self, used: Usage) -> str:
        """Return how much was used of each bound."""
        parts: list[str] = []
        if self.max_tokens is not None:
            parts.append(f"{used.tokens:,} of {self.max_tokens:,} tokens")
        if self.max_cost is not None:
            parts.append(f"{money(used.cost)} of {money(self.max_cost)} in money")
        return " and ".join(parts)

    def more(self, used: Usage) -> Allowance:
        """Return as much again, of each bound that is reached."""
        tokens, cost = self.max_tokens, self.max_cost
        if tokens is not None and used.tokens >= tokens:
            tokens += used.tokens
        if cost is not None and used.cost >= cost:
            cost = math.ceil((cost + used.cost) * _MILLION) / _MILLION
        return Allowance(tokens, cost, self.price)


def read_allowance(
    max_tokens: int | None, max_cost: float | None, price: str | None, *, before: Allowance | None = None
) -> Allowance:
    """Return what the options say, and where they say nothing, what was said before.

    Raises:
        MisuseError: There is a bound on money and no price, or a number is none.
    """
    before = before or Allowance()
    if max_cost is not None and not 0 < max_cost < math.inf:
        raise MisuseError(f"--max-cost {max_cost:g} is no amount of money. Write a number above 0, such as 2.50.")
    if price is not None:
        _read_price(price)
    allowance = Allowance(
        before.max_tokens if max_tokens is None else max_tokens,
        before.max_cost if max_cost is None else max_cost,
        before.price if price is None else price.replace(" ", ""),
    )
    if allowance.max_cost is not None and allowance.price is None:
        raise MisuseError(
            "--max-cost needs the price of the model, for a million tokens read and a million written: --price 3/15."
        )
    if allowance.price is not None and allowance.budget() is None:
        raise MisuseError("--price bounds nothing by itself. Add --max-cost, or --max-tokens.")
    return allowance


def read_labels(labels: Mapping[str, str]) -> Allowance:
    """Return what stands in the labels of a run.

    Raises:
        ValueError: A number is none.
    """
    tokens, cost = labels.get("max_tokens"), labels.get("max_cost")
    return Allowance(
        None if tokens is None else int(tokens), None if cost is None else float(cost), labels.get("price")
    )


@contextmanager
def stopping(kept: Keeping, run_id: str | None, allowance: Allowance, writer: Writer, *typed: str) -> Generator[None]:
    """Around a report: where its budget is spent, tell what was used of it, and how to go on.

    Args:
        kept: Where the run is kept.
        run_id: Its id there.
        allowance: What it may use up.
        writer: Counts what is used where no store does.
        typed: What is to be typed to go on with it besides its id and the budget.

    Raises:
        typer.Exit: It is spent.
    """
    try:
        yield
    except BudgetSpentError as error:
        used = _used(kept, run_id, allowance, writer)
        say(f"the budget is spent, used are {allowance.spent(used)}: the run is stopped, and there is no report yet")
        if run_id is None:
            say("the run is not kept, so it cannot go on. Start it again with more, and with a store.")
        else:
            say(kept.advice(run_id, *typed, *allowance.more(used).words()))
        raise typer.Exit(_STOPPED) from error


def _used(kept: Keeping, run_id: str | None, allowance: Allowance, writer: Writer) -> Usage:
    if kept.store is not None and run_id is not None:
        return used_in(run_blocking(kept.store.read(run_id, values=False))) or Usage()
    if not isinstance(writer, models.ModelWriter):
        return Usage()
    read, written = writer.usage.input_tokens, writer.usage.output_tokens
    cost = 0.0 if allowance.price is None else _cost(*_read_price(allowance.price), "", read, written)
    return Usage(read, written, cost)


def _read_price(text: str) -> tuple[float, float]:
    found = _PRICE.fullmatch(text)
    if found is None:
        raise MisuseError(
            f"--price {text!r} is no price. Write what a million tokens cost, read and written, such as 3/15."
        )
    return float(found[1]), float(found[2])


def _cost(read_price: float, written_price: float, model: str, read: int, written: int) -> float:
    """What an answer costs; whatever model of the provider's it came from."""
    del model
    return (read_price * read + written_price * written) / _MILLION


def _number(amount: float) -> str:
    """A number as it is typed, without an exponent."""
    return f"{amount:.6f}".rstrip("0").rstrip(".")
