"""One call: the context it runs in, the task it holds on to, and how each kind of function is driven."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar, Token

import pytest

from piecework import AsyncRunner, Graph, node
from piecework.core.children import start
from piecework.core.current import current_call
from piecework.core.outcome import Done, Failed
from piecework.dataflow import Node
from tests.core.harness import async_target, blocking_target, run_call, within

seen: ContextVar[object] = ContextVar("seen", default="nothing")


async def look_and_set(item: int) -> object:
    found = seen.get()
    seen.set(item)
    return found


async def look_suspend_and_set(item: int) -> object:
    found = seen.get()
    await asyncio.sleep(0)
    seen.set(item)
    await asyncio.sleep(0)
    return found


def look_and_set_blocking(item: int) -> object:
    found = seen.get()
    seen.set(item)
    return found


async def look_and_set_generating(item: int) -> AsyncIterator[object]:
    yield seen.get()
    seen.set(item)


def look_and_set_generating_blocking(item: int) -> Iterator[object]:
    yield seen.get()
    seen.set(item)


LOOKERS: list[Callable[..., object]] = [
    look_and_set,
    look_suspend_and_set,
    look_and_set_blocking,
    look_and_set_generating,
    look_and_set_generating_blocking,
]


def looker(function: Callable[..., object], output: str = "found") -> Node:
    return node(output_name=output, name=f"look_{output}")(function)


def flat(values: object) -> list[object]:
    assert isinstance(values, list)
    return [value[0] if isinstance(value, list) else value for value in values]


@pytest.mark.parametrize("function", LOOKERS)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("width", [None, 1])
async def test_an_item_sees_nothing_that_another_item_set(
    function: Callable[..., object], nested: bool, width: int | None
) -> None:
    mapped: Node = looker(function)
    if nested:
        mapped = Graph([mapped, looker(function, "also")], name="inner").as_node()
    seen.set("the caller's")
    graph = Graph([mapped.map_over("item", max_concurrency=width)])
    result = await within(AsyncRunner().run(graph, item=range(30)))
    for name in result.values:
        assert flat(result[name]) == ["the caller's"] * 30
    assert seen.get() == "the caller's"


@pytest.mark.parametrize("function", LOOKERS)
async def test_a_node_sees_nothing_that_another_node_set(function: Callable[..., object]) -> None:
    nodes = [
        looker(function, f"found{index}").with_inputs(item="item" if index == 0 else f"found{index - 1}")
        for index in range(5)
    ]
    result = await within(AsyncRunner().run(Graph(nodes), item=1))
    assert flat(list(result.values.values())) == ["nothing"] * 5


async def test_equal_values_are_told_apart_by_identity() -> None:
    """A list that an item put in its context must not be the next item's, equal though it is."""
    variable: ContextVar[list[int]] = ContextVar("variable")
    given: list[int] = []
    variable.set(given)

    @node(output_name="result")
    async def work(item: int) -> bool:
        mine = variable.get() is given
        variable.set([])
        return mine

    result = await within(AsyncRunner().run(Graph([work.map_over("item")]), item=range(5)))
    assert result["result"] == [True] * 5


@pytest.mark.parametrize("kind", ["async", "blocking"])
async def test_values_in_a_context_are_never_compared(kind: str) -> None:
    class Grumpy:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("compare me not")

        __hash__ = None  # type: ignore[assignment]

    seen.set(Grumpy())

    async def on_loop(item: int) -> int:
        seen.set(Grumpy())
        await start(async_target(asyncio.sleep), {"delay": 0})
        return item

    def on_thread(item: int) -> int:
        seen.set(Grumpy())
        start(async_target(asyncio.sleep), {"delay": 0}).result()
        return item

    work = node(output_name="result", name="work")(on_loop if kind == "async" else on_thread)
    result = await within(AsyncRunner().run(Graph([work.map_over("item")]), item=range(3)))
    assert result["result"] == [0, 1, 2]


async def test_children_see_what_was_set_when_they_were_started() -> None:
    async def look() -> object:
        return seen.get()

    def look_blocking() -> object:
        return seen.get()

    async def parent() -> list[object]:
        handles = []
        for value in (1, True, 1, 2.0, "two"):
            seen.set(value)
            handles.append(start(async_target(look), {}))
            handles.append(start(blocking_target(look_blocking), {}))
        seen.set("later")
        return [await handle for handle in handles]

    ran = await run_call(async_target(parent))
    assert isinstance(ran.outcome, Done)
    assert repr(ran.outcome.value) == repr([1, 1, True, True, 1, 1, 2.0, 2.0, "two", "two"])


async def test_a_token_may_be_reset_in_the_function_that_set_it() -> None:
    @node(output_name="result")
    async def work(item: int) -> object:
        token: Token[object] = seen.set(item)
        await asyncio.sleep(0)
        seen.reset(token)
        return seen.get()

    result = await within(AsyncRunner().run(Graph([work.map_over("item")]), item=range(10)))
    assert result["result"] == ["nothing"] * 10


async def test_a_blocking_function_that_sets_a_variable_and_fails_raises_its_own_exception() -> None:
    error = LookupError()

    @node(output_name="result")
    def work() -> None:
        seen.set(1)
        raise error

    with pytest.raises(LookupError) as caught:
        await within(AsyncRunner().run(Graph([work])))
    assert caught.value is error


# --- one task -------------------------------------------------------------------------------------------------------


async def test_a_call_stays_in_one_task_from_its_beginning_to_its_end() -> None:
    @node(output_name="result")
    async def work(item: int) -> bool:
        first = asyncio.current_task()
        await asyncio.sleep(0)
        return first is not None and first is asyncio.current_task()

    result = await within(AsyncRunner(max_concurrency=3).run(Graph([work.map_over("item")]), item=range(9)))
    assert result["result"] == [True] * 9


async def test_a_timeout_inside_a_node_ends_only_what_it_surrounds() -> None:
    @node(output_name="result")
    async def work(item: int) -> str:
        try:
            async with asyncio.timeout(0 if item % 2 else 60):
                await (asyncio.sleep(60) if item % 2 else asyncio.sleep(0))
        except TimeoutError:
            await asyncio.sleep(0)
            return "late"
        return "in time"

    result = await within(AsyncRunner().run(Graph([work.map_over("item", max_concurrency=2)]), item=range(8)))
    assert result["result"] == ["in time", "late"] * 4


async def test_a_task_group_inside_a_node_gathers_or_fails_as_one() -> None:
    @node(output_name="result")
    async def work(item: int) -> int:
        async def part(value: int) -> int:
            await asyncio.sleep(0)
            if item == 2 and value == 1:
                raise LookupError(item)
            return value

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part(value)) for value in range(3)]
        return sum(task.result() for task in tasks) + item

    graph = Graph([work.map_over("item", on_error="keep")])
    results = (await within(AsyncRunner().run(graph, item=range(4))))["result"]
    assert isinstance(results, list)
    assert results[:2] + results[3:] == [3, 4, 6]
    assert isinstance(results[2].error, ExceptionGroup)


# --- kinds of functions ---------------------------------------------------------------------------------------------


async def test_generators_of_both_kinds_come_to_the_list_of_what_they_yield() -> None:
    @node(output_name="a")
    def numbers(count: int) -> Iterator[int]:
        yield from range(count)

    @node(output_name="b")
    async def letters(count: int) -> AsyncIterator[str]:
        for index in range(count):
            await asyncio.sleep(0)
            yield "abc"[index]

    result = await within(AsyncRunner().run(Graph([numbers, letters]), count=3))
    assert result["a"] == [0, 1, 2]
    assert result["b"] == ["a", "b", "c"]


@pytest.mark.parametrize("after", [0, 2])
async def test_a_generator_that_fails_fails_its_node(after: int) -> None:
    @node(output_name="a")
    def on_thread() -> Iterator[int]:
        yield from range(after)
        raise LookupError

    @node(output_name="a")
    async def on_loop() -> AsyncIterator[int]:
        for index in range(after):
            yield index
        raise LookupError

    for fails in (on_thread, on_loop):
        with pytest.raises(LookupError):
            await within(AsyncRunner().run(Graph([fails])))


async def test_async_functions_run_on_the_loops_thread_and_blocking_ones_elsewhere() -> None:
    async def where() -> int:
        return threading.get_ident()

    assert (await run_call(async_target(where))).outcome == Done(threading.get_ident())
    ran = await run_call(blocking_target(threading.get_ident))
    assert isinstance(ran.outcome, Done)
    assert ran.outcome.value != threading.get_ident()


async def test_a_function_declared_async_that_returns_no_awaitable_fails() -> None:
    ran = await run_call(async_target(lambda: 5))  # type: ignore[arg-type, return-value]
    assert isinstance(ran.outcome, Failed)
    assert isinstance(ran.outcome.error, TypeError)


@pytest.mark.parametrize("kind", ["async", "blocking"])
async def test_the_current_call_is_known_inside_and_none_outside(kind: str) -> None:
    def address() -> str:
        call = current_call()
        assert call is not None
        return call.address

    async def address_on_loop() -> str:
        await asyncio.sleep(0)
        return address()

    work = node(output_name="result", name="work")(address_on_loop if kind == "async" else address)
    result = await within(AsyncRunner().run(Graph([work], name="g")))
    assert result["result"] == "g/work"
    assert current_call() is None
