"""`piecework report`: a cited report on a topic."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from piecework.cli.progress import choose_style, progress, tokens_line
from piecework.cli.streams import print_result, say
from piecework.report import (
    DEFAULT_SECTION_COUNT,
    ExtractiveWriter,
    Report,
    Writer,
    models,
    read_library,
    read_material,
    write_report,
)
from piecework.report.delivery import write_whole
from piecework.report.sources import Skipped

__all__ = ("report",)

_EXTRACTIVE = "extractive"
_FAILED = 1


def report(
    topic: Annotated[str, typer.Argument(help='What the report is about, such as "LLM scaling laws".')],
    source: Annotated[
        list[Path] | None,
        typer.Option(help="A .txt, .md or .html file, or a folder of such files; may be repeated."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Who writes: anthropic:NAME, openai:NAME, ollama:NAME, or extractive for no model at all. By default "
            "the provider whose key is in the environment, else extractive.",
        ),
    ] = None,
    sections: Annotated[int, typer.Option(min=1, help="How many sections to write.")] = DEFAULT_SECTION_COUNT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; standard output if left out.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds a model may be silent before its request counts as hung.")
    ] = models.DEFAULT_TIMEOUT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only warnings and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Write a cited report on a topic: from local sources, or from what a language model knows."""
    _check_output(output)
    name = _model_name(model)
    if not debug:
        _hush_libraries()
    writer, skipped = _writer(name, source or [], leave_out=[output] if output else [], timeout=timeout)
    for skip in skipped:
        say(f"warning: skipped {skip}")
    if not quiet:
        say(_who_writes(name, chosen=model is not None))
    with progress(choose_style(quiet=quiet)) as shown:
        written = write_report(topic, writer, section_count=sections, observers=[shown])
    for warning in _warnings(written, wanted=sections, has_sources=bool(source)):
        say(f"warning: {warning}")
    # Without a model its module, which needs an extra, is not even loaded.
    if name is not None and isinstance(writer, models.ModelWriter) and not quiet:
        say(tokens_line(writer.usage.input_tokens, writer.usage.output_tokens))
    _deliver(written.text, output)
    if written.gaps:
        raise typer.Exit(_FAILED)


def _hush_libraries() -> None:
    """Keep from the display what clients log and warn of: it is for programmers, and their errors are told."""
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())


def _check_output(output: Path | None) -> None:
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


def _model_name(named: str | None) -> models.ModelName | None:
    """Return the model that writes, or None where the sources are quoted."""
    if named is None:
        return models.choose_model()
    return None if named.strip().lower() == _EXTRACTIVE else models.read_model_name(named)


def _writer(
    name: models.ModelName | None, source: Sequence[Path], *, leave_out: Sequence[Path], timeout: float
) -> tuple[Writer, Sequence[Skipped]]:
    """Return who writes, and what could not be read for it."""
    if name is not None:
        chat = models.open_model(name, timeout=timeout)
        if not source:
            return models.ModelWriter(chat), ()
        material = read_material(source, leave_out=leave_out)
        return models.ModelWriter(chat, material), material.skipped
    if not source:
        keys = " or ".join(one.key for one in models.PROVIDERS.values() if one.key)
        raise typer.BadParameter(
            f"there are no sources and no model. Name sources with --source, or a model with --model, or set {keys}"
        )
    library = read_library(source, leave_out=leave_out)
    return ExtractiveWriter(library), library.skipped


def _who_writes(name: models.ModelName | None, *, chosen: bool) -> str:
    if name is None:
        return "extractive report: no language model is used, all sentences are quoted from the sources"
    return f"{name} writes" + ("" if chosen else f", since {name.provider.key} is set; --model names another")


def _warnings(report: Report, *, wanted: int, has_sources: bool) -> Iterator[str]:
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


def _deliver(text: str, output: Path | None) -> None:
    if output is None:
        print_result(text)
        return
    try:
        write_whole(output, text)
    except OSError:
        print_result(text)  # It may have been paid for.
        raise
