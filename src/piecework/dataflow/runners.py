"""Runners of dataflow graphs: inputs in, results out.

`AsyncRunner` is awaited; `SyncRunner` is its facade for synchronous code. Both check what they are given, let the
engine perform the graph's plan, and raise at the end what a node raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Self, cast

from piecework.core.outcome import Done, Failed, Outcome, Paused
from piecework.core.plan import Sink
from piecework.core.policy import RunPolicy
from piecework.core.ports import Executor, Observer, RunLog
from piecework.core.scheduler import Ended
from piecework.core.stream import Stream
from piecework.core.waiting import see_out
from piecework.dataflow.blueprint import COMPILED, Blueprint, blueprint, compile_node
from piecework.dataflow.graph import Graph
from piecework.dataflow.mapping import MapMode, OnError
from piecework.dataflow.plan import GraphPlan, MapPlan
from piecework.dataflow.results import MapResult, RunResult
from piecework.dataflow.validate import check_inputs
from piecework.errors import Failure, InputConflictError, UnknownInputError, listed
from piecework.runner import Engine

__all__ = ("AsyncRunner", "Runner", "SyncRunner")


class _Runner:
    """What both runners share: how they are made, and what they make of a graph and its inputs."""

    def __init__(
        self,
        *,
        max_concurrency: int | None = None,
        grace: float = 5.0,
        store: RunLog | None = None,
        executor: Executor | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Make a runner.

        Args:
            max_concurrency: How many calls may run at once over a whole run, nesting and items included; None means no
                limit.
            grace: Seconds that a cancelled run waits for blocking functions before it abandons them.
            store: Keeps the runs' logs; None keeps nothing.
            executor: Where functions run; by default in this process.
            observers: Are told what happens.

        Raises:
            ValueError: A limit is out of its range.
        """
        if max_concurrency is not None and max_concurrency < 1:
            raise ValueError(f"max_concurrency={max_concurrency} must be at least 1, or None for no limit.")
        if grace < 0:
            raise ValueError(f"grace={grace} must not be negative.")
        policy = RunPolicy(max_concurrency=max_concurrency, grace=grace)
        self._engine = Engine(
            policy=None if policy == RunPolicy() else policy,
            store=store,
            executor=executor,
            observers=observers,
        )
        self._policy = policy

    @classmethod
    def _with(cls, engine: Engine, policy: RunPolicy) -> Self:
        runner = cls.__new__(cls)
        runner._engine = engine
        runner._policy = policy
        return runner

    def _compile(self, graph: Graph) -> Blueprint:
        """The graph compiled, and its annotated types known to the codec of a store."""
        compiled = blueprint(graph)
        if compiled.types and self._engine.stores:
            self._engine.register(compiled.types)
        return compiled

    def __repr__(self) -> str:
        """Show the limits."""
        return f"{type(self).__name__}(max_concurrency={self._policy.max_concurrency}, grace={self._policy.grace})"


class AsyncRunner(_Runner):
    """Runs graphs from coroutines. Async nodes run on the running loop, blocking ones on threads."""

    async def run(self, graph: Graph, inputs: Mapping[str, object] | None = None, /, **named: object) -> RunResult:
        """Run a graph once.

        Args:
            graph: What to run.
            inputs: Its inputs by name.
            **named: More of them; `inputs=` as a keyword is read as the mapping unless the graph has an input of that
                name.

        Raises:
            MissingInputError: An input that no node produces was not given.
            UnknownInputError: The graph has no such input.
            InputConflictError: An input was given twice.
            Exception: Whatever a node raised, with a note that says which node, item and attempt.
        """
        compiled = COMPILED.get(graph) or blueprint(graph)
        if compiled.types and self._engine.stores:
            self._engine.register(compiled.types)
        given = _gather(compiled, inputs, named) if named or inputs.__class__ is not dict else {**(inputs or {})}
        if not compiled.required <= given.keys() <= compiled.accepted:
            check_inputs(graph, given)
        ended = await self._engine.perform(GraphPlan(compiled, given), name=compiled.name)
        return _result(ended, given)

    async def map(
        self,
        graph: Graph,
        inputs: Mapping[str, object] | None = None,
        /,
        *,
        map_over: str | Sequence[str],
        mode: MapMode = "zip",
        on_error: OnError = "raise",
        max_concurrency: int | None = None,
        **named: object,
    ) -> MapResult:
        """Run a graph once for each item of some inputs, side by side.

        Args:
            graph: What to run.
            inputs: Its inputs by name; those in `map_over` hold a collection.
            map_over: The inputs to take item by item.
            mode: Side by side, or every combination, the first-named input slowest.
            on_error: `"raise"` ends the batch at the first failed run, `"keep"` has a failed result in its place,
                `"drop"` leaves it out.
            max_concurrency: How many runs of the batch may go on at once, beside the runner's own limit.
            **named: More inputs.

        Raises:
            MappingError: `map_over` names no input, or what an input holds cannot be mapped over.
            MissingInputError: An input that no node produces was not given.
            UnknownInputError: The graph has no such input.
            Exception: Whatever a node raised, under `on_error="raise"`.
        """
        plan, outputs = _map_plan(
            graph,
            _gather(self._compile(graph), inputs, named),
            map_over,
            mode=mode,
            on_error=on_error,
            max_concurrency=max_concurrency,
        )
        ended = await self._engine.perform(plan, name="batch")
        return _map_result(ended, plan, outputs)

    async def map_iter(
        self,
        graph: Graph,
        inputs: Mapping[str, object] | None = None,
        /,
        *,
        map_over: str | Sequence[str],
        mode: MapMode = "zip",
        on_error: OnError = "raise",
        max_concurrency: int | None = None,
        **named: object,
    ) -> AsyncGenerator[tuple[int, RunResult], None]:
        """Run a graph once for each item of some inputs, and yield `(index, result)` as each run ends.

        No new run starts while hundreds of results wait to be read, so a collection may be endless. Leaving the loop
        early, or closing the iterator, cancels the runs that still go on. Arguments and errors are those of `map`.
        """
        stream = Stream()
        given = _gather(self._compile(graph), inputs, named)
        plan, _ = _map_plan(
            graph, given, map_over, mode=mode, on_error=on_error, max_concurrency=max_concurrency, sink=stream
        )
        run_id = self._engine.run_id()
        batch = asyncio.create_task(self._engine.perform(plan, name="batch", run_id=run_id))
        batch.add_done_callback(lambda _: stream.end())
        try:
            async for index, outcome in stream:
                result = _streamed(run_id, plan, index, outcome)
                if result is not None:
                    yield index, result
            _raised((await batch).outcome)
        finally:
            batch.cancel()
            await see_out([batch])


class SyncRunner(_Runner):
    """Runs graphs from synchronous code, async nodes and parallel maps included.

    Ctrl-C cancels the run and waits until it has ended; a second one does not wait.
    """

    def run(self, graph: Graph, inputs: Mapping[str, object] | None = None, /, **named: object) -> RunResult:
        """Run a graph once; see `AsyncRunner.run`."""
        compiled = self._compile(graph)
        given = _gather(compiled, inputs, named)
        check_inputs(graph, given)
        ended = self._engine.perform_blocking(GraphPlan(compiled, given), name=compiled.name)
        return _result(ended, given)

    def map(
        self,
        graph: Graph,
        inputs: Mapping[str, object] | None = None,
        /,
        *,
        map_over: str | Sequence[str],
        mode: MapMode = "zip",
        on_error: OnError = "raise",
        max_concurrency: int | None = None,
        **named: object,
    ) -> MapResult:
        """Run a graph once for each item of some inputs, side by side; see `AsyncRunner.map`."""
        plan, outputs = _map_plan(
            graph,
            _gather(self._compile(graph), inputs, named),
            map_over,
            mode=mode,
            on_error=on_error,
            max_concurrency=max_concurrency,
        )
        ended = self._engine.perform_blocking(plan, name="batch")
        return _map_result(ended, plan, outputs)

    def map_iter(
        self,
        graph: Graph,
        inputs: Mapping[str, object] | None = None,
        /,
        *,
        map_over: str | Sequence[str],
        mode: MapMode = "zip",
        on_error: OnError = "raise",
        max_concurrency: int | None = None,
        **named: object,
    ) -> Iterator[tuple[int, RunResult]]:
        """Yield `(index, result)` as each run of a batch ends; see `AsyncRunner.map_iter`."""
        runner = AsyncRunner._with(self._engine, self._policy)
        given = _gather(self._compile(graph), inputs, named)
        results = runner.map_iter(
            graph, given, map_over=map_over, mode=mode, on_error=on_error, max_concurrency=max_concurrency
        )
        return self._engine.iterate_blocking(results)


Runner = SyncRunner
"""The same under the name that hypergraph gives it."""


def _gather(graph: Blueprint, inputs: Mapping[str, object] | None, named: Mapping[str, object]) -> dict[str, object]:
    """All inputs in one dict."""
    keyword = named.get("inputs")
    if inputs is None and isinstance(keyword, Mapping) and "inputs" not in graph.accepted:
        inputs = cast("Mapping[str, object]", keyword)
        named = {name: value for name, value in named.items() if name != "inputs"}
    if not isinstance(inputs, Mapping | None):  # pyright: ignore[reportUnnecessaryIsInstance] - as in blueprint
        raise TypeError(f"inputs are a mapping of names to values, not {inputs!r}: run(graph, {{'topic': 'x'}}).")
    given = {} if inputs is None else dict(inputs)
    if not given.keys().isdisjoint(named):
        raise InputConflictError(names=tuple(name for name in named if name in given))
    return {**given, **named}


def _map_plan(
    graph: Graph,
    given: Mapping[str, object],
    map_over: str | Sequence[str],
    *,
    mode: MapMode,
    on_error: OnError,
    max_concurrency: int | None,
    sink: Sink | None = None,
) -> tuple[MapPlan, tuple[str, ...]]:
    check_inputs(graph, given)
    names = (map_over,) if isinstance(map_over, str) else tuple(map_over)
    mapped = graph.as_node(graph.name or "graph").map_over(
        *names, mode=mode, on_error=on_error, max_concurrency=max_concurrency
    )
    if mapped.signature.unresolved:
        raise UnknownInputError(
            f"map_over={listed(mapped.signature.unresolved)}: the graph has no such input; "
            f"its inputs are {listed(graph.inputs.all)}.",
            names=mapped.signature.unresolved,
            graph=graph.name,
        )
    return MapPlan(compile_node(mapped), {**mapped.defaults, **given}, sink), graph.outputs


def _result(ended: Ended, given: Mapping[str, object]) -> RunResult:
    outcome = ended.outcome
    if isinstance(outcome, Failed):
        raise outcome.error
    if isinstance(outcome, Paused):
        return RunResult(run_id=ended.run_id, status="paused", values={}, inputs=given, interrupts=outcome.questions)
    values: Mapping[str, object] = outcome.value  # type: ignore[assignment]  # A graph's plan is done with a dict.
    return RunResult(run_id=ended.run_id, status="completed", values=values, inputs=given)


def _map_result(ended: Ended, plan: MapPlan, outputs: tuple[str, ...]) -> MapResult:
    outcome = _raised(ended.outcome)
    places: Iterable[object] = outcome.value if isinstance(outcome, Done) else ()  # type: ignore[assignment]
    results = (_one_result(ended.run_id, plan, index, place) for index, place in enumerate(places))
    kept = tuple(result for result in results if result is not None)
    return MapResult(results=kept, run_id=ended.run_id, outputs=outputs)


def _one_result(run_id: str, plan: MapPlan, index: int, place: object) -> RunResult | None:
    """The result of one run of a batch, out of what its place holds; None where it is to be dropped."""
    values, given = plan.outputs(index, place), plan.inputs(index)
    if not plan.kept(values):
        return None
    if isinstance(values, Failure):
        return RunResult(run_id=run_id, status="failed", values={}, inputs=given, error=values.error)
    return RunResult(run_id=run_id, status="completed", values=values, inputs=given)


def _streamed(run_id: str, plan: MapPlan, index: int, outcome: Outcome) -> RunResult | None:
    place: object = None
    if isinstance(outcome, Done):
        place = outcome.value
    elif isinstance(outcome, Failed):
        place = Failure(outcome.error, index, outcome.attempts)
    return _one_result(run_id, plan, index, place)


def _raised(outcome: Outcome) -> Done | Paused:
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome
