"""A pseudo-terminal to run a command in, and the screen that its user would see.

The screen knows the few sequences that a progress display needs; any other one fails the test, so nothing reaches the
terminal unnoticed.
"""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
import unicodedata
from collections.abc import Callable

__all__ = ("PATIENCE", "Screen", "Terminal")

PATIENCE = 4.0
"""Seconds after which what is waited for will not come."""

_TOKEN = re.compile(r"\x1b\[(?P<arguments>[0-9;?]*)(?P<final>[@-~])|(?P<begun>\x1b(?:\[[0-9;?]*)?\Z)|(?P<one>.)", re.S)


class Screen:
    """What a terminal shows of what was written to it."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns = columns
        self.lines = lines
        self.scrolled: list[str] = []
        """The lines that have left the screen at its top."""
        self.cursor_visible = True
        self._cells = [[" "] * columns for _ in range(lines)]
        self._row = self._column = 0
        self._begun = ""

    @property
    def shown(self) -> list[str]:
        """The lines on the screen, down to the last one that is not blank."""
        lines = ["".join(row).rstrip() for row in self._cells]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def all(self) -> list[str]:
        """The lines that have left the screen, and those on it."""
        return self.scrolled + self.shown

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's row and column on the screen."""
        return self._row, self._column

    def feed(self, text: str) -> None:
        text, self._begun = self._begun + text, ""
        for match in _TOKEN.finditer(text):
            if match["begun"]:
                self._begun = match["begun"]
            elif match["one"]:
                self._put(match["one"])
            else:
                self._obey(match["final"], match["arguments"])

    def _obey(self, final: str, arguments: str) -> None:
        if final == "A":
            self._row = max(self._row - int(arguments or 1), 0)
        elif final == "K" and arguments == "2":
            self._cells[self._row] = [" "] * self.columns
        elif final in {"h", "l"} and arguments == "?25":
            self.cursor_visible = final == "h"
        else:
            assert final == "m", f"unexpected sequence: ESC [ {arguments} {final}"

    def _put(self, one: str) -> None:
        if one == "\r":
            self._column = 0
        elif one == "\n":
            self._down()
        else:
            assert one.isprintable(), f"unexpected character: {one!r}"
            width = 0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in {"W", "F"} else 1
            if self._column + width > self.columns:
                self._column = 0
                self._down()
            self._cells[self._row][self._column : self._column + width] = [one, ""][:width]
            self._column += width

    def _down(self) -> None:
        if self._row < self.lines - 1:
            self._row += 1
        else:
            self.scrolled.append("".join(self._cells.pop(0)).rstrip())
            self._cells.append([" "] * self.columns)


class Terminal:
    """A pseudo-terminal; a process gets `end` as its standard streams."""

    def __init__(self, columns: int = 80, lines: int = 24, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._own, self.end = pty.openpty()
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        attributes = termios.tcgetattr(self.end)
        # Ctrl-C throws away what was written and not yet read, which a real terminal has read long before.
        attributes[3] |= termios.NOFLSH
        termios.tcsetattr(self.end, termios.TCSANOW, attributes)
        self.screen = Screen(columns, lines)
        self.raw = ""
        """All that was written."""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def press(self, keys: str) -> None:
        """Send what a user types."""
        os.write(self._own, keys.encode())

    def wait_for(self, seen: Callable[[Screen], bool]) -> None:
        """Read until the screen shows what is waited for."""
        deadline = time.monotonic() + self._patience
        while not seen(self.screen):
            assert self._read(deadline), f"the end came before that was shown: {self.screen.all}"

    def read_to_end(self) -> None:
        """Read until nobody has the terminal's other end any more."""
        if self.end >= 0:
            os.close(self.end)
            self.end = -1
        deadline = time.monotonic() + self._patience
        while self._read(deadline):
            pass

    def close(self) -> None:
        """Take the terminal away."""
        os.close(self._own)
        if self.end >= 0:
            os.close(self.end)

    def _read(self, deadline: float) -> bool:
        """Read what there is, waiting for it; return False at the end."""
        ready, _, _ = select.select([self._own], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"nothing more is written: {self.screen.all}"
        try:
            data = os.read(self._own, 1 << 16)
        except OSError:  # Linux tells the end of a terminal so.
            data = b""
        text = self._decoder.decode(data)
        self.raw += text
        self.screen.feed(text)
        return bool(data)
