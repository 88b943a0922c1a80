"""How long `import piecework` takes in a fresh process, and what it brings in.

The floor is a process that does nothing. Whatever belongs to an extra must not be imported before somebody asks. The
processes share a bytecode cache of their own, filled before the first one counts: an installed package has one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from timing import Table, arguments, heading, ratios, spread, verdict

TARGET = 0.15
"""Seconds above the floor."""

NEEDED = "import asyncio, msgspec"
"""What nothing here could do without."""

EVERYTHING = "from piecework import *"
"""All public names, and so all modules: `import piecework` itself brings them in when they are first used."""

UNWANTED = ("pydantic", "langchain", "langchain_core", "rich", "typer", "starlette")
COUNT = 10
"""How many of the heaviest imports are listed."""


class Python:
    """Starts fresh interpreters that keep their bytecode in one directory."""

    def __init__(self, cache: str) -> None:
        self._environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(self, *given: str) -> subprocess.CompletedProcess[str]:
        """Run an interpreter to its end."""
        command = [sys.executable, *given]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=self._environment)  # noqa: S603

    def seconds(self, code: str) -> float:
        """How long an interpreter takes to start, run a line of code, and end."""
        start = perf_counter()
        self.run("-c", code)
        return perf_counter() - start


def print_times(python: Python, repeat: int) -> None:
    codes = ("pass", NEEDED, "import piecework", EVERYTHING)
    taken: dict[str, list[float]] = {code: [] for code in codes}
    for turn in range(repeat + 1):
        for code in codes:
            seconds = python.seconds(code)
            if turn > 0:
                taken[code].append(seconds)
    floor = taken["pass"]
    table = Table(("process", "seconds", "ratio", "the import alone", "target"), (36, 20, 20, 20, 12))
    for code in codes:
        added = [mine - least for mine, least in zip(taken[code], floor, strict=True)]
        found = verdict(median(added), TARGET) if code == "import piecework" else "-"
        ratio = spread(ratios(taken[code], floor))
        table.row(f"python -c '{code}'", spread(taken[code], ".3f"), ratio, spread(added, ".3f"), found)


def heaviest(report: str) -> Sequence[tuple[int, str]]:
    """The modules that took longest by themselves, in microseconds, out of what `-X importtime` says."""
    rows = [line.removeprefix("import time:").split("|") for line in report.splitlines()]
    found = [
        (int(own), name.strip()) for own, _, name in (row for row in rows if len(row) == 3) if own.strip().isdigit()
    ]
    return sorted(found, reverse=True)[:COUNT]


def print_modules(python: Python) -> None:
    report = python.run("-X", "importtime", "-c", EVERYTHING).stderr
    table = Table((f"the {COUNT} heaviest imports", "own µs"), (50, 8))
    for own, name in heaviest(report):
        table.row(name, own)
    loaded = set(python.run("-c", f"{EVERYTHING}; import sys; print(*sys.modules)").stdout.split())
    intruders = [name for name in UNWANTED if name in loaded]
    print(f"\n{len(loaded)} modules; unwanted: {', '.join(intruders) + ' MISS' if intruders else 'none ok'}")


def main() -> None:
    chosen = arguments(__doc__ or "", repeat=15).parse_args()
    heading("import piecework, in fresh processes (min-max)")
    with TemporaryDirectory() as cache:
        python = Python(cache)
        print_times(python, 3 if chosen.quick else max(chosen.repeat, 10))
        print()
        print_modules(python)


if __name__ == "__main__":
    main()
