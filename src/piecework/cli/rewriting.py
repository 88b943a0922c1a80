"""Reports that are resumed: rebuilt from the order that their run keeps, written on, or printed once more.

`resume` comes here. Of a report with gaps, just these are written, and it is joined again.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from piecework import RunChangedError, RunInfo, RunResult
from piecework.cli.budget import Allowance, stopping
from piecework.cli.errors import MisuseError
from piecework.cli.keeping import Keeping
from piecework.cli.orders import ReportOrder
from piecework.cli.reporting import (
    Authorship,
    check_output,
    deliver,
    hush_libraries,
    idle_writer,
    model_name,
    open_writer,
    warnings_of,
    write,
)
from piecework.cli.streams import say
from piecework.observe import Observer
from piecework.report import concurrency_of, joined, report_generator, report_of

__all__ = ("Changes", "resume_report")

_FAILED = 1


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be other than it was ordered."""

    sources: Sequence[Path]
    """Where the sources are now; none where they are where they were."""
    model: str | None
    """Who writes what is missing."""
    output: Path | None
    """The file to write."""
    on_change: Literal["continue", "error"]
    """What to do if the sources hold something else by now."""
    allowance: Allowance
    """What it may use up from now on, all that it has used included; where it is not said again, as it was ordered."""

    def words(self) -> Sequence[str]:
        """Return them as they are typed."""
        told = [word for source in self.sources for word in ("--source", str(source))]
        told += [] if self.model is None else ["--model", self.model]
        told += [] if self.output is None else ["-o", str(self.output)]
        return [*told, *(() if self.on_change == "error" else ("--on-change", self.on_change))]


def resume_report(
    kept: Keeping, info: RunInfo, order: ReportOrder, changes: Changes, *, quiet: bool, debug: bool
) -> None:
    """Write what is missing of a report, and deliver it.

    Raises:
        MisuseError: It cannot be gone on with as asked.
        typer.Exit: There are gaps in it.
    """
    output = changes.output or (None if order.output is None else Path(order.output))
    check_output(output)
    if not debug:
        hush_libraries()
    if info.status == "completed" and not info.tally.failed:
        _print_again(kept, info, order, output, quiet=quiet)
        return
    who = _writer(info, order, changes, output)
    if not quiet:
        say(str(who))
    _go_on(kept, info, order, who, changes, output, quiet=quiet)


def _print_again(kept: Keeping, info: RunInfo, order: ReportOrder, output: Path | None, *, quiet: bool) -> None:
    runner = kept.runner(observers=(), labels={})
    graph = report_generator(idle_writer(model_name(order.model)))
    with _same_kind(info, order):
        report = report_of(runner.resume(info.run_id, graph))
    for warning in warnings_of(report, wanted=order.sections, has_sources=bool(order.sources)):
        say(f"warning: {warning}")
    if not quiet:
        say(f"run {info.run_id} has completed: nothing is run again")
    deliver(report.text, output)


def _go_on(
    kept: Keeping,
    info: RunInfo,
    order: ReportOrder,
    who: Authorship,
    changes: Changes,
    output: Path | None,
    *,
    quiet: bool,
) -> None:
    if info.status == "completed" and not quiet:
        say(f"run {info.run_id} has completed with gaps: only these are written")
    # A run that was killed before its inputs were recorded is given them again.
    inputs: Mapping[str, object] = {"topic": order.topic, "section_count": order.sections} if not info.facts else {}
    typed = changes.words()
    raised = changes.allowance.words() if changes.allowance != order.allowance else []

    def perform(observer: Observer) -> RunResult:
        runner = kept.runner(
            observers=[observer],
            labels=info.start.labels,
            max_concurrency=concurrency_of(who.writer),
            budget=changes.allowance.budget(),
        )
        graph = report_generator(who.writer)
        with _same_kind(info, order):
            result = runner.resume(info.run_id, graph, inputs=inputs, failed="retry")
        return joined(result, graph, kept.store)

    advised = kept.advised(info.run_id, *typed, *raised)
    with advised, stopping(kept, info.run_id, changes.allowance, who.writer, *typed):
        written = write(perform, who, wanted=order.sections, has_sources=bool(order.sources), quiet=quiet)
        deliver(written.text, output)
    if written.gaps:
        say(kept.advice(info.run_id, *typed, *raised))
        raise typer.Exit(_FAILED)


def _writer(info: RunInfo, order: ReportOrder, changes: Changes, output: Path | None) -> Authorship:
    """Who writes on: as ordered, but for what is changed; the sources must hold what they held."""
    name = model_name(changes.model or order.model)
    leave_out = [Path(one) for one in (order.output, None if output is None else os.path.abspath(output)) if one]
    sources = list(changes.sources) or [Path(source) for source in order.sources]
    inside = nullcontext() if changes.sources or not sources else _folder(info, order)
    with inside:
        who = open_writer(name, sources, leave_out=leave_out, timeout=order.timeout)
    for skip in who.skipped:
        say(f"warning: skipped {skip}")
    same_kind = (name is None) == (model_name(order.model) is None)
    if same_kind and who.fingerprint != order.fingerprint:
        what = f"the sources of run {info.run_id!r} are not what they were when it was started"
        if changes.on_change == "error":
            raise MisuseError(
                f"{what}, so what was planned from them no longer holds. Put them back, name them with --source, write "
                "a new report, or go on with them as they are: --on-change continue."
            )
        say(f"warning: {what}: citations may be wrong")
    return who


def _folder(info: RunInfo, order: ReportOrder) -> chdir[str]:
    """Be where the sources were named, so that they are called in citations as they were called then."""
    if not Path(order.folder).is_dir():
        raise MisuseError(
            f"run {info.run_id!r} read its sources from {order.folder!r}, which is no longer there. Say where they are "
            "with --source."
        )
    return chdir(order.folder)


@contextmanager
def _same_kind(info: RunInfo, order: ReportOrder) -> Generator[None]:
    """A report planned for quoting cannot be written by a model, nor the other way round: tell it so."""
    try:
        yield
    except RunChangedError as error:
        raise MisuseError(
            f"run {info.run_id!r} was planned for {order.model!r} and cannot be gone on with in another way: quoted "
            f"reports and those of models number their sources differently ({'; '.join(error.changes)})."
        ) from error
