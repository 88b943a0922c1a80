"""Runner options: what is refused, what the engine is given, what the repr shows, and where a cache is missing."""

import math
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

import pytest

from piecework import AsyncRunner, Graph, MemoryCache, MemoryStore, SyncRunner, node
from piecework.core.budget import Budget
from piecework.core.policy import CachePolicy, CallPolicy, RetryPolicy, RunPolicy, TimeoutPolicy
from piecework.dataflow.options import keep_policy, run_policy
from piecework.errors import NoCacheError
from tests.core.harness import within
from tests.dataflow.test_policies import MODEL

runners = pytest.mark.parametrize("runner", [AsyncRunner, SyncRunner])


class Kept:
    """A cache that holds nothing, and takes down what it is to forget."""

    def __init__(self) -> None:
        self.cleared: list[Collection[str] | None] = []

    async def get(self, key: bytes) -> bytes | None:
        return None

    async def put(self, key: bytes, value: bytes, *, node: str, ttl: float | None) -> None:
        pass

    async def clear(self, nodes: Collection[str] | None = None) -> int:
        self.cleared.append(nodes)
        return 3

    def __repr__(self) -> str:
        return "Kept()"


def policy(**said: Any) -> RunPolicy:
    options: dict[str, Any] = dict.fromkeys(
        ("max_concurrency", "run_timeout", "budget", "retry", "timeout", "cache_policy", "limits")
    )
    return run_policy(**{**options, "grace": 5.0, **said})


def test_a_runner_of_which_nothing_is_said_has_the_default_policy() -> None:
    assert policy() == RunPolicy()


def test_what_is_said_to_a_runner_is_its_policy() -> None:
    budget, retry = Budget(max_tokens=1000), RetryPolicy()
    made = policy(
        max_concurrency=8,
        run_timeout=60,
        budget=budget,
        retry=retry,
        timeout=2,
        cache_policy=CachePolicy(ttl=5),
        limits=MODEL,
    )
    calls = CallPolicy(retry=(retry,), timeout=TimeoutPolicy(run_timeout=2), cache=CachePolicy(ttl=5), limits=(MODEL,))
    assert made == RunPolicy(max_concurrency=8, timeout=60, budget=budget, calls=calls)


def test_the_time_of_a_run_may_be_a_timedelta() -> None:
    assert policy(run_timeout=timedelta(minutes=2)).timeout == 120


def test_a_runner_that_never_tries_again_says_so() -> None:
    assert policy(retry=()).calls == CallPolicy(retry=())


WRONG: list[tuple[str, object, type[Exception], str]] = [
    ("retry", 3, TypeError, "retry=RetryPolicy(max_attempts=3)"),
    ("timeout", 0, ValueError, "timeout=0 must be above 0 seconds."),
    ("timeout", "soon", TypeError, "timeout='soon' is no time."),
    ("limits", 5, TypeError, "limits=5 is no limit."),
    (
        "cache",
        CachePolicy(),
        TypeError,
        "is no cache. Make one: MemoryCache(), or SqliteCache('cache.db'). What is to be",
    ),
    ("cache", True, TypeError, "cache=True is no cache. Make one: MemoryCache(), or SqliteCache('cache.db')."),
    ("cache_policy", True, TypeError, "cache_policy=True is no CachePolicy. Write cache_policy=CachePolicy()."),
    ("cache_policy", Kept(), TypeError, "cache_policy=Kept() is no CachePolicy."),
    ("run_timeout", -1, ValueError, "run_timeout=-1 must be above 0 seconds."),
    ("run_timeout", "1h", TypeError, "run_timeout='1h' is no time. Give seconds, or a timedelta."),
    ("budget", 5, TypeError, "budget=5 is no Budget. Write budget=Budget(max_tokens=...)"),
    ("max_concurrency", 0, ValueError, "max_concurrency=0 must be at least 1"),
    ("grace", -1, ValueError, "grace=-1 must not be negative."),
    ("max_concurrency", "4", TypeError, "max_concurrency='4' must be a whole number, max_concurrency=10, or None for"),
    ("max_concurrency", 2.5, TypeError, "max_concurrency=2.5 must be a whole number"),
    ("max_concurrency", True, TypeError, "max_concurrency=True must be a whole number"),
    ("grace", "5", TypeError, "grace='5' is no number of seconds. Write grace=5.0."),
    ("grace", True, TypeError, "grace=True is no number of seconds."),
    ("grace", timedelta(minutes=1), TypeError, "is no number of seconds. Write grace=60."),
    ("grace", math.nan, ValueError, "grace=nan must not be negative."),
    ("store", "runs.db", TypeError, "store='runs.db' is no store."),
    ("labels", {"a": 1}, TypeError, "names and values are texts"),
    ("durability", "asink", ValueError, "Did you mean 'async'?"),
    ("changed_inputs", "errr", ValueError, "Did you mean 'error'?"),
]


@runners
@pytest.mark.parametrize(("option", "given", "kind", "message"), WRONG)
def test_what_cannot_be_said_to_a_runner_is_refused(
    runner: type[AsyncRunner] | type[SyncRunner], option: str, given: object, kind: type[Exception], message: str
) -> None:
    options: dict[str, Any] = {option: given}
    with pytest.raises(kind) as caught:
        runner(**options)
    assert message in str(caught.value)


def test_how_runs_are_kept_is_one_policy() -> None:
    assert keep_policy("sync", "error").durability == "sync"
    assert keep_policy("sync", "error").changed_inputs == "error"


@runners
def test_the_repr_shows_what_is_set(runner: type[AsyncRunner] | type[SyncRunner]) -> None:
    name = runner.__name__
    assert repr(runner()) == f"{name}(max_concurrency=None, grace=5.0)"
    made = runner(max_concurrency=2, retry=(), timeout=3, cache=Kept(), run_timeout=9, budget=Budget(max_tokens=5))
    told = repr(made)
    assert told.startswith(f"{name}(max_concurrency=2, grace=5.0, retry=(), timeout=TimeoutPolicy(run_timeout=3")
    assert "cache=Kept(), run_timeout=9, budget=Budget(max_tokens=5" in told
    assert "limits" not in told
    assert "cache_policy=CachePolicy(ttl=5" in repr(runner(cache_policy=CachePolicy(ttl=5)))
    assert "limits=(<" in repr(runner(limits=MODEL))


# A cache policy needs a cache.

ran: list[int] = []


@node(output_name="out")
def work(x: int) -> int:
    ran.append(x)
    return x


@node(output_name="end")
def after(out: int) -> int:
    return out


cached = work.with_policy(cache=CachePolicy())


def uncached(run: Callable[[], object]) -> tuple[str, ...]:
    ran.clear()
    with pytest.raises(NoCacheError) as caught:
        run()
    assert not ran
    return caught.value.nodes


def test_a_node_to_be_cached_is_not_run_without_a_cache() -> None:
    assert uncached(lambda: SyncRunner().run(Graph([after, cached]), x=1)) == ("work",)
    assert uncached(lambda: SyncRunner(store=MemoryStore()).run(Graph([cached]), {"x": 1}, run_id="r")) == ("work",)
    assert uncached(lambda: SyncRunner(retry=RetryPolicy()).run(Graph([cached]), x=1)) == ("work",)


def test_all_nodes_to_be_cached_are_told_wherever_they_are() -> None:
    inner = Graph([cached, after], name="inner")
    outer = Graph([inner.as_node(), work.with_name("m").with_outputs(out="ms").map_over("x", cache=CachePolicy())])
    assert uncached(lambda: SyncRunner().run(outer, x=[1])) == ("inner/work", "m")
    whole = Graph([inner.as_node().map_over("x", cache=CachePolicy())])
    assert uncached(lambda: SyncRunner().run(whole, x=[1])) == ("inner/work", "inner/after")


def test_a_runners_own_cache_policy_needs_a_cache_for_every_function() -> None:
    graph = Graph([Graph([work, after], name="inner").as_node()])
    runner = SyncRunner(cache_policy=CachePolicy())
    assert uncached(lambda: runner.run(graph, x=1)) == ("inner/work", "inner/after")


def test_batches_and_resumes_need_the_cache_too() -> None:
    runner = SyncRunner(store=MemoryStore())
    graph = Graph([cached], name="g")
    assert uncached(lambda: runner.map(graph, {"x": [1]}, map_over="x")) == ("work",)
    assert uncached(lambda: list(runner.map_iter(graph, {"x": [1]}, map_over="x"))) == ("work",)
    plain = runner.run(Graph([work], name="g"), x=1)
    assert uncached(lambda: runner.resume(plain.run_id, graph)) == ("work",)
    assert uncached(lambda: runner.fork(plain.run_id, graph)) == ("work",)


def test_a_selection_that_leaves_the_node_out_needs_no_cache() -> None:
    graph = Graph([cached, work.with_name("other").with_outputs(out="others")]).select("others")
    assert SyncRunner().run(graph, x=1)["others"] == 1


def test_the_message_says_what_to_write() -> None:
    with pytest.raises(NoCacheError, match=r"'work': a CachePolicy needs a cache.*cache=MemoryCache\(\)"):
        SyncRunner().run(Graph([cached]), x=1)


# Forgetting.


async def test_the_cache_of_a_runner_can_be_cleared() -> None:
    cache = Kept()
    runner = AsyncRunner(cache=cache)
    assert await within(runner.clear_cache()) == 3
    await within(runner.clear_cache("work"))
    await within(runner.clear_cache(["work", "after"]))
    await within(runner.clear_cache("nobody"))
    assert cache.cleared == [None, ("work",), ("work", "after"), ("nobody",)]


async def test_what_nodes_made_is_forgotten_by_the_nodes_themselves() -> None:
    cache = Kept()
    runner = AsyncRunner(cache=cache)
    await within(runner.clear_cache(work.with_name("other").map_over("x")))
    await within(runner.clear_cache([cached, "after"]))
    inside = Graph([cached, after], name="inside")
    await within(runner.clear_cache(Graph([inside.as_node()], name="graph").as_node(name="named")))
    assert cache.cleared == [("other",), ("work", "after"), ("work", "after")]


@pytest.mark.parametrize("nodes", [5, b"work", ["work", 5]])
async def test_what_is_no_node_cannot_be_forgotten(nodes: Any) -> None:
    runner = AsyncRunner(cache=Kept())
    with pytest.raises(TypeError, match=r"is no node. Give nodes, or their names: clear_cache\('summarize'\)"):
        await within(runner.clear_cache(nodes))


async def test_what_a_node_made_is_forgotten_with_the_node() -> None:
    runner, graph = AsyncRunner(cache=MemoryCache()), Graph([cached])
    await within(runner.run(graph, x=1))
    assert (await within(runner.clear_cache(cached)), await within(runner.clear_cache(cached))) == (1, 0)


@pytest.mark.parametrize("most", ["5", True, 2.5])
def test_a_cache_in_memory_holds_a_whole_number_of_values(most: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a whole number, max_items=10_000, or None for no limit\."):
        MemoryCache(max_items=most)


def test_it_can_be_cleared_from_plain_code() -> None:
    cache = Kept()
    assert SyncRunner(cache=cache).clear_cache("work") == 3
    assert cache.cleared == [("work",)]


def test_clearing_without_a_cache_is_refused() -> None:
    with pytest.raises(
        NoCacheError, match=r"^clear_cache\(\) is about what a cache keeps, and this runner has none"
    ) as e:
        SyncRunner().clear_cache()
    assert e.value.nodes == ()


# Resuming.


async def test_what_becomes_of_failed_items_is_keep_or_retry() -> None:
    runner: Any = AsyncRunner(store=MemoryStore())
    with pytest.raises(ValueError, match="failed='rety' is none of 'keep', 'retry'"):
        await runner.resume("r", Graph([work]), failed="rety")
