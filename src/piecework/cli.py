"""The command line: `piecework report TOPIC --source PATH`.

Thin: it reads options, calls the library, and turns what went wrong into one line and an exit code (0 done, 1
failed, 2 wrongly used, 130 interrupted). Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

from piecework import __version__
from piecework.report import DEFAULT_SECTION_COUNT, ReportError, read_library, write_report
from piecework.report.delivery import write_whole

try:
    import typer
except ModuleNotFoundError as error:
    message = "piecework: error: the command line needs an extra: pip install 'piecework[cli]'"
    raise SystemExit(message) from error

__all__ = ("main",)

_FAILED = 1
_MISUSED = 2
_INTERRUPTED = 130
_CLOSED_PIPE = 141  # what a shell shows for a program that SIGPIPE ended

app = typer.Typer(
    name="piecework",
    help="Orchestrator-worker workflows: break a job into pieces, do them in parallel, join the results.",
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code.

    Args:
        arguments: The words after the program's name; by default those of the process.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = app(words, prog_name="piecework", standalone_mode=False) or 0
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        code = _leave_closed_pipe()
    except ReportError as error:
        code = _fail(str(error), _MISUSED, debug="--debug" in words)
    except typer.TyperException as error:
        code = _fail(f"{error.format_message().rstrip('.')}. Try 'piecework --help'.", _MISUSED, debug=False)
    except Exception as error:
        code = _fail(_described(error), _FAILED, debug="--debug" in words)
    sys.exit(code)


def _leave_closed_pipe() -> int:
    # Python flushes standard output once more when it exits; nobody is there to read it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _CLOSED_PIPE


def _fail(message: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    _say(f"error: {message}")
    return code


def _described(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _say(message: str) -> None:
    sys.stderr.write(f"piecework: {' '.join(message.split())}\n")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"piecework {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Run the commands of piecework."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
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
    written = write_report(topic, library, section_count=sections)
    for skip in library.skipped:
        _say(f"warning: skipped {skip}")
    if len(written.titles) < sections:
        _say(f"warning: the sources yield {len(written.titles)} of {sections} sections on this topic")
    _say("extractive report: no language model is used, all sentences are quoted from the sources")
    if output is None:
        _print(written.text)
    else:
        write_whole(output, written.text)


def _print(text: str) -> None:
    try:
        # Bytes, so that the report is the same whatever encoding and line ends the terminal has.
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise typer.Exit(_leave_closed_pipe()) from error
