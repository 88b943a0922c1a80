"""What is kept of cached calls, for whom it counts, and that nobody waits for it in vain."""

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pydantic
import pytest

from piecework import (
    AsyncRunner,
    CachePolicy,
    Graph,
    MemoryCache,
    MemoryStore,
    NoCacheError,
    SyncRunner,
    interrupt,
    node,
)
from tests.core.cached import start, turns
from tests.core.harness import within
from tests.core.policy_tools import on_virtual_time

KEPT = CachePolicy()

worked: list[Any] = []
"""What cached functions have done: a global, since what one closes over is a part of its fingerprint."""

GRAPHS: dict[str, Graph] = {}
"""Graphs that cached functions run: a global for the same reason."""


@pytest.fixture(autouse=True)
def nothing_was_done() -> None:
    worked.clear()
    GRAPHS.clear()


@node(output_name="ok", cache=KEPT)
async def approve(draft: str) -> object:
    return interrupt({"approve": draft})


@node(output_name="answer")
async def ask(draft: str) -> object:
    return interrupt({"approve": draft})


@node(output_name="ok", cache=KEPT)
async def approve_by_child(draft: str) -> object:
    return (await AsyncRunner().run(GRAPHS["ask"], draft=draft))["answer"]


@node(output_name="ok", cache=KEPT)
def approve_by_child_blocking(draft: str) -> object:
    return SyncRunner().run(GRAPHS["ask"], draft=draft)["answer"]


@pytest.mark.parametrize("asks", [approve, approve_by_child, approve_by_child_blocking], ids=lambda each: each.name)
async def test_each_call_gets_the_answer_to_its_own_question(asks: Any) -> None:
    GRAPHS["ask"] = Graph([ask])
    graph = Graph([asks.map_over("draft")], name="g")
    runner = AsyncRunner(store=MemoryStore(), cache=MemoryCache())
    paused = await within(runner.run(graph, draft=["same", "same"], run_id="a"))
    first, second = paused.interrupts
    done = await within(runner.resume("a", answers={first.id: "yes", second.id: "NO"}))
    assert done["ok"] == ["yes", "NO"]
    again = await within(runner.run(graph, draft=["same"], run_id="b"))
    assert again.status == "paused"


LINKS = {"a": ["b"], "b": ["a"]}


@node(output_name="text", cache=CachePolicy(key=lambda url: url))
async def crawl(url: str, depth: int) -> str:
    await asyncio.sleep(0.5)
    if depth == 0:
        return url
    texts = [(await AsyncRunner().run(GRAPHS["crawl"], url=link, depth=depth - 1))["text"] for link in LINKS[url]]
    return f"{url}({texts})"


@pytest.mark.parametrize("limit", [None, 1])
def test_cached_calls_that_start_one_another_do_not_wait_for_one_another(limit: int | None) -> None:
    GRAPHS["crawl"] = Graph([crawl])

    async def run() -> object:
        runner = AsyncRunner(cache=MemoryCache(), max_concurrency=limit)
        whole = runner.run(Graph([crawl.map_over("url")]), url=["a", "b"], depth=2)
        return (await asyncio.wait_for(whole, 1000.0))["text"]

    texts = on_virtual_time(run())
    assert isinstance(texts, list)
    assert [text[:2] for text in texts] == ["a(", "b("]


async def test_a_node_that_is_to_run_again_runs_and_what_it_makes_is_kept_instead() -> None:
    @node(output_name="v", cache=KEPT)
    async def write(x: int) -> int:
        worked.append(x)
        return len(worked)

    graph = Graph([write], name="w")
    runner = AsyncRunner(store=MemoryStore(), cache=MemoryCache())
    first = await within(runner.run(graph, x=1, run_id="a"))
    forked = await within(runner.fork("a", rerun="write", new_id="b"))
    later = await within(runner.run(graph, x=1, run_id="c"))
    assert (first["v"], forked["v"], later["v"]) == (1, 2, 2)


class Section(pydantic.BaseModel):
    title: str


@dataclass(frozen=True)
class Text:
    section: Section
    words: tuple[str, ...]


@pytest.mark.parametrize("mapped", [False, True])
async def test_annotated_types_are_known_to_a_cache_without_a_store(mapped: bool) -> None:
    @node(output_name="text", cache=KEPT)
    def write(section: Section) -> Text:
        worked.append(section)
        return Text(section, ("in", section.title))

    section, made = Section(title="One"), Text(Section(title="One"), ("in", "One"))
    graph = Graph([write.map_over("section") if mapped else write])
    cache = MemoryCache()
    for _ in range(2):
        result = await within(AsyncRunner(cache=cache).run(graph, section=[section] if mapped else section))
        assert result["text"] == ([made] if mapped else made)
    assert len(worked) == 1


async def test_a_synchronous_run_inside_a_coroutine_says_that_it_has_no_cache() -> None:
    @node(output_name="y", cache=KEPT)
    async def kept(x: int) -> int:
        return x

    inner = Graph([kept])

    @node(output_name="z")
    async def outer(x: int) -> object:
        return SyncRunner().run(inner, x=x)["y"]

    with pytest.raises(NoCacheError, match="kept"):
        await within(AsyncRunner(cache=MemoryCache()).run(Graph([outer]), x=1))


async def test_a_runners_cache_policy_does_not_count_for_what_is_called_for_its_effect() -> None:
    @node
    async def send(x: int) -> None:
        worked.append("sent")

    @node(output_name="y")
    async def work(x: int) -> int:
        worked.append("worked")
        return x

    runner = AsyncRunner(cache=MemoryCache(), cache_policy=CachePolicy())
    for _ in range(2):
        await within(runner.run(Graph([send, work]), x=1))
    assert sorted(worked) == ["sent", "sent", "worked"]


async def test_a_node_whose_values_count_for_no_time_is_not_cached() -> None:
    @node(output_name="now", cache=CachePolicy(ttl=0))
    async def look(x: int) -> int:
        worked.append(x)
        return len(worked)

    runner = AsyncRunner(cache=MemoryCache(), cache_policy=CachePolicy())
    assert [(await within(runner.run(Graph([look]), x=1)))["now"] for _ in range(2)] == [1, 2]


class Look:
    """How often something was looked at."""

    times = 0


@dataclass
class Document:
    """Counts how often its text is read."""

    text: str

    def __getattribute__(self, name: str) -> Any:
        if name in {"text", "__dict__"}:
            Look.times += 1
        return super().__getattribute__(name)


async def looks(make: Callable[[Document], Any], number: int, **options: Any) -> int:
    document = Document("A long text.")
    mapped = make(document).map_over("x")
    inputs: dict[str, object] = {"x": range(number)}
    if "document" in mapped.inputs:
        inputs["document"] = document
    Look.times = 0
    await within(AsyncRunner(cache=MemoryCache(), **options).run(Graph([mapped]), inputs))
    return Look.times


def takes_it(document: Document) -> Any:
    @node(output_name="y", cache=KEPT)
    async def work(x: int, document: Document) -> int:
        return x

    return work


def closes_over_it(document: Document) -> Any:
    @node(output_name="y", cache=KEPT)
    async def work(x: int) -> int | Document:  # Named there, so that its type is known.
        return document if x < 0 else x

    return work


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("make", [takes_it, closes_over_it])
async def test_what_all_items_share_is_looked_at_once(make: Callable[[Document], Any], stored: bool) -> None:
    few, many = [await looks(make, number, **({"store": MemoryStore()} if stored else {})) for number in (2, 50)]
    assert few == many > 0


def discard(tasks: list[asyncio.Task[Any]]) -> None:
    """Let the garbage collector close tasks whose loop is gone, without the word that asyncio logs of each."""
    for task in tasks:
        cast("Any", task)._log_destroy_pending = False
    tasks.clear()
    gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # What is left of a run has no loop.
def test_a_call_whose_loop_was_closed_keeps_nobody_waiting() -> None:
    @node(output_name="y", cache=KEPT)
    async def slow(x: int) -> int:
        worked.append(x)
        if len(worked) == 1:
            await asyncio.Event().wait()
        return x

    cache, graph, gone = MemoryCache(), Graph([slow]), asyncio.new_event_loop()
    abandoned = list[asyncio.Task[Any]]()

    async def begin() -> None:
        abandoned.append(start(AsyncRunner(cache=cache).run(graph, x=6)))
        await turns()
        abandoned.extend(asyncio.all_tasks() - {asyncio.current_task()})  # Those of the run among them.

    gone.run_until_complete(begin())
    gone.close()
    assert worked == [6]
    assert asyncio.run(within(AsyncRunner(cache=cache).run(graph, x=6)))["y"] == 6
    assert worked == [6, 6]
    discard(abandoned)
