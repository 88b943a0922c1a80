"""Runs a Python file as a newcomer would: in an empty folder, with an empty home, no keys and no network."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ("run_offline",)

SECONDS: Final = 60

KEPT: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")
"""What a process needs of its surroundings; keys and settings are not among it."""


def run_offline(script: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with warnings as errors and return what became of it, output and errors in `stdout`."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {
        "HOME": str(folder),
        "PYTHONPATH": str(Path(__file__).parent / "offline"),
        "PYTHONWARNINGS": "error",
    }
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=SECONDS,
        check=False,
    )
