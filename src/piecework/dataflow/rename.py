"""Renaming: one parallel substitution of names, and what was renamed before.

Signatures call this for inputs and for outputs alike. A rename is keyed by the current name and applied to
all names at once, so that a swap works. Nothing here knows functions or graphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from keyword import iskeyword

from piecework.errors import RenameError
from piecework.wording import did_you_mean, listed

__all__ = ("Rename", "address_fault", "renamed", "value_fault")


@dataclass(frozen=True, slots=True)
class Rename:
    """One rename that was made, kept so that a later error can tell the way to the current names."""

    method: str
    """The method that made it: `with_name`, `with_inputs` or `with_outputs`."""
    pairs: tuple[tuple[str, str], ...]
    """What was renamed: old and new name; for `with_name` the node's."""

    def __str__(self) -> str:
        """Write the rename as the call that made it."""
        if self.method == "with_name":
            return f".with_name({self.pairs[0][1]!r})"
        return _as_call(self.method, self.pairs)


def renamed(
    names: tuple[str, ...],
    renames: Mapping[str, str],
    *,
    node: str,
    method: str,
    history: tuple[Rename, ...],
) -> tuple[str, ...]:
    """Return `names` with all `renames` applied at once, in the same order.

    Args:
        names: The current names.
        renames: Current name to new name; names left out stay.
        node: The node's name, for messages.
        method: The method that renames, `with_inputs` or `with_outputs`.
        history: The renames made before, for messages.

    Raises:
        RenameError: A name to be renamed is not there, a new name is invalid, or two names would be one.
    """
    trail = tuple(str(rename) for rename in history)
    unknown = tuple(name for name in renames if name not in names)
    if unknown:
        message = _swapped(names, renames, method) or _unknown(names, unknown, method)
        raise RenameError(f"node {node!r}: {message}", node=node, names=unknown, history=trail)
    for old, new in renames.items():
        fault = value_fault(new)
        if fault is not None:
            raise RenameError(
                f"node {node!r}: {method}({old}={new!r}): the new name {fault}.",
                node=node,
                names=(old,),
                history=trail,
            )
    sources_of: dict[str, tuple[str, ...]] = {}
    for name in names:
        new = renames.get(name, name)
        sources_of[new] = (*sources_of.get(new, ()), name)
    for new, sources in sources_of.items():
        if len(sources) > 1:
            raise RenameError(
                f"node {node!r}: {_as_call(method, tuple(renames.items()))} would call {listed(sources)} all "
                f"{new!r}. Give each a name of its own; to swap two, rename both in one call.",
                node=node,
                names=sources,
                history=trail,
            )
    return tuple(sources_of)


def value_fault(name: object) -> str | None:
    """Return what keeps `name` from being the name of an input or output, or None."""
    if not isinstance(name, str):
        return f"must be a string, not {name!r}"
    if not name.isidentifier():
        return f"must be an identifier (letters, digits and _, no digit first), not {name!r}"
    if iskeyword(name):
        return f"must not be the Python keyword {name!r}, since no function can have a parameter of that name"
    return None


def address_fault(name: object) -> str | None:
    """Return what keeps `name` from being the name of a node or graph, or None.

    A call's address is built from such names as `name[item]@turn`, joined by `/`, so these marks are not
    free.
    """
    if not isinstance(name, str):
        return f"must be a string, not {name!r}"
    if not name.strip() or not name.isprintable():
        return f"must be printable text, not {name!r}"
    taken = [mark for mark in "/[]@:" if mark in name]
    if taken:
        return f"must not contain {listed(taken)} as {name!r} does, since addresses of calls are written with it"
    return None


def _as_call(method: str, pairs: tuple[tuple[str, str], ...]) -> str:
    return f".{method}({', '.join(f'{old}={new!r}' for old, new in pairs)})"


def _swapped(names: tuple[str, ...], renames: Mapping[str, str], method: str) -> str | None:
    """Return the advice to turn the pairs round, where every unknown left name has a known right one."""
    pairs = tuple((new, old) if old not in names and new in names else (old, new) for old, new in renames.items())
    if any(old not in names for old, _ in pairs):
        return None
    return (
        f"{_as_call(method, tuple(renames.items()))} has it the wrong way round: the current name "
        f"stands left, the new one right. Write {_as_call(method, pairs)}."
    )


def _unknown(names: tuple[str, ...], unknown: tuple[str, ...], method: str) -> str:
    side = "input" if method == "with_inputs" else "output"
    hints = "".join(did_you_mean(name, names) for name in unknown)
    return f"{method} renames {listed(unknown)}, but its {side}s are {listed(names)}.{hints}"
