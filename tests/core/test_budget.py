"""What a run may use up: prices, bounds, and how much is gone."""

import math
import re
import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.core.budget import Budget, Price, Prices, Spending
from piecework.core.usage import Reported, Usage
from piecework.errors import UnknownPriceError

PRICES = {"claude-sonnet-5": Price(input=3, output=15), "gpt-5-mini": Price(input=0.25, output=2)}


def spending(prices: Prices = PRICES) -> Spending:
    return Spending(Budget(max_cost=5, prices=prices))


# Declaring


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "needs max_tokens, max_cost or both"),
        ({"prices": PRICES}, "needs max_tokens, max_cost or both"),
        ({"max_tokens": 0}, "max_tokens=0 must be above 0"),
        ({"max_tokens": -1}, "max_tokens=-1 must be above 0"),
        ({"max_cost": 0.0, "prices": PRICES}, "max_cost=0.0 must be above 0"),
        ({"max_cost": math.nan, "prices": PRICES}, "max_cost=nan must be above 0"),
        ({"max_cost": 5}, "max_cost=5 needs prices"),
    ],
)
def test_a_budget_without_sense_is_refused(fields: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Budget(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_tokens": "9"}, "max_tokens='9' is no whole number of tokens. Write max_tokens=100_000."),
        ({"max_tokens": 1.5}, "max_tokens=1.5 is no whole number of tokens."),
        ({"max_tokens": True}, "max_tokens=True is no whole number of tokens."),
        ({"max_cost": "5", "prices": PRICES}, "max_cost='5' is no amount of money. Write max_cost=2.50,"),
        ({"max_cost": True, "prices": PRICES}, "max_cost=True is no amount of money."),
    ],
)
def test_a_bound_that_is_no_number_is_refused_with_what_to_write(fields: Mapping[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=re.escape(words)):
        Budget(**fields)


@pytest.mark.parametrize(("read", "written", "words"), [("3", 15, "input='3'"), (3, True, "output=True")])
def test_a_price_that_is_no_number_is_refused_with_what_to_write(read: Any, written: Any, words: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"{words} is no number. Write what a million tokens cost: Price(")):
        Price(input=read, output=written)


@pytest.mark.parametrize("prices", [7, "claude", {"claude": 3}, {3: Price(input=1, output=1)}])
def test_prices_that_are_none_are_refused(prices: Any) -> None:
    with pytest.raises(TypeError, match="must be a dict from a model's name to its Price, or a function"):
        Budget(max_cost=5, prices=prices)


@pytest.mark.parametrize(("read", "written"), [(-1, 0), (0, -1), (math.nan, 0), (0, math.inf)])
def test_a_price_below_nothing_is_refused(read: float, written: float) -> None:
    with pytest.raises(ValueError, match="must be what a million tokens cost, 0 or more"):
        Price(input=read, output=written)


def test_a_model_may_be_free() -> None:
    assert spending({"local": Price(input=0, output=0)}).cost(Reported("local", 9, 9)) == 0.0


def test_a_bound_is_enough() -> None:
    assert Budget(max_tokens=1).prices is None
    assert Budget(max_cost=0.01, prices=PRICES).max_tokens is None


# What an answer costs


def test_prices_are_for_a_million_tokens() -> None:
    assert spending().cost(Reported("claude-sonnet-5", 1_000_000, 2_000_000)) == 33.0
    assert spending().cost(Reported("gpt-5-mini", 1000, 0)) == pytest.approx(0.00025)


@pytest.mark.parametrize(
    "model", ["claude-sonnet-5-20260101", "claude-sonnet-5@20260101", "claude-sonnet-5-2026-01-01"]
)
def test_a_price_holds_for_the_dated_names_of_its_model(model: str) -> None:
    assert spending().cost(Reported(model, 1_000_000, 0)) == 3.0


def test_a_dated_name_may_have_a_price_of_its_own() -> None:
    prices = {**PRICES, "claude-sonnet-5-20260101": Price(input=1, output=1)}
    assert spending(prices).cost(Reported("claude-sonnet-5-20260101", 1_000_000, 0)) == 1.0
    assert spending(prices).cost(Reported("claude-sonnet-5-20260202", 1_000_000, 0)) == 3.0


def test_of_two_names_the_longer_one_holds() -> None:
    prices = {"claude": Price(input=9, output=9), "claude-sonnet": Price(input=8, output=8), **PRICES}
    assert spending(prices).cost(Reported("claude-sonnet-5-20260101", 1_000_000, 0)) == 3.0


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet",
        "claude-sonnet-5-mini",
        "claude-sonnet-50",
        "claude-sonnet-5-2026",
        "claude-sonnet-5-20260101-x",
        "",
    ],
)
def test_another_model_has_no_price(model: str) -> None:
    with pytest.raises(UnknownPriceError) as caught:
        spending().cost(Reported(model, 1, 1))
    assert caught.value.model == model


def test_a_model_without_a_name_is_given_one_or_a_price_of_its_own() -> None:
    with pytest.raises(UnknownPriceError) as caught:
        spending().cost(Reported("", 1, 1))
    assert "does not tell. Tell the name in the node, add_usage(model='a-model', " in str(caught.value)
    assert "or say what answers cost that have none: Budget(max_cost=..., prices={'': Price(" in str(caught.value)
    assert spending({**PRICES, "": Price(input=1, output=1)}).cost(Reported("", 1_000_000, 0)) == 1.0


def test_without_a_bound_on_money_a_model_needs_no_price() -> None:
    assert Spending(Budget(max_tokens=9)).cost(Reported("gpt", 1, 1)) == 0.0
    assert Spending(Budget(max_tokens=9, prices=PRICES)).cost(Reported("gpt", 1, 1)) == 0.0
    assert Spending(Budget(max_tokens=9, prices=PRICES)).cost(Reported("gpt-5-mini", 0, 1_000_000)) == 2.0


def test_a_function_says_what_an_answer_costs() -> None:
    asked: list[tuple[str, int, int]] = []

    def prices(model: str, read: int, written: int) -> float:
        asked.append((model, read, written))
        return 2

    cost = spending(prices).cost(Reported("a-model", 3, 4))
    assert (cost, type(cost), asked) == (2.0, float, [("a-model", 3, 4)])


def test_what_a_function_of_prices_raises_is_let_out() -> None:
    with pytest.raises(ZeroDivisionError):
        spending(lambda model, read, written: read / 0).cost(Reported("a-model", 3, 4))


@pytest.mark.parametrize("cost", [-1.0, math.nan, math.inf])
def test_what_is_no_cost_is_refused(cost: float) -> None:
    with pytest.raises(ValueError, match="for model 'a-model'; it must say a cost, 0 or more"):
        spending(lambda model, read, written: cost).cost(Reported("a-model", 3, 4))


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (None, "prices said None for model 'a-model'; it must say a cost, 0 or more. A function that ends without"),
        ("2.50", "prices said '2.50' for model 'a-model'; it must say a cost, 0 or more."),
        (True, "prices said True for model"),
        (Decimal("NaN"), "prices said Decimal('NaN') for model"),
    ],
)
def test_what_is_not_even_a_number_is_refused_as_a_cost(cost: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        spending(lambda model, read, written: cost).cost(Reported("a-model", 3, 4))


def test_a_cost_may_be_a_decimal() -> None:
    costs: Any = lambda model, read, written: Decimal("0.5")  # noqa: E731
    assert spending(costs).cost(Reported("a-model", 3, 4)) == 0.5


# What is gone


@pytest.mark.parametrize(
    ("used", "spent", "text"),
    [
        (Usage(), False, "used 0 of 1,000 tokens and 0.00 of 5.00 in money"),
        (Usage(500, 499, 4.9999), False, "used 999 of 1,000 tokens and 4.9999 of 5.00 in money"),
        (Usage(500, 500, 1), True, "used 1,000 of 1,000 tokens. "),
        (Usage(1000, 234, 1), True, "used 1,234 of 1,000 tokens. "),
        (Usage(1, 1, 5), True, "used 5.00 of 5.00 in money. "),
        (Usage(1, 1, 1234.5), True, "used 1,234.50 of 5.00 in money. "),
        (Usage(1000, 1, 5.25), True, "used 1,001 of 1,000 tokens and 5.25 of 5.00 in money. "),
    ],
)
def test_a_budget_is_spent_when_a_bound_is_reached(used: Usage, spent: bool, text: str) -> None:
    told = Spending(Budget(max_tokens=1000, max_cost=5, prices=PRICES), used)
    assert told.spent is spent
    assert told.text.startswith(text)


@pytest.mark.parametrize(
    ("used", "advice"),
    [
        (Usage(1000, 0, 0), "resume the run with a larger max_tokens to go on."),
        (Usage(0, 0, 5), "resume the run with a larger max_cost to go on."),
        (Usage(1000, 0, 5), "resume the run with a larger max_tokens and max_cost to go on."),
    ],
)
def test_a_spent_budget_says_what_to_do(used: Usage, advice: str) -> None:
    assert Spending(Budget(max_tokens=1000, max_cost=5, prices=PRICES), used).text.endswith(advice)


def test_a_bound_that_is_not_there_is_not_told() -> None:
    assert Spending(Budget(max_tokens=10), Usage(1, 1, 99.0)).text == "used 2 of 10 tokens"
    assert Spending(Budget(max_cost=10, prices=PRICES), Usage(1, 1, 9.0)).text == "used 9.00 of 10.00 in money"


def test_what_is_taken_is_added_to_what_is_on_record() -> None:
    told = Spending(Budget(max_tokens=10), Usage(1, 2, 0.5))
    told.take(Usage(3, 3, 0.25))
    assert told.used == Usage(4, 5, 0.75)
    assert not told.spent
    told.take(Usage(0, 1))
    assert told.spent


def test_threads_may_take_at_once() -> None:
    told = Spending(Budget(max_tokens=10**9))
    gate = threading.Barrier(8)

    def takes() -> None:
        gate.wait(5)
        for _ in range(2000):
            told.take(Usage(1, 2, 0.5))

    threads = [threading.Thread(target=takes) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.used == Usage(16_000, 32_000, 8_000.0)


@given(st.lists(st.builds(Usage, st.integers(0, 500), st.integers(0, 500), st.floats(0, 2))))
def test_a_budget_once_spent_stays_spent(usages: list[Usage]) -> None:
    told = Spending(Budget(max_tokens=1000, max_cost=5, prices=PRICES))
    seen: list[bool] = []
    for usage in usages:
        told.take(usage)
        seen.append(told.spent)
        assert told.spent is (told.used.tokens >= 1000 or told.used.cost >= 5)
    assert seen == sorted(seen)
