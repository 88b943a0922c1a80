"""Calls answered out of a cache: what is one key, what each call gets, and what is said when it cannot be kept."""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from piecework.core import flight as module
from piecework.core.caching import Caching
from piecework.core.codec import Codec
from piecework.core.outcome import Done, Failed, Outcome, Paused, Question
from piecework.core.policy import CachePolicy
from piecework.errors import CacheKeyError, CodecError, PolicyFunctionError
from tests.core.cached import KEPT, Gate, Store, answer, call, never, returns, start, turns
from tests.core.harness import within


def renamed(x: object) -> object:
    return x


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a call that others would wait for."""
    yield
    assert not module._FLIGHTS


async def test_what_was_made_is_used_again() -> None:
    store = Store()
    assert await answer(Caching(store, Codec()), returns([1])) == (Done([1]), False)
    assert await answer(Caching(store, Codec()), never) == (Done([1]), True)
    assert await answer(Caching(store, Codec()), returns([2]), x=2) == (Done([2]), False)
    assert await answer(Caching(Store(), Codec()), returns([3])) == (Done([3]), False)


async def test_the_node_and_the_time_of_a_value_are_told_to_the_cache() -> None:
    store = Store()
    await answer(Caching(store, Codec()), returns(1), policy=CachePolicy(ttl=5), of=call(name="writer"))
    assert (store.times, store.nodes) == ([5.0], ["writer"])
    assert await Caching(store, Codec()).clear({"b", "a"}) == 7
    assert store.nodes == ["a", "b"]


async def test_values_are_not_shared_between_calls() -> None:
    caching, made = Caching(Store(), Codec()), [1]
    await answer(caching, returns(made))
    made.append(2)
    (first, _), (second, _) = await asyncio.gather(answer(caching, never), answer(caching, never))
    assert first == second == Done([1])
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert first.value is not second.value


async def test_functions_are_told_apart_and_their_names_as_nodes_do_not_count() -> None:
    caching = Caching(Store(), Codec())
    await answer(caching, returns(1))
    assert await answer(caching, never, of=call(name="other name")) == (Done(1), True)
    assert await answer(caching, returns(2), of=call(renamed)) == (Done(2), False)


async def test_an_effect_keeps_none_and_is_no_answer_for_who_uses_the_result() -> None:
    caching = Caching(Store(), Codec())
    made = object()  # It cannot be encoded, and need not be.
    assert await answer(caching, returns(made), of=call(effect=True)) == (Done(made), False)
    assert await answer(caching, never, of=call(effect=True)) == (Done(None), True)
    assert await answer(caching, returns(1)) == (Done(1), False)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({3, 1, 2}, {1, 2, 3}, True),
        ([1, 2], [2, 1], False),
        (1, True, False),
        (1, 1.0, False),
        ((1,), [1], False),
        (None, "", False),
    ],
)
async def test_equal_inputs_are_one_key(first: object, second: object, same: bool) -> None:
    caching = Caching(Store(), Codec())
    await answer(caching, returns("made"), first)
    assert (await answer(caching, returns("made"), second))[1] is same


async def test_inputs_count_by_name_in_any_order() -> None:
    caching = Caching(Store(), Codec())
    await caching.through(call(), {"a": 1, "b": 2}, KEPT, returns(1))
    assert await caching.through(call(), {"b": 2, "a": 1}, KEPT, never) == (Done(1), True)
    assert await caching.through(call(), {"b": 1, "a": 2}, KEPT, returns(2)) == (Done(2), False)


async def test_a_key_function_says_what_stands_for_the_inputs() -> None:
    caching, policy = Caching(Store(), Codec()), CachePolicy(key=lambda x: str(x).lower())
    await answer(caching, returns(1), "A", policy)
    assert await answer(caching, never, "a", policy) == (Done(1), True)
    assert await answer(caching, returns(2), "b", policy) == (Done(2), False)
    assert await caching.through(call(), {}, CachePolicy(key=lambda: {"x": "a"}), returns(3)) == (Done(3), False)
    assert await answer(caching, returns(4), "a") == (Done(4), False)  # Not what a function made that it looks like.


async def test_a_key_function_that_raises_is_named() -> None:
    policy = CachePolicy(key=lambda x: x["missing"])
    outcome, again = await answer(Caching(Store(), Codec()), never, {}, policy)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, PolicyFunctionError)
    assert str(outcome.error) == "the cache key function of node 'n' raised KeyError: 'missing'"
    assert isinstance(outcome.error.__cause__, KeyError)
    assert not again


async def failure(of: Coroutine[Any, Any, tuple[Outcome, bool]]) -> BaseException:
    outcome, again = await of
    assert isinstance(outcome, Failed)
    assert not again
    return outcome.error


async def test_what_cannot_be_told_from_others_is_refused() -> None:
    caching = Caching(Store(), Codec())
    error = await failure(answer(caching, never, [object()]))
    assert isinstance(error, CacheKeyError)
    assert "node 'n' cannot be cached, since its input 'x' cannot be told" in str(error)
    assert "CachePolicy(key=lambda x: ...)" in str(error)
    assert "builtins.object at [0]" in str(error)
    error = await failure(answer(caching, never, policy=CachePolicy(key=lambda x: object())))
    assert isinstance(error, CacheKeyError)
    assert "what its cache key function returned" in str(error)
    thing = object()
    error = await failure(answer(caching, never, of=call(lambda x: thing, name="m")))
    assert isinstance(error, CacheKeyError)
    assert error.node == "m"


async def test_a_value_that_cannot_be_kept_is_an_error_with_its_place() -> None:
    store = Store()
    error = await failure(answer(Caching(store, Codec()), returns({"a": [object()]})))
    assert isinstance(error, CodecError)
    assert error.path == "['a'][0]"
    assert "node 'n' made what its cache cannot keep" in str(error)
    assert isinstance(error.__cause__, CodecError)
    assert not store.values


@pytest.mark.parametrize("outcome", [Failed(ValueError()), Paused((Question("q", 1),))])
async def test_only_what_is_done_is_kept(outcome: Outcome) -> None:
    caching, gate = Caching(Store(), Codec()), Gate()
    gate.ends.set_result(outcome)
    assert await answer(caching, gate) == (outcome, False)
    assert await answer(caching, gate) == (outcome, False)
    assert gate.performed == 2


@dataclass
class Section:
    title: str


FAILED = Failed(ValueError())


async def failing() -> Outcome:
    return FAILED


async def test_a_value_that_cannot_be_read_any_more_is_made_again() -> None:
    store, knows = Store(), Codec()
    knows.register(Section)
    await answer(Caching(store, knows), returns(Section("a")))
    assert await answer(Caching(store, Codec()), failing) == (FAILED, False)
    assert await answer(Caching(store, Codec()), returns("new")) == (Done("new"), False)
    assert await answer(Caching(store, knows), never) == (Done("new"), True)


async def test_who_waited_for_what_it_cannot_read_makes_it_itself() -> None:
    store, knows, gate = Store(), Codec(), Gate()
    knows.register(Section)
    first = start(answer(Caching(store, knows), gate))
    await turns()
    second = start(answer(Caching(store, Codec()), returns("new")))
    third = start(answer(Caching(store, knows), never))
    await turns()
    gate.ends.set_result(Done(Section("a")))
    assert list(await within(asyncio.gather(first, second, third))) == [
        (Done(Section("a")), False),
        (Done("new"), False),
        (Done(Section("a")), True),
    ]


async def test_a_call_is_made_as_ever_where_the_cache_cannot_be_read() -> None:
    store, gate = Store(), Gate()
    store.broken = True
    first = start(answer(Caching(store, Codec()), gate))
    with pytest.warns(RuntimeWarning, match="what node 'n' has in its cache cannot be read, and is made again"):
        await turns()
    store.broken = False
    gate.ends.set_result(Done(1))
    assert await within(first) == (Done(1), False)


async def test_what_was_made_is_not_lost_where_the_cache_cannot_be_written() -> None:
    store, gate = Store(), Gate()
    first, second = start(answer(Caching(store, Codec()), gate)), start(answer(Caching(store, Codec()), never))
    await turns()
    store.broken = True
    gate.ends.set_result(Done(1))
    with pytest.warns(RuntimeWarning, match="what node 'n' made is not kept in its cache.*the cache is broken"):
        assert list(await within(asyncio.gather(first, second))) == [(Done(1), False), (Done(1), True)]


async def test_who_takes_warnings_for_errors_gets_one() -> None:
    store, gate = Store(), Gate()
    task = start(answer(Caching(store, Codec()), gate))
    await turns()
    store.broken = True
    gate.ends.set_result(Done(1))
    outcome, _ = await within(task)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, RuntimeWarning)
