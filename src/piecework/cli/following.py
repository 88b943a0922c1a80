"""`piecework show --follow`: a run that another process works on, each of its calls told as it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from piecework import RunInfo
from piecework.cli.naming import find_run
from piecework.cli.pages import cell, print_lines, word
from piecework.cli.portrait import outcome_of
from piecework.cli.runs import progress_of
from piecework.core.fact import Fact
from piecework.core.portal import run_blocking
from piecework.core.ports import RunLog

__all__ = ("follow",)

_TICK: Final = 0.3
"""Seconds between two looks at the store."""

_EARLIER: Final = 10
"""How many of the calls that had ended before are told."""


def follow(store: RunLog, info: RunInfo) -> None:
    """Print each call of a run as it ends, until the run has ended."""
    known = 0
    while True:
        # How the run stands is asked first: what it wrote before it ended is then in what is read.
        info = find_run(store, info.run_id)
        facts = run_blocking(store.read(info.run_id, after=known, values=False))
        _tell([fact for fact in facts if fact.kind in {"call", "question"}], first=known == 0)
        known += len(facts)
        if info.status != "running":
            print_lines([Text.assemble(cell(info.run_id), " ", word(info.status), f", {progress_of(info)}")])
            return
        time.sleep(_TICK)


def _tell(facts: Sequence[Fact], *, first: bool) -> None:
    left_out = len(facts) - _EARLIER if first else 0
    lines = [Text(f"{left_out:,} calls have ended before", "dim")] if left_out > 0 else []
    lines += [_line(fact) for fact in facts[max(left_out, 0) :]]
    if lines:
        print_lines(lines)


def _line(fact: Fact) -> Text:
    if fact.kind == "question":
        return Text.assemble(word("paused"), "  waits for an answer to ", cell(fact.address))
    detail = outcome_of(fact)
    return Text.assemble(word(fact.status), "  ", cell(fact.address), f"  {cell(detail).plain}" if detail else "")
