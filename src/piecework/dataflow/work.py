"""What runners ask of the engine: one run of a graph, or a batch of runs, as a piece of work.

Inputs are gathered and checked here; results are made of what the engine hands back. Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import cast

from msgspec import Struct

from piecework.core.outcome import Done, Failed, Outcome, Paused, Question
from piecework.core.plan import Sink
from piecework.core.scheduler import Ended
from piecework.dataflow.blueprint import Blueprint, Step, compile_node
from piecework.dataflow.graph import Graph, GraphNode
from piecework.dataflow.mapping import MapMode, OnError
from piecework.dataflow.plan import MapPlan
from piecework.dataflow.results import MapResult, RunResult, paused_result
from piecework.dataflow.validate import check_inputs
from piecework.errors import Failure, InputConflictError, UnknownInputError
from piecework.resumption import BATCH, Work
from piecework.wording import listed

__all__ = ("BatchWork", "Mapped", "gather_inputs", "raised")


def gather_inputs(
    graph: Blueprint, inputs: Mapping[str, object] | None, named: Mapping[str, object]
) -> dict[str, object]:
    """All inputs in one dict.

    Raises:
        TypeError: `inputs` is no mapping.
        InputConflictError: An input is given twice.
    """
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


def raised(outcome: Outcome) -> Done | Paused:
    """An outcome, unless it is a failure.

    Raises:
        BaseException: What failed.
    """
    if isinstance(outcome, Failed):
        raise outcome.error
    return outcome


class Mapped(Struct, frozen=True, kw_only=True):
    """How a batch maps its graph; see `AsyncRunner.map`."""

    over: str | Sequence[str]
    """The inputs to take item by item."""
    mode: MapMode
    """Side by side, or every combination."""
    on_error: OnError
    """What a failed run does."""
    max_concurrency: int | None
    """How many runs may go on at once."""


class BatchWork:
    """A batch of runs of one graph."""

    def __init__(
        self,
        graph: Graph,
        mapped: Mapped,
        given: Mapping[str, object],
        *,
        new: bool,
        sink: Sink | None = None,
    ) -> None:
        """Prepare a batch, a new one or one that may be on record; `sink` takes the runs as they finish.

        Raises:
            UnknownInputError: The graph has no such input.
            MappingError: An option is invalid.
        """
        self._graph = graph
        self._sink = sink
        self._node, self._step = _mapped_node(graph, mapped)
        self._made: MapPlan | None = None
        if new or not given.keys() <= set(graph.inputs.all):
            check_inputs(graph, given)
        over = f"{BATCH}{mapped.over if isinstance(mapped.over, str) else ', '.join(mapped.over)}"
        inner: Mapping[str, str] = self._step.body.shape if isinstance(self._step.body, Blueprint) else {}
        self.work = Work(
            name="batch",
            shape={self._step.name: over, **{f"{self._step.name}/{path}": told for path, told in inner.items()}},
            given=given,
            check=partial(check_inputs, graph),
            plan=self._plan,
        )
        """What the engine is asked."""

    def result(self, ended: Ended) -> MapResult:
        """What the batch came to.

        Raises:
            BaseException: Whatever a node raised, unless failures are kept or dropped.
        """
        outcome, asked, stopped = raised(ended.outcome), tuple[Question, ...](), ""
        if isinstance(outcome, Paused):
            places: Iterable[object] = outcome.places
            asked, stopped = outcome.questions, outcome.stopped
        else:
            places = outcome.value  # type: ignore[assignment]  # A fan-out's value is a list.
        results = (self._one(ended.run_id, index, place) for index, place in enumerate(places))
        kept = tuple(result for result in results if result is not None)
        return MapResult(
            results=kept, run_id=ended.run_id, outputs=self._graph.outputs, interrupts=asked, stopped=stopped
        )

    def streamed(self, run_id: str, index: int, outcome: Outcome) -> RunResult | None:
        """The result of one run as it finished; None where it is to be dropped."""
        place: object = outcome
        if isinstance(outcome, Done):
            place = outcome.value
        elif isinstance(outcome, Failed):
            place = Failure(outcome.error, index, outcome.attempts)
        return self._one(run_id, index, place)

    def _plan(self, inputs: Mapping[str, object]) -> MapPlan:
        self._made = MapPlan(self._step, {**self._node.defaults, **inputs}, self._sink)
        return self._made

    def _one(self, run_id: str, index: int, place: object) -> RunResult | None:
        """The result of one run, out of what its place holds; None where it is to be dropped."""
        plan = self._made
        assert plan is not None
        if isinstance(place, Paused):
            return paused_result(run_id, place, plan.inputs(index))
        values, given = plan.outputs(index, place), plan.inputs(index)
        if not plan.kept(values):
            return None
        if isinstance(values, Failure):
            return RunResult(run_id=run_id, status="failed", values={}, inputs=given, error=values.error)
        return RunResult(run_id=run_id, status="completed", values=values, inputs=given)


def _mapped_node(graph: Graph, how: Mapped) -> tuple[GraphNode, Step]:
    names = (how.over,) if isinstance(how.over, str) else tuple(how.over)
    mapped = graph.as_node(graph.name or "graph").map_over(
        *names, mode=how.mode, on_error=how.on_error, max_concurrency=how.max_concurrency
    )
    if mapped.signature.unresolved:
        raise UnknownInputError(
            f"map_over={listed(mapped.signature.unresolved)}: the graph has no such input; "
            f"its inputs are {listed(graph.inputs.all)}.",
            names=mapped.signature.unresolved,
            graph=graph.name,
        )
    return mapped, compile_node(mapped)
