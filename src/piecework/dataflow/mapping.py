"""What `map_over` declares: which inputs are mapped, how they combine, and what a failed item does.

Signatures hold a `MapSpec` and resolve its names through this module; a plan reads the spec and checks,
through `check_mappable` and `check_equal_lengths`, what a run hands to a mapped input. Nothing here runs an
item.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar, cast, get_args

from piecework.core.policy import CallPolicy
from piecework.dataflow.handlers import ErrorHandler, input_faults, read_handler
from piecework.dataflow.policies import CallOptions, read_policy
from piecework.errors import MappingError
from piecework.errors.root import with_faults
from piecework.wording import did_you_mean, listed

__all__ = (
    "MapMode",
    "MapSpec",
    "OnError",
    "check_equal_lengths",
    "check_mappable",
    "declare",
    "resolve",
    "unresolved",
)

MapMode: TypeAlias = Literal["zip", "product"]
OnError: TypeAlias = Literal["raise", "keep", "drop"]

_MODES: Mapping[str, MapMode] = {choice: choice for choice in get_args(MapMode)}
_ON_ERRORS: Mapping[str, OnError] = {choice: choice for choice in get_args(OnError)}
_Choice = TypeVar("_Choice")


@dataclass(frozen=True, slots=True)
class MapSpec:
    """How a node is mapped over some of its inputs."""

    params: tuple[str, ...]
    """The mapped inputs by inner name, in the order given; under `product` the first is the slowest.

    A name that means no input yet stands as it was given, until a later rename gives it a meaning.
    """
    mode: MapMode = "zip"
    """`"zip"` takes the inputs side by side, `"product"` takes every combination."""
    on_error: OnError = "raise"
    """What a failed item does: end the run, leave a `Failure` in its place, or be left out."""
    max_concurrency: int | None = None
    """How many items may run at once; None leaves that to the run."""
    key: Callable[..., str | int] | None = None
    """Makes an item's key out of its mapped values; None counts items."""
    policy: CallPolicy | None = None
    """What is asked of the items' calls beside calling them."""
    handler: ErrorHandler | None = None
    """What is called in the stead of an item's call that has failed for good."""


def declare(
    node: str,
    names: Sequence[object],
    *,
    mode: str,
    on_error: str,
    max_concurrency: int | None,
    key: Callable[..., str | int] | None = None,
    options: CallOptions | None = None,
    inputs: Collection[str] = (),
) -> MapSpec:
    """Return the spec for one `map_over` call, its names not yet resolved.

    Args:
        node: The node's name, for messages.
        names: What was passed as names.
        mode: What was passed as `mode`.
        on_error: What was passed as `on_error`.
        max_concurrency: What was passed as `max_concurrency`.
        key: What was passed as `key`.
        options: What was said of the items' calls.
        inputs: The inner names of the node's inputs, which an error handler may take.

    Raises:
        MappingError: There are no names, one is not a string or is given twice, or an option is invalid.
    """
    if not names:
        raise MappingError(
            f"node {node!r}: map_over() names no input. Name what to map over: .map_over('sections').",
            node=node,
        )
    policy, handler = _checked_calls(node, options or CallOptions(), inputs)
    return MapSpec(
        params=_checked_names(node, names),
        mode=_checked_choice(node, "mode", mode, _MODES),
        on_error=_checked_choice(node, "on_error", on_error, _ON_ERRORS),
        max_concurrency=_checked_limit(node, max_concurrency),
        key=_checked_key(node, key),
        policy=policy,
        handler=handler,
    )


def resolve(spec: MapSpec, *, node: str, outer: Mapping[str, str], settled: Collection[str] = ()) -> MapSpec:
    """Return `spec` with every name that has a meaning now replaced by the inner name it means.

    A name may be the outer or the inner name of an input. One that is neither stays as it is, since a later
    rename may still introduce it.

    Args:
        spec: The spec as declared, or as resolved so far.
        settled: The names in `spec` that earlier calls resolved; a rename since then does not change them.
        node: The node's name, for messages.
        outer: The node's inputs, outer name to inner name.

    Raises:
        MappingError: A name means two inputs, or two names mean the same one.
    """
    inner = {inner_name: outer_name for outer_name, inner_name in outer.items()}
    resolved: dict[str, str] = {}
    for name in spec.params:
        meant = name if name in settled else outer.get(name, name)
        if name in inner and meant != name:
            raise MappingError(
                f"node {node!r}: map_over({name!r}) means two inputs: {name!r}, which is {meant!r} inside, "
                f"or {inner[name]!r}, which is {name!r} inside. Call map_over before the rename, where names "
                f"are still the inner ones: .map_over({meant!r}) for the first, "
                f".map_over({name!r}) for the second.",
                node=node,
                parameters=(name,),
            )
        if meant in resolved:
            raise MappingError(
                f"node {node!r}: map_over names one input twice: {resolved[meant]!r} and {name!r} both mean "
                f"{meant!r}. Name it once.",
                node=node,
                parameters=(resolved[meant], name),
            )
        resolved[meant] = name
    return replace(spec, params=tuple(resolved))


def unresolved(spec: MapSpec, inner: Collection[str]) -> tuple[str, ...]:
    """Return the names in `spec` that mean none of the `inner` names."""
    return tuple(name for name in spec.params if name not in inner)


def check_mappable(node: str, parameter: str, value: object) -> None:
    """Check that a run's value can be mapped over item by item.

    Args:
        node: The mapped node's name.
        parameter: The mapped input's outer name.
        value: What the run hands to it.

    Raises:
        MappingError: It is a string, bytes or a mapping, or cannot be iterated at all.
    """
    where = f"node {node!r} maps over {parameter!r}, which is"
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        kind = "a string" if isinstance(value, str) else "bytes"
        piece = "character" if isinstance(value, str) else "byte"
        advice = f"{kind}: that would be one item per {piece}. Pass a list of them, [value] for a single one."
    elif isinstance(value, Mapping):
        advice = (
            "a mapping: that would be its keys alone. Pass list(value.items()), list(value.values()) "
            "or list(value), or [value] to map over the mapping itself."
        )
    elif not isinstance(value, (Iterable, AsyncIterable)) and not hasattr(type(value), "__getitem__"):
        advice = (
            f"of type {type(value).__name__} and holds no items. Pass a list or another iterable, [value] "
            f"for a single item; or leave {parameter!r} out of map_over to give every item the same value."
        )
    else:
        return
    raise MappingError(f"{where} {advice}", node=node, parameters=(parameter,))


def check_equal_lengths(node: str, lengths: Mapping[str, int]) -> None:
    """Check that zipped inputs are equally long.

    Args:
        node: The mapped node's name.
        lengths: The length of each mapped input whose length is known, by outer name.

    Raises:
        MappingError: They differ; all lengths are listed.
    """
    if len(set(lengths.values())) <= 1:
        return
    each = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
    raise MappingError(
        f"node {node!r} maps over inputs of unequal length: {each}. Make them equally long, or use "
        'mode="product" for every combination.',
        node=node,
        parameters=tuple(lengths),
        lengths=dict(lengths),
    )


def _checked_calls(
    node: str, options: CallOptions, inputs: Collection[str]
) -> tuple[CallPolicy | None, ErrorHandler | None]:
    policy, faults = read_policy(options)
    handler, handler_faults = read_handler(options.error_handler)
    found = (*faults, *handler_faults, *input_faults(handler, inputs))
    if found:
        raise MappingError(with_faults(f"node {node!r}: map_over()", found), node=node)
    return policy, handler


def _checked_names(node: str, names: Sequence[object]) -> tuple[str, ...]:
    checked: list[str] = []
    for name in names:
        if not isinstance(name, str):
            raise MappingError(
                f"node {node!r}: map_over() takes each name as a string of its own, .map_over('a', 'b'), not {name!r}.",
                node=node,
            )
        if name in checked:
            raise MappingError(f"node {node!r}: map_over() is given {name!r} twice.", node=node, parameters=(name,))
        checked.append(name)
    return tuple(checked)


def _checked_choice(node: str, option: str, value: object, choices: Mapping[str, _Choice]) -> _Choice:
    if isinstance(value, str) and value in choices:
        return choices[value]
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    raise MappingError(
        f"node {node!r}: map_over({option}={value!r}) is none of {listed(tuple(choices))}.{hint}", node=node
    )


def _checked_key(node: str, key: object) -> Callable[..., str | int] | None:
    if key is not None and not callable(key):
        raise MappingError(
            f"node {node!r}: key={key!r} is no function. Give one that makes an item's key out of its value: "
            "key=lambda section: section.title.",
            node=node,
        )
    return cast("Callable[..., str | int] | None", key)


def _checked_limit(node: str, limit: object) -> int | None:
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise MappingError(
            f"node {node!r}: map_over(max_concurrency={limit!r}) must be a whole number of at least 1, "
            "or None for no limit of its own.",
            node=node,
        )
    return limit
