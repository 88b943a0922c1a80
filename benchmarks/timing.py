"""How the benchmarks measure, and how they print what they measured.

Two rules make a ratio worth reading: both sides run in turns in one process, so that what else the machine does
strikes both; and each turn starts alike, on a fresh event loop and with the garbage collected. Nothing here knows
what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from statistics import median
from time import perf_counter
from typing import TypeAlias, TypeVar

__all__ = (
    "Measure",
    "Table",
    "arguments",
    "heading",
    "in_fresh_process",
    "in_turns",
    "ratios",
    "spread",
    "verdict",
)

T = TypeVar("T")

Measure: TypeAlias = Callable[[], Awaitable[object]]
"""One side of a comparison: what it awaits is timed, from inside of a running loop."""


def in_turns(sides: Mapping[str, Measure], repeat: int) -> dict[str, list[float]]:
    """Time all sides one after the other, `repeat` times over, after one round that does not count.

    Returns:
        For each side its seconds, one for each round; the n-th of all sides belong together.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeat + 1):
        for name, measure in sides.items():
            gc.collect()
            taken = asyncio.run(_timed(measure))
            if turn > 0:
                seconds[name].append(taken)
    return seconds


async def _timed(measure: Measure) -> float:
    start = perf_counter()
    await measure()
    return perf_counter() - start


def ratios(seconds: Sequence[float], floor: Sequence[float]) -> list[float]:
    """How many times its floor each round took."""
    return [mine / least for mine, least in zip(seconds, floor, strict=True)]


def spread(values: Sequence[float], form: str = ".2f") -> str:
    """A median with the least and the greatest behind it."""
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def verdict(value: float, target: float | None, form: str = ".2f") -> str:
    """Whether a value reaches its target; a dash where there is none."""
    if target is None:
        return "-"
    return f"<= {target:{form}} {'ok' if value <= target else 'MISS'}"


@dataclass
class Table:
    """Rows under headings, printed with aligned columns, each row as soon as it is there."""

    columns: Sequence[str]
    """The headings."""
    widths: Sequence[int]
    """How wide each column is; all but the first are set flush right."""
    _begun: bool = field(default=False, init=False)

    def row(self, *cells: object) -> None:
        """Print one row, the first below the headings."""
        if not self._begun:
            self._begun = True
            self._print(self.columns)
            self._print(["-" * width for width in self.widths])
        self._print([str(cell) for cell in cells])

    def _print(self, cells: Sequence[str]) -> None:
        first, *others = zip(cells, self.widths, strict=True)
        line = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        print("  ".join(line).rstrip(), flush=True)


def heading(what: str) -> None:
    """Say what is measured, and on what."""
    print(f"\n{what}\n{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores\n")


def arguments(what: str, *, repeat: int) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=what.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer rounds")
    parser.add_argument("--repeat", type=int, default=repeat, help="rounds that count (default: %(default)s)")
    return parser


def in_fresh_process(function: Callable[..., T], *given: object) -> T:
    """Call a function in a process of its own, whose memory nothing else has touched."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *given).result()
