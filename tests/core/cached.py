"""Calls for tests of caching: a cache that takes its time, and calls that go on until the test says how they end."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar, cast

from piecework.core.caching import Caching
from piecework.core.call import Call, Site, Target
from piecework.core.outcome import Done, Outcome
from piecework.core.policy import CachePolicy
from piecework.errors import StoreError

__all__ = ("KEPT", "Gate", "Store", "answer", "call", "never", "plain", "returns", "start", "turns")

T = TypeVar("T")

KEPT = CachePolicy()


def plain(x: object) -> object:
    return x


class Store:
    """A cache that takes some turns of the loop for everything, and fails when it is told to."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.times: list[float | None] = []
        self.nodes: list[str] = []
        self.broken = False

    async def get(self, key: bytes) -> bytes | None:
        await turns(2)
        self.check()
        return self.values.get(key)

    async def put(self, key: bytes, value: bytes, *, node: str, ttl: float | None) -> None:
        await turns(2)
        self.check()
        self.values[key] = value
        self.times.append(ttl)
        self.nodes.append(node)

    async def clear(self, nodes: Collection[str] | None = None) -> int:
        self.nodes = sorted(nodes or ())
        return 7

    def check(self) -> None:
        if self.broken:
            raise StoreError("the cache is broken.")


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def call(function: Callable[..., object] = plain, *, name: str = "n", effect: bool = False) -> Call:
    target = Target(name, function, "blocking", effect=effect)
    return Call(Site(cast("Any", None), target, "", name))


def returns(value: object) -> Callable[[], Awaitable[Outcome]]:
    async def perform() -> Outcome:
        await asyncio.sleep(0)
        return Done(value)

    return perform


async def never() -> Outcome:
    raise AssertionError("it was performed")


class Gate:
    """A call that is performed until the test says how it ends."""

    def __init__(self) -> None:
        self.ends: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.performed = 0

    async def __call__(self) -> Outcome:
        self.performed += 1
        return await self.ends


async def answer(
    caching: Caching,
    perform: Callable[[], Awaitable[Outcome]],
    x: object = 1,
    policy: CachePolicy = KEPT,
    of: Call | None = None,
) -> tuple[Outcome, bool]:
    return await caching.through(of or call(), {"x": x}, policy, perform)


def start(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.get_running_loop().create_task(work)
