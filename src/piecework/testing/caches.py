"""What every cache promises, as checks that any cache can be held to.

A cache of your own passes them if piecework can rely on it. From pytest, with a new place for each check:

    @pytest.mark.parametrize("check", CACHE_CHECKS, ids=lambda check: check.__name__)
    async def test_my_cache_keeps_its_promises(check: CacheCheck, tmp_path: Path) -> None:
        await check(lambda clock: MyCache(tmp_path / "cache", clock=clock))

or from anywhere: `asyncio.run(check_cache(lambda clock: MyCache(path, clock=clock)))`. The function is called several
times and must open the same place each time; it may be a coroutine function. It is given the clock that `ttl` is to go
by. Give the checks a place of their own: they clear it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Final, TypeAlias, cast
from uuid import uuid4

from piecework.core.ports import Cache
from piecework.testing.storage_log import expect, hold_to, same

__all__ = ("CACHE_CHECKS", "CacheCheck", "Clock", "OpenCache", "check_cache")

OpenCache: TypeAlias = Callable[[Callable[[], float]], Cache | Awaitable[Cache]]
"""Opens the cache under test, again at each call; it is given a clock."""

CacheCheck: TypeAlias = Callable[[OpenCache], Awaitable[None]]
"""Holds a cache to one promise; raises `ConformanceError` where it breaks it."""

LARGE: Final = bytes(range(256)) * 20_000
"""A value of five megabytes."""

THREADS: Final = 8
"""How many event loops use a cache at once, each on a thread of its own."""


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        """The time, in seconds."""

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


async def _opened(open_cache: OpenCache, clock: Callable[[], float] | None = None) -> Cache:
    cache = open_cache(clock or Clock())
    return await cache if isawaitable(cache) else cache


def _new_key() -> bytes:
    return uuid4().bytes


def _new_node() -> str:
    return f"node {uuid4().hex}"


async def what_was_put_is_got(open_cache: OpenCache) -> None:
    """A value is there under its key, and under no other."""
    cache, key = await _opened(open_cache), _new_key()
    same(await cache.get(key), None, "before anything was put")
    await cache.put(key, b"value", node="node", ttl=None)
    same(await cache.get(key), b"value", "what was put")
    same(await cache.get(key), b"value", "what was put, asked for again")
    same(await cache.get(_new_key()), None, "under another key")
    same(await cache.get(key[:-1]), None, "under the beginning of the key")


async def bytes_come_back_as_they_were(open_cache: OpenCache) -> None:
    """Whatever bytes are put, the same come back, none and many included."""
    cache = await _opened(open_cache)
    for value in (b"", b"\0", bytes(range(256)), b"'; --", LARGE):
        key = b"\0\xff'" + _new_key()
        await cache.put(key, value, node="nöde '", ttl=None)
        found = await cache.get(key)
        expect(type(found) is bytes, f"bytes became {type(found).__name__}")
        same(found, value, "what was put")


async def a_later_value_takes_the_place_of_an_earlier_one(open_cache: OpenCache) -> None:
    """A key has one value, the last."""
    cache, key, node = await _opened(open_cache), _new_key(), _new_node()
    for value in (b"first", b"second", LARGE, b"last"):
        await cache.put(key, value, node=node, ttl=None)
        same(await cache.get(key), value, "the value that was put last")
    same(await cache.clear([node]), 1, "how many values a key has")


async def another_opening_sees_what_was_put(open_cache: OpenCache) -> None:
    """What is kept is seen by whoever opens the same place."""
    cache, other, key, node = await _opened(open_cache), await _opened(open_cache), _new_key(), _new_node()
    await cache.put(key, b"value", node=node, ttl=None)
    same(await other.get(key), b"value", "what another opening has put")
    same(await other.clear([node]), 1, "what another opening cleared")
    same(await cache.get(key), None, "what another opening has cleared")


async def a_value_counts_until_its_time_is_over(open_cache: OpenCache) -> None:
    """A value with a `ttl` is got for so many seconds, and then not."""
    clock = Clock()
    cache, key, kept = await _opened(open_cache, clock), _new_key(), _new_key()
    await cache.put(key, b"value", node="node", ttl=10.0)
    await cache.put(kept, b"kept", node="node", ttl=None)
    clock.now += 9.9
    same(await cache.get(key), b"value", "before its time is over")
    clock.now += 0.2
    same(await cache.get(key), None, "after its time is over")
    clock.now += 1e9
    same(await cache.get(kept), b"kept", "a value without a time")


async def a_value_that_is_put_again_has_its_own_time(open_cache: OpenCache) -> None:
    """The time of a value is that with which it was put last."""
    clock = Clock()
    cache, key = await _opened(open_cache, clock), _new_key()
    await cache.put(key, b"short", node="node", ttl=1.0)
    await cache.put(key, b"long", node="node", ttl=10.0)
    clock.now += 5
    same(await cache.get(key), b"long", "a value that was put with a longer time")
    await cache.put(key, b"good", node="node", ttl=None)
    clock.now += 1000
    same(await cache.get(key), b"good", "a value that was put for good")
    await cache.put(key, b"short", node="node", ttl=0.5)
    clock.now += 1
    same(await cache.get(key), None, "a value that was put with a shorter time")
    await cache.put(key, b"new", node="node", ttl=0.5)
    same(await cache.get(key), b"new", "a value that was put where one was over")


async def what_some_nodes_made_is_cleared(open_cache: OpenCache) -> None:
    """Values go by the nodes that made them; those of others stay."""
    cache, nobody = await _opened(open_cache), _new_node()
    first, second, third = nodes = [_new_node() for _ in range(3)]
    keys = {(node, number): _new_key() for node in nodes for number in range(3)}
    for (node, _), key in keys.items():
        await cache.put(key, node.encode(), node=node, ttl=None)
    same(await cache.clear([]), 0, "what was cleared of no nodes")
    same(await cache.clear([nobody]), 0, "what was cleared of a node that made nothing")
    same(await cache.clear({first, third, nobody}), 6, "what was cleared of two nodes")
    left = [node for (node, _), key in keys.items() if await cache.get(key) is not None]
    same(left, [second] * 3, "what is left of three nodes")


async def all_is_cleared(open_cache: OpenCache) -> None:
    """Without nodes nothing is left, and the cache is as new."""
    cache = await _opened(open_cache)
    await cache.clear()
    keys = [_new_key() for _ in range(5)]
    for key in keys:
        await cache.put(key, b"value", node=key.hex(), ttl=60.0)
    same(await cache.clear(), 5, "what was cleared")
    same([await cache.get(key) for key in keys], [None] * 5, "what is left")
    same(await cache.clear(), 0, "what was cleared of nothing")
    await cache.put(keys[0], b"again", node="node", ttl=None)
    same(await cache.get(keys[0]), b"again", "what was put after that")


async def many_calls_use_it_at_once(open_cache: OpenCache) -> None:
    """Calls that are made together do not get in one another's way."""
    cache = await _opened(open_cache)
    keys = [_new_key() for _ in range(200)]
    await asyncio.gather(*(cache.put(key, key * 2, node="node", ttl=None) for key in keys))
    same(await asyncio.gather(*(cache.get(key) for key in keys)), [key * 2 for key in keys], "200 values")


async def a_call_that_is_cancelled_harms_no_other(open_cache: OpenCache) -> None:
    """Who is cancelled while it waits for the cache leaves it as good as it was."""
    cache, key = await _opened(open_cache), _new_key()
    for _ in range(20):
        putting = asyncio.ensure_future(cache.put(key, b"value", node="node", ttl=None))
        getting = asyncio.ensure_future(cache.get(key))
        await asyncio.sleep(0)
        putting.cancel()
        getting.cancel()
        await asyncio.gather(putting, getting, return_exceptions=True)
    await cache.put(key, b"last", node="node", ttl=None)
    same(await cache.get(key), b"last", "what was put after others were cancelled")


async def many_threads_use_it_at_once(open_cache: OpenCache) -> None:
    """Event loops on threads of their own share one opening."""
    cache = await _opened(open_cache)
    shared, node, keys = _new_key(), _new_node(), [[_new_key() for _ in range(25)] for _ in range(THREADS)]

    async def use(own: list[bytes]) -> list[bytes | None]:
        for key in own:
            await cache.put(key, key, node=node, ttl=None)
            await cache.put(shared, b"same", node="shared", ttl=None)
            await cache.get(shared)
        return [await cache.get(key) for key in own]

    found = await asyncio.gather(*(asyncio.to_thread(asyncio.run, use(own)) for own in keys))
    same(found, keys, "what threads have put")
    same(await cache.get(shared), b"same", "what all of them have put")
    same(await cache.clear([node]), THREADS * 25, "how many values they have put")


CACHE_CHECKS: Final[tuple[CacheCheck, ...]] = (
    what_was_put_is_got,
    bytes_come_back_as_they_were,
    a_later_value_takes_the_place_of_an_earlier_one,
    another_opening_sees_what_was_put,
    a_value_counts_until_its_time_is_over,
    a_value_that_is_put_again_has_its_own_time,
    what_some_nodes_made_is_cleared,
    all_is_cleared,
    many_calls_use_it_at_once,
    a_call_that_is_cancelled_harms_no_other,
    many_threads_use_it_at_once,
)
"""All promises."""


async def check_cache(open_cache: OpenCache) -> None:
    """Hold a cache to all promises.

    Args:
        open_cache: Opens it, again at each call, with the clock that it is given.

    Raises:
        ConformanceError: It breaks some; names them all.
    """
    await hold_to(cast("Any", CACHE_CHECKS), cast("Any", open_cache))
