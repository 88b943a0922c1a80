"""Reports as `piecework report` and `piecework resume` make them: who writes, what is told, where the text goes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import typer

from piecework import RunResult
from piecework.cli.orders import EXTRACTIVE, fingerprint
from piecework.cli.progress import choose_style, progress, tokens_line
from piecework.cli.streams import print_result, say
from piecework.observe import Observer
from piecework.report import ExtractiveWriter, Library, Report, Writer, models, read_library, read_material, report_of
from piecework.report.delivery import write_whole
from piecework.report.models import ModelName
from piecework.report.sources import Skipped

__all__ = (
    "Authorship",
    "check_output",
    "deliver",
    "hush_libraries",
    "idle_writer",
    "model_name",
    "open_writer",
    "warnings_of",
    "write",
)


@dataclass(frozen=True, slots=True)
class Authorship:
    """Who writes a report, and from what."""

    writer: Writer
    """Plans, writes and joins it."""
    model: ModelName | None
    """The model that is asked; None where the sources are quoted."""
    skipped: Sequence[Skipped] = ()
    """Files that could not be read."""
    fingerprint: str = ""
    """Stands for what the sources hold."""

    def __str__(self) -> str:
        """Return who writes, as a line says it."""
        if self.model is None:
            return "extractive report: no language model is used, all sentences are quoted from the sources"
        return f"{self.model} writes"


def model_name(named: str | None) -> ModelName | None:
    """Return the model that writes, or None where the sources are quoted."""
    if named is None:
        return models.choose_model()
    return None if named.strip().lower() == EXTRACTIVE else models.read_model_name(named)


def open_writer(
    name: ModelName | None, source: Sequence[Path], *, leave_out: Sequence[Path], timeout: float
) -> Authorship:
    """Return who writes, the sources read and the model ready to be asked.

    Raises:
        typer.BadParameter: There are neither sources nor a model.
        ReportError: The sources cannot be read, or the model cannot be asked.
    """
    if name is not None:
        chat = models.open_model(name, timeout=timeout)
        if not source:
            return Authorship(models.ModelWriter(chat), name)
        material = read_material(source, leave_out=leave_out)
        return Authorship(models.ModelWriter(chat, material), name, material.skipped, fingerprint(material))
    if not source:
        keys = " or ".join(one.key for one in models.PROVIDERS.values() if one.key)
        raise typer.BadParameter(
            f"there are no sources and no model. Name sources with --source, or a model with --model, or set {keys}"
        )
    library = read_library(source, leave_out=leave_out)
    return Authorship(ExtractiveWriter(library), None, library.skipped, fingerprint(library))


def idle_writer(name: ModelName | None) -> Writer:
    """Return a writer for a report that is finished: its methods are in the workflow, and are never called."""
    if name is None:
        return ExtractiveWriter(cast("Library", None))
    return models.ModelWriter(models.Chat(cast("Any", None)))


def hush_libraries() -> None:
    """Keep from the display what clients log and warn of: it is for programmers, and their errors are told."""
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())


def check_output(output: Path | None) -> None:
    """See that a report can be written to a file before it is paid for.

    Raises:
        typer.BadParameter: It cannot.
    """
    if output is None or (output.exists() and not output.is_file() and not output.is_dir()):
        return
    folder = Path(os.path.realpath(output)).parent
    if output.is_dir():
        what = "is a folder"
    elif not folder.is_dir():
        what = "is in a folder that does not exist"
    elif not os.access(folder, os.W_OK):
        what = "is in a folder that cannot be written to"
    else:
        return
    raise typer.BadParameter(f"{str(output)!r} {what}. Name a file to write", param_hint="-o")


def write(
    perform: Callable[[Observer], RunResult], who: Authorship, *, wanted: int, has_sources: bool, quiet: bool
) -> Report:
    """Have a report written, its progress shown, and tell what is to be said of it.

    Args:
        perform: Runs the workflow under an observer.
        who: Who writes.
        wanted: How many sections were asked for.
        has_sources: Whether there are sources to cite.
        quiet: Whether to show no progress.
    """
    with progress(choose_style(quiet=quiet)) as shown:
        written = report_of(perform(shown))
    for warning in warnings_of(written, wanted=wanted, has_sources=has_sources):
        say(f"warning: {warning}")
    # Without a model its module, which needs an extra, is not even loaded.
    if who.model is not None and isinstance(who.writer, models.ModelWriter) and not quiet:
        say(tokens_line(who.writer.usage.input_tokens, who.writer.usage.output_tokens))
    return written


def warnings_of(report: Report, *, wanted: int, has_sources: bool) -> Iterator[str]:
    """Yield what is wrong with a report, a line each."""
    planned = len(report.sections) + len(report.gaps)
    if planned < wanted:
        yield f"the plan has {planned} of {wanted} sections on this topic"
    for gap in report.gaps:
        yield f"section {gap.title!r} is missing: {gap.reason}"
    for section in report.sections:
        if section.removed:
            many = "citations that name" if section.removed > 1 else "citation that names"
            yield f"section {section.title!r}: took out {section.removed} {many} no passage given to it"
        if has_sources and not section.citations:
            yield f"section {section.title!r} cites nothing from the sources"
        if not section.complete:
            yield f"section {section.title!r} ends early: the model did not come to its end"


def deliver(text: str, output: Path | None) -> None:
    """Write a report to a file, or to standard output."""
    if output is None:
        print_result(text)
        return
    try:
        write_whole(output, text)
    except OSError:
        print_result(text)  # It may have been paid for.
        raise
