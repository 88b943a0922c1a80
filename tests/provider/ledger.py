"""What a provider was asked, how much of it at once, and what went wrong with the script itself.

One ledger belongs to one provider; the threads that serve its requests write it, the test reads it.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any

from tests.provider.script import Asked, Hang, Protocol, Refuse, Reply, Script, Single, Together, Wanted
from tests.provider.spoken import Read

__all__ = ("Ledger",)


class Ledger:
    """The requests of one provider, and what its script says to them."""

    def __init__(self, script: Script, patience: float) -> None:
        self._script = script
        self._patience = patience
        self._changed = threading.Condition()
        self._barriers: dict[int, threading.Barrier] = {}
        self._asked: list[Asked] = []
        self._faults: list[str] = []
        self._closed = False
        self._in_flight = 0
        self._most_in_flight = 0

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every request, in order of arrival."""
        with self._changed:
            return tuple(self._asked)

    @property
    def faults(self) -> tuple[str, ...]:
        """What went wrong with the script itself."""
        with self._changed:
            return tuple(self._faults)

    @property
    def most_in_flight(self) -> int:
        """The highest number of requests that were being answered at once."""
        with self._changed:
            return self._most_in_flight

    def wait_for(self, count: int) -> None:
        """Return once there were `count` requests."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._asked) >= count, self._patience):
                raise TimeoutError(f"{len(self._asked)} of {count} requests after {self._patience} s")

    def begin(
        self,
        protocol: Protocol,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        read: Read,
        wanted: Wanted | None,
    ) -> Asked:
        """Write a request down."""
        with self._changed:
            asked = Asked(
                number=len(self._asked) + 1,
                repeats=sum((one.system, one.messages) == read for one in self._asked),
                at=time.monotonic(),
                protocol=protocol,
                path=path,
                model=body["model"],
                system=read[0],
                messages=read[1],
                wanted=wanted,
                stream=bool(body.get("stream")),
                headers=headers,
                body=body,
            )
            self._asked.append(asked)
            self._in_flight += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight)
            self._changed.notify_all()
        return asked

    def end(self) -> None:
        """Count one request less in flight."""
        with self._changed:
            self._in_flight -= 1

    def decide(self, asked: Asked) -> Single:
        """Return what the script says to a request, held back as it says."""
        try:
            reply: Reply = self._script(asked)
        except Exception as error:
            return self.fault(f"the script failed at request {asked.number}: {error!r}")
        return self._together(asked, reply) if isinstance(reply, Together) else reply

    def fault(self, told: str) -> Refuse:
        """Write down what went wrong here, and return the answer to whom it befell: one that isn't asked again."""
        with self._changed:
            self._faults.append(told)
        return Refuse(500, told, {"x-should-retry": "false"})

    def close(self) -> None:
        """Let go of the requests that are held back."""
        with self._changed:
            self._closed = True
            for barrier in self._barriers.values():
                barrier.abort()

    def _together(self, asked: Asked, reply: Together) -> Single:
        with self._changed:
            barrier = self._barriers.setdefault(reply.count, threading.Barrier(reply.count))
            if self._closed:
                barrier.abort()
        try:
            barrier.wait(self._patience)
        except threading.BrokenBarrierError:
            if self._closed:
                return Hang()
            return self.fault(
                f"request {asked.number} was to be one of {reply.count} in flight together:"
                f" there were {self.most_in_flight} at most, in {self._patience} s"
            )
        return reply.reply
