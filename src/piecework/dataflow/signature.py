"""A node's signature: what it and its inputs and outputs are called outside and inside, and its mapping.

Nodes delegate every rename and every `map_over` to this immutable record. It knows names only: no function,
no graph and no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from piecework.dataflow import mapping
from piecework.dataflow.mapping import MapSpec
from piecework.dataflow.rename import Rename, address_fault, renamed
from piecework.errors import MappingError, RenameError

__all__ = ("Signature",)


@dataclass(frozen=True, slots=True)
class Signature:
    """The names by which a node is known."""

    name: str
    """The node's own name."""
    inputs: tuple[str, ...]
    """Outer input names, in declaration order."""
    inner_inputs: tuple[str, ...]
    """The inner name of each input, in the same order; renames never change it."""
    outputs: tuple[str, ...]
    """Outer output names, in declaration order."""
    inner_outputs: tuple[str, ...]
    """The inner name of each output, in the same order; renames never change it."""
    mapping: MapSpec | None = None
    """How the node is mapped, if it is."""
    history: tuple[Rename, ...] = ()
    """The renames made so far, oldest first."""

    @classmethod
    def plain(cls, name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Signature:
        """Return the signature in which outer and inner names are the same."""
        return cls(name=name, inputs=inputs, inner_inputs=inputs, outputs=outputs, inner_outputs=outputs)

    @property
    def unresolved(self) -> tuple[str, ...]:
        """The names given to `map_over` that mean no input so far."""
        return mapping.unresolved(self.mapping, self.inner_inputs) if self.mapping is not None else ()

    @property
    def mapped(self) -> tuple[str, ...]:
        """The outer names of the mapped inputs, in the order given to `map_over`."""
        if self.mapping is None:
            return ()
        outer = dict(zip(self.inner_inputs, self.inputs, strict=True))
        return tuple(outer[param] for param in self.mapping.params if param in outer)

    def with_name(self, name: str) -> Signature:
        """Return the signature under another name of the node's own.

        Raises:
            RenameError: The name cannot be part of a call's address.
        """
        fault = address_fault(name)
        if fault is not None:
            raise RenameError(
                f"node {self.name!r}: with_name({name!r}): the name {fault}.",
                node=self.name,
                history=self._trail,
            )
        return replace(self, name=name, history=(*self.history, Rename("with_name", ((self.name, name),))))

    def with_inputs(self, renames: Mapping[str, str]) -> Signature:
        """Return the signature with inputs renamed, all at once.

        Raises:
            RenameError: A name is unknown, invalid, or would be given to two inputs.
            MappingError: A name waiting in `map_over` would now mean an input that is mapped already.
        """
        inputs = renamed(self.inputs, renames, node=self.name, method="with_inputs", history=self.history)
        after = replace(self, inputs=inputs, history=self._and("with_inputs", renames))
        if self.mapping is None or not self.unresolved:
            return after
        settled = [name for name in self.mapping.params if name in self.inner_inputs]
        spec = mapping.resolve(self.mapping, node=self.name, outer=after._outer, settled=settled)
        return replace(after, mapping=spec)

    def with_outputs(self, renames: Mapping[str, str]) -> Signature:
        """Return the signature with outputs renamed, all at once.

        Raises:
            RenameError: A name is unknown, invalid, or would be given to two outputs.
        """
        outputs = renamed(self.outputs, renames, node=self.name, method="with_outputs", history=self.history)
        return replace(self, outputs=outputs, history=self._and("with_outputs", renames))

    def map_over(self, spec: MapSpec) -> Signature:
        """Return the signature mapped as `spec` says, its names resolved as far as they mean something now.

        Raises:
            MappingError: The node is mapped already, or a name means two inputs.
        """
        if self.mapping is not None:
            raise MappingError(
                f"node {self.name!r} is mapped already. To map twice, put the mapped node in a graph of its "
                f"own and map that: Graph(nodes=[{self.name}.map_over(...)], name=...).as_node()"
                ".map_over(...). "
                "To map over several inputs at once, name them all in one map_over.",
                node=self.name,
                parameters=self.mapping.params,
            )
        return replace(self, mapping=mapping.resolve(spec, node=self.name, outer=self._outer))

    @property
    def _outer(self) -> Mapping[str, str]:
        return dict(zip(self.inputs, self.inner_inputs, strict=True))

    @property
    def _trail(self) -> tuple[str, ...]:
        return tuple(str(rename) for rename in self.history)

    def _and(self, method: str, renames: Mapping[str, str]) -> tuple[Rename, ...]:
        return (*self.history, Rename(method, tuple(renames.items()))) if renames else self.history
