"""A scripted report in a process of its own, and the script's side of its gates."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.cli.terminal import PATIENCE, Terminal

__all__ = ("ScriptedRun",)

_PROGRAM = Path(__file__).with_name("scripted_report.py")
_TOLD_BY_USERS = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "UNICODE_VERSION")


class ScriptedRun:
    """Starts `scripted_report.py`; what it reaches and passes is up to the test."""

    def __init__(
        self,
        titles: Sequence[str],
        *,
        terminal: Terminal | None = None,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        concurrency: int = 8,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the report; streams that are not named are the terminal's."""
        words_in, self._words = os.pipe()
        self._gates, gates_in = os.pipe()
        given = {name: value for name, value in os.environ.items() if name not in _TOLD_BY_USERS}
        end = subprocess.DEVNULL if terminal is None else terminal.end
        program = [sys.executable, "-W", "error", str(_PROGRAM)]
        self.process = subprocess.Popen(
            [*program, str(words_in), str(gates_in), json.dumps(list(titles)), str(concurrency)],
            stdin=end,
            stdout=end if stdout is None else stdout,
            stderr=end if stderr is None else stderr,
            env=given | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | dict(environment or {}),
            pass_fds=(words_in, gates_in),
            start_new_session=True,
        )
        os.close(words_in)
        os.close(gates_in)
        self._reached: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._words)
        os.close(self._gates)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def reach(self, *names: str) -> None:
        """Wait until the report is at these gates."""
        deadline = time.monotonic() + PATIENCE
        while not self._reached.issuperset(names):
            ready, _, _ = select.select([self._gates], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"is at {self._reached}, not at {names}"
            said = os.read(self._gates, 1 << 16).decode()
            assert said, f"ended at {self._reached}, not at {names}"
            self._reached |= {line.removeprefix("at ") for line in said.splitlines()}

    def tell(self, *lines: str) -> None:
        """Open gates, one after the other, each once the report is there."""
        for line in lines:
            self.reach(line.rpartition(" ")[0])
            os.write(self._words, f"{line}\n".encode())
