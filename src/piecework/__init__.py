"""piecework: orchestrator-worker workflows. Break a job into pieces, do them in parallel, lose nothing on the way.

The public face: everything a user needs is named here. A name's module is imported when the name is first used, so that
`import piecework` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piecework.dataflow.graph import Graph
    from piecework.dataflow.node import node
    from piecework.dataflow.results import MapResult, RunResult
    from piecework.dataflow.runners import AsyncRunner, Runner, SyncRunner
    from piecework.errors import (
        CodecError,
        Failure,
        GraphError,
        InputConflictError,
        InternalError,
        MappingError,
        MissingInputError,
        NodeCancelledError,
        NodeDefinitionError,
        OutputMismatchError,
        PieceworkError,
        RenameError,
        UnknownInputError,
        UnknownOutputError,
    )
    from piecework.stores.memory import MemoryStore

__all__ = (
    "AsyncRunner",
    "CodecError",
    "Failure",
    "Graph",
    "GraphError",
    "InputConflictError",
    "InternalError",
    "MapResult",
    "MappingError",
    "MemoryStore",
    "MissingInputError",
    "NodeCancelledError",
    "NodeDefinitionError",
    "OutputMismatchError",
    "PieceworkError",
    "RenameError",
    "RunResult",
    "Runner",
    "SyncRunner",
    "UnknownInputError",
    "UnknownOutputError",
    "node",
)

__version__ = "0.1.0"

_HOMES = {
    "Graph": "piecework.dataflow.graph",
    "node": "piecework.dataflow.node",
    "MapResult": "piecework.dataflow.results",
    "RunResult": "piecework.dataflow.results",
    "AsyncRunner": "piecework.dataflow.runners",
    "Runner": "piecework.dataflow.runners",
    "SyncRunner": "piecework.dataflow.runners",
    "MemoryStore": "piecework.stores.memory",
}
"""Where public names live; those not named here are errors."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES.get(name, "piecework.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
