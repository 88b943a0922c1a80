"""`piecework draw` and `piecework run`: a graph of the user's own, named as `module:graph`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from itertools import islice
from typing import Annotated

import typer

from piecework import Failure, Graph, PieceworkError, RunResult, SyncRunner, UnknownOutputError
from piecework.cli.aside import printing_aside
from piecework.cli.errors import FailedError, MisuseError
from piecework.cli.inputs import read_inputs
from piecework.cli.reference import find_graph
from piecework.cli.results import as_json, as_text, described, failures
from piecework.cli.streams import print_result, say
from piecework.observe import CallFinished, Event, Failed

__all__ = ("draw", "run")

_FAILED = 1
_MOST_FAILURES = 20
"""How many failed items are told one by one."""

Reference = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:GRAPH",
        help="A graph in a module: package.module:graph, or path/to/file.py:graph.",
        show_default=False,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def draw(graph: Reference, _debug: Debug = False) -> None:
    """Print a graph as a Mermaid flowchart."""
    print_result(f"{find_graph(graph).to_mermaid()}\n")


def run(
    graph: Reference,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="NAME=VALUE",
            help="An input: JSON, or text where it is no JSON; @FILE takes it from a file. May be repeated.",
            show_default=False,
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Print this output alone, and run only what it needs.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not tell how much was run.")] = False,
    _debug: Debug = False,
) -> None:
    """Run a graph and print its outputs as JSON.

    What its nodes print goes to standard error. Exit code 1 if a node or an item failed.
    """
    found = find_graph(graph)
    chosen = found if select is None else _selected(found, select)
    inputs = read_inputs(chosen, given or [])
    calls = _Calls()
    with _told(calls), printing_aside():
        result = SyncRunner(observers=[calls]).run(chosen, inputs)
    _print_outputs(result, select)
    if not quiet:
        say(str(calls))
    if _tell_failures(result):
        raise typer.Exit(_FAILED)


def _selected(graph: Graph, name: str) -> Graph:
    try:
        return graph.select(name)
    except UnknownOutputError as error:
        raise MisuseError(f"--select {name}: {error}") from None


class _Calls:
    """Counts the calls of a run, and remembers which of them failed; an observer."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._count = 0
        self._failed = 0
        self._last_failed: deque[CallFinished] = deque(maxlen=1000)  # Of a million failed items, none is asked for.

    def on_event(self, event: Event) -> None:
        if isinstance(event, CallFinished):
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
        return f"{self._count} call{'' if self._count == 1 else 's'}{failed}, {time.monotonic() - self._began:.1f} s"


@contextmanager
def _told(calls: _Calls) -> Generator[None]:
    """What a run raises, as the one line that tells it."""
    try:
        yield
    except (Exception, SystemExit) as error:  # A node that exits ends the run, not the program as it likes.
        raise FailedError(calls.blamed(error)) from error


def _print_outputs(result: RunResult, select: str | None) -> None:
    if result.interrupts:
        raise FailedError(f"the run waits for {len(result.interrupts)} answers, which cannot be given here.")
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
