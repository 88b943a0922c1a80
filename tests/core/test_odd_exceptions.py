"""Functions that cancel themselves, and exceptions that refuse what is done to exceptions."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from piecework import (
    AsyncRunner,
    CachePolicy,
    Failure,
    Graph,
    Limit,
    MemoryStore,
    NodeCancelledError,
    SqliteCache,
    SqliteStore,
    SyncRunner,
    node,
)
from tests.core.harness import within
from tests.core.policy_tools import FAST, names


def cancel_oneself() -> None:
    """Cancel the running task, and leave before it hears of that."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@pytest.fixture(params=["plain", "recorded", "cached", "both"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """How runners are made that wait for a file after a call."""
    with ExitStack() as files:
        made: dict[str, Any] = {}
        if request.param in {"recorded", "both"}:
            made |= {"store": files.enter_context(SqliteStore(tmp_path / "runs.db")), "durability": "sync"}
        if request.param in {"cached", "both"}:
            made |= {"cache": files.enter_context(SqliteCache(tmp_path / "cache.db")), "cache_policy": CachePolicy()}
        yield made


async def test_items_that_cancel_their_own_task_keep_their_values(options: dict[str, Any]) -> None:
    @node(output_name="y")
    async def work(x: int) -> int:
        if x % 5 == 0:
            cancel_oneself()
        return x

    result = await within(AsyncRunner(**options).run(Graph([work.map_over("x")]), x=range(20)))
    assert result["y"] == list(range(20))


async def test_a_node_that_cancels_its_own_task_keeps_its_value(options: dict[str, Any]) -> None:
    @node(output_name="y")
    async def work(x: int) -> int:
        cancel_oneself()
        return x

    @node(output_name="z")
    async def after(y: int) -> int:
        await asyncio.sleep(0)
        return y + 1

    result = await within(AsyncRunner(**options).run(Graph([work, after]), x=1))
    assert (result["y"], result["z"]) == (1, 2)


async def test_the_handler_of_a_node_that_has_cancelled_its_own_task_is_not_cancelled(options: dict[str, Any]) -> None:
    async def instead(x: int, error: BaseException) -> int:
        await asyncio.sleep(0)
        return -x

    @node(output_name="y", error_handler=instead)
    async def work(x: int) -> int:
        cancel_oneself()
        raise LookupError(x)

    result = await within(AsyncRunner(**options).run(Graph([work.map_over("x", on_error="keep")]), x=[1, 2, 3]))
    assert result["y"] == [-1, -2, -3]


@pytest.mark.parametrize(
    "policy",
    [
        dict,
        lambda: {"retry": FAST},
        lambda: {"timeout": 60.0},
        lambda: {"limits": Limit(next(names), max_concurrency=1)},
    ],
    ids=["plain", "retry", "timeout", "limit"],
)
async def test_a_blocking_function_that_raises_cancelled_fails_and_cancels_nothing(
    policy: Callable[[], dict[str, Any]],
) -> None:
    @node(output_name="y", **policy())
    def work(x: int) -> int:
        raise asyncio.CancelledError("of its own")

    with pytest.raises(NodeCancelledError):
        await within(AsyncRunner().run(Graph([work]), x=1))
    with pytest.raises(NodeCancelledError):
        await asyncio.to_thread(lambda: SyncRunner().run(Graph([work]), x=1))


@dataclass(frozen=True)
class FrozenError(Exception):
    """Refuses to be given a context, a traceback or notes."""

    code: int = 3


class WithoutNotesError(Exception):
    """Says that it has notes, and has none."""

    __notes__: Any = None


class HiddenError(Exception):
    """Refuses to be looked at, and to be changed."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") and name != "__notes__":  # Which who tells of a failed test must be able to read.
            return super().__getattribute__(name)
        raise RuntimeError(f"no {name}")

    def __setattr__(self, name: str, value: object) -> None:
        raise RuntimeError(f"no {name}")


ODD = pytest.mark.parametrize("odd", [FrozenError, WithoutNotesError, HiddenError])


@ODD
@pytest.mark.parametrize("options", [{}, {"retry": FAST}, {"timeout": 60.0}], ids=["plain", "retry", "timeout"])
async def test_an_item_is_kept_as_failed_whatever_its_exception_refuses(
    odd: type[Exception], options: dict[str, Any]
) -> None:
    @node(output_name="y", **options)
    async def work(x: int) -> int:
        if x:
            raise odd
        return x

    runner = AsyncRunner(store=MemoryStore())
    kept = (await within(runner.run(Graph([work.map_over("x", on_error="keep")]), x=[0, 1])))["y"]
    assert isinstance(kept, list)
    assert kept[0] == 0
    assert type(kept[1]) is Failure
    assert type(kept[1].error) is odd


@ODD
async def test_a_handler_is_given_an_exception_that_refuses_attributes(odd: type[Exception]) -> None:
    told: list[type[BaseException]] = []

    async def instead(x: int, error: BaseException) -> int:
        told.append(type(error))
        return -x

    @node(output_name="y", error_handler=instead)
    async def work(x: int) -> int:
        raise odd

    assert (await within(AsyncRunner(store=MemoryStore()).run(Graph([work]), x=7)))["y"] == -7
    assert told == [odd]


@ODD
async def test_what_a_handler_raises_is_told_though_it_refuses_attributes(odd: type[Exception]) -> None:
    async def instead(x: int, error: BaseException) -> int:
        raise odd

    @node(output_name="y", error_handler=instead)
    async def work(x: int) -> int:
        raise LookupError(x)

    mapped = work.map_over("x", on_error="keep")
    kept = (await within(AsyncRunner(store=MemoryStore()).run(Graph([mapped]), x=[1])))["y"]
    assert isinstance(kept, list)
    assert type(kept[0]) is Failure
    assert type(kept[0].error) is odd


@ODD
async def test_an_odd_exception_is_told_where_its_handler_fails_with_another(odd: type[Exception]) -> None:
    async def instead(x: int, error: BaseException) -> int:
        raise LookupError("no help")

    @node(output_name="y", error_handler=instead)
    async def work(x: int) -> int:
        raise odd

    mapped = work.map_over("x", on_error="keep")
    kept = (await within(AsyncRunner(store=MemoryStore()).run(Graph([mapped]), x=[1])))["y"]
    assert isinstance(kept, list)
    assert type(kept[0].error) is LookupError
    assert type(kept[0].error.__context__) is odd
