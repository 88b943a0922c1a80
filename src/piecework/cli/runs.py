"""`piecework runs`: which runs are kept, and how they stand."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from piecework import RunInfo
from piecework.cli.amounts import age, size
from piecework.cli.graphs import Debug
from piecework.cli.keeping import StoreUrl, reading
from piecework.cli.pages import aligned, cell, print_json, print_lines, word
from piecework.cli.streams import say
from piecework.core.portal import run_blocking
from piecework.core.runs import Standing

__all__ = ("AsJson", "as_data", "progress_of", "runs")

_MOST: Final = 1_000_000
"""More runs than these nobody reads, and no store counts without end."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def runs(
    status: Annotated[Standing | None, typer.Option(help="Only runs that stand so.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="How many at most, the newest first.")] = 20,
    as_json: AsJson = False,
    store: StoreUrl = None,
    _debug: Debug = False,
) -> None:
    """List runs, the newest first."""
    with reading(store) as kept:
        assert kept.store is not None
        found = run_blocking(kept.store.runs(status=status, limit=limit + 1))
    shown, more = found[:limit], len(found) > limit
    if as_json:
        print_json([as_data(info) for info in shown])
        return
    if not shown:
        say("no runs" if status is None else f"no runs are {status}")
        return
    now = time.time()
    heads = ("id", "name", "status", "progress", "age", "size")
    rows = [[Text(head, "bold") for head in heads], *(_row(info, now) for info in shown)]
    print_lines(aligned(rows, right=(4, 5)))
    if more:
        say(f"there are older ones: --limit {limit * 5} shows more")


def progress_of(info: RunInfo) -> str:
    """Return how far a run is: `34/60`, and how many calls failed."""
    failed = f", {info.tally.failed} failed" if info.tally.failed else ""
    return f"{info.tally.done}/{max(info.tally.planned, info.tally.done)}{failed}"


def as_data(info: RunInfo) -> dict[str, Any]:
    """Return how a run stands as plain data, times in seconds since 1970."""
    return {
        "id": info.run_id,
        "name": info.name,
        "status": info.status,
        "done": info.tally.done,
        "failed": info.tally.failed,
        "planned": info.tally.planned,
        "created": info.created,
        "updated": info.updated,
        "size": info.size,
        "facts": info.facts,
        "thread": info.start.thread_id,
        "parent": info.start.parent,
        "position": info.start.position,
        "process": None if info.owner is None else info.owner.process,
        "labels": dict(info.start.labels),
    }


def _row(info: RunInfo, now: float) -> list[Text]:
    told = (info.run_id, info.name, progress_of(info), age(now - info.created), size(info.size))
    run_id, name, progress, old, heavy = map(cell, told)
    return [run_id, name, word(info.status), progress, old, heavy]
