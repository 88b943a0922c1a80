"""The server that `storm.py` storms: so many requests at once, so many a second, 429 beyond either.

It runs in a process of its own on a port that the system chooses, speaks as much HTTP/1.1 as a client with open
connections needs, and counts everything: what it counted is at `/stats`, `/begin` counts anew. A place is free before
the client can see the end of the response, so who counts its own requests is never refused for being too many at once.
"""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

__all__ = ("RULES", "Rules", "asked", "serving")


class Rules(NamedTuple):
    """What the server allows, and how long it takes."""

    places: int = 20
    """Requests that run at once."""
    rate: int = 100
    """Requests that begin within any `span`."""
    span: float = 1.0
    """Seconds."""
    takes: float = 0.1
    """Seconds that each accepted request takes."""

    def ideal(self, requests: int) -> float:
        """Seconds from the first arrival to the last response, were each request to come as soon as it is allowed."""
        starts: list[float] = []
        for number in range(requests):
            room = starts[number - self.rate] + self.span if number >= self.rate else 0.0
            place = starts[number - self.places] + self.takes if number >= self.places else 0.0
            starts.append(max(room, place))
        return starts[-1] + self.takes


RULES = Rules()


@contextmanager
def serving() -> Iterator[str]:
    """Have a server in a process of its own; where it listens."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()  # It ends when nobody can write to it, so it never outlives a killed benchmark.


def asked(address: str) -> dict[str, Any]:
    """What the server says at an address of its own."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(address, timeout=10) as response:
        return json.load(response)


class Counts:
    """What came, and what was made of it, since the last beginning."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self.accepted = 0
        self.refused = {"rate": 0, "places": 0}
        self.most_at_once = 0
        self.most_in_span = 0
        self.first = math.nan
        self.last = math.nan
        self.running: deque[float] = deque()
        """When each that runs was accepted; all take equally long, so the first ends first."""
        self.recent: deque[float] = deque()
        """When each was accepted that still counts for the rate."""
        self._worked = time.process_time()

    def arrive(self, now: float) -> float | None:
        """Take a request in; or say after how many seconds one like it might be."""
        self.first = now if math.isnan(self.first) else self.first
        while self.recent and self.recent[0] <= now - RULES.span:
            self.recent.popleft()
        if len(self.recent) >= RULES.rate:
            self.refused["rate"] += 1
            return self.recent[0] + RULES.span - now
        if len(self.running) >= RULES.places:
            self.refused["places"] += 1
            return max(0.0, self.running[0] + RULES.takes - now)
        self.accepted += 1
        self.running.append(now)
        self.recent.append(now)
        self.most_at_once = max(self.most_at_once, len(self.running))
        self.most_in_span = max(self.most_in_span, len(self.recent))
        return None

    def leave(self, now: float) -> None:
        """Have a place free again."""
        self.running.popleft()
        self.last = now

    def told(self) -> dict[str, object]:
        """All that, for a client."""
        return {
            "accepted": self.accepted,
            "refused_for_rate": self.refused["rate"],
            "refused_for_places": self.refused["places"],
            "most_at_once": self.most_at_once,
            "most_in_span": self.most_in_span,
            "seconds": self.last - self.first,
            "cpu_seconds": time.process_time() - self._worked,
        }


class Connection(asyncio.Protocol):
    """One connection: a request without a body at a time, as often as the client likes."""

    counts = Counts()

    def __init__(self) -> None:
        """Be connected to nobody yet."""
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._read += data
        if self._read.endswith(b"\r\n\r\n"):
            path, self._read = self._read.split(b" ", 2)[1], b""
            self._answer(path)

    def _answer(self, path: bytes) -> None:
        if path == b"/begin":
            Connection.counts = Counts()
        if path in {b"/begin", b"/stats"}:
            self._send("200 OK", json.dumps(self.counts.told()))
            return
        wait = self.counts.arrive(time.monotonic())
        if wait is None:
            asyncio.get_running_loop().call_later(RULES.takes, self._done, self.counts)
        else:  # The standard knows whole seconds only.
            self._send("429 Too Many Requests", "{}", f"Retry-After: {math.ceil(wait)}\r\n")

    def _done(self, counts: Counts) -> None:
        counts.leave(time.monotonic())
        self._send("200 OK", "{}")

    def _send(self, status: str, body: str, headers: str = "") -> None:
        assert self._transport is not None
        if self._transport.is_closing():  # Its client was cancelled; it had its place to the end all the same.
            return
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self._transport.write((head + body).encode())


async def serve() -> None:
    """Say the port on standard output, and serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
