"""`piecework rm` and `piecework prune`: remove runs that nobody needs any more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from piecework import RunInfo
from piecework.cli.amounts import age, read_span, size
from piecework.cli.errors import MisuseError
from piecework.cli.graphs import Debug
from piecework.cli.keeping import StoreUrl, reading
from piecework.cli.naming import find_run
from piecework.cli.standing import counted
from piecework.cli.streams import say
from piecework.core.portal import run_blocking

__all__ = ("prunable", "prune", "rm")

_ENDED = frozenset({"completed", "failed", "cancelled"})


def rm(
    run: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Ids, or as much of each as no other has.", show_default=False),
    ],
    store: StoreUrl = None,
    _debug: Debug = False,
) -> None:
    """Remove runs, whether or not they have ended; none if somebody works on one of them."""
    with reading(store) as kept:
        assert kept.store is not None
        found = {info.run_id: info for info in [find_run(kept.store, typed) for typed in run]}
        run_blocking(kept.store.delete(list(found)))
    say(f"removed {_told(list(found.values()))}")


def prune(
    older_than: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Remove runs not written for so long, such as 12h or 30d."),
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Remove all but the newest so many.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    store: StoreUrl = None,
    _debug: Debug = False,
) -> None:
    """Remove runs that have completed, failed or been cancelled; with both options, those that both are about.

    Runs that could be resumed, because they were interrupted or wait for answers, stay.
    """
    if older_than is None and keep is None:
        raise MisuseError("prune removes nothing without --older-than or --keep. Give one of them, such as 30d.")
    span = None if older_than is None else read_span(older_than)
    with reading(store) as kept:
        assert kept.store is not None
        found = run_blocking(kept.store.runs())
        if dry_run:
            gone = prunable(found, older_than=span, keep=keep, now=time.time())
        else:
            ids = set(run_blocking(kept.store.prune(older_than=span, keep=keep)))
            gone = [info for info in found if info.run_id in ids]
    now = time.time()
    for info in gone:
        say(f"{info.run_id}: {info.status}, {age(now - info.created)} old, {size(info.size)}")
    say(f"{'would remove' if dry_run else 'removed'} {_told(gone)}")


def prunable(infos: Sequence[RunInfo], *, older_than: float | None, keep: int | None, now: float) -> list[RunInfo]:
    """Return the runs that a store would remove.

    Args:
        infos: All runs, the newest first.
        older_than: Those not written for so many seconds.
        keep: All but so many of the newest that have ended.
        now: The time.
    """
    ended = [info for info in infos if info.status in _ENDED]
    return [info for info in ended[keep or 0 :] if info.updated <= now - (older_than or 0.0)]


def _told(infos: Sequence[RunInfo]) -> str:
    return f"{counted(len(infos), 'run')}, {size(sum(info.size for info in infos))}"
