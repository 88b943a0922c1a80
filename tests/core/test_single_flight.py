"""Calls of one key at once: one performs, the others wait; who fails, is cancelled or is gone lets the next perform."""

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.core import flight as module
from piecework.core.caching import Caching
from piecework.core.codec import Codec
from piecework.core.outcome import Done, Failed, Outcome, Paused, Question
from tests.core.cached import Gate, Store, answer, never, returns, start, turns
from tests.core.harness import within


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a call that others would wait for."""
    yield
    assert not module._FLIGHTS


async def test_of_calls_at_once_one_performs() -> None:
    store, gate = Store(), Gate()
    tasks = [start(answer(Caching(store, Codec()), gate)) for _ in range(100)]
    await turns()
    assert gate.performed == 1
    gate.ends.set_result(Done("made"))
    results = await within(asyncio.gather(*tasks))
    assert results == [(Done("made"), False)] + [(Done("made"), True)] * 99
    assert gate.performed == 1


async def test_those_who_wait_go_on_in_the_order_they_came_when_the_first_fails() -> None:
    store = Store()
    gates = [Gate() for _ in range(4)]
    tasks = [start(answer(Caching(store, Codec()), gate)) for gate in gates]
    fault = ValueError("its own")
    for number, end in enumerate((Failed(fault), Paused(()), None)):
        await turns()
        assert [gate.performed for gate in gates] == [1] * (number + 1) + [0] * (3 - number)
        if end is None:
            tasks[number].cancel()
        else:
            gates[number].ends.set_result(end)
    await turns()
    gates[3].ends.set_result(Done(3))
    results = await within(asyncio.gather(*tasks, return_exceptions=True))
    assert results[:2] == [(Failed(fault), False), (Paused(()), False)]
    assert isinstance(results[2], asyncio.CancelledError)
    assert results[3] == (Done(3), False)


async def test_who_waits_and_is_cancelled_leaves_no_trace() -> None:
    store, gate = Store(), Gate()
    first = start(answer(Caching(store, Codec()), gate))
    await turns()
    tasks = [start(answer(Caching(store, Codec()), never)) for _ in range(10)]
    await turns()
    (flight,) = module._FLIGHTS.values()
    assert len(flight._waiting) == 10
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not flight._waiting
    gate.ends.set_result(Failed(ValueError()))
    assert isinstance((await within(first))[0], Failed)


@pytest.mark.parametrize("turn", ["the same", "the next"])
async def test_who_is_cancelled_just_when_its_turn_comes_passes_it_on(
    turn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate, last = Store(), Gate(), Gate()
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    first = start(answer(Caching(store, Codec()), gate))
    await turns()
    cancelled, third = start(answer(Caching(store, Codec()), never)), start(answer(Caching(store, Codec()), last))
    await turns()
    (flight,) = module._FLIGHTS.values()
    land = flight.land

    def land_and_cancel(data: bytes | None) -> None:
        monkeypatch.undo()
        land(data)
        cancelled.cancel()

    if turn == "the same":
        monkeypatch.setattr(flight, "land", land_and_cancel)
    gate.ends.set_result(Failed(ValueError()))
    await first  # The next one's turn is on its way.
    cancelled.cancel()
    await turns()
    assert cancelled.cancelled()
    assert last.performed == 1
    last.ends.set_result(Done(1))
    assert await within(third) == (Done(1), False)
    assert not faults


async def test_who_comes_just_when_the_garbage_collector_closes_who_performs_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, gate = Store(), Gate()
    first = start(answer(Caching(store, Codec()), gate))
    await turns()
    (flight,) = module._FLIGHTS.values()
    waiter = module.Waiter

    def collecting(loop: asyncio.AbstractEventLoop) -> object:
        monkeypatch.undo()
        flight.land(None)  # An allocation is when garbage is collected.
        return waiter(loop)

    monkeypatch.setattr(module, "Waiter", collecting)
    assert await within(answer(Caching(store, Codec()), returns(2))) == (Done(2), False)
    gate.ends.set_result(Done(1))
    assert await within(first) == (Done(1), False)


async def test_what_was_made_is_told_though_whoever_made_it_is_cancelled_while_it_is_kept() -> None:
    store, gate = Store(), Gate()
    first, second = start(answer(Caching(store, Codec()), gate)), start(answer(Caching(store, Codec()), never))
    await turns()
    gate.ends.set_result(Done(1))
    await turns(1)
    first.cancel()
    assert await within(second) == (Done(1), True)
    assert first.cancelled()


def on_a_thread(work: Callable[[], Coroutine[Any, Any, None]]) -> threading.Thread:
    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    return thread


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what it waits for is another thread's
            await asyncio.sleep(0)


async def test_loops_of_several_threads_share_what_one_performs() -> None:
    store, results, began = Store(), list[tuple[Outcome, bool]](), threading.Event()

    async def perform() -> Outcome:
        began.set()
        await until(lambda: bool(module._FLIGHTS) and len(next(iter(module._FLIGHTS.values()))._waiting) == 6)
        return Done("made")

    async def wait() -> None:
        tasks = [start(answer(Caching(store, Codec()), never)) for _ in range(3)]
        results.extend(await asyncio.gather(*tasks))

    first = start(answer(Caching(store, Codec()), perform))
    await until(began.is_set)
    threads = [on_a_thread(wait) for _ in range(2)]
    assert await within(first) == (Done("made"), False)
    for thread in threads:
        await asyncio.to_thread(thread.join, 5)
    assert results == [(Done("made"), True)] * 6


async def test_a_thread_takes_over_from_another_thread_that_failed() -> None:
    store, gate, results = Store(), Gate(), list[tuple[Outcome, bool]]()

    async def wait() -> None:
        results.append(await answer(Caching(store, Codec()), returns("second")))

    first = start(answer(Caching(store, Codec()), gate))
    await turns()
    (flight,) = module._FLIGHTS.values()
    thread = on_a_thread(wait)
    await until(lambda: len(flight._waiting) == 1)
    gate.ends.set_result(Failed(ValueError()))
    await first
    await asyncio.to_thread(thread.join, 5)
    assert results == [(Done("second"), False)]


def test_who_waits_on_a_loop_that_was_closed_is_passed_over() -> None:
    store, results = Store(), list[tuple[Outcome, bool]]()
    gone = asyncio.new_event_loop()

    async def main() -> None:
        gate = Gate()
        first = start(answer(Caching(store, Codec()), gate))
        await turns()
        await asyncio.to_thread(gone.run_until_complete, begin())
        second = start(answer(Caching(store, Codec()), returns(2)))
        await turns()
        gone.close()
        gate.ends.set_result(Failed(ValueError()))
        await first
        results.append(await within(second))

    async def begin() -> None:
        abandoned.append(start(answer(Caching(store, Codec()), never)))
        await turns()

    abandoned: list[asyncio.Task[Any]] = []
    asyncio.run(main())
    assert results == [(Done(2), False)]
    discard(abandoned)


def discard(tasks: list[asyncio.Task[Any]]) -> None:
    """Let the garbage collector close tasks whose loop is gone, without the word that asyncio logs of each."""
    while tasks:
        cast("Any", tasks.pop())._log_destroy_pending = False
    gc.collect()


def test_who_performs_on_a_loop_that_is_gone_lets_others_perform() -> None:
    store, gone, abandoned = Store(), asyncio.new_event_loop(), list[asyncio.Task[Any]]()

    async def begin() -> None:
        abandoned.append(start(answer(Caching(store, Codec()), Gate())))
        await turns()

    async def main() -> None:
        assert await within(answer(Caching(store, Codec()), returns(2))) == (Done(2), False)
        discard(abandoned)

    gone.run_until_complete(begin())
    gone.close()
    asyncio.run(main())


async def test_the_child_of_a_fork_does_not_wait_for_who_performs_in_the_parent() -> None:
    store, gate = Store(), Gate()
    first = start(answer(Caching(store, Codec()), gate))
    await turns()
    kept = dict(module._FLIGHTS)
    module._renew()  # What the child of a fork calls.
    assert await within(answer(Caching(store, Codec()), returns("child"))) == (Done("child"), False)
    assert kept
    gate.ends.set_result(Done("parent"))
    assert await within(first) == (Done("parent"), False)


def test_who_waits_on_a_loop_that_is_gone_passes_its_turn_on() -> None:
    store, results = Store(), list[tuple[Outcome, bool]]()
    gone, abandoned = asyncio.new_event_loop(), list[asyncio.Task[Any]]()

    async def begin() -> None:
        abandoned.append(start(answer(Caching(store, Codec()), never)))
        await turns()

    async def main() -> None:
        gate = Gate()
        first = start(answer(Caching(store, Codec()), gate))
        await turns()
        await asyncio.to_thread(gone.run_until_complete, begin())
        second = start(answer(Caching(store, Codec()), returns(2)))
        await turns()
        gate.ends.set_result(Failed(ValueError()))
        await first
        gone.close()  # The turn was told to it before.
        await turns()
        assert not second.done()
        discard(abandoned)
        results.append(await within(second))

    asyncio.run(main())
    assert results == [(Done(2), False)]


class Crowd:
    """Calls of a few keys, each performed until the test says how it ends."""

    def __init__(self) -> None:
        self.caching = Caching(Store(), Codec())
        self.tasks: list[asyncio.Task[tuple[Outcome, bool]]] = []
        self.cancelled: set[int] = set()
        self.keys: list[int] = []
        self.performing: dict[int, asyncio.Future[Outcome]] = {}
        self.performed: list[int] = []
        self.made: dict[int, list[tuple[int, object]]] = {0: [], 1: []}

    def start(self, key: int) -> None:
        number = len(self.tasks)
        self.keys.append(key)
        self.tasks.append(start(answer(self.caching, lambda: self.perform(number, key), key)))

    async def perform(self, number: int, key: int) -> Outcome:
        assert key not in self.performing
        assert number not in self.performed
        # What somebody made who was cancelled before it was kept is told to those who waited, and is lost to others.
        assert all(maker in self.cancelled for maker, _ in self.made[key]), "it was made before"
        self.performed.append(number)
        ends = self.performing[key] = asyncio.get_running_loop().create_future()
        try:
            outcome = await ends
        finally:
            del self.performing[key]
        if isinstance(outcome, Done):
            self.made[key].append((number, (key, number)))
            return Done((key, number))
        return Failed(ValueError(number)) if isinstance(outcome, Failed) else Paused((Question(str(number), None),))

    def end(self, key: int, outcome: Outcome | BaseException) -> None:
        ends = self.performing.get(key)
        if ends is None or ends.done():
            return
        if isinstance(outcome, BaseException):
            ends.set_exception(outcome)
        else:
            ends.set_result(outcome)

    def cancel(self, number: int) -> None:
        if self.tasks and self.tasks[number % len(self.tasks)].cancel():
            self.cancelled.add(number % len(self.tasks))

    async def end_all(self) -> None:
        for _ in range(500):
            if all(task.done() for task in self.tasks):
                break
            for key in list(self.performing):
                self.end(key, Done(None))
            await turns(5)
        else:
            raise AssertionError("somebody waits for ever")

    def check(self) -> None:
        for number, (task, key) in enumerate(zip(self.tasks, self.keys, strict=True)):
            if task.cancelled():
                assert number in self.cancelled
                continue
            error = task.exception()
            if error is not None:
                assert isinstance(error, ZeroDivisionError)
                assert number in self.performed
                continue
            self.check_outcome(number, key, *task.result())

    def check_outcome(self, number: int, key: int, outcome: Outcome, again: bool) -> None:
        if isinstance(outcome, Done):
            assert outcome.value in [value for _, value in self.made[key]]
            assert again is (number not in self.performed)
        elif isinstance(outcome, Failed):
            assert outcome.error.args == (number,)
            assert not again
        else:
            assert outcome.questions[0].id == str(number)
            assert not again


KEYS = st.integers(0, 1)

ENDS = st.sampled_from([Done(None), Failed(ValueError()), Paused(()), ZeroDivisionError()])

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), KEYS, st.none()),
        st.tuples(st.just("end"), KEYS, ENDS),
        st.tuples(st.just("cancel"), st.integers(0, 30), st.none()),
        st.tuples(st.just("turn"), st.integers(1, 8), st.none()),
    ),
    min_size=15,
    max_size=60,
)


@given(steps=STEPS)
def test_whatever_happens_one_performs_and_nobody_waits_for_ever(steps: list[tuple[str, int, Any]]) -> None:
    async def main() -> None:
        crowd = Crowd()
        for step, number, end in steps:
            if step == "start":
                crowd.start(number)
            elif step == "end":
                crowd.end(number, end)
            elif step == "cancel":
                crowd.cancel(number)
            else:
                await turns(number)
        await crowd.end_all()
        await asyncio.gather(*crowd.tasks, return_exceptions=True)
        crowd.check()

    asyncio.run(main())
    assert not module._FLIGHTS


def test_many_threads_perform_each_key_once() -> None:
    store, performed, lock = Store(), dict[int, int](), threading.Lock()
    ready = threading.Barrier(4)

    async def use(results: dict[int, object]) -> None:
        await asyncio.to_thread(ready.wait, 5)

        async def one(key: int) -> None:
            async def perform() -> Outcome:
                with lock:
                    performed[key] = performed.get(key, 0) + 1
                await turns(3)
                return Failed(ValueError()) if performed[key] == 1 and key % 3 == 0 else Done(key)

            outcome, _ = await answer(Caching(store, Codec()), perform, key)
            results[key] = outcome.value if isinstance(outcome, Done) else None

        await asyncio.gather(*(one(key) for key in range(50)))

    results: list[dict[int, object]] = [{} for _ in range(4)]

    def begin(found: dict[int, object]) -> threading.Thread:
        return on_a_thread(lambda: use(found))

    threads = [begin(found) for found in results]
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert performed == {key: 2 if key % 3 == 0 else 1 for key in range(50)}
    for key in range(50):
        values = [found[key] for found in results]
        assert sorted(values, key=str) == sorted([None if key % 3 == 0 else key, key, key, key], key=str)
