"""The current call: the one context variable of piecework.

The door sets it before a function starts, each call in a context of its own; everything that a running function may
ask of the engine starts from here.
"""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context
from gc import get_referents

from piecework.core.call import Call

__all__ = ("CURRENT", "current_call", "outside", "variables")

variables = get_referents
"""The variables of a context, as a list of the one immutable mapping that copies of the context share.

Whether a context was changed is told by that mapping's identity: `==` would ask the values, which may be equal though
they are others, or not be comparable at all.
"""

CURRENT: ContextVar[Call | None] = ContextVar("piecework_call", default=None)


def current_call() -> Call | None:
    """The call that this code runs in, or None outside of any."""
    return CURRENT.get()


def outside(context: Context | None = None) -> Context:
    """A copy of a context, by default of this one, in which no call runs."""
    copy = copy_context() if context is None else context.copy()
    copy.run(CURRENT.set, None)
    return copy
