"""Budgets at the door: what stops when they are spent, and what goes on; on a clock that jumps."""

import asyncio
import itertools
from typing import Any

import pytest

from piecework import (
    AsyncRunner,
    Budget,
    Graph,
    MemoryStore,
    Price,
    UnknownPriceError,
    Usage,
    add_usage,
    node,
)
from tests.core.policy_tools import calls_of, on_virtual_time

worked: list[Any] = []
"""What cached functions have done: a global, since what one closes over is a part of its fingerprint."""


def spender(ran: list[int], tokens: int = 100) -> Graph:
    @node(output_name="y")
    async def spend(x: int) -> int:
        ran.append(x)
        await asyncio.sleep(1.0)
        add_usage(input_tokens=tokens - 10, output_tokens=10, model="m")
        return x

    return Graph([spend.map_over("x")], name="g")


def test_when_the_budget_is_spent_no_call_starts_and_those_in_flight_finish() -> None:
    ran: list[int] = []

    async def run() -> None:
        store = MemoryStore()
        runner = AsyncRunner(store=store, budget=Budget(max_tokens=350), max_concurrency=3)
        result = await runner.run(spender(ran), x=list(range(10)), run_id="r")
        assert (result.status, result.stopped) == ("stopped", "budget")
        assert ran == [0, 1, 2, 3, 4, 5]
        assert (await runner.get("r")).status == "stopped"
        facts = await calls_of(store, "r")
        assert {fact.status for fact in facts.values()} == {"done"}
        assert {fact.usage for fact in facts.values()} == {Usage(90, 10)}

    on_virtual_time(run())


def test_a_run_that_was_stopped_goes_on_with_a_larger_budget_and_counts_what_was_used() -> None:
    ran: list[int] = []

    async def run() -> None:
        store, graph = MemoryStore(), spender(ran)
        await AsyncRunner(store=store, budget=Budget(max_tokens=350), max_concurrency=1).run(
            graph, x=list(range(9)), run_id="r"
        )
        assert ran == [0, 1, 2, 3]
        again = await AsyncRunner(store=store, budget=Budget(max_tokens=400), max_concurrency=1).resume("r", graph)
        assert (again.status, ran) == ("stopped", [0, 1, 2, 3])
        more = await AsyncRunner(store=store, budget=Budget(max_tokens=600), max_concurrency=1).resume("r", graph)
        assert (more.status, ran) == ("stopped", [0, 1, 2, 3, 4, 5])
        rest = await AsyncRunner(store=store).resume("r", graph)
        assert (rest["y"], ran) == (list(range(9)), list(range(9)))

    on_virtual_time(run())


def test_a_budget_stops_an_endless_fan_out() -> None:
    ran: list[int] = []

    async def run() -> set[str]:
        runner = AsyncRunner(budget=Budget(max_tokens=1000), max_concurrency=5)
        endless = runner.map_iter(Graph([spend]), x=itertools.count(), map_over="x")
        return {result.status async for _, result in endless}

    @node(output_name="y")
    async def spend(x: int) -> int:
        ran.append(x)
        await asyncio.sleep(1.0)
        add_usage(input_tokens=100)
        return x

    assert on_virtual_time(run()) == {"completed", "stopped"}
    assert 10 <= len(ran) <= 14


def test_money_is_counted_by_model() -> None:
    ran: list[int] = []

    async def run() -> None:
        budget = Budget(max_cost=0.000_25, prices={"m": Price(input=1.0, output=1.0)})
        result = await AsyncRunner(budget=budget, max_concurrency=1).run(spender(ran), x=list(range(9)))
        assert (result.status, ran) == ("stopped", [0, 1, 2])

    on_virtual_time(run())


def test_a_model_without_a_price_fails_the_run_but_loses_nothing() -> None:
    ran: list[int] = []

    async def run() -> None:
        store, graph = MemoryStore(), spender(ran)
        budget = Budget(max_cost=1.0, prices={"other": Price(input=1.0, output=1.0)})
        with pytest.raises(UnknownPriceError, match="no price for the model 'm'"):
            await AsyncRunner(store=store, budget=budget, max_concurrency=1).run(graph, x=list(range(3)), run_id="r")
        assert ran == [0]
        priced = Budget(max_cost=1.0, prices={"m": Price(input=1.0, output=1.0)})
        result = await AsyncRunner(store=store, budget=priced).resume("r", graph)
        assert (result["y"], ran) == ([0, 1, 2], [0, 1, 2])

    on_virtual_time(run())


def test_a_call_whose_child_is_not_started_is_stopped_with_it_and_runs_again() -> None:
    ran: list[int] = []

    async def run() -> None:
        store, graph = MemoryStore(), spender(ran)

        @node(output_name="z")
        async def outer(x: int) -> object:
            return (await AsyncRunner().run(graph, x=range(x)))["y"]

        around = Graph([outer], name="around")
        result = await AsyncRunner(store=store, budget=Budget(max_tokens=150), max_concurrency=1).run(
            around, x=4, run_id="r"
        )
        assert (result.status, ran) == ("stopped", [0, 1])
        rest = await AsyncRunner(store=store).resume("r", around)
        assert (rest["z"], ran) == ([0, 1, 2, 3], [0, 1, 2, 3])

    on_virtual_time(run())
