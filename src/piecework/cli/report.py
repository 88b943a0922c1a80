"""`piecework report`: a cited report on a topic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piecework.cli.streams import print_result, say
from piecework.report import DEFAULT_SECTION_COUNT, ExtractiveWriter, read_library, write_report
from piecework.report.delivery import write_whole

__all__ = ("report",)


def report(
    topic: Annotated[str, typer.Argument(help='What the report is about, such as "LLM scaling laws".')],
    source: Annotated[
        list[Path] | None,
        typer.Option(help="A .txt, .md or .html file, or a folder of such files; may be repeated."),
    ] = None,
    sections: Annotated[int, typer.Option(min=1, help="How many sections to write.")] = DEFAULT_SECTION_COUNT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; standard output if left out.")
    ] = None,
    _debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Write a cited report on a topic from local sources, with no language model."""
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        what = "is a folder" if output.is_dir() else "is in a folder that does not exist"
        raise typer.BadParameter(f"{str(output)!r} {what}. Name a file to write.", param_hint="-o")
    library = read_library(source or [], leave_out=[output] if output else [])
    written = write_report(topic, ExtractiveWriter(library), section_count=sections)
    for skip in library.skipped:
        say(f"warning: skipped {skip}")
    if len(written.titles) < sections:
        say(f"warning: the sources yield {len(written.titles)} of {sections} sections on this topic")
    say("extractive report: no language model is used, all sentences are quoted from the sources")
    if output is None:
        print_result(written.text)
    else:
        write_whole(output, written.text)
