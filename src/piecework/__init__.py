"""piecework: orchestrator-worker workflows. Break a job into pieces, do them in parallel, lose nothing on the way.

The public face: everything a user needs is named here.
"""

from piecework.dataflow.graph import Graph
from piecework.dataflow.node import node
from piecework.dataflow.results import MapResult, RunResult
from piecework.dataflow.runners import AsyncRunner, SyncRunner
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

Runner = SyncRunner
