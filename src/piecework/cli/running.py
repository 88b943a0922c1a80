"""A run of a user's graph, as `piecework run` starts it and `piecework resume` goes on with it: what is told of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import islice

import typer

from piecework import Failure, Graph, PieceworkError, RunResult, UnknownOutputError
from piecework.cli.aside import printing_aside
from piecework.cli.errors import FailedError, MisuseError
from piecework.cli.keeping import Keeping
from piecework.cli.results import as_json, as_text, described, failures
from piecework.cli.streams import print_result, printable, say
from piecework.observe import AttemptFailed, CallFinished, Event, Failed, Observer

__all__ = ("perform", "selected")

_FAILED = 1
_MOST_FAILURES = 20
"""How many failed items are told one by one."""
_MOST_QUESTIONS = 20
"""How many questions are told one by one."""
_SHOWN = 200
"""How many characters of a question are told."""


def selected(graph: Graph, name: str | None) -> Graph:
    """Return the graph that makes one output alone; with no name, the graph as it is.

    Raises:
        MisuseError: It has no such output.
    """
    if name is None:
        return graph
    try:
        return graph.select(name)
    except UnknownOutputError as error:
        raise MisuseError(f"--select {name}: {error}") from None


def perform(
    start: Callable[[Observer], RunResult],
    kept: Keeping,
    run_id: str | None,
    typed: Sequence[str],
    *,
    select: str | None,
    quiet: bool,
) -> None:
    """Run a graph, print its outputs and tell how it went.

    Args:
        start: Runs it under an observer.
        kept: Where it is kept.
        run_id: Its id there.
        typed: What is to be typed to go on with it besides its id: the graph, as it was named, and options.
        select: The only output to print.
        quiet: Whether to leave out how much was run.

    Raises:
        typer.Exit: A node or an item failed, or the run waits for answers.
    """
    calls = Calls()
    with kept.advised(run_id, *typed):
        with _told(calls), printing_aside():
            result = start(calls)
        if not result.interrupts:
            _print_outputs(result, select)
    if not quiet:
        say(str(calls))
    if result.interrupts:
        _tell_questions(result, kept, run_id, typed)
        raise typer.Exit(_FAILED)
    if _tell_failures(result):
        raise typer.Exit(_FAILED)


def _tell_questions(result: RunResult, kept: Keeping, run_id: str | None, typed: Sequence[str]) -> None:
    for question in result.interrupts[:_MOST_QUESTIONS]:
        asked = printable(question.value if isinstance(question.value, str) else as_json(question.value))
        cut = asked if len(asked) <= _SHOWN else f"{asked[: _SHOWN - 3]}..."
        say(f"the run waits for an answer to {question.id}: {cut}")
    more = len(result.interrupts) - _MOST_QUESTIONS
    if more > 0:
        say(f"the run waits for {more:,} more answers")
    if run_id is None:
        say("error: the run is not kept, so it cannot be answered. Run it with a store.")
    else:
        one = len(result.interrupts) == 1
        say(kept.advice(run_id, *typed, "--answer", "VALUE" if one else "ID=VALUE"))


class Calls:
    """Counts the calls of a run, and remembers which of them failed; an observer."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._count = 0
        self._failed = 0
        self._recorded = 0
        self._cached = 0
        self._retries = 0
        self._last_failed: deque[CallFinished] = deque(maxlen=1000)  # Of a million failed items, none is asked for.

    def on_event(self, event: Event) -> None:
        if isinstance(event, CallFinished) and event.recorded:
            self._recorded += 1
        elif isinstance(event, CallFinished) and event.cached:
            self._cached += 1
        elif isinstance(event, AttemptFailed):
            self._retries += 1
        elif isinstance(event, CallFinished):
            self._count += 1
            if isinstance(event.outcome, Failed):
                self._failed += 1
                self._last_failed.append(event)

    def blamed(self, error: BaseException) -> str:
        """What a run raised, with the node that raised it first."""
        for event in self._last_failed:
            if isinstance(event.outcome, Failed) and event.outcome.error is error:
                return f"node {event.call.target.name!r} failed at {event.call.address}: {described(error)}"
        return str(error) if isinstance(error, PieceworkError) else described(error)

    def __str__(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        retries = f", {self._retries} tried again" if self._retries else ""
        cached = f", {self._cached} from the cache" if self._cached else ""
        recorded = f", {self._recorded} on record" if self._recorded else ""
        called = f"{self._count} call{'' if self._count == 1 else 's'}"
        return f"{called}{failed}{retries}{cached}{recorded}, {time.monotonic() - self._began:.1f} s"


@contextmanager
def _told(calls: Calls) -> Generator[None]:
    """What a run raises, as the one line that tells it."""
    try:
        yield
    except MisuseError:
        raise
    except (Exception, SystemExit) as error:  # A node that exits ends the run, not the program as it likes.
        raise FailedError(calls.blamed(error)) from error


def _print_outputs(result: RunResult, select: str | None) -> None:
    if select is None:
        print_result(as_json(result.values))
    elif select in result:
        print_result(as_text(result[select]))
    else:
        raise FailedError(f"the run made no {select!r}.")


def _tell_failures(result: RunResult) -> bool:
    """Say which items failed, each once although it stands in every output of its node; whether there are any."""
    found: dict[int, tuple[str, Failure]] = {}
    for path, failure in failures(result.values):
        found.setdefault(id(failure), (path, failure))
    for path, failure in islice(found.values(), _MOST_FAILURES):
        say(f"error: {path} failed: {described(failure.error)}")
    if len(found) > _MOST_FAILURES:
        say(f"error: {len(found) - _MOST_FAILURES} more items failed")
    return bool(found)
