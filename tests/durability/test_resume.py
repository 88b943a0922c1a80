"""What runners do with a run that stopped: what runs again, what does not, and what is refused."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from piecework import (
    AsyncRunner,
    CodecError,
    Failure,
    Graph,
    InputChangedError,
    ItemKeyError,
    MemoryStore,
    MissingInputError,
    RunChangedError,
    node,
)
from piecework.dataflow import Node
from tests.core.harness import within

ran: Counter[str] = Counter()
"""What ran in the test."""

broken: set[object] = set()
"""Items that fail."""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    ran.clear()
    broken.clear()
    yield
    broken.clear()


@node(output_name="square")
async def square(number: int) -> int:
    ran[f"square {number}"] += 1
    if number in broken:
        raise LookupError(number)
    return number * number


@node(output_name="total")
def total(squares: list[int]) -> int:
    ran["total"] += 1
    return sum(squares)


def mapped(**options: Any) -> Node:
    return square.with_inputs(number="numbers").with_outputs(square="squares").map_over("numbers", **options)


GRAPH = Graph([mapped(), total], name="sums")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def runner(store: MemoryStore, **options: Any) -> AsyncRunner:
    return AsyncRunner(store=store, **options)


async def calls(store: MemoryStore, run_id: str = "run") -> dict[str, tuple[str, int]]:
    facts = await store.read(run_id)
    return {fact.address: (fact.status, fact.attempts) for fact in facts if fact.kind == "call"}


async def fail(store: MemoryStore, graph: Graph, **inputs: object) -> Exception:
    with pytest.raises(Exception) as failed:  # noqa: PT011 - the test says which
        await within(runner(store).run(graph, inputs, run_id="run"))
    assert isinstance(failed.value, Exception)
    return failed.value


# --- failed items ---------------------------------------------------------------------------------------------------


async def test_a_failed_item_alone_runs_again_and_its_attempts_are_counted(store: MemoryStore) -> None:
    broken.add(2)
    error = await fail(store, GRAPH, numbers=[1, 2, 3])
    assert isinstance(error, LookupError)
    assert error.__notes__ == ["in node 'square', item 1, attempt 1 (sums/square[1])"]
    before = await calls(store)
    again = await fail(store, GRAPH, numbers=[1, 2, 3])
    assert again.__notes__ == ["in node 'square', item 1, attempt 2 (sums/square[1])"]
    broken.clear()
    result = await within(runner(store).resume("run", GRAPH))
    assert result["total"] == 14
    assert ran["square 2"] == 3
    assert (await calls(store))["sums/square[1]"] == ("done", 3)
    for address, (status, _) in before.items():
        if status == "done":
            assert (await calls(store))[address] == ("done", 1)


async def test_a_failure_that_is_kept_does_not_make_what_takes_it_run_again(store: MemoryStore) -> None:
    @node(output_name="last")
    async def last(total: int) -> int:
        if "last" in broken:
            raise LookupError("last")
        return total

    @node(output_name="total")
    def count(squares: list[int | Failure]) -> int:
        ran["count"] += 1
        return sum(1 for one in squares if one)

    graph = Graph([mapped(on_error="keep"), count, last], name="kept")
    broken.update([2, "last"])
    await fail(store, graph, numbers=[1, 2, 3])
    broken.discard("last")
    result = await within(runner(store, changed_inputs="error").resume("run", graph))
    assert result["last"] == 2
    assert ran["count"] == 1


async def test_a_completed_run_tries_no_kept_failure_again(store: MemoryStore) -> None:
    graph = Graph([mapped(on_error="keep")], name="kept")
    broken.add(2)
    first = await within(runner(store).run(graph, numbers=[1, 2, 3], run_id="run"))
    before = ran.copy()
    broken.clear()
    again = await within(runner(store).run(graph, numbers=[1, 2, 3], run_id="run"))
    assert ran == before
    for result in (first, again):
        kept = result["squares"]
        assert isinstance(kept, list)
        assert kept[0] == 1
        assert isinstance(kept[1], Failure)
        assert isinstance(kept[1].error, LookupError)
        assert (kept[1].index, kept[1].attempts) == (1, 1)


# --- changed inputs of calls ----------------------------------------------------------------------------------------


@node(output_name="numbers")
def source() -> list[int]:
    ran["source"] += 1
    return [1, 2, 3]


@node(output_name="numbers", name="source")
def other_source() -> list[int]:
    return [1, 5, 3]


async def changed(store: MemoryStore, **options: Any) -> Any:
    """Resume a run whose source gives something else now, since its function is another."""
    broken.add(3)
    await fail(store, Graph([source, mapped(), total], name="sums"))
    broken.clear()
    ran.clear()
    graph = Graph([other_source, mapped(), total], name="sums")
    return await within(runner(store, **options).resume("run", graph, on_change="continue"))


async def test_an_item_that_is_given_something_else_runs_again(store: MemoryStore) -> None:
    assert (await changed(store))["total"] == 35
    assert ran == {"square 5": 1, "square 3": 1, "total": 1}
    found = await store.find("run")
    assert found is not None
    assert (found.tally.done, found.tally.planned) == (5, 5)


async def test_an_item_that_is_given_something_else_is_refused_where_that_is_asked_for(store: MemoryStore) -> None:
    with pytest.raises(InputChangedError, match=r"sums/square\[1\]") as refused:
        await changed(store, changed_inputs="error")
    assert refused.value.node == "square"


# --- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "runs"),
    [([3, 1, 2], {"square 3"}), ([1, 2, 4, 3, 5], {"square 3", "square 4", "square 5"}), ([2], set[str]())],
)
async def test_with_a_key_an_item_is_known_wherever_it_stands(
    store: MemoryStore, now: list[int], runs: set[str]
) -> None:
    numbers = [1, 2, 3]
    graph = Graph([listing_of(numbers), mapped(key=lambda number: f"n{number}"), total], name="sums")
    broken.add(3)
    await fail(store, graph)
    assert set(await calls(store)) >= {"sums/square[n1]", "sums/square[n2]", "sums/square[n3]"}
    broken.clear()
    ran.clear()
    numbers[:] = now
    result = await within(runner(store, changed_inputs="error").resume("run", graph))
    assert result["squares"] == [number * number for number in now]
    assert set(ran) - {"total"} == runs


def listing_of(numbers: list[int]) -> Node:
    """A node that gives whatever is in the list by then, and keeps nothing."""

    async def give() -> list[int]:
        return list(numbers)

    return node(output_name="numbers", name="give", record=False)(give)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (lambda number: 1.5, "is neither text nor a number"),
        (lambda number: True, "is neither text nor a number"),
        (lambda number: "same", "is that of another item too"),
    ],
)
async def test_a_key_that_cannot_be_one_is_an_error_that_names_the_item(
    store: MemoryStore, key: Any, fault: str
) -> None:
    error = await fail(store, Graph([mapped(key=key)], name="sums"), numbers=[1, 2])
    assert isinstance(error, ItemKeyError)
    assert fault in str(error)
    assert error.node == "square"
    assert error.index == (1 if fault.endswith("too") else 0)


async def test_an_exception_in_a_key_function_says_where_it_was_raised(store: MemoryStore) -> None:
    def key(number: int) -> str:
        raise KeyError(number)

    error = await fail(store, Graph([mapped(key=key)], name="sums"), numbers=[1, 2])
    assert isinstance(error, KeyError)
    assert any("key= function of 'square' for item 0" in note for note in error.__notes__)


# --- nodes that are not kept ----------------------------------------------------------------------------------------


async def test_a_node_that_is_not_kept_runs_again_only_if_something_still_needs_it(store: MemoryStore) -> None:
    class Client:
        """Cannot be stored."""

    @node(output_name="client", record=False)
    def connect() -> Client:
        ran["connect"] += 1
        return Client()

    @node(output_name="text")
    def fetch(client: Client) -> str:
        ran["fetch"] += 1
        return "text"

    @node(output_name="end")
    def end(text: str) -> str:
        ran["end"] += 1
        if "end" in broken:
            raise LookupError("end")
        return text.upper()

    @node(output_name="sent")
    def send(text: str, client: Client) -> str:
        ran["send"] += 1
        if "send" in broken:
            raise LookupError("send")
        return text

    graph = Graph([connect, fetch, end], name="kept").select("end")
    broken.add("end")
    await fail(store, graph)
    broken.clear()
    assert (await within(runner(store).resume("run", graph)))["end"] == "TEXT"
    assert ran == {"connect": 1, "fetch": 1, "end": 2}
    needed = Graph([connect, fetch, send], name="needed").select("sent")
    broken.add("send")
    with pytest.raises(LookupError):
        await within(runner(store).run(needed, run_id="other"))
    broken.clear()
    assert (await within(runner(store).resume("other", needed)))["sent"] == "text"
    assert ran == {"connect": 3, "fetch": 2, "end": 2, "send": 2}


# --- inputs and outputs that cannot be stored -----------------------------------------------------------------------


class Socket:
    """Something that no store can keep."""

    def __init__(self, name: str = "") -> None:
        self.name = name


@node(output_name="answer")
def ask(question: str, socket: Socket) -> str:
    ran["ask"] += 1
    if question in broken:
        raise LookupError(question)
    return f"{question} {socket.name}"


async def test_an_input_that_cannot_be_stored_is_asked_for_again_by_name(store: MemoryStore) -> None:
    graph = Graph([ask], name="asking")
    broken.add("q")
    await fail(store, graph, question="q", socket=Socket("one"))
    broken.clear()
    with pytest.raises(MissingInputError, match="'socket', which could not be stored") as missing:
        await within(runner(store).resume("run", graph))
    assert missing.value.names == ("socket",)
    assert (await store.find("run")).status == "failed"  # type: ignore[union-attr]
    result = await within(runner(store).resume("run", graph, inputs={"socket": Socket("two")}))
    assert result["answer"] == "q two"
    assert result["question"] == "q"


async def test_an_input_that_is_bound_comes_with_the_graph(store: MemoryStore) -> None:
    graph = Graph([ask], name="asking").bind(socket=Socket("bound"))
    broken.add("q")
    await fail(store, graph, question="q")
    broken.clear()
    assert (await within(runner(store).resume("run", graph)))["answer"] == "q bound"


async def test_a_completed_run_needs_no_input_again(store: MemoryStore) -> None:
    graph = Graph([ask], name="asking")
    await within(runner(store).run(graph, question="q", socket=Socket("one"), run_id="run"))
    assert (await within(runner(store).resume("run", graph)))["answer"] == "q one"
    assert ran["ask"] == 1


@dataclass
class Section:
    title: str
    draw: object


async def test_an_output_that_cannot_be_stored_fails_its_call_and_says_where_it_lies(store: MemoryStore) -> None:
    @node(output_name="sections")
    def plan() -> list[Section]:
        return [Section(str(index), None if index < 3 else Socket()) for index in range(5)]

    error = await fail(store, Graph([plan], name="planning"))
    assert isinstance(error, CodecError)
    assert "node 'plan'" in str(error)
    assert error.path.endswith("[3].draw")
    assert (await calls(store))["planning/plan"][0] == "failed"
    assert any("in node 'plan', attempt 1 (planning/plan)" in note for note in error.__notes__)


# --- graphs that are not what they were -----------------------------------------------------------------------------


@node(output_name="number")
def first() -> int:
    ran["first"] += 1
    return 2


async def changes(store: MemoryStore, *now: Node, name: str = "steps") -> list[str]:
    broken.add(2)
    await fail(store, Graph([first, square], name="steps"))
    with pytest.raises(RunChangedError) as changed:
        await within(runner(store).resume("run", Graph(now, name=name)))
    assert all(change in str(changed.value) for change in changed.value.changes)
    assert (await store.find("run")).status == "failed"  # type: ignore[union-attr]
    return list(changed.value.changes)


@node(output_name="half")
def halve(number: int) -> float:
    ran["halve"] += 1
    return number / 2


async def test_an_error_says_which_node_was_added(store: MemoryStore) -> None:
    assert await changes(store, first, square, halve) == ["node 'halve' was added"]


async def test_an_error_says_which_node_was_removed(store: MemoryStore) -> None:
    assert await changes(store, first, halve) == ["node 'halve' was added", "node 'square' was removed"]


async def test_an_error_says_what_a_node_was_and_is(store: MemoryStore) -> None:
    (told,) = await changes(store, first, square.with_outputs(square="result"))
    assert told == "node 'square' was square (number) -> square, and is square (number) -> result"


async def test_an_error_says_that_the_run_is_of_another_graph(store: MemoryStore) -> None:
    assert await changes(store, first, square, name="other") == ["the run is of 'steps', not of 'other'"]


async def test_a_changed_graph_reuses_what_is_still_there(store: MemoryStore) -> None:
    broken.add(2)
    await fail(store, Graph([first, square], name="steps"))
    result = await within(runner(store).resume("run", Graph([first, halve], name="steps"), on_change="continue"))
    assert result["half"] == 1.0
    assert ran["first"] == 1


async def test_other_inputs_than_the_run_was_started_with_are_refused(store: MemoryStore) -> None:
    broken.add(2)
    await fail(store, GRAPH, numbers=[1, 2])
    with pytest.raises(RunChangedError, match="started with other inputs: 'numbers'") as changed:
        await within(runner(store).run(GRAPH, numbers=[1, 3], run_id="run"))
    assert changed.value.changes == ("input 'numbers'",)
    broken.clear()
    assert (await within(runner(store).run(GRAPH, numbers=[1, 2], run_id="run")))["total"] == 5
