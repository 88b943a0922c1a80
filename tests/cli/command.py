"""Runs the command line as a process of its own, with no key, provider and store but those that a test gives it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ("COMMAND", "SECONDS", "SOURCES", "environment", "error_line", "resume_line", "run")

COMMAND: Final = (sys.executable, "-m", "piecework")

SOURCES: Final = "examples/sources/llm-scaling-laws"

SECONDS: Final = 60
"""When a command that does not end is given up."""

_OF_PROVIDERS: Final = ("ANTHROPIC_", "OPENAI_", "OLLAMA_", "LANGCHAIN_", "LANGSMITH_")
_STORES: Final = tempfile.TemporaryDirectory(prefix="piecework-tests-")
"""Where the runs of commands go that a test starts in a folder of the repository."""

_RESUME: Final = "piecework: resume with: "

_OF_TERMINALS: Final = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_")


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's variables without those of any provider or terminal, and with those `given`.

    Runs are kept in a store of these tests, unless `PIECEWORK_STORE` is given; empty, it names the default place.
    """
    left_out = (*_OF_PROVIDERS, *_OF_TERMINALS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"PIECEWORK_STORE": f"{_STORES.name}/runs.db"} | dict(given or {})


def run(
    *arguments: str | Path, given: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `piecework` to its end; in a `folder` of the test's own, runs are kept there unless it says otherwise."""
    if folder is not None:
        given = {"PIECEWORK_STORE": "", **(given or {})}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment(given),
        cwd=folder,
    )


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return what the command says went wrong, its only line of the kind; after it comes at most how to resume."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith(_RESUME)]
    errors = [line for line in lines if line.startswith("piecework: error: ")]
    assert errors == lines[-1:], done.stderr
    assert "Traceback" not in done.stderr
    return errors[0].removeprefix("piecework: error: ")


def resume_line(said: str) -> str:
    """Return the words after `piecework resume`, which must stand in the last line that was said."""
    last = said.splitlines()[-1]
    assert last.startswith(f"{_RESUME}piecework resume "), said
    assert said.count(_RESUME) == 1
    return last.removeprefix(f"{_RESUME}piecework resume ")
