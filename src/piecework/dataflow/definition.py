"""Reading a function as a node: its name, parameters, defaults and outputs, and how it is to be run.

`node` calls this once for each decorated function, and unpickling calls it again. It only looks at the
function and never calls it.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType, MappingProxyType
from typing import Literal, TypeAlias, cast

from piecework.dataflow.rename import address_fault, value_fault
from piecework.errors import Fault, NodeDefinitionError

__all__ = ("Definition", "NodeKind", "find_function", "kind_of", "own_name", "read_definition", "stored_path")

NodeKind: TypeAlias = Literal["async", "blocking", "async_generator", "generator"]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a function says about itself as a node."""

    name: str
    """The node's name."""
    parameters: tuple[str, ...]
    """The parameters in order."""
    defaults: Mapping[str, object]
    """The defaults of those parameters that have one."""
    outputs: tuple[str, ...]
    """The output names; empty where the node is run for its effect."""
    kind: NodeKind
    """How the function is to be run."""


def read_definition(func: object, *, output_name: object, name: object) -> Definition:
    """Read `func` as a node.

    Args:
        func: What was decorated.
        output_name: A name, a tuple of names, or None.
        name: The node's name, or None for the function's own.

    Raises:
        NodeDefinitionError: It cannot be a node; everything that is wrong with it is told at once.
    """
    called = name if isinstance(name, str) else own_name(func) or type(func).__name__
    if not callable(func):
        output = repr(func) if isinstance(func, str) else "..."
        message = f"a node is made from a function, not from {func!r}. Put @node(output_name={output}) over a def."
        raise NodeDefinitionError([Fault("not-a-function", message)], node=called)
    faults = [*_name_faults(func, name)]
    outputs, output_faults = _read_outputs(output_name)
    parameters, parameter_faults = _read_parameters(func)
    faults += output_faults
    faults += parameter_faults
    if faults:
        raise NodeDefinitionError(faults, node=called)
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    return Definition(
        name=called,
        parameters=tuple(parameter.name for parameter in parameters),
        defaults=MappingProxyType(defaults),
        outputs=outputs,
        kind=kind_of(func),
    )


def own_name(func: object) -> str | None:
    """Return what a function calls itself, seen through `functools.partial`; a lambda has no name."""
    while isinstance(func, functools.partial):
        func = func.func
    name = getattr(func, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else None


def kind_of(func: Callable[..., object]) -> NodeKind:
    """Return how `func` is to be run.

    What counts is what a call returns, so the outermost function decides, seen through `functools.partial`
    and the `__call__` of an object. Only where that is an ordinary function wrapped around a coroutine
    function (by `functools.wraps`) does the inner one decide, since such a wrapper hands the coroutine on.
    It does not decide for generators: a wrapper around one mostly returns something else (as
    `contextlib.contextmanager` does).
    """
    target: object = func
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.isroutine(target) and not inspect.isclass(target):
        target = getattr(type(target), "__call__", target)  # noqa: B004 - the method itself is wanted
    if inspect.isasyncgenfunction(target):
        return "async_generator"
    if inspect.isgeneratorfunction(target):
        return "generator"
    return "async" if inspect.iscoroutinefunction(target) or _hands_coroutine_on(target) else "blocking"


def stored_path(func: object) -> tuple[str, str] | None:
    """Return module and path of the module-level node that took the place of `func`, if there is one.

    A decorated function cannot be pickled by its own name, since that name means its node now. `__main__` is
    left
    out: it is another module in another process.
    """
    module, path = getattr(func, "__module__", None), getattr(func, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str) or module == "__main__":
        return None
    found = _walk(sys.modules.get(module), path)
    return (module, path) if found is not func and getattr(found, "func", None) is func else None


def find_function(module: str, path: str) -> Callable[..., object]:
    """Return the function of the node that `stored_path` found.

    Raises:
        NodeDefinitionError: There is no such node in the module any more.
    """
    func = getattr(_walk(importlib.import_module(module), path), "func", None)
    if not callable(func):
        message = f"it was pickled as {path!r} of module {module!r}, where there is no such node now."
        raise NodeDefinitionError([Fault("not-found", message)], node=path)
    found: Callable[..., object] = func
    return found


def _walk(owner: object, path: str) -> object:
    for part in path.split("."):
        owner = getattr(owner, part, None)
    return owner


def _hands_coroutine_on(target: object) -> bool:
    if not isinstance(target, FunctionType) or not hasattr(target, "__wrapped__"):
        return False
    return inspect.iscoroutinefunction(inspect.unwrap(target))


def _name_faults(func: Callable[..., object], name: object) -> list[Fault]:
    if name is not None:
        fault = address_fault(name)
        return [Fault("bad-name", f"name={name!r}: the name {fault}.")] if fault is not None else []
    if own_name(func) is not None:
        return []
    what = "a lambda" if getattr(func, "__name__", None) == "<lambda>" else f"a {type(func).__name__} object"
    return [Fault("no-name", f"{what} has no name of its own. Give one: node(..., name='...').")]


def _read_outputs(output_name: object) -> tuple[tuple[str, ...], list[Fault]]:
    if output_name is None:
        return (), []
    given = cast("tuple[object, ...]", output_name) if isinstance(output_name, tuple) else (output_name,)
    faults: list[Fault] = []
    names: dict[str, None] = {}
    for name in given:
        fault = value_fault(name)
        if fault is not None or not isinstance(name, str):
            hint = " Several outputs are a tuple of names." if isinstance(name, (list, set)) else ""
            faults.append(Fault("bad-output", f"output_name={output_name!r}: an output name {fault}.{hint}"))
        elif name in names:
            faults.append(Fault("duplicate-output", f"output_name={output_name!r} names {name!r} twice."))
        else:
            names[name] = None
    return tuple(names), faults


def _read_parameters(func: Callable[..., object]) -> tuple[list[inspect.Parameter], list[Fault]]:
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        message = "its parameters cannot be read. Wrap it in a def whose parameters are named."
        return [], [Fault("no-signature", message)]
    faults = [fault for parameter in parameters if (fault := _parameter_fault(parameter)) is not None]
    return parameters, faults


def _parameter_fault(parameter: inspect.Parameter) -> Fault | None:
    name = parameter.name
    match parameter.kind:
        case inspect.Parameter.VAR_POSITIONAL:
            problem = f"*{name} has no names that edges could feed. Take one parameter {name!r} that is a list."
        case inspect.Parameter.VAR_KEYWORD:
            problem = f"**{name} has no names that edges could feed. Name each parameter, or take a dict {name!r}."
        case inspect.Parameter.POSITIONAL_ONLY:
            problem = f"parameter {name!r} is positional-only, but inputs are passed by name. Remove the '/'."
        case _:
            return None
    return Fault("bad-parameter", problem, names=(name,))
