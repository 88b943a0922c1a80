"""`piecework cancel`: ask whoever works on a run to end it."""

from __future__ import annotations

import time
from typing import Final

from piecework.cli.errors import FailedError
from piecework.cli.graphs import Debug
from piecework.cli.keeping import StoreUrl, reading
from piecework.cli.naming import find_run
from piecework.cli.resume import RunId
from piecework.cli.streams import say
from piecework.core.portal import run_blocking
from piecework.core.ports import RunLog
from piecework.stores.owner import described

__all__ = ("cancel",)

_PATIENCE: Final = 10.0
"""Seconds to wait for the run's end: its process looks every few seconds, and then lets its calls end."""

_TICK: Final = 0.1


def cancel(run: RunId, store: StoreUrl = None, _debug: Debug = False) -> None:
    """Cancel a run, whoever works on it; what finished stays recorded, so it can be resumed."""
    with reading(store) as kept:
        assert kept.store is not None
        run_id = find_run(kept.store, run).run_id
        if not run_blocking(kept.store.ask_to_cancel(run_id)):
            say(f"run {run_id} has ended already: {find_run(kept.store, run_id).status}")
            return
        say(f"run {run_id}: {_end_of(kept.store, run_id)}")


def _end_of(store: RunLog, run_id: str) -> str:
    """Wait until a run has ended, and return how."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        info = find_run(store, run_id)
        if info.status != "running":
            return info.status
        if time.monotonic() > deadline:
            raise FailedError(
                f"run {run_id!r} was asked to end, but {described(info.owner)} still works on it. It ends when its "
                "calls can be cancelled; look again with: piecework runs."
            )
        time.sleep(_TICK)
