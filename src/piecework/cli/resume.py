"""`piecework resume`: go on with a run where it stopped, and print its result.

A report is rebuilt from what its run says of itself. A graph is the user's own code, so it must be named again: what is
stored never chooses what is imported.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from piecework import MissingInputError, RunChangedError, RunHeldError, RunInfo, RunResult, UnknownQuestionError
from piecework.cli.answers import read_answers
from piecework.cli.budget import MaxCost, MaxTokens, PriceOption, read_allowance
from piecework.cli.errors import MisuseError
from piecework.cli.graphs import Debug, Given
from piecework.cli.inputs import read_inputs
from piecework.cli.keeping import Keeping, StoreUrl, reading
from piecework.cli.naming import find_run
from piecework.cli.orders import read_order
from piecework.cli.reference import find_graph
from piecework.cli.rewriting import Changes, resume_report
from piecework.cli.running import perform, selected
from piecework.core.ports import RunLog
from piecework.observe import Observer
from piecework.stores.owner import described
from piecework.wording import listed

__all__ = ("RunId", "resume")

OnChange: TypeAlias = Literal["continue", "error"]

RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id, or as much of it as no other has.", show_default=False)
]


def resume(
    run: RunId,
    graph: Annotated[
        str | None,
        typer.Argument(metavar="MODULE:GRAPH", help="The graph, unless it is a report.", show_default=False),
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[ID=]VALUE",
            help="Answers a question that the run waits for; the id may be left out where there is only one.",
            show_default=False,
        ),
    ] = None,
    given: Given = None,
    on_change: Annotated[
        OnChange,
        typer.Option(help="What to do if the graph or the sources are not what the run was started with."),
    ] = "error",
    source: Annotated[
        list[Path] | None,
        typer.Option(help="Of a report: where its sources are now; may be repeated.", show_default=False),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Of a report: another model.", show_default=False)] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Of a report: the file to write.", show_default=False),
    ] = None,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    price: PriceOption = None,
    store: StoreUrl = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    debug: Debug = False,
) -> None:
    """Go on with a run where it stopped: what finished is not run again.

    A run that has completed gives its result once more; of a report that has gaps, these are written first. The budget
    of a report counts all that it has used so far, and stays as it was unless it is given anew.
    """
    with reading(store) as kept:
        assert kept.store is not None
        info = find_run(kept.store, run)
        if info.status == "running":  # Told before anything is read, imported or shown.
            raise RunHeldError(info.run_id, held_by=described(info.owner), seconds=info.lease - time.time())
        order = read_order(info.start.labels)
        if order is not None and graph is None:
            _refuse({"--answer": answer, "-i": given}, f"run {info.run_id!r} is a report")
            allowance = read_allowance(max_tokens, max_cost, price, before=order.allowance)
            changes = Changes(source or [], model, output, on_change, allowance)
            resume_report(kept, info, order, changes, quiet=quiet, debug=debug)
            return
        bounds = {"--max-tokens": max_tokens, "--max-cost": max_cost, "--price": price}
        others = {"--source": source, "--model": model, "-o": output, **bounds}
        _refuse(others, f"run {info.run_id!r} is resumed with a graph")
        _resume_graph(kept, kept.store, info, graph, answer or [], given or [], on_change, quiet=quiet)


def _resume_graph(
    kept: Keeping,
    store: RunLog,
    info: RunInfo,
    reference: str | None,
    answers: Sequence[str],
    given: Sequence[str],
    on_change: OnChange,
    *,
    quiet: bool,
) -> None:
    if reference is None:
        raise MisuseError(_which_graph(kept, info))
    select = info.start.labels.get("select") or None
    graph = selected(find_graph(reference), select)
    inputs = read_inputs(graph, given, wanted="some")
    answered = read_answers(store, info.run_id, answers)

    def start(observer: Observer) -> RunResult:
        runner = kept.runner(observers=[observer], labels=info.start.labels)
        with _refusals(info.run_id):
            return runner.resume(info.run_id, graph, inputs=inputs, answers=answered, on_change=on_change)

    typed = (reference,) if on_change == "error" else (reference, "--on-change", on_change)
    perform(start, kept, info.run_id, typed, select=select, quiet=quiet)


def _which_graph(kept: Keeping, info: RunInfo) -> str:
    before = info.start.labels.get("reference")
    typed = "MODULE:GRAPH" if before is None else before
    command = kept.advice(info.run_id, typed).partition(": ")[2]
    why = "What is stored never chooses what code is run"
    return f"name the graph of run {info.run_id!r} again. {why}; {'it was' if before else 'write'}: {command}"


def _refuse(options: Mapping[str, object], why: str) -> None:
    given = [name for name, value in options.items() if value]
    if given:
        raise MisuseError(f"{why}: it takes no {' and no '.join(given)}.")


@contextmanager
def _refusals(run_id: str) -> Generator[None]:
    """What the library says about a run that cannot be taken up, in terms of the command line."""
    try:
        yield
    except RunChangedError as error:
        raise MisuseError(_changed(run_id, error.changes)) from error
    except UnknownQuestionError as error:
        raise MisuseError(f"{error} List them: {shlex.join(('piecework', 'show', run_id))}") from error
    except MissingInputError as error:
        names = " ".join(f"-i {name}=VALUE" for name in error.names)
        what = "that could not be stored, or was started without being recorded"
        raise MisuseError(f"run {run_id!r} had {listed(error.names)}, {what}. Give it again: {names}.") from error


def _changed(run_id: str, changes: Sequence[str]) -> str:
    if all(change.startswith("input ") for change in changes):
        return f"run {run_id!r} was started with another {' and '.join(changes)}. Resume it without -i."
    return (
        f"run {run_id!r} was started with another graph: {'; '.join(changes)}. Resume it with the graph it had, or "
        "reuse what is still there with --on-change continue."
    )
