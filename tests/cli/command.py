"""Runs the command line as a process of its own, with no key and no provider but those that a test gives it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ("COMMAND", "SECONDS", "SOURCES", "environment", "error_line", "run")

COMMAND: Final = (sys.executable, "-m", "piecework")

SOURCES: Final = "examples/sources/llm-scaling-laws"

SECONDS: Final = 60
"""When a command that does not end is given up."""

_OF_PROVIDERS: Final = ("ANTHROPIC_", "OPENAI_", "OLLAMA_", "LANGCHAIN_", "LANGSMITH_")
_OF_TERMINALS: Final = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_")


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's variables without those of any provider or terminal, and with those `given`."""
    left_out = (*_OF_PROVIDERS, *_OF_TERMINALS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | dict(given or {})


def run(*arguments: str | Path, given: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `piecework` to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment(given),
    )


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return what the command says went wrong, which must be its last line, and its only one of the kind."""
    lines = done.stderr.splitlines()
    errors = [line for line in lines if line.startswith("piecework: error: ")]
    assert errors == lines[-1:], done.stderr
    assert "Traceback" not in done.stderr
    return errors[0].removeprefix("piecework: error: ")
