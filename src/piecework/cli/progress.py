"""Shows how far a report is, on standard error, while it is written.

`piecework report` opens a `Progress` around the run and passes it to the run as an observer. On a terminal it is a
board that is drawn anew, anywhere else a line for each thing that happens. It decides nothing about the run, and a
display that fails never fails the report.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias

from rich.console import Console

from piecework.cli.board import LiveBoard
from piecework.cli.standing import Standing, broken_off, fold, news
from piecework.cli.streams import say
from piecework.observe import Event

__all__ = ("Display", "Lines", "Progress", "Style", "choose_style", "progress", "tokens_line")

Style: TypeAlias = Literal["live", "lines", "none"]
"""How progress is shown: a board drawn anew, plain lines, or not at all."""


def choose_style(*, quiet: bool = False) -> Style:
    """Return how to show progress on the standard error that this process has."""
    if quiet or sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
        return "none"
    console = Console(file=sys.stderr)
    # rich may be told by FORCE_COLOR to take a pipe for a terminal; lines in a file are to be plain all the same.
    return "live" if sys.stderr.isatty() and console.is_terminal and console.is_interactive else "lines"


def progress(style: Style) -> Progress:
    """Return what shows a run in a style: enter it around the run, and pass it to the run as an observer."""
    clock = time.monotonic
    displays: dict[Style, Callable[[], Display | None]] = {
        "live": lambda: LiveBoard(clock),
        "lines": Lines,
        "none": lambda: None,
    }
    return Progress(displays[style](), clock)


def tokens_line(taken: int, given: int) -> str:
    """Return the line that tells how many tokens a language model has taken in and given out."""
    return f"tokens: {taken:,} in, {given:,} out"


class Display(Protocol):
    """Where standings are shown."""

    def open(self, standing: Standing) -> None:
        """Begin to show."""
        ...

    def show(self, before: Standing, after: Standing) -> None:
        """Take a change; must not block."""
        ...

    def close(self) -> None:
        """Show what is left to show, and end; nothing runs any more on return. Not opened is no fault."""
        ...


class Progress:
    """Folds the events of one run, and has a display show what comes of it."""

    def __init__(self, display: Display | None, clock: Callable[[], float]) -> None:
        """Make the progress of a run to come.

        Args:
            display: Where it is shown; None shows nothing.
            clock: Tells the time in seconds.
        """
        self._display = display
        self._clock = clock
        # The loop folds while the caller waits; only a second Ctrl-C has both of them here at once.
        self._lock = threading.Lock()
        self._standing = Standing(began=clock())

    def __enter__(self) -> Self:
        self._standing = Standing(began=self._clock())
        if self._display is not None:
            try:
                self._display.open(self._standing)
            except BaseException:
                self._display.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is None:
            return
        stage: Literal["failed", "interrupted"] = "failed" if isinstance(error, Exception) else "interrupted"
        try:
            self._change(lambda standing: broken_off(standing, stage, self._clock()))
        finally:
            self._display.close()

    def on_event(self, event: Event) -> None:
        """Take one event of the run."""
        if self._display is not None:
            self._change(lambda standing: fold(standing, event, self._clock()))

    def _change(self, change: Callable[[Standing], Standing]) -> None:
        with self._lock:
            before = self._standing
            self._standing = change(before)
            if self._display is not None and self._standing is not before:
                self._display.show(before, self._standing)


class Lines:
    """Plain lines on standard error, each as `say` writes it; a `Display`."""

    def __init__(self) -> None:
        """Make a display that has said nothing yet."""
        # Standard error may be a pipe that nobody empties: the loop must not wait for it.
        self._waiting: SimpleQueue[str | None] = SimpleQueue()
        self._saying = threading.Thread(target=self._say_all, name="piecework-lines", daemon=True)

    def open(self, standing: Standing) -> None:
        """Say that the run begins."""
        self._saying.start()
        self._waiting.put(standing.stage)

    def show(self, before: Standing, after: Standing) -> None:
        """Say what changed."""
        for line in news(before, after):
            self._waiting.put(line)

    def close(self) -> None:
        """Wait until everything is said."""
        self._waiting.put(None)
        if self._saying.is_alive():
            self._saying.join()

    def _say_all(self) -> None:
        with suppress(OSError, ValueError):  # Standard error was closed.
            for line in iter(self._waiting.get, None):
                say(line)
