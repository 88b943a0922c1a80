"""piecework: orchestrator-worker workflows. Break a job into pieces, do them in parallel, lose nothing on the way.

The public face: everything a user needs is named here. A name's module is imported when the name is first used, so that
`import piecework` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piecework.core.interrupts import interrupt
    from piecework.core.ports import RunLog
    from piecework.core.runs import RunInfo
    from piecework.dataflow.graph import Graph
    from piecework.dataflow.node import node
    from piecework.dataflow.results import MapResult, RunResult
    from piecework.dataflow.runners import AsyncRunner
    from piecework.dataflow.sync_runner import Runner, SyncRunner
    from piecework.errors import (
        CodecError,
        Failure,
        GraphError,
        InputChangedError,
        InputConflictError,
        InternalError,
        ItemKeyError,
        MappingError,
        MissingInputError,
        NodeCancelledError,
        NodeDefinitionError,
        NoStoreError,
        OutputMismatchError,
        OutsideRunError,
        PieceworkError,
        RenameError,
        RunCancelledError,
        RunChangedError,
        RunExistsError,
        RunHeldError,
        RunLostError,
        StoredError,
        StoreError,
        StoreVersionError,
        UnknownGraphError,
        UnknownInputError,
        UnknownNodeError,
        UnknownOutputError,
        UnknownQuestionError,
        UnknownRunError,
    )
    from piecework.stores.memory import MemoryStore
    from piecework.stores.postgres import PostgresStore
    from piecework.stores.sqlite import SqliteStore

__all__ = (
    "AsyncRunner",
    "CodecError",
    "Failure",
    "Graph",
    "GraphError",
    "InputChangedError",
    "InputConflictError",
    "InternalError",
    "ItemKeyError",
    "MapResult",
    "MappingError",
    "MemoryStore",
    "MissingInputError",
    "NoStoreError",
    "NodeCancelledError",
    "NodeDefinitionError",
    "OutputMismatchError",
    "OutsideRunError",
    "PieceworkError",
    "PostgresStore",
    "RenameError",
    "RunCancelledError",
    "RunChangedError",
    "RunExistsError",
    "RunHeldError",
    "RunInfo",
    "RunLog",
    "RunLostError",
    "RunResult",
    "Runner",
    "SqliteStore",
    "StoreError",
    "StoreVersionError",
    "StoredError",
    "SyncRunner",
    "UnknownGraphError",
    "UnknownInputError",
    "UnknownNodeError",
    "UnknownOutputError",
    "UnknownQuestionError",
    "UnknownRunError",
    "interrupt",
    "node",
)

__version__ = "0.1.0"

_HOMES = {
    "interrupt": "piecework.core.interrupts",
    "RunInfo": "piecework.core.runs",
    "RunLog": "piecework.core.ports",
    "Graph": "piecework.dataflow.graph",
    "node": "piecework.dataflow.node",
    "MapResult": "piecework.dataflow.results",
    "RunResult": "piecework.dataflow.results",
    "AsyncRunner": "piecework.dataflow.runners",
    "Runner": "piecework.dataflow.sync_runner",
    "SyncRunner": "piecework.dataflow.sync_runner",
    "MemoryStore": "piecework.stores.memory",
    "PostgresStore": "piecework.stores.postgres",
    "SqliteStore": "piecework.stores.sqlite",
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
