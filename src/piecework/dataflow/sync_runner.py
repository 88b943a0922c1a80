"""The runner for synchronous code: the one for coroutines, on a background loop, and this side waiting.

It holds nothing and decides nothing; each method hands what it was given on, and waits interruptibly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from piecework.core.portal import run_blocking
from piecework.core.runs import RunInfo, Standing
from piecework.dataflow.graph import Graph
from piecework.dataflow.mapping import MapMode, OnError
from piecework.dataflow.options import Forgotten, OnFailed
from piecework.dataflow.results import MapResult, RunResult
from piecework.dataflow.runners import AsyncRunner, RunnerBase, result_of
from piecework.dataflow.work import BatchWork, Mapped, gather_inputs
from piecework.resumption import OnChange

__all__ = ("Runner", "SyncRunner")


class SyncRunner(RunnerBase):
    """Runs graphs from synchronous code, async nodes and parallel maps included.

    Ctrl-C cancels the run and waits until it has ended; a second one does not wait.
    """

    _blocking = True

    def run(
        self,
        graph: Graph,
        inputs: Mapping[str, object] | None = None,
        /,
        *,
        run_id: str | None = None,
        thread_id: str | None = None,
        on_change: OnChange = "error",
        **named: object,
    ) -> RunResult:
        """Run a graph once; see `AsyncRunner.run`."""
        work = self._one_run(graph, inputs, named, new=run_id is None)
        return result_of(self._engine.run_blocking(work, self._request(run_id, thread_id, on_change)))

    def resume(
        self,
        run_id: str,
        graph: Graph | None = None,
        /,
        *,
        inputs: Mapping[str, object] | None = None,
        answers: Mapping[str, object] | None = None,
        on_change: OnChange = "error",
        failed: OnFailed = "keep",
    ) -> RunResult:
        """Go on with a run where it stopped; see `AsyncRunner.resume`."""
        return run_blocking(
            self._async.resume(run_id, graph, inputs=inputs, answers=answers, on_change=on_change, failed=failed)
        )

    def fork(
        self,
        run_id: str,
        graph: Graph | None = None,
        /,
        *,
        inputs: Mapping[str, object] | None = None,
        rerun: str | Sequence[str] = (),
        new_id: str | None = None,
        on_change: OnChange = "error",
    ) -> RunResult:
        """Run a graph anew with what another run has on record; see `AsyncRunner.fork`."""
        return run_blocking(
            self._async.fork(run_id, graph, inputs=inputs, rerun=rerun, new_id=new_id, on_change=on_change)
        )

    def get(self, run_id: str) -> RunInfo:
        """How a run stands; see `AsyncRunner.get`."""
        return run_blocking(self._async.get(run_id))

    def runs(
        self, *, status: Standing | None = None, thread_id: str | None = None, limit: int | None = None
    ) -> Sequence[RunInfo]:
        """How runs stand; see `AsyncRunner.runs`."""
        return run_blocking(self._async.runs(status=status, thread_id=thread_id, limit=limit))

    def clear_cache(self, nodes: Forgotten = None) -> int:
        """Forget what nodes made; see `AsyncRunner.clear_cache`."""
        return run_blocking(self._async.clear_cache(nodes))

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
        run_id: str | None = None,
        answers: Mapping[str, object] | None = None,
        on_change: OnChange = "error",
        **named: object,
    ) -> MapResult:
        """Run a graph once for each item of some inputs, side by side; see `AsyncRunner.map`."""
        mapped = Mapped(over=map_over, mode=mode, on_error=on_error, max_concurrency=max_concurrency)
        batch = BatchWork(graph, mapped, gather_inputs(self._compile(graph), inputs, named), new=run_id is None)
        return batch.result(self._engine.run_blocking(batch.work, self._request(run_id, None, on_change, answers)))

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
        run_id: str | None = None,
        answers: Mapping[str, object] | None = None,
        on_change: OnChange = "error",
        **named: object,
    ) -> Iterator[tuple[int, RunResult]]:
        """Yield `(index, result)` as each run of a batch ends; see `AsyncRunner.map_iter`."""
        results = self._async.map_iter(
            graph,
            gather_inputs(self._compile(graph), inputs, named),
            map_over=map_over,
            mode=mode,
            on_error=on_error,
            max_concurrency=max_concurrency,
            run_id=run_id,
            answers=answers,
            on_change=on_change,
        )
        return self._engine.iterate_blocking(results)

    @property
    def _async(self) -> AsyncRunner:
        """The same runner for coroutines."""
        return AsyncRunner._with(self)


Runner = SyncRunner
"""The same under the name that hypergraph gives it."""
