"""Calls answered out of a cache; of those that are made at once with one key, one performs and all get what it makes.

The door calls `Caching.through` before it waits for a slot. Who performs is settled for the whole process: over all
runs, event loops and threads that use the same cache object. Nothing here knows how values are kept, or runs a call.
"""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping

import msgspec

from piecework.core.call import Call
from piecework.core.codec import Codec, digest_of
from piecework.core.fingerprint import fingerprint
from piecework.core.outcome import Done, Failed, Outcome
from piecework.core.policy import CachePolicy
from piecework.core.ports import Cache
from piecework.errors import CacheKeyError, CodecError, PieceworkError, PolicyFunctionError

__all__ = ("Caching",)

FORMAT = 1
"""The version of what a key is made of: another makes all that is kept unknown."""

_pack = msgspec.msgpack.Encoder().encode


class Caching:
    """A cache as the door uses it: through keys made of functions and inputs, and with values encoded."""

    def __init__(self, cache: Cache, codec: Codec) -> None:
        """Use a cache with the codec of one run."""
        self._cache = cache
        self._codec = codec

    async def through(
        self,
        call: Call,
        kwargs: Mapping[str, object],
        policy: CachePolicy,
        perform: Callable[[], Awaitable[Outcome]],
    ) -> tuple[Outcome, bool]:
        """Answer a call out of the cache, or perform it and keep what it returns.

        Args:
            call: The call.
            kwargs: Its arguments.
            policy: How it is cached.
            perform: Performs it; called at most once, and while no other call of the same key performs.

        Returns:
            The outcome, and whether it was made by another call.
        """
        try:
            key = self._key(call, kwargs, policy)
        except PieceworkError as error:
            return Failed(error), False
        while True:
            flight, waiter = _Flight.join(self._cache, key, call)
            if waiter is not None and flight.waits_for(call):
                flight.leave(waiter)
                return await perform(), False
            if waiter is not None:
                data = await waiter.wait(flight)
                if data is not None:
                    found = self._decoded(data)
                    if found is not None:
                        return found, True
                    continue  # Another run's codec knows more types than this one's.
            return await self._first(flight, key, call, policy, perform)

    async def clear(self, nodes: Collection[str] | None) -> int:
        """Forget what some nodes made, or with None what all did; returns how many values that were."""
        return await self._cache.clear(nodes)

    async def _first(
        self,
        flight: _Flight,
        key: bytes,
        call: Call,
        policy: CachePolicy,
        perform: Callable[[], Awaitable[Outcome]],
    ) -> tuple[Outcome, bool]:
        """Answer the one call of a key whose turn it is, and let the others go on."""
        data: bytes | None = None
        flight.call = call
        try:
            try:
                data = await self._cache.get(key)
            except Exception as error:
                return Failed(_noted(error, call)), False
            found = None if data is None else self._decoded(data)
            if found is not None:
                return found, True
            data = None
            outcome = await perform()
            if type(outcome) is not Done:
                return outcome, False
            try:
                data = self._codec.encode(None if call.target.effect else outcome.value)
            except CodecError as fault:
                return Failed(_not_kept(call, fault), call.attempts), False
            return await self._kept(key, data, outcome, call, policy), False
        finally:
            flight.land(data)

    async def _kept(self, key: bytes, data: bytes, outcome: Outcome, call: Call, policy: CachePolicy) -> Outcome:
        """Put what was made into the cache. It is not lost because that fails, so the call is done all the same."""
        node = call.target.name
        try:
            await self._cache.put(key, data, node=node, ttl=policy.seconds)
        except Exception as error:
            told = f"what node {node!r} made is not kept in its cache, and will be made again: {error}"
            try:
                warnings.warn(told, RuntimeWarning, stacklevel=2)
            except RuntimeWarning as asked_for:
                return Failed(asked_for, call.attempts)
        return outcome

    def _decoded(self, data: bytes) -> Done | None:
        """A value of its own for each who gets it; None where it is of a type that is not known here any more."""
        try:
            return Done(self._codec.decode(data))
        except CodecError:
            return None

    def _key(self, call: Call, kwargs: Mapping[str, object], policy: CachePolicy) -> bytes:
        target = call.target
        own = fingerprint(target.function, self._codec, node=target.name)
        inputs = self._inputs(target.name, kwargs) if policy.key is None else self._chosen(call, kwargs, policy.key)
        # For an effect None is kept, which is no answer for a node that uses what the same function returns.
        return digest_of(_pack([FORMAT, own, target.effect, policy.key is None, inputs]))

    def _inputs(self, node: str, kwargs: Mapping[str, object]) -> bytes:
        digest = self._codec.digest(dict(kwargs))
        if digest is None:
            name = next((name for name, value in kwargs.items() if self._codec.digest(value) is None), "")
            raise CacheKeyError(
                f"node {node!r} cannot be cached, since its input {name!r} cannot be told from others. Say what stands "
                f"for the inputs: CachePolicy(key=lambda {', '.join(kwargs)}: ...). {self._why(kwargs.get(name))}",
                node=node,
            )
        return digest

    def _chosen(self, call: Call, kwargs: Mapping[str, object], key: Callable[..., object]) -> bytes:
        node = call.target.name
        try:
            chosen = key(**kwargs)
        except Exception as error:
            raise PolicyFunctionError("cache key", node=node, error=error) from error
        digest = self._codec.digest(chosen)
        if digest is None:
            raise CacheKeyError(
                f"node {node!r} cannot be cached, since what its cache key function returned cannot be told from "
                f"others. Return texts, numbers, or lists and dicts of them. {self._why(chosen)}",
                node=node,
            )
        return digest

    def _why(self, value: object) -> str:
        reason = ""
        try:
            self._codec.encode(value)
        except CodecError as fault:
            reason = f"The reason: {fault}"
        return reason


class _Flight:
    """The calls of one key that are made at once: one performs, the others wait in line."""

    def __init__(self, cache: Cache, key: bytes, call: Call) -> None:
        self.call = call
        """Who performs."""
        self._cache = cache  # It lives as long as its id stands for it.
        self._place = id(cache), key
        self._waiting: OrderedDict[_Waiter, None] = OrderedDict()  # One that is cancelled leaves without a search.

    @classmethod
    def join(cls, cache: Cache, key: bytes, call: Call) -> tuple[_Flight, _Waiter | None]:
        """Get in line for a key; without a waiter it is the caller's turn, who must call `land` in the end."""
        place = id(cache), key
        with _lock:
            while (flight := _FLIGHTS.get(place)) is not None:
                waiter = _Waiter(asyncio.get_running_loop())
                flight._waiting[waiter] = None
                if _FLIGHTS.get(place) is flight:  # Or it landed just now, on this thread; see `_lock`.
                    return flight, waiter
            flight = _FLIGHTS[place] = cls(cache, key, call)
            return flight, None

    def waits_for(self, call: Call) -> bool:
        """Whether a call was started by the one that performs, so that it would wait for itself."""
        around = self.call
        inside = call.address.startswith(f"{around.address}/")
        return inside and around.site.owner.run is call.site.owner.run

    def land(self, data: bytes | None) -> None:
        """Give all who wait what was made; without it, the next in line performs."""
        with _lock:
            if data is None and self._hand_over():
                return
            if _FLIGHTS.get(self._place) is self:
                del _FLIGHTS[self._place]
            while self._waiting:
                self._waiting.popitem(last=False)[0].tell(data)

    def leave(self, waiter: _Waiter) -> None:
        """Wait no longer; if it has become the waiter's turn, it is the next one's."""
        with _lock:
            if not waiter.told:
                del self._waiting[waiter]
            elif waiter.data is None:
                self.land(None)

    def _hand_over(self) -> bool:
        """Let the next in line perform whose loop is not closed; returns whether there is one."""
        while self._waiting:
            if self._waiting.popitem(last=False)[0].tell(None):
                return True
        return False


class _Waiter:
    """One call that waits for another."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.told = False
        """Whether the flight is done with it."""
        self.data: bytes | None = None
        """What it was told: what the other call made; with None it is its own turn."""
        self._future: asyncio.Future[None] = loop.create_future()

    async def wait(self, flight: _Flight) -> bytes | None:
        """Wait for what another call makes; None where it has become this one's turn."""
        try:
            await self._future
        except BaseException:  # Cancelled, or its loop is gone and the garbage collector closes it.
            flight.leave(self)
            raise
        return self.data

    def tell(self, data: bytes | None) -> bool:
        """Let it go on; returns False where its loop was closed. Called from any thread."""
        self.told, self.data = True, data
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return False
        return True

    def _wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)


def _noted(error: Exception, call: Call) -> Exception:
    error.add_note(f"The cache was asked for what node {call.target.name!r} made.")
    return error


def _not_kept(call: Call, fault: CodecError) -> CodecError:
    error = CodecError(
        f"node {call.target.name!r} made what its cache cannot keep. Leave its cache= out, or return something else: "
        f"{fault}",
        path=fault.path,
    )
    error.__cause__ = fault
    return error


_FLIGHTS: dict[tuple[int, bytes], _Flight] = {}
"""What is being performed in this process, by the cache and the key."""

_lock = threading.RLock()
"""Guards all flights. Reentrant, since the garbage collector may close a coroutine, which then lands or leaves, at any
allocation on a thread that holds it."""


def _renew() -> None:
    """Forget who performs, and the lock, in the child of a fork: the threads that did and held it are not there."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
    _FLIGHTS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
