"""Waiting that cancellation does not cut short.

What is structured ends in order: whoever is cancelled while it waits for its own tasks still waits for them. Everything
on the loop that ends others uses this; it starts and cancels nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

__all__ = ("absorb", "see_out")


async def see_out(waited: Collection[asyncio.Future[Any]], *, on_cancel: Callable[[], object] | None = None) -> None:
    """Wait until all futures are done, however often this task is cancelled meanwhile.

    Args:
        waited: What to wait for; what the futures come to is left for others to look at.
        on_cancel: Called each time this task is cancelled.

    Raises:
        asyncio.CancelledError: This task was cancelled; raised when all are done.
    """
    interrupted: asyncio.CancelledError | None = None
    while pending := [future for future in waited if not future.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            interrupted = error
            if on_cancel is not None:
                on_cancel()
    if interrupted is not None:
        raise interrupted


async def absorb() -> None:
    """Swallow a cancellation of the running task that nobody who may cancel it has asked for."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # On 3.11 an uncancelled task still raises once more.
