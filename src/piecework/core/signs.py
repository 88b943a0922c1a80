"""What a running function may tell the engine: that it is alive, and what it uses up.

Users call these inside of nodes; the attempt that runs there takes them in.
"""

from __future__ import annotations

from typing import cast

from piecework.core.call import Call
from piecework.core.current import CURRENT
from piecework.core.usage import Reported
from piecework.errors import OutsideRunError

__all__ = ("add_usage", "heartbeat")


def heartbeat() -> None:
    """Say from inside a node that it is alive, where it has an idle time: `timeout=TimeoutPolicy(idle_timeout=30)`.

    From the loop or from a thread; does nothing where the node has no idle time.

    Raises:
        OutsideRunError: Called outside of any running node.
    """
    live = _running("heartbeat()").live
    if live is not None and live.clock is not None:
        live.clock.beat()


def add_usage(*, input_tokens: int = 0, output_tokens: int = 0, model: str = "") -> None:
    """Say from inside a node what it has used up, where that cannot be read off its result.

    Counts for the run's budget and for rate limits on tokens, and stands in the call's fact. What an attempt says
    itself is all that is counted of it: its result is not looked at then.

    Args:
        input_tokens: Tokens read.
        output_tokens: Tokens written.
        model: The model, by whose name the budget finds a price.

    Raises:
        OutsideRunError: Called outside of any running node.
        TypeError: A number of tokens is no whole number, or the model is no text.
        ValueError: A number is negative.
    """
    for name, tokens in (("input_tokens", input_tokens), ("output_tokens", output_tokens)):
        given = cast("object", tokens)
        if not isinstance(given, int) or isinstance(given, bool):
            raise TypeError(f"add_usage({name}={given!r}): tokens are a whole number.")
        if tokens < 0:
            raise ValueError(f"add_usage({name}={given!r}): tokens are 0 or more.")
    called = cast("object", model)
    if not isinstance(called, str):
        raise TypeError(f"add_usage(model={called!r}): a model's name is a text.")
    live = _running("add_usage()").living()
    live.reported = (*live.reported, Reported(model=model, input_tokens=input_tokens, output_tokens=output_tokens))


def _running(what: str) -> Call:
    call = CURRENT.get()
    if call is None:
        raise OutsideRunError(f"{what} is for the inside of a node, and no node runs here.")
    return call
