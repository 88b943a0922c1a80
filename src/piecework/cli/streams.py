"""Where the command line writes: results to standard output, everything else, a line each, to standard error."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress

import typer

from piecework.cli.errors import FailedError

__all__ = ("leave_closed_pipe", "print_result", "printable", "say", "settle")

_STANDARD_ERROR = 2
_CLOSED_PIPE = 141  # what a shell shows for a program that SIGPIPE ended

_VARIANT = re.compile(r"[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]")


def say(message: str) -> None:
    """Write one line to standard error, if anybody reads it."""
    # Where it is closed, Python has None for it; nobody's not reading it may cost the result.
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"piecework: {printable(message)}\n")
        sys.stderr.flush()


def print_result(text: str) -> None:
    """Write `text` to standard output as it is, as UTF-8 whatever encoding and line ends the terminal has."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - so it is where it was closed
        raise FailedError("standard output is closed. Name a file to write with -o.")
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise typer.Exit(leave_closed_pipe()) from error


def leave_closed_pipe() -> int:
    """Give up standard output that nobody reads, and return the exit code for that."""
    # Python flushes standard output once more when it exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _CLOSED_PIPE


def printable(text: str) -> str:
    """Return `text` in one line, without anything that a terminal does not show as it stands.

    Titles and errors may come from a language model: no control character may reach the terminal, nor anything that
    turns the direction of the text. What only varies the character before it goes too: terminals do not agree on how
    wide that makes it.
    """
    shown = (one for one in text if (one.isprintable() or one.isspace()) and not _VARIANT.match(one))
    return " ".join("".join(shown).split())


def settle() -> None:
    """Leave standard error so that Python can end: what nobody could read is thrown away, and is no failure."""
    # Python flushes it once more when it exits, and would exit with a code of its own.
    try:
        if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
            sys.stderr.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STANDARD_ERROR)
