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
from piecework.cli.errors import FailedError, MisuseError
from piecework.cli.graphs import draw, run
from piecework.cli.report import report
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
    try:
        code = app(words, prog_name="piecework", standalone_mode=False) or 0
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
            sys.stdout.flush()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        code = leave_closed_pipe()
    except FailedError as error:
        code = _fail(str(error), _FAILED, debug="--debug" in words)
    except (MisuseError, ReportError) as error:
        code = _fail(str(error), _MISUSED, debug="--debug" in words)
    except typer.TyperException as error:
        code = _fail(f"{error.format_message().rstrip('.')}. Try 'piecework --help'.", _MISUSED, debug=False)
    except Exception as error:
        code = _fail(_described(error), _FAILED, debug="--debug" in words)
    settle()
    sys.exit(code)


def _fail(message: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    say(f"error: {message}")
    return code


def _described(error: Exception) -> str:
    if isinstance(error, PieceworkError) and str(error):
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


app.command()(report)
app.command()(run)
app.command()(draw)
