"""The current call: the one context variable of piecework.

The door sets it before a function starts, each call in a context of its own; everything that a running function may
ask of the engine starts from here.
"""

from __future__ import annotations

import threading
from contextvars import Context, ContextVar, copy_context
from gc import get_referents

from piecework.core.call import Call

__all__ = ("CURRENT", "current_call", "given_up", "outside", "own_thread", "variables")

variables = get_referents
"""The variables of a context, as a list of the one immutable mapping that copies of the context share.

Whether a context was changed is told by that mapping's identity: `==` would ask the values, which may be equal though
they are others, or not be comparable at all.
"""

CURRENT: ContextVar[Call | None] = ContextVar("piecework_call", default=None)


def current_call() -> Call | None:
    """The call that this code runs in, or None outside of any."""
    return CURRENT.get()


def given_up(call: Call) -> bool:
    """Whether this is the thread of an attempt that was given up, whose call has ended or is in another attempt."""
    own: object = getattr(_thread, "work", None)
    return own is not None and getattr(own, "call", None) is call and (call.live is None or call.live.thread is not own)


def own_thread(work: object) -> None:
    """This thread is all that work's from now on; None says that it is anybody's."""
    _thread.work = work


_thread = threading.local()
"""What an async stand-in runs on the thread."""


def outside(context: Context | None = None) -> Context:
    """A copy of a context, by default of this one, in which no call runs."""
    copy = copy_context() if context is None else context.copy()
    copy.run(CURRENT.set, None)
    return copy
