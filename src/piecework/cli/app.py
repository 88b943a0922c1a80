"""The program: which commands there are, and what becomes of whatever a command raises.

`main` turns what went wrong into one line and an exit code: 0 done, 1 failed, 2 wrongly used, 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from piecework import PieceworkError, __version__
from piecework.cli.cancel import cancel
from piecework.cli.disguise import disguised_urls
from piecework.cli.errors import FailedError, MisuseError, StoppedError
from piecework.cli.graphs import draw, run
from piecework.cli.removal import prune, rm
from piecework.cli.report import report
from piecework.cli.resume import resume
from piecework.cli.runs import runs
from piecework.cli.show import show
from piecework.cli.streams import leave_closed_pipe, say, settle
from piecework.report import ReportError

__all__ = ("main",)

_FAILED = 1
_MISUSED = 2
_INTERRUPTED = 130

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
    debug = "--debug" in words
    try:
        code = app(words, prog_name="piecework", standalone_mode=False) or 0
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
            sys.stdout.flush()
    except StoppedError as stopped:
        code = _ending(stopped.error, debug=debug)
        say(stopped.advice)
    except (Exception, KeyboardInterrupt) as error:
        code = _ending(error, debug=debug)
    settle()
    sys.exit(code)


def _ending(error: BaseException, *, debug: bool) -> int:
    """Tell what ended a command, and return the exit code for that."""
    match error:
        case KeyboardInterrupt():
            return _INTERRUPTED
        case BrokenPipeError():
            return leave_closed_pipe()
        case typer.TyperException():
            say(f"error: {disguised_urls(error.format_message().rstrip('.'))}. Try 'piecework --help'.")
            return _MISUSED
        case _:
            if debug:
                traceback.print_exception(error)
            say(f"error: {_described(error)}")
            return _MISUSED if isinstance(error, MisuseError | ReportError) else _FAILED


def _described(error: BaseException) -> str:
    if isinstance(error, PieceworkError | FailedError | MisuseError) and str(error):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


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


for command in (report, run, draw, resume, runs, show, cancel, rm, prune):
    app.command()(command)
