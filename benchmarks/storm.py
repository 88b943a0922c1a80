"""Whether workers that ask one server for more than it allows all get through, and how fast: the storm.

A server on loopback allows 20 requests at once and 100 in any second, takes 100 ms for each, and answers 429 with
`Retry-After` beyond either (`storm_server.py`). Workers of one fan-out make a request each, all at the same time.
Promised is that every one succeeds, that less than 5 % of the requests are refused, and that it takes at most 1.11
times as long as it must by the server's rules, which is 90 % of the throughput. The server holds the clock: from the
first arrival to the last response, for all sides alike.

Beside piecework stand what one writes by hand, and LangGraph in an interpreter of its own that has it and httpx:
`--peer /path/to/python`, or PIECEWORK_PEER_PYTHON. Both are told of the 20 places alone, and
nothing of the rate.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import subprocess
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import httpx
from storm_server import RULES, asked, serving
from timing import Table, arguments, heading, ratios, spread, verdict

from piecework import AsyncRunner, Graph, Limit, RateLimit, RetryPolicy, node

ATTEMPTS = 10
"""How often each worker tries, on all sides."""
SLOWEST = 1 / 0.9
"""The ratio to the ideal that is promised."""
REFUSED = 5.0
"""Per cent of the requests that may be refused."""

NUMBERS = itertools.count()
"""No two storms share a limit: what one learnt, the next does not know."""

Side: TypeAlias = Callable[[str, int], int]
"""Storms the server at an address with so many requests; how many succeeded."""


class Declared(NamedTuple):
    """Limits as a user writes them."""

    places: int
    requests: float | None = None
    window: float = 1.0
    """Seconds in which so many requests may begin."""

    def limits(self) -> list[Limit | RateLimit]:
        """The limits, which know nothing yet."""
        name = f"storm {next(NUMBERS)}"
        limits: list[Limit | RateLimit] = [Limit(name, max_concurrency=self.places)]
        if self.requests is not None:
            a_minute = self.requests * 60 / self.window
            limits.append(RateLimit(name, requests_per_minute=a_minute, window=self.window))
        return limits


PROMISED = {
    "as the server has them": Declared(20, 100),
}
WRONG = {"wrong limits: 200 at once, no rate": Declared(200)}


def connected(url: str, requests: int) -> httpx.AsyncClient:
    """One client for all workers; it has a connection for each that wants one."""
    pool = httpx.Limits(max_connections=requests, max_keepalive_connections=requests)
    return httpx.AsyncClient(base_url=url, timeout=60, limits=pool, trust_env=False)


async def ours(declared: Declared, url: str, requests: int) -> int:
    async with connected(url, requests) as client:

        async def work(item: int) -> int:
            response = await client.get(f"/jobs/{item}")
            response.raise_for_status()
            return item

        each = node(output_name="values")(work).with_inputs(item="items")
        retry = RetryPolicy(max_attempts=ATTEMPTS)
        stormed = each.map_over("items", limits=declared.limits(), retry=retry, on_error="keep")
        result = await AsyncRunner().run(Graph([stormed], name="storm"), {"items": list(range(requests))})
    values = result["values"]
    assert isinstance(values, list)
    return sum(isinstance(value, int) for value in values)


async def by_hand(url: str, requests: int) -> int:
    """A semaphore, and each worker for itself waits as it is told; it keeps its place, which spares the server."""
    room = asyncio.Semaphore(RULES.places)
    async with connected(url, requests) as client:

        async def work(item: int) -> bool:
            async with room:
                for _ in range(ATTEMPTS):
                    response = await client.get(f"/jobs/{item}")
                    if response.status_code != 429:
                        return response.is_success
                    await asyncio.sleep(float(response.headers["Retry-After"]))
            return False

        return sum(await asyncio.gather(*[work(item) for item in range(requests)]))


def in_loop(storm: Callable[[str, int], Coroutine[Any, Any, int]]) -> Side:
    """A side that runs here, each time in a loop of its own."""
    return lambda url, requests: asyncio.run(storm(url, requests))


@contextmanager
def peers(python: str | None) -> Iterator[Mapping[str, Side]]:
    """LangGraph in an interpreter that has it, kept running from storm to storm; nothing where there is none."""
    if python is None:
        yield {}
        return
    command = [python, str(Path(__file__).with_name("storm_peer.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        said, heard = process.stdin, process.stdout
        assert said is not None
        assert heard is not None

        def storm(url: str, requests: int) -> int:
            wish = {"url": url, "requests": requests, "at_once": RULES.places, "attempts": ATTEMPTS}
            print(json.dumps(wish), file=said, flush=True)
            return json.loads(heard.readline())["done"]

        try:
            hello = heard.readline()
            yield {f"{json.loads(hello)['peer']}: Send, 20 at once": storm} if hello else {}
        finally:
            said.close()


def in_turns(sides: Mapping[str, Side], url: str, requests: int, repeat: int) -> dict[str, list[dict[str, Any]]]:
    """What the server counted in each storm of each side, one after the other, after small ones that do not count."""
    counted: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for storm in sides.values():
        storm(url, RULES.places)
    for _ in range(repeat):
        for name, storm in sides.items():
            asked(f"{url}/begin")
            gc.collect()
            done = storm(url, requests)
            counted[name].append({"done": done, **asked(f"{url}/stats")})
    return counted


def refused(storm: Mapping[str, Any]) -> float:
    """The part of all requests, in per cent, that were refused."""
    refusals = storm["refused_for_rate"] + storm["refused_for_places"]
    return refusals / (refusals + storm["accepted"]) * 100


def print_side(table: Table, side: str, storms: list[dict[str, Any]], requests: int) -> None:
    promised = side in PROMISED
    ratio = ratios([storm["seconds"] for storm in storms], [RULES.ideal(requests)] * len(storms))
    part = [refused(storm) for storm in storms]
    causes = [f"{median(storm[f'refused_for_{cause}'] for storm in storms):.0f}" for cause in ("rate", "places")]
    done = min(storm["done"] for storm in storms)
    table.row(
        side,
        f"{done}{'' if done == requests else ' MISS'}",
        spread(ratio),
        verdict(median(ratio), SLOWEST if promised else None),
        spread(part, ".1f"),
        verdict(median(part), REFUSED if promised else None, ".0f"),
        ", ".join(causes),
    )


def print_server(every: list[dict[str, Any]]) -> None:
    """That it kept its own rules, and was not what all waited for."""
    if not every:
        return
    most, in_span = (max(storm[what] for storm in every) for what in ("most_at_once", "most_in_span"))
    share = max(storm["cpu_seconds"] / storm["seconds"] for storm in every)
    print(f"\nThe server let {most} in at once and {in_span} in a second at most, with {share:.1%} of a core.")


def options() -> argparse.Namespace:
    parser = arguments(__doc__ or "", repeat=3)
    parser.add_argument("--long", action="store_true", help="1000 workers rather than 200, in a third of the rounds")
    parser.add_argument("--only", default="", help="only the sides that have this in their name")
    parser.add_argument(
        "--peer", default=os.environ.get("PIECEWORK_PEER_PYTHON"), help="a Python with langgraph, httpx"
    )
    return parser.parse_args()


def main() -> None:
    chosen = options()
    requests = 1000 if chosen.long else 200
    repeat = 1 if chosen.quick else max(1, chosen.repeat // (3 if chosen.long else 1))
    declared = PROMISED if chosen.quick else PROMISED | WRONG
    heading(f"A storm of {requests} workers: ratio to the ideal {RULES.ideal(requests):.1f} s, and refusals (min-max)")
    columns = ("side", "done", "x ideal", "target", "% refused", "target", "for rate, places")
    table = Table(columns, (36, 9, 18, 12, 18, 12, 16))
    with serving() as url, peers(chosen.peer) as others:
        sides = {name: in_loop(partial(ours, limits)) for name, limits in declared.items()}
        sides |= {"by hand: semaphore(20), Retry-After": in_loop(by_hand), **others}
        counted = in_turns({name: side for name, side in sides.items() if chosen.only in name}, url, requests, repeat)
    for side, storms in counted.items():
        print_side(table, side, storms, requests)
    if not others:
        table.row("LangGraph: none, see --peer", *["-"] * 6)
    print_server([storm for storms in counted.values() for storm in storms])


if __name__ == "__main__":
    main()
