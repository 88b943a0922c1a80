"""Error handlers: the function that is called in the stead of a call that has failed for good.

`node` and `map_over` have one read here when they are declared; compiling makes it a `Handler` of the call's target.
It is called by the engine, through the one door, as every function is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from msgspec import UNSET

from piecework.core.call import Handler, Target
from piecework.dataflow.definition import NodeKind, find_function, kind_of, own_name, stored_path
from piecework.errors import Fault
from piecework.wording import did_you_mean, listed

__all__ = ("ERROR", "ErrorHandler", "compile_handler", "input_faults", "read_handler")

ERROR = "error"
"""The name by which a handler takes the exception."""


@dataclass(frozen=True, slots=True)
class ErrorHandler:
    """A function that handles errors, and what it takes."""

    function: Callable[..., object]
    """Called with keyword arguments only."""
    kind: NodeKind
    """How to drive it."""
    takes: tuple[str, ...]
    """The names of its parameters."""
    needs: tuple[str, ...]
    """Those of them that have no default."""
    takes_all: bool
    """Whether it has `**kwargs`."""

    def __reduce__(self) -> tuple[Callable[..., ErrorHandler | None], tuple[object, ...]]:
        """Pickle a function by the name of its node, where that took the function's name in the module."""
        module, function = stored_path(self.function) or (None, self.function)
        return _restore, (module, function)


def _restore(module: str | None, function: str | Callable[..., object]) -> ErrorHandler | None:
    return read_handler(find_function(module or "", function) if isinstance(function, str) else function)[0]


def read_handler(given: object, *, before: ErrorHandler | None = None) -> tuple[ErrorHandler | None, list[Fault]]:
    """Read what was given as `error_handler`, and what is wrong with it whatever the node's inputs are.

    Args:
        given: A function, None for no handler, or UNSET to leave the one before.
        before: The one before.
    """
    if given is UNSET:
        return before, []
    if given is None:
        return None, []
    if not callable(given):
        return None, [Fault("bad-error-handler", f"error_handler={given!r} is no function. {_advice(given)}")]
    called = own_name(given) or repr(given)
    kind = kind_of(given)
    if kind not in {"async", "blocking"}:
        message = f"error_handler {called!r} is a generator. It must return what the node would have returned."
        return None, [Fault("bad-error-handler", message)]
    try:
        parameters = list(inspect.signature(given).parameters.values())
    except (TypeError, ValueError):
        message = (
            f"the parameters of error_handler {called!r} cannot be read. Wrap it in a def whose parameters are named."
        )
        return None, [Fault("bad-error-handler", message)]
    named = [each for each in parameters if each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}]
    handler = ErrorHandler(
        function=given,
        kind=kind,
        takes=tuple(each.name for each in named),
        needs=tuple(each.name for each in named if each.default is each.empty),
        takes_all=any(each.kind is each.VAR_KEYWORD for each in parameters),
    )
    return handler, _parameter_faults(called, parameters)


def _parameter_faults(called: str, parameters: list[inspect.Parameter]) -> list[Fault]:
    faults: list[Fault] = []
    for each in parameters:
        if each.kind is each.POSITIONAL_ONLY and each.default is each.empty:
            problem = f"takes {each.name!r} by position only, but all is passed by name. Remove the '/'."
        elif each.kind is each.VAR_POSITIONAL and not any(other.kind is other.VAR_KEYWORD for other in parameters):
            problem = f"takes *{each.name}, but all is passed by name. Name what it takes, or write **{each.name}."
        else:
            continue
        faults.append(Fault("bad-error-handler", f"error_handler {called!r} {problem}", names=(each.name,)))
    return faults


def _advice(given: object) -> str:
    if isinstance(given, str) and given in {"raise", "keep", "drop"}:
        return f"What a failed item does is said to map_over: on_error={given!r}."
    return (
        f"Give one that takes what it needs of the node's inputs, and {ERROR!r} for the exception: "
        f"def instead(section, {ERROR}): ..."
    )


def input_faults(handler: ErrorHandler | None, inputs: Collection[str]) -> list[Fault]:
    """What of a handler does not fit a node with these inputs, named as the node's function names them."""
    if handler is None:
        return []
    called = own_name(handler.function) or repr(handler.function)
    if ERROR in inputs and (handler.takes_all or ERROR in handler.takes):
        message = (
            f"error_handler {called!r} would be given two things as {ERROR!r}: the exception, and the node's input of "
            f"that name. Call the parameter of the node's function something else, and rename it outside: "
            f".with_inputs(other={ERROR!r})."
        )
        return [Fault("bad-error-handler", message, names=(ERROR,))]
    known = (*inputs, ERROR)
    return [
        Fault(
            "bad-error-handler",
            f"error_handler {called!r} takes {name!r}, which is no input of the node; it may take {listed(known)}."
            f"{did_you_mean(name, known)}",
            names=(name,),
        )
        for name in handler.needs
        if name not in known
    ]


def compile_handler(
    handler: ErrorHandler | None, node: str, *, effect: bool, names: Mapping[str, str] | None = None
) -> Handler | None:
    """A handler as the engine sees it.

    Args:
        handler: The handler.
        node: The name of the node whose calls it handles.
        effect: Whether nobody takes what the node makes.
        names: For each argument of the call what the handler calls it, where that is something else.
    """
    if handler is None:
        return None
    target = Target(f"{node}:handler", handler.function, handler.kind, record=True, effect=effect)
    return Handler(target=target, arguments=_arguments(handler, names or {}), apart=frozenset({ERROR}))


def _arguments(
    handler: ErrorHandler, names: Mapping[str, str]
) -> Callable[[Mapping[str, object], BaseException], Mapping[str, object]]:
    """What makes the handler's arguments out of those of the failed call and the exception."""

    def arguments(given: Mapping[str, object], error: BaseException) -> Mapping[str, object]:
        known = {names.get(name, name): value for name, value in given.items()}
        if handler.takes_all:
            return {**known, ERROR: error}
        # A node's own input of that name was refused where the handler takes it.
        return {name: value for name, value in {**known, ERROR: error}.items() if name in handler.takes}

    return arguments
