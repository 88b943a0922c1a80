"""What a runner hands back: the result of one run, and those of a batch.

Runners make them from outcomes; users read them. Nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, overload

from piecework.core.outcome import Paused, Question
from piecework.core.usage import Usage
from piecework.errors import Failure, UnknownOutputError
from piecework.wording import did_you_mean, listed, near_miss

__all__ = ("MapResult", "RunResult", "RunStatus", "paused_result")

RunStatus: TypeAlias = Literal["completed", "failed", "paused", "stopped"]

_WIDTH = 60
"""Characters of a value that a repr shows."""


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class RunResult:
    """What one run came to.

    `result["name"]` answers an output's name, and an input's too; `in`, `.get` and `.values` know outputs only.
    """

    run_id: str
    """Names the run."""

    status: RunStatus
    """Whether the run completed, failed (only in a batch that keeps failures), waits for answers, or was stopped."""

    values: Mapping[str, object]
    """The outputs by name."""

    inputs: Mapping[str, object]
    """What the run was given, by name."""

    interrupts: tuple[Question, ...] = ()
    """The questions that the run waits for."""

    error: BaseException | None = None
    """What a failed run of a batch raised."""

    stopped: str = ""
    """Why the run was stopped: `"budget"` where that is spent. Empty where it was not; it can be resumed."""

    used: Usage | None = None
    """What the run has used up so far, since it was started; told where its runner has a budget."""

    def __getitem__(self, name: str) -> object:
        """Return an output, or else an input.

        Raises:
            UnknownOutputError: The run has neither; a near miss is named.
        """
        if name in self.values:
            return self.values[name]
        if name in self.inputs:
            return self.inputs[name]
        known = (*self.values, *self.inputs)
        close = near_miss(name, known)
        raise UnknownOutputError(
            f"the result has no value {name!r}; it has {listed(known) or 'none'}.{did_you_mean(name, known)}"
            f"{self._why()}",
            names=(name,),
            suggestions={} if close is None else {name: close},
        )

    def _why(self) -> str:
        """Why a value may not be there, as a sentence with a leading space."""
        if self.error is not None:
            return f" The run failed: {self.error!r}."
        if not self.stopped:
            return ""
        spent = self.stopped == "budget"
        why = "since its budget is spent" if spent else f"({self.stopped})"
        runner, again = (" that has a larger budget", " with a larger one") if spent else ("", "")
        return (
            f" The run was stopped {why}. Go on with resume({self.run_id!r}), or with map(..., run_id={self.run_id!r}) "
            f"where it is a batch, on a runner{runner}; without a store, start it again{again}."
        )

    def __contains__(self, name: object) -> bool:
        """Whether the run made an output of this name."""
        return name in self.values

    @overload
    def get(self, name: str) -> object | None: ...
    @overload
    def get(self, name: str, default: object) -> object: ...
    def get(self, name: str, default: object = None) -> object:
        """Return an output, or `default` where the run did not make it."""
        return self.values.get(name, default)

    def __repr__(self) -> str:
        """Show status and outputs, long values shortened."""
        values = ", ".join(f"{name}={_short(value)}" for name, value in self.values.items())
        error = f", error={self.error!r}" if self.error is not None else ""
        asked = f", interrupts={len(self.interrupts)}" if self.interrupts else ""
        return f"<RunResult {self.status}: {values or 'no outputs'}{asked}{error}>"


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class MapResult(Sequence[RunResult]):
    """The results of a batch, in input order; `results["name"]` is the list of that output."""

    run_id: str
    """Names the run that the batch was."""

    results: tuple[RunResult, ...]
    """One for each item, but for those that were dropped."""

    outputs: tuple[str, ...]
    """The names of the graph's outputs."""

    interrupts: tuple[Question, ...] = ()
    """The questions that the batch waits for; the runs that ask them are paused, and have no outputs yet."""

    stopped: str = ""
    """Why the batch was stopped, as in a `RunResult`; runs that had not finished have the status `"stopped"`."""

    @overload
    def __getitem__(self, key: int) -> RunResult: ...
    @overload
    def __getitem__(self, key: slice) -> MapResult: ...
    @overload
    def __getitem__(self, key: str) -> list[object]: ...
    def __getitem__(self, key: int | slice | str) -> RunResult | MapResult | list[object]:
        """Return one result, a part of the batch, or one output of all.

        In the list of an output, a run that failed has a `Failure` in its place, and one that did not make that output
        has None.

        Raises:
            UnknownOutputError: The graph has no such output, and the runs no such input.
            IndexError: There are fewer results.
        """
        if isinstance(key, str):
            return self._column(key)
        if isinstance(key, slice):
            return MapResult(run_id=self.run_id, results=self.results[key], outputs=self.outputs)
        return self.results[key]

    def __len__(self) -> int:
        """How many results there are."""
        return len(self.results)

    def __iter__(self) -> Iterator[RunResult]:
        """The results, in input order."""
        return iter(self.results)

    def __repr__(self) -> str:
        """Show how many runs completed and failed."""
        failed = sum(result.status == "failed" for result in self.results)
        tail = f", {failed} failed" if failed else ""
        tail += f", {len(self.interrupts)} questions" if self.interrupts else ""
        tail += f", stopped by {self.stopped}" if self.stopped else ""
        return f"<MapResult of {len(self.results)} runs{tail}: {', '.join(self.outputs) or 'no outputs'}>"

    def _column(self, name: str) -> list[object]:
        if name in self.outputs:
            return [
                result.get(name) if result.error is None else Failure(result.error, index)
                for index, result in enumerate(self.results)
            ]
        return [result[name] for result in self.results]


def paused_result(run_id: str, outcome: Paused, inputs: Mapping[str, object], used: Usage | None = None) -> RunResult:
    """The result of a run that waits for answers, or was stopped."""
    return RunResult(
        run_id=run_id,
        status="stopped" if outcome.stopped else "paused",
        values={},
        inputs=inputs,
        interrupts=outcome.questions,
        stopped=outcome.stopped,
        used=used,
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
