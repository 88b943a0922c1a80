"""A report written with a service that breaks, refuses, hangs and costs money, and what is said beside the nodes of it.

The workers ask a service that is told what to get wrong. They are tried again, count under one limit and one rate, have
a time, and are stopped when the budget is spent; the run is then resumed with more, and one like it is answered out of
the cache. It goes by a clock that jumps, so that its minutes are over at once.

Run it: python examples/policies.py
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from piecework import (
    AsyncRunner,
    Budget,
    CachePolicy,
    Failure,
    Graph,
    Limit,
    MemoryCache,
    MemoryStore,
    RateLimit,
    RetryPolicy,
    RunResult,
    TimeoutPolicy,
    add_usage,
    node,
)
from piecework.testing import VirtualClock

PARTS = ("history", "methods", "data", "limits", "costs", "outlook")

asked = Counter[str]()
"""How often the service was asked for each part."""


class ServiceError(Exception):
    """What the service's client raises."""

    def __init__(self, status_code: int, retry_after: float | None = None) -> None:
        """Carry what the server said, by the names that piecework looks for."""
        super().__init__(f"the service said {status_code}")
        self.status_code = status_code
        self.retry_after = retry_after


async def service(part: str) -> str:
    """Write about a part, in two seconds and for a hundred tokens; some parts go wrong at first, one always."""
    asked[part] += 1
    first = asked[part] == 1
    if part == "history" and first:
        raise ServiceError(429, retry_after=20)
    if part == "methods" and first:
        raise ConnectionError("reset by peer")
    if part == "data":
        raise ServiceError(400)  # What is wrong with the request is wrong in a second too.
    await asyncio.sleep(3600 if part == "limits" and first else 2)
    add_usage(model="small-1", input_tokens=80, output_tokens=20)
    return f"What is known of {part}."


async def unwritten(section: str, error: ServiceError) -> str:
    """Stand in for a section that the service does not write."""
    return f"{section}: not written, since {error}."


@node(output_name="sections")
async def plan(topic: str) -> list[str]:
    """Say which sections there are to be."""
    return [f"{topic}, {part}" for part in PARTS]


@node(
    output_name="content",
    retry=RetryPolicy(max_attempts=3, initial_interval=1, jitter=False),
    timeout=TimeoutPolicy(run_timeout=30),
    limits=[Limit("service", max_concurrency=2), RateLimit("service", requests_per_minute=6)],
    cache=CachePolicy(),
    error_handler=unwritten,
)
async def write(section: str) -> str:
    """Have one section written."""
    _, _, part = section.partition(", ")
    return f"{section}: {await service(part)}"


@node(output_name="report")
async def join(content: Sequence[str | Failure]) -> str:
    """Join the sections."""
    return "\n".join(f"  {section}" for section in content)


report = Graph(nodes=[plan, write.with_inputs(section="sections").map_over("sections"), join], name="report")


def told(result: RunResult) -> str:
    """How a run ended, in a line."""
    used = "nothing" if result.used is None else f"{result.used.tokens} tokens"
    return f"after {asyncio.get_running_loop().time():.0f} s: {result.status}, used {used}, asked {asked.total()} times"


async def main() -> None:
    """Run out of budget, go on with more, and ask for the same once more."""
    store, cache = MemoryStore(), MemoryCache()

    poor = AsyncRunner(store=store, cache=cache, budget=Budget(max_tokens=300))
    print(told(await poor.run(report, topic="Tides", run_id="tides")))

    rich = AsyncRunner(store=store, cache=cache, budget=Budget(max_tokens=2000))
    result = await rich.resume("tides", report)
    print(told(result))
    print(result["report"])

    print(told(await rich.run(report, topic="Tides", run_id="tides, again")))
    for fact in await store.read("tides, again"):
        if fact.kind == "call":
            print(f"  {fact.address}: {fact.attempts} attempts")


if __name__ == "__main__":
    VirtualClock().run(main())
