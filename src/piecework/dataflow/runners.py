"""Runners of dataflow graphs: inputs in, results out.

`AsyncRunner` is awaited; `SyncRunner` is its facade for synchronous code. Both check what they are given, let the
engine perform the graph's plan, and raise at the end what a node raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Self, get_args

from piecework.core.budget import Budget
from piecework.core.outcome import Failed, Paused
from piecework.core.policy import CachePolicy, CallPolicy, ChangedInputs, Durability, RunPolicy
from piecework.core.ports import Cache, Executor, Observer, RunLog
from piecework.core.runs import RunInfo, Standing
from piecework.core.scheduler import Ended
from piecework.core.stream import Stream
from piecework.core.waiting import see_out
from piecework.dataflow.blueprint import COMPILED, Blueprint, all_calls, blueprint
from piecework.dataflow.graph import Graph
from piecework.dataflow.mapping import MapMode, OnError
from piecework.dataflow.options import (
    Forgotten,
    OnFailed,
    check_choice,
    check_keepers,
    check_text,
    forgotten_names,
    keep_policy,
    run_policy,
)
from piecework.dataflow.plan import GraphPlan
from piecework.dataflow.policies import LimitsOption, RetryOption, TimeoutOption
from piecework.dataflow.results import MapResult, RunResult, paused_result
from piecework.dataflow.reuse import rerun_paths, takers
from piecework.dataflow.validate import check_inputs
from piecework.dataflow.work import BatchWork, Mapped, gather_inputs, raised
from piecework.errors import NoCacheError, UnknownGraphError
from piecework.resumption import OnChange, Request, Work, find_run
from piecework.runner import Engine

__all__ = ("AsyncRunner", "RunnerBase", "result_of")


class RunnerBase:
    """What both runners share: how they are made, and what they make of a graph and its inputs."""

    _blocking = False
    """Whether its methods are called by synchronous code, which waits for what they give."""

    def __init__(
        self,
        *,
        max_concurrency: int | None = None,
        grace: float = 5.0,
        store: RunLog | None = None,
        durability: Durability = "async",
        changed_inputs: ChangedInputs = "rerun",
        labels: Mapping[str, str] | None = None,
        executor: Executor | None = None,
        observers: Sequence[Observer] = (),
        retry: RetryOption = None,
        timeout: TimeoutOption = None,
        limits: LimitsOption = None,
        cache: Cache | None = None,
        cache_policy: CachePolicy | None = None,
        run_timeout: float | timedelta | None = None,
        budget: Budget | None = None,
    ) -> None:
        """Make a runner.

        Args:
            max_concurrency: How many calls may run at once over a whole run, nesting included; None means no limit.
            grace: Seconds that a cancelled run waits for blocking functions before it abandons them.
            store: Keeps the runs' logs; None keeps nothing.
            durability: When what happened is committed to the store. `"async"`: while the run goes on; a fan-out's plan
                and an answer before what depends on them starts. `"sync"`: each call before anything that takes its
                output starts. `"exit"`: when the run ends or fails; a process that is killed leaves nothing. The
                result of a run waits for its commit under all three.
            changed_inputs: What becomes of a finished call that is given other inputs when the run is resumed:
                `"rerun"` runs it again, `"error"` fails it.
            labels: Kept with each run, to know it again; see `RunInfo.start`.
            executor: Where functions run; by default in this process.
            observers: Are told what happens.
            retry: When a call that failed is tried again, where its node does not say; see `node`.
            timeout: Seconds that one attempt may take, or a `TimeoutPolicy`, where its node does not say.
            limits: The named limits that calls count under whose nodes name none.
            cache: Keeps what nodes with a cache policy make: `MemoryCache()`, or `SqliteCache("cache.db")`.
            cache_policy: The cache policy of nodes that have none.
            run_timeout: Seconds that a whole run may take; then it fails, and can be resumed.
            budget: What the calls of a run may use up; when it is spent no new one starts, and the run is stopped.

        Raises:
            ValueError: A limit is out of its range.
            TypeError: An option is none of what it may be.
        """
        check_keepers(store=store, cache=cache, labels=labels)
        self._policy = run_policy(
            max_concurrency=max_concurrency,
            grace=grace,
            run_timeout=run_timeout,
            budget=budget,
            retry=retry,
            timeout=timeout,
            cache_policy=cache_policy,
            limits=limits,
        )
        self._engine = Engine(
            policy=None if self._policy == RunPolicy() else self._policy,
            store=store,
            executor=executor,
            observers=observers,
            keep=keep_policy(durability, changed_inputs),
            cache=cache,
            labels=labels,
        )
        self._cache = cache
        self._graphs: dict[str, Graph | None] = {}
        """The graphs that were run, by name; None where several of one name were."""

    @classmethod
    def _with(cls, other: RunnerBase) -> Self:
        runner = cls.__new__(cls)
        runner._engine = other._engine
        runner._policy = other._policy
        runner._cache = other._cache
        runner._graphs = other._graphs
        return runner

    def _compile(self, graph: Graph) -> Blueprint:
        """The graph compiled; with a store, its annotated types are known to the codec, and the graph to `resume`."""
        compiled = COMPILED.get(graph) or blueprint(graph)
        caches = self._engine.caches(blocking=self._blocking)
        if not caches:
            self._refuse_cached(compiled)
        if self._engine.stores or caches:
            self._note(graph, compiled)
        return compiled

    def _refuse_cached(self, compiled: Blueprint) -> None:
        """See that nothing of a graph is to be cached, since there is no cache.

        Raises:
            NoCacheError: Something is.
        """
        calls = self._policy.calls
        cached = compiled.cached if calls is None or calls.cache is None else all_calls(compiled)
        if cached:
            raise NoCacheError(cached)

    def _note(self, graph: Graph, compiled: Blueprint) -> None:
        known = self._graphs.get(compiled.name)
        if known is not graph:
            self._engine.register(compiled.types)
            same = known is None or (compiled.name in self._graphs and blueprint(known).shape == compiled.shape)
            self._graphs[compiled.name] = graph if same else None

    def _one_run(
        self, graph: Graph, inputs: Mapping[str, object] | None, named: Mapping[str, object], *, new: bool
    ) -> Work:
        """One run of a graph; a new one needs all its inputs, one that may be on record only what is not there."""
        compiled = COMPILED.get(graph) or blueprint(graph)
        may_cache = bool(compiled.cached) or self._policy.calls is not None
        caches = may_cache and self._engine.caches(blocking=self._blocking)
        if may_cache and not caches:
            self._refuse_cached(compiled)
        fast = not named and inputs.__class__ is dict
        given = {**(inputs or {})} if fast else gather_inputs(compiled, inputs, named)
        if not given.keys() <= compiled.accepted or (new and not compiled.required <= given.keys()):
            check_inputs(graph, given)
        if self._engine.stores or caches:
            self._note(graph, compiled)
        return Work(
            name=compiled.name,
            shape=compiled.shape,
            given=given,
            bound=compiled.bound,
            check=partial(check_inputs, graph),
            outputs=compiled.outputs,
            plan=partial(GraphPlan, compiled),
        )

    async def _resumed(
        self,
        run_id: str,
        graph: Graph | None,
        inputs: Mapping[str, object] | None,
        *,
        answers: Mapping[str, object] | None,
        on_change: OnChange,
        failed: OnFailed,
    ) -> tuple[Work, Request]:
        """What a resume asks of the engine."""
        check_text("run_id", run_id)
        check_choice("on_change", on_change, get_args(OnChange))
        check_choice("failed", failed, get_args(OnFailed))
        graph = await self._graph_of(run_id, graph)
        request = Request(run_id=run_id, known=True, answers=answers or {}, on_change=on_change, failed=failed)
        return self._one_run(graph, dict(inputs or {}), {}, new=False), request

    async def _graph_of(self, run_id: str, graph: Graph | None) -> Graph:
        """The graph of a run: the one given, or one of its name that this runner has run."""
        store = self._engine.store("resume()")
        if graph is not None:
            return graph
        found = await find_run(store, run_id)
        known = self._graphs.get(found.name)
        if known is None:
            raise UnknownGraphError(run_id, name=found.name)
        return known

    def _request(
        self,
        run_id: str | None,
        thread_id: str | None,
        on_change: OnChange,
        answers: Mapping[str, object] | None = None,
    ) -> Request | None:
        if run_id is None and thread_id is None and not answers:
            return None
        check_choice("on_change", on_change, get_args(OnChange))
        for option, given in (("run_id", run_id), ("thread_id", thread_id)):
            if given is not None:
                check_text(option, given)
        return Request(run_id=run_id, thread_id=thread_id, on_change=on_change, answers=answers or {})

    def __repr__(self) -> str:
        """Show what is set."""
        policy, calls = self._policy, self._policy.calls or CallPolicy()
        options: dict[str, object] = {
            "retry": calls.retry,
            "timeout": calls.timeout,
            "limits": calls.limits,
            "cache": self._cache,
            "cache_policy": calls.cache,
            "run_timeout": policy.timeout,
            "budget": policy.budget,
        }
        told = "".join(f", {option}={value!r}" for option, value in options.items() if value is not None)
        return f"{type(self).__name__}(max_concurrency={policy.max_concurrency}, grace={policy.grace}{told})"


class AsyncRunner(RunnerBase):
    """Runs graphs from coroutines. Async nodes run on the running loop, blocking ones on threads."""

    async def run(
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
        """Run a graph once.

        Args:
            graph: What to run.
            inputs: Its inputs by name.
            run_id: Names the run in the store. If a run of that name stopped there, it goes on and does nothing twice;
                if it completed, its result is returned and nothing is run.
            thread_id: Makes a new run a part of this thread, after the thread's last one.
            on_change: What to do if the run that is to go on was started with another graph: `"error"` says what is
                different, `"continue"` reuses the calls whose address and function are still there.
            **named: More inputs; `inputs=` as a keyword is read as the mapping unless the graph has an input of that
                name. An input that has the name of an option goes into the mapping.

        Raises:
            MissingInputError: An input that no node produces was not given.
            UnknownInputError: The graph has no such input.
            NoCacheError: A node is to be cached, and the runner has no cache.
            InputConflictError: An input was given twice.
            NoStoreError: `run_id` or `thread_id` was given to a runner without a store.
            RunChangedError: The run that is to go on was started with another graph, or with other inputs.
            RunHeldError: Somebody else works on it.
            RunTimeoutError: It took longer than the runner's `run_timeout`.
            StoreError: What happened could not be recorded.
            Exception: Whatever a node raised, with a note that says which node, item and attempt.
        """
        request = None
        if run_id is not None or thread_id is not None:
            request = self._request(run_id, thread_id, on_change)
        work = self._one_run(graph, inputs, named, new=run_id is None)
        return result_of(await self._engine.run(work, request))

    async def resume(
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
        """Go on with a run where it stopped: what finished is not run again.

        A run that failed tries again what failed; one that is paused goes on where its questions are answered; one that
        was stopped since its budget was spent goes on with the budget of this runner; one that completed gives its
        result and runs nothing.

        Args:
            run_id: The run.
            graph: Its graph; may be left out where this runner has run it.
            inputs: Inputs that could not be stored, such as clients. Others are on record.
            answers: Answers to the run's questions, by the question's id.
            on_change: What to do if the graph is another than the run was started with; see `run`.
            failed: What becomes of items that failed in a run that completed since failures were kept or dropped:
                `"keep"` leaves them, `"retry"` tries them again, and what takes them runs again.

        Raises:
            UnknownRunError: There is no such run.
            UnknownGraphError: The graph was left out, and this runner has not run one of that name.
            UnknownQuestionError: The run does not wait for one of the answers.
            MissingInputError: An input could not be stored, and is not given.
            NoStoreError: The runner has no store.
            RunChangedError: The run was started with another graph, or with other inputs.
            RunHeldError: Somebody else works on it.
            Exception: Whatever a node raised.
        """
        asked = await self._resumed(run_id, graph, inputs, answers=answers, on_change=on_change, failed=failed)
        return result_of(await self._engine.run(*asked))

    async def fork(
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
        """Run a graph anew with what another run has on record; that run stays as it is.

        Args:
            run_id: The run to start from; it may have ended in any way, or still go on.
            graph: Its graph; may be left out where this runner has run it.
            inputs: Inputs that are to be others. Whatever they change runs again, the rest is reused.
            rerun: Nodes that are to run again, with all that come after them; one inside a graph node by its path, as
                in `"section_writer/write"`.
            new_id: Names the new run.
            on_change: What to do if the graph is another than the run was started with; see `run`.

        Raises:
            UnknownNodeError: `rerun` names a node that the graph does not have.
            UnknownRunError: There is no such run.
            RunExistsError: There is a run `new_id` already.
            Exception: As for `resume`.
        """
        check_text("run_id", run_id)
        if new_id is not None:
            check_text("new_id", new_id)
        check_choice("on_change", on_change, get_args(OnChange))
        graph = await self._graph_of(run_id, graph)
        compiled = self._compile(graph)
        # What takes an input that cannot be compared with the one before runs again.
        others = [name for name, value in (inputs or {}).items() if not self._engine.storable(value)]
        named = (rerun,) if isinstance(rerun, str) else tuple(rerun)
        paths = rerun_paths(compiled, (*named, *takers(compiled, others)))
        work = self._one_run(graph, dict(inputs or {}), {}, new=False)
        return result_of(await self._engine.fork(run_id, work, rerun=paths, new_id=new_id, on_change=on_change))

    async def get(self, run_id: str) -> RunInfo:
        """How a run stands.

        Raises:
            UnknownRunError: There is no such run.
            NoStoreError: The runner has no store.
        """
        return await find_run(self._engine.store("get()"), run_id)

    async def runs(
        self, *, status: Standing | None = None, thread_id: str | None = None, limit: int | None = None
    ) -> Sequence[RunInfo]:
        """How runs stand, the one that was made last coming first.

        Args:
            status: Only those that stand so: `"running"`, `"completed"`, `"failed"`, `"paused"`, `"stopped"` where a
                budget was spent, `"cancelled"`, or `"interrupted"` for those that nobody works on any more although
                they have not ended.
            thread_id: Only those of this thread.
            limit: So many at most.

        Raises:
            NoStoreError: The runner has no store.
        """
        if status is not None:
            check_choice("status", status, get_args(Standing))
        return await self._engine.store("runs()").runs(status=status, thread_id=thread_id, limit=limit)

    async def clear_cache(self, nodes: Forgotten = None) -> int:
        """Forget what nodes made, so that they make it anew; returns how many values that were.

        Args:
            nodes: The nodes, or their names; None forgets what all nodes made. A name that no node has is fine.

        Raises:
            NoCacheError: The runner has no cache.
        """
        return await self._engine.clear_cache(forgotten_names(nodes))

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
        run_id: str | None = None,
        answers: Mapping[str, object] | None = None,
        on_change: OnChange = "error",
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
            run_id: Names the batch in the store; one of that name goes on where it stopped, as in `run`.
            answers: Answers to the questions that the batch waits for, by the question's id.
            on_change: What to do if the batch that is to go on was started with another graph; see `run`.
            **named: More inputs.

        Raises:
            MappingError: `map_over` names no input, or what an input holds cannot be mapped over.
            MissingInputError: An input that no node produces was not given.
            UnknownInputError: The graph has no such input.
            Exception: Whatever a node raised, under `on_error="raise"`; and as for `run`.
        """
        mapped = Mapped(over=map_over, mode=mode, on_error=on_error, max_concurrency=max_concurrency)
        batch = BatchWork(graph, mapped, gather_inputs(self._compile(graph), inputs, named), new=run_id is None)
        return batch.result(await self._engine.run(batch.work, self._request(run_id, None, on_change, answers)))

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
        run_id: str | None = None,
        answers: Mapping[str, object] | None = None,
        on_change: OnChange = "error",
        **named: object,
    ) -> AsyncGenerator[tuple[int, RunResult], None]:
        """Run a graph once for each item of some inputs, and yield `(index, result)` as each run ends.

        No new run starts while hundreds of results wait to be read, so a collection may be endless. Leaving the loop
        early, or closing the iterator, cancels the runs that still go on. Arguments and errors are those of `map`.
        """
        stream = Stream()
        mapped = Mapped(over=map_over, mode=mode, on_error=on_error, max_concurrency=max_concurrency)
        given = gather_inputs(self._compile(graph), inputs, named)
        batch = BatchWork(graph, mapped, given, new=run_id is None, sink=stream)
        run_id = run_id or self._engine.run_id()
        request = self._request(run_id, None, on_change, answers) if self._engine.stores else None
        running = asyncio.create_task(self._engine.run(batch.work, request))
        running.add_done_callback(lambda _: stream.end())
        try:
            async for index, outcome in stream:
                result = batch.streamed(run_id, index, outcome)
                if result is not None:
                    yield index, result
            raised((await running).outcome)
        finally:
            running.cancel()
            await see_out([running])


def result_of(ended: Ended) -> RunResult:
    """What one run came to; what it raised is raised."""
    outcome = ended.outcome
    if isinstance(outcome, Failed):
        raise outcome.error
    if isinstance(outcome, Paused):
        return paused_result(ended.run_id, outcome, ended.inputs, ended.used)
    values: Mapping[str, object] = outcome.value  # type: ignore[assignment]  # A graph's plan is done with a dict.
    return RunResult(run_id=ended.run_id, status="completed", values=values, inputs=ended.inputs, used=ended.used)
