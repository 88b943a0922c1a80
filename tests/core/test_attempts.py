"""Attempts: retries and their waits, and error handlers; on a clock that jumps."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence

import pytest

from piecework import (
    AsyncRunner,
    Graph,
    MemoryStore,
    PolicyFunctionError,
    RetryPolicy,
    SyncRunner,
    interrupt,
    node,
)
from piecework.observe import AttemptFailed
from tests.core.harness import within
from tests.core.policy_tools import FAST, STEADY, BusyError, Flaky, Watcher, calls_of, on_virtual_time


def waits(times: Sequence[float]) -> list[float]:
    return [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)]


def test_a_call_that_fails_is_tried_again_after_growing_waits() -> None:
    flaky = Flaky(3)

    @node(output_name="y", retry=STEADY)
    async def ask(x: int) -> int:
        return flaky.try_it()

    result = on_virtual_time(AsyncRunner().run(Graph([ask]), x=1))
    assert result["y"] == 4
    assert waits(flaky.times) == [1.0, 2.0, 4.0]


def test_after_the_last_attempt_the_exception_itself_is_raised_and_says_which_attempt() -> None:
    flaky = Flaky(9)

    @node(output_name="y", retry=STEADY)
    async def ask(x: int) -> int:
        return flaky.try_it()

    with pytest.raises(ConnectionError) as caught:
        on_virtual_time(AsyncRunner().run(Graph([ask]), x=1))
    assert len(flaky.times) == 4
    assert caught.value.__notes__ == ["in node 'ask', attempt 4 (graph/ask)"]


def test_a_programming_error_is_not_tried_again() -> None:
    flaky = Flaky(9, KeyError)

    @node(output_name="y", retry=STEADY)
    async def ask(x: int) -> int:
        return flaky.try_it()

    with pytest.raises(KeyError):
        on_virtual_time(AsyncRunner().run(Graph([ask]), x=1))
    assert len(flaky.times) == 1


def test_the_wait_that_an_exception_asks_for_overrides_the_backoff_up_to_the_longest() -> None:
    flaky = Flaky(2, lambda: BusyError(7.0))
    slow = Flaky(1, lambda: BusyError(1000.0))
    policy = RetryPolicy(initial_interval=1.0, max_interval=30.0, jitter=False, retry_on=BusyError)

    @node(output_name="y", retry=policy)
    async def ask(x: int) -> int:
        return flaky.try_it()

    @node(output_name="z", retry=policy)
    async def ask_slow(y: int) -> int:
        return slow.try_it()

    on_virtual_time(AsyncRunner().run(Graph([ask, ask_slow]), x=1))
    assert waits(flaky.times) == [7.0, 7.0]
    assert waits(slow.times) == [30.0]


def test_of_several_policies_the_first_that_matches_counts() -> None:
    errors = iter([BusyError(0.0), ConnectionError(), BusyError(0.0)])
    flaky = Flaky(3, lambda: next(errors))
    policies = (
        RetryPolicy(max_attempts=2, retry_on=TimeoutError),
        RetryPolicy(max_attempts=5, initial_interval=3.0, backoff_factor=1.0, jitter=False, retry_on=ConnectionError),
        RetryPolicy(max_attempts=5, initial_interval=0.0, jitter=False, retry_on=lambda error: "busy" in str(error)),
    )

    @node(output_name="y", retry=policies)
    async def ask(x: int) -> int:
        return flaky.try_it()

    on_virtual_time(AsyncRunner().run(Graph([ask]), x=1))
    assert waits(flaky.times) == [0.0, 3.0, 0.0]


def test_a_predicate_that_raises_is_an_error_that_names_it() -> None:
    def broken(error: BaseException) -> bool:
        raise LookupError("no such thing")

    @node(output_name="y", retry=RetryPolicy(retry_on=broken))
    async def ask(x: int) -> int:
        raise ConnectionError

    with pytest.raises(PolicyFunctionError, match="retry_on function of node 'ask' raised LookupError: no such thing"):
        on_virtual_time(AsyncRunner().run(Graph([ask]), x=1))


def test_a_call_that_waits_for_another_attempt_holds_no_slot() -> None:
    flaky = Flaky(1)
    ended: list[str] = []

    @node(output_name="y", retry=RetryPolicy(initial_interval=60.0, jitter=False))
    async def ask(x: int) -> int:
        value = flaky.try_it()
        ended.append("ask")
        return value

    @node(output_name="z")
    async def other(x: int) -> int:
        await asyncio.sleep(1.0)
        ended.append("other")
        return x

    on_virtual_time(AsyncRunner(max_concurrency=1).run(Graph([ask, other]), x=1))
    assert ended == ["other", "ask"]


def test_items_that_wait_for_another_attempt_leave_their_places_to_others() -> None:
    tried: list[tuple[float, int]] = []

    @node(output_name="y", retry=RetryPolicy(max_attempts=2, initial_interval=100.0, jitter=False))
    async def ask(x: int) -> int:
        tried.append((asyncio.get_running_loop().time(), x))
        await asyncio.sleep(1.0)
        if len(tried) <= 10:
            raise ConnectionError
        return x

    mapped = ask.map_over("x", max_concurrency=2)
    result = on_virtual_time(AsyncRunner().run(Graph([mapped]), x=range(10)))
    assert result["y"] == list(range(10))
    assert [time for time, _ in tried] == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
        101,
        101,
        102,
        102,
        103,
        103,
        104,
        104,
        105,
        105,
    ]


def test_attempts_are_counted_in_facts_and_told_to_observers() -> None:
    flaky, store, watcher = Flaky(2), MemoryStore(), Watcher()

    @node(output_name="y", retry=STEADY)
    async def ask(x: int) -> int:
        return flaky.try_it()

    async def both() -> None:
        result = await AsyncRunner(store=store, observers=[watcher]).run(Graph([ask]), x=1)
        assert (await calls_of(store, result.run_id))["ask"].attempts == 3

    on_virtual_time(both())
    assert watcher.kinds() == ["CallStarted", "AttemptFailed", "AttemptFailed", "CallFinished"]
    assert [event.wait for event in watcher.events if isinstance(event, AttemptFailed)] == [1.0, 2.0]


def test_attempts_go_on_counting_when_a_run_is_resumed() -> None:
    flaky, store = Flaky(4), MemoryStore()

    @node(output_name="y", retry=FAST)
    async def ask(x: int) -> int:
        return flaky.try_it()

    async def twice() -> int:
        runner = AsyncRunner(store=store)
        with pytest.raises(ConnectionError):
            await runner.run(Graph([ask]), x=1, run_id="r")
        await runner.resume("r", Graph([ask]))
        return (await calls_of(store, "r"))["ask"].attempts

    assert on_virtual_time(twice()) == 5


def test_a_blocking_function_is_tried_again_too() -> None:
    flaky = Flaky(2)

    @node(output_name="y", retry=FAST)
    def ask(x: int) -> int:
        return flaky.try_blocking()

    assert SyncRunner().run(Graph([ask]), x=1)["y"] == 3


async def test_a_generator_is_tried_again_from_its_beginning() -> None:
    tried: list[int] = []

    @node(output_name="y", retry=FAST)
    async def ask(x: int) -> AsyncIterator[int]:
        tried.append(x)
        yield 1
        if len(tried) < 3:
            raise ConnectionError
        yield 2

    assert (await within(AsyncRunner().run(Graph([ask]), x=1)))["y"] == [1, 2]


async def test_a_runners_policy_counts_for_nodes_that_have_none_and_one_may_refuse_it() -> None:
    plain, own, never = Flaky(1), Flaky(2), Flaky(1)

    @node(output_name="a")
    async def ask_plain(x: int) -> int:
        return plain.try_it()

    @node(output_name="b", retry=FAST)
    async def ask_own(x: int) -> int:
        return own.try_it()

    runner = AsyncRunner(retry=RetryPolicy(max_attempts=2, initial_interval=0.0))
    result = await within(runner.run(Graph([ask_plain, ask_own]), x=1))
    assert (result["a"], result["b"]) == (2, 3)

    @node(output_name="c", retry=())
    async def ask_once(x: int) -> int:
        return never.try_it()

    with pytest.raises(ConnectionError):
        await within(runner.run(Graph([ask_once]), x=1))


async def test_a_question_is_no_failure_and_is_not_tried_again() -> None:
    asked: list[int] = []

    @node(output_name="y", retry=FAST)
    async def ask(x: int) -> object:
        asked.append(x)
        return interrupt("well?")

    runner = AsyncRunner(store=MemoryStore())
    paused = await within(runner.run(Graph([ask]), x=1))
    assert (paused.status, asked) == ("paused", [1])
    resumed = await within(runner.resume(paused.run_id, answers={paused.interrupts[0].id: "yes"}))
    assert resumed["y"] == "yes"


async def test_a_question_keeps_its_id_over_attempts() -> None:
    flaky = Flaky(1)

    @node(output_name="y", retry=FAST)
    async def ask(x: int) -> object:
        answer = interrupt("well?")
        flaky.try_it()
        return answer

    runner = AsyncRunner(store=MemoryStore())
    paused = await within(runner.run(Graph([ask]), x=1))
    resumed = await within(runner.resume(paused.run_id, answers={paused.interrupts[0].id: "yes"}))
    assert resumed["y"] == "yes"


def test_a_run_that_is_cancelled_does_not_wait_for_another_attempt() -> None:
    flaky = Flaky(9)

    @node(output_name="y", retry=RetryPolicy(initial_interval=100.0, jitter=False))
    async def ask(x: int) -> int:
        return flaky.try_it()

    async def cancel() -> float:
        running = asyncio.create_task(AsyncRunner().run(Graph([ask]), x=1))
        await asyncio.sleep(5.0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return asyncio.get_running_loop().time()

    assert on_virtual_time(cancel()) == 5.0


def test_an_error_handler_returns_the_output_instead_when_attempts_are_exhausted() -> None:
    flaky, store = Flaky(9), MemoryStore()

    async def instead(x: int, error: ConnectionError) -> str:
        return f"{type(error).__name__} of {x}"

    @node(output_name="y", retry=FAST, error_handler=instead)
    async def ask(x: int) -> str:
        return str(flaky.try_it())

    async def run() -> object:
        result = await AsyncRunner(store=store).run(Graph([ask]), x=7)
        facts = await calls_of(store, result.run_id)
        assert {address: (fact.status, fact.attempts) for address, fact in facts.items()} == {
            "ask:handler": ("done", 1),
            "ask": ("done", 3),
        }
        return result["y"]

    assert on_virtual_time(run()) == "ConnectionError of 7"


def test_error_handlers_work_alike_for_parallel_items() -> None:
    def instead(x: int, error: BaseException) -> int:
        return -x

    @node(output_name="y", error_handler=instead)
    async def ask(x: int) -> int:
        await asyncio.sleep(1.0)
        if x % 2:
            raise LookupError(x)
        return x

    async def run() -> object:
        store = MemoryStore()
        result = await AsyncRunner(store=store).run(Graph([ask.map_over("x")]), x=range(6))
        assert "ask:handler[3]" in await calls_of(store, result.run_id)
        return result["y"]

    assert on_virtual_time(run(), patience=0.01) == [0, -1, 2, -3, 4, -5]


async def test_a_handler_that_fails_itself_fails_the_call_with_both_exceptions_told() -> None:
    async def instead(error: BaseException) -> int:
        raise RuntimeError("no help either")

    @node(output_name="y", error_handler=instead)
    async def ask(x: int) -> int:
        raise LookupError("the first")

    with pytest.raises(RuntimeError, match="no help either") as caught:
        await within(AsyncRunner().run(Graph([ask]), x=1))
    assert isinstance(caught.value.__context__, LookupError)


async def test_a_handler_is_not_asked_where_nothing_failed() -> None:
    async def instead(error: BaseException) -> int:
        raise AssertionError

    @node(output_name="y", error_handler=instead)
    async def ask(x: int) -> int:
        return x

    assert (await within(AsyncRunner().run(Graph([ask]), x=1)))["y"] == 1
