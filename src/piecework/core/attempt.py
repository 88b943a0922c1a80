"""One attempt of one call: run its function in a context of its own and say how it ended.

Called by the door alone. An async function is stepped inside the asyncio task that called the door, so that
`asyncio.timeout` and `TaskGroup` in user code hold on to one task; a blocking one runs on the thread that drives the
door. Nothing is recorded here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from contextvars import copy_context
from typing import cast

from piecework.core.call import Call
from piecework.core.current import CURRENT
from piecework.core.interrupts import Interruption
from piecework.core.outcome import Done, Failed, Outcome, Paused
from piecework.errors import NodeCancelledError

__all__ = ("attempt",)


async def attempt(call: Call, kwargs: Mapping[str, object]) -> Outcome:
    """Run the call's function once.

    An async function runs in the context of the task that drives it, which is cheaper by half than stepping it inside
    another; if it leaves that context changed, the task is marked so that no other call ever runs in it.

    Args:
        call: What to run; it is the current call inside.
        kwargs: The function's keyword arguments.

    Returns:
        `Done` with the function's value, or `Failed` with whatever it raised.

    Raises:
        asyncio.CancelledError: The task that drives this call was cancelled.
    """
    target = call.site.target
    CURRENT.set(call)
    context = copy_context()
    try:
        if target.kind == "async":
            outcome: Outcome = Done(await cast("Awaitable[object]", target.function(**kwargs)))
        elif target.kind == "blocking":
            return Done(context.run(target.function, **kwargs))
        elif target.kind == "generator":
            return Done(context.run(_chunks, target.function, kwargs))
        else:
            outcome = Done([chunk async for chunk in cast("AsyncIterable[object]", target.function(**kwargs))])
    except asyncio.CancelledError as error:
        if call.site.owner.closing:
            raise
        outcome = Failed(_self_cancelled(call, error))
    except GeneratorExit:
        raise
    except Interruption as pause:
        outcome = Paused(pause.questions)
    except BaseException as error:
        outcome = Failed(error)
    if copy_context() != context:
        call.site.owner.tainted()
    return outcome


def _chunks(function: Callable[..., object], kwargs: Mapping[str, object]) -> list[object]:
    return list(cast("Iterable[object]", function(**kwargs)))


def _self_cancelled(call: Call, cause: asyncio.CancelledError) -> NodeCancelledError:
    error = NodeCancelledError(node=call.target.name)
    error.__cause__ = cause
    return error
