"""A run of a dataflow graph, as decisions: a node starts when its own inputs are there.

The engine performs these plans. No clock, no I/O, no await; each outcome touches only the nodes it feeds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Iterator, Mapping, Sequence
from typing import cast

from piecework.core.call import Target
from piecework.core.outcome import Done, Failed, Outcome, Paused, Question
from piecework.core.plan import Action, FanOut, Finish, Nest, Sink, Start
from piecework.core.policy import OnError
from piecework.core.recall import UNKEPT
from piecework.dataflow.blueprint import Blueprint, Step
from piecework.dataflow.items import map_items
from piecework.dataflow.reuse import skipped_steps
from piecework.errors import Failure, OutputMismatchError

__all__ = ("GraphPlan", "MapPlan")


class GraphPlan:
    """One run of a compiled graph; done with a dict of its outputs."""

    def __init__(self, graph: Blueprint, inputs: Mapping[str, object]) -> None:
        """Begin a run with inputs that were checked."""
        self._graph = graph
        self._values: dict[str, object] = {**graph.defaults, **inputs}
        self._missing = list(graph.edges)
        self._running = 0
        self._questions: list[Question] = []
        self._stopped = ""
        self._skipped: Container[int] = ()

    def resume(self, done: Callable[[str], bool]) -> None:
        """Leave out nodes whose outputs were not kept, where nothing that runs again takes them."""
        if self._graph.unkept:
            self._skipped = skipped_steps(self._graph, done)

    def start(self) -> Sequence[Action]:
        """Start every node that waits for no other."""
        return self._begin(list(self._graph.roots))

    def advance(self, token: object, outcome: Outcome) -> Sequence[Action]:
        """Take a node's outputs in, and start what waited only for them."""
        self._running -= 1
        if isinstance(outcome, Failed):
            return [Finish(outcome)]
        if isinstance(outcome, Paused):
            self._questions.extend(outcome.questions)
            self._stopped = self._stopped or outcome.stopped
            return self._begin([])
        assert isinstance(token, int)
        step = self._graph.steps[token]
        try:
            outputs = (outcome.value,) if step.plain else _unpacked(step, outcome.value)
        except OutputMismatchError as error:
            return [Finish(Failed(error))]
        ready: list[int] = []
        self._take(step, outputs, ready)
        return self._begin(ready)

    def _take(self, step: Step, outputs: Sequence[object], ready: list[int]) -> None:
        """Take in what a node made, and add the nodes that waited only for that to those that are ready."""
        for name, value in zip(step.outputs, outputs, strict=True):
            self._values[name] = value
            for index in self._graph.consumers.get(name, ()):
                self._missing[index] -= 1
                if self._missing[index] == 0:
                    ready.append(index)

    def _begin(self, ready: list[int]) -> Sequence[Action]:
        actions: list[Action] = []
        try:
            for index in ready:  # It may grow meanwhile.
                step = self._graph.steps[index]
                if index in self._skipped:
                    self._take(step, (UNKEPT,) * len(step.outputs), ready)
                else:
                    actions.append(_action(index, step, self._values))
        except Exception as error:
            return [Finish(Failed(error))]
        self._running += len(actions)
        if self._running > 0:
            return actions
        if self._questions or self._stopped:
            return [Finish(Paused(tuple(self._questions), stopped=self._stopped))]
        outputs: dict[str, object] = {}
        for name in self._graph.outputs:
            if name in self._values:
                outputs[name] = self._values[name]
        return [Finish(Done(outputs))]


class MapPlan:
    """One graph run for each item of a collection; done with a list of what each run came to.

    A run's place holds what its graph was done with, or a `Failure`; runs to be dropped are left out by `kept`.
    """

    def __init__(self, step: Step, inputs: Mapping[str, object], sink: Sink | None = None) -> None:
        """Begin a batch; `step` is the graph as a mapped node, `sink` takes the runs as they finish."""
        assert step.mapping is not None
        self._step = step
        self._on_error = step.mapping.on_error
        self._inputs = inputs
        self._sink = sink
        self._given: dict[int, Mapping[str, object]] = {}
        self._outer = {inner: outer for outer, inner in step.arguments}

    def start(self) -> Sequence[Action]:
        """Start the one fan-out that this is."""
        try:
            action = _fan_out(0, self._step, self._inputs)
        except Exception as error:
            return [Finish(Failed(error))]
        action.sink = self._sink
        action.on_error = "raise" if self._on_error == "raise" else "keep"  # Dropped last, when all are in place.
        if isinstance(action.items, AsyncIterator):
            action.items = self._noted_async(action.items)
        else:
            action.items = self._noted(action.items)
        return [action]

    def advance(self, token: object, outcome: Outcome) -> Sequence[Action]:  # noqa: ARG002 - there is one action
        """All runs have ended, or one ended them all."""
        return [Finish(outcome)]

    def inputs(self, index: int) -> Mapping[str, object]:
        """What a run was given, by the graph's names; told once."""
        given = self._given.pop(index, {})
        return {self._outer[inner]: value for inner, value in given.items()}

    def outputs(self, index: int, value: object) -> Mapping[str, object] | Failure:
        """The outputs of one run, by name, out of what its place holds.

        Raises:
            OutputMismatchError: Its only function returned another number of values than it has outputs.
        """
        if isinstance(value, Failure):
            return value
        try:
            return dict(zip(self._step.outputs, _parts(self._step, value), strict=True))
        except OutputMismatchError as error:
            if self._on_error == "raise":
                raise
            return Failure(error, index)

    def kept(self, outputs: Mapping[str, object] | Failure) -> bool:
        """Whether a run has a place in the results."""
        return self._on_error != "drop" or not isinstance(outputs, Failure)

    def _noted(self, items: Iterator[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
        for index, kwargs in enumerate(items):
            self._given[index] = kwargs
            yield kwargs

    async def _noted_async(
        self, items: AsyncIterator[Mapping[str, object]]
    ) -> AsyncGenerator[Mapping[str, object], None]:
        index = 0
        try:
            async for kwargs in items:
                self._given[index] = kwargs
                yield kwargs
                index += 1
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()


def _action(index: int, step: Step, values: Mapping[str, object]) -> Action:
    if step.mapping is not None:
        return _fan_out(index, step, values)
    kwargs: dict[str, object] = {}
    for outer, inner in step.arguments:
        kwargs[inner] = values[outer]
    if isinstance(step.body, Target):
        return Start(index, step.body, kwargs, step.name)
    return Nest(index, step.name, GraphPlan(step.body, kwargs))


def _fan_out(index: int, step: Step, values: Mapping[str, object]) -> FanOut:
    mapping, body = step.mapping, step.body
    assert mapping is not None
    inner = {inside: outer for outer, inside in step.arguments}
    columns = {inner[param]: (param, values[inner[param]]) for param in mapping.params}
    broadcast = {inside: values[outer] for outer, inside in step.arguments if inside not in mapping.params}
    items, size = map_items(step.name, columns, broadcast, mapping.mode)
    make_key = mapping.key
    return FanOut(
        token=index,
        name=step.name,
        body=body if isinstance(body, Target) else _plans_of(body),
        items=items,
        size=size,
        on_error=mapping.on_error,
        max_concurrency=mapping.max_concurrency,
        shared=broadcast,
        key=None if make_key is None else lambda kwargs: make_key(*(kwargs[param] for param in mapping.params)),
        failure=_failure,
    )


def _plans_of(graph: Blueprint) -> Callable[[Mapping[str, object]], GraphPlan]:
    return lambda kwargs: GraphPlan(graph, kwargs)


def _failure(outcome: Outcome, index: int) -> Failure:
    assert isinstance(outcome, Failed)
    return Failure(outcome.error, index, outcome.attempts)


def _unpacked(step: Step, value: object) -> tuple[object, ...]:
    """The values of a step's outputs: for a mapped one, a list each."""
    if step.mapping is None:
        return _parts(step, value)
    items = cast("list[object]", value)
    if isinstance(step.body, Target) and len(step.outputs) == 1:
        return (items,)
    columns: tuple[list[object], ...] = tuple([] for _ in step.outputs)
    for index, item in enumerate(items):
        row = _row(step, index, item)
        if row is not None:
            for column, part in zip(columns, row, strict=True):
                column.append(part)
    return columns


def _parts(step: Step, value: object) -> tuple[object, ...]:
    """The values of a step's outputs, out of what one call or one inner run came to.

    Raises:
        OutputMismatchError: The function returned another number of values than the node has outputs.
    """
    if isinstance(step.body, Blueprint):
        values: Mapping[str, object] = value  # type: ignore[assignment]  # An inner plan is done with a dict.
        return tuple(values.get(name) for name in step.inner_outputs)
    if not step.outputs:
        return ()
    if len(step.outputs) == 1:
        return (value,)
    returned = value  # Not narrowed, for the message.
    parts = tuple(cast("Sequence[object]", value)) if isinstance(value, (tuple, list)) else None
    if parts is None or len(parts) != len(step.outputs):
        raise OutputMismatchError(node=step.name, expected=step.outputs, got=returned)
    return parts


def _row(step: Step, index: int, item: object) -> tuple[object, ...] | None:
    """One item's values; None leaves the item out."""
    if isinstance(item, Failure):
        return (item,) * len(step.outputs)
    try:
        return _parts(step, item)
    except OutputMismatchError as error:
        error.add_note(f"item {index} of node '{step.name}'")
        on_error: OnError = "raise" if step.mapping is None else step.mapping.on_error
        if on_error == "raise":
            raise
        return None if on_error == "drop" else (Failure(error, index),) * len(step.outputs)
