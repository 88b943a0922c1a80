"""Calls answered out of a cache; of those that are made at once with one key, one performs and all get what it makes.

The door calls `Caching.through` before it waits for a slot. Who performs is settled for the whole process: over all
runs, event loops and threads that use the same cache object. Nothing here knows how values are kept, or runs a call.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Awaitable, Callable, Collection, Mapping

import msgspec

from piecework.core.call import Call, Site, Target
from piecework.core.codec import Codec, digest_of
from piecework.core.fingerprint import fingerprint
from piecework.core.flight import Flight
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
        self._prints: dict[Target, bytes] = {}
        self._shared: tuple[Site, dict[str, bytes]] | None = None

    async def through(
        self,
        call: Call,
        kwargs: Mapping[str, object],
        policy: CachePolicy,
        perform: Callable[[], Awaitable[Outcome]],
        *,
        anew: bool = False,
    ) -> tuple[Outcome, bool]:
        """Answer a call out of the cache, or perform it and keep what it returns.

        Args:
            call: The call.
            kwargs: Its arguments.
            policy: How it is cached.
            perform: Performs it; called at most once, and while no other call of the same key performs.
            anew: Whether what is kept does not count, and is replaced.

        Returns:
            The outcome, and whether it was made by another call.
        """
        try:
            key = self._key(call, kwargs, policy)
        except PieceworkError as error:
            return Failed(error), False
        while True:
            flight, waiter = Flight.join(self._cache, key, call)
            if flight is None:
                return await perform(), False
            if waiter is not None:
                data = await waiter.wait(flight)
                if data is not None:
                    found = self._decoded(data)
                    if found is not None:
                        return found, True
                    continue  # Another run's codec knows more types than this one's.
            return await self._first(flight, key, call, policy, perform, anew=anew)

    async def clear(self, nodes: Collection[str] | None) -> int:
        """Forget what some nodes made, or with None what all did; returns how many values that were."""
        return await self._cache.clear(nodes)

    async def _first(
        self,
        flight: Flight,
        key: bytes,
        call: Call,
        policy: CachePolicy,
        perform: Callable[[], Awaitable[Outcome]],
        *,
        anew: bool,
    ) -> tuple[Outcome, bool]:
        """Answer the one call of a key whose turn it is, and let the others go on."""
        data: bytes | None = None
        flight.lead(call)
        try:
            try:
                data = None if anew else await self._cache.get(key)
            except Exception as error:  # As if nothing was kept.
                node = call.target.name
                warned = _warned(f"what node {node!r} has in its cache cannot be read, and is made again: {error}")
                if warned is not None:
                    return Failed(warned, call.attempts), False
            found = None if data is None else self._decoded(data)
            if found is not None:
                return found, True
            data = None
            outcome = await perform()
            if type(outcome) is not Done or (call.live is not None and call.live.asks):
                return outcome, False  # What somebody answered counts for the call that asked.
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
            warned = _warned(f"what node {node!r} made is not kept in its cache, and will be made again: {error}")
            return outcome if warned is None else Failed(warned, call.attempts)
        return outcome

    def _decoded(self, data: bytes) -> Done | None:
        """A value of its own for each who gets it; None where it is of a type that is not known here any more."""
        try:
            return Done(self._codec.decode(data))
        except CodecError:
            return None

    def _key(self, call: Call, kwargs: Mapping[str, object], policy: CachePolicy) -> bytes:
        target = call.target
        own = self._prints.get(target)
        if own is None:  # Once for a run: a closure may be large, and calls many.
            own = self._prints[target] = fingerprint(target.function, self._codec, node=target.name)
        inputs = self._inputs(call, kwargs) if policy.key is None else self._chosen(call, kwargs, policy.key)
        # For an effect None is kept, which is no answer for a node that uses what the same function returns.
        chooser = None if policy.key is None else fingerprint(policy.key, self._codec, node=target.name)
        return digest_of(_pack([FORMAT, own, target.effect, policy.seconds, chooser, inputs]))

    def _inputs(self, call: Call, kwargs: Mapping[str, object]) -> bytes:
        """What stands for all inputs; those that a whole fan-out is given alike are looked at once."""
        site = call.site
        shared = () if site.shared is None else site.shared.names
        if self._shared is None or self._shared[0] is not site:
            self._shared = (site, {})
        before, digests = self._shared[1], dict[str, bytes]()
        for name in sorted(kwargs):
            digest = before.get(name) or self._codec.digest(kwargs[name])
            if digest is None:
                node = call.target.name
                raise CacheKeyError(
                    f"node {node!r} cannot be cached, since its input {name!r} cannot be told from others. Say what "
                    f"stands for the inputs: CachePolicy(key=lambda {', '.join(kwargs)}: ...). "
                    f"{self._why(kwargs[name])}",
                    node=node,
                )
            digests[name] = digest
            if name in shared:
                before[name] = digest
        return _pack(digests)

    def _chosen(self, call: Call, kwargs: Mapping[str, object], key: Callable[..., object]) -> bytes:
        node = call.target.name
        try:
            chosen = key(**{name: value for name, value in kwargs.items() if name in _taken(key, tuple(kwargs))})
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


def _warned(told: str) -> RuntimeWarning | None:
    """Warn; returns the warning where the user has asked for warnings to be raised."""
    try:
        warnings.warn(told, RuntimeWarning, stacklevel=3)
    except RuntimeWarning as asked_for:
        return asked_for
    return None


def _taken(key: Callable[..., object], names: tuple[str, ...]) -> Collection[str]:
    """Which of the inputs a key function takes."""
    try:
        parameters = inspect.signature(key).parameters
    except (TypeError, ValueError):
        return names
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return names if takes_all else parameters


def _not_kept(call: Call, fault: CodecError) -> CodecError:
    error = CodecError(
        f"node {call.target.name!r} made what its cache cannot keep. Leave its cache= out, or return something else: "
        f"{fault}",
        path=fault.path,
    )
    error.__cause__ = fault
    return error
