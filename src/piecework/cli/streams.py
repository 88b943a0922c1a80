"""Where the command line writes: results to standard output, everything else, a line each, to standard error."""

from __future__ import annotations

import os
import sys

import typer

__all__ = ("leave_closed_pipe", "print_result", "say")

_CLOSED_PIPE = 141  # what a shell shows for a program that SIGPIPE ended


def say(message: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(f"piecework: {' '.join(message.split())}\n")
    sys.stderr.flush()


def print_result(text: str) -> None:
    """Write `text` to standard output as it is, as UTF-8 whatever encoding and line ends the terminal has."""
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
