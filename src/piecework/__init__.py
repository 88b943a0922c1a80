"""piecework: orchestrator-worker workflows. Break a job into pieces, do them in parallel, lose nothing on the way.

The public face: everything a user needs is named here. A name's module is imported when the name is first used, so that
`import piecework` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from piecework.core.budget import Budget, Price
    from piecework.core.interrupts import interrupt
    from piecework.core.policy import CachePolicy, RetryPolicy, TimeoutPolicy
    from piecework.core.ports import Cache, RunLog
    from piecework.core.quota.concurrency import Limit
    from piecework.core.quota.rate import RateLimit
    from piecework.core.runs import RunInfo
    from piecework.core.signs import add_usage, heartbeat
    from piecework.core.transient import default_retry_on
    from piecework.core.usage import Usage
    from piecework.dataflow.graph import Graph
    from piecework.dataflow.node import node
    from piecework.dataflow.results import MapResult, RunResult
    from piecework.dataflow.runners import AsyncRunner
    from piecework.dataflow.sync_runner import Runner, SyncRunner
    from piecework.errors import (
        CacheKeyError,
        CodecError,
        Failure,
        GraphError,
        InputChangedError,
        InputConflictError,
        InternalError,
        ItemKeyError,
        LimitConflictError,
        MappingError,
        MissingInputError,
        NoCacheError,
        NodeCancelledError,
        NodeDefinitionError,
        NodeTimeoutError,
        NoStoreError,
        OutputMismatchError,
        OutsideRunError,
        PieceworkError,
        PolicyFunctionError,
        RenameError,
        RunCancelledError,
        RunChangedError,
        RunExistsError,
        RunHeldError,
        RunLostError,
        RunTimeoutError,
        StoredError,
        StoreError,
        StoreVersionError,
        UnknownGraphError,
        UnknownInputError,
        UnknownNodeError,
        UnknownOutputError,
        UnknownPriceError,
        UnknownQuestionError,
        UnknownRunError,
    )
    from piecework.stores.caches import MemoryCache
    from piecework.stores.memory import MemoryStore
    from piecework.stores.postgres import PostgresStore
    from piecework.stores.sqlite import SqliteStore
    from piecework.stores.sqlite_cache import SqliteCache

__all__ = (
    "AsyncRunner",
    "Budget",
    "Cache",
    "CacheKeyError",
    "CachePolicy",
    "CodecError",
    "Failure",
    "Graph",
    "GraphError",
    "InputChangedError",
    "InputConflictError",
    "InternalError",
    "ItemKeyError",
    "Limit",
    "LimitConflictError",
    "MapResult",
    "MappingError",
    "MemoryCache",
    "MemoryStore",
    "MissingInputError",
    "NoCacheError",
    "NoStoreError",
    "NodeCancelledError",
    "NodeDefinitionError",
    "NodeTimeoutError",
    "OutputMismatchError",
    "OutsideRunError",
    "PieceworkError",
    "PolicyFunctionError",
    "PostgresStore",
    "Price",
    "RateLimit",
    "RenameError",
    "RetryPolicy",
    "RunCancelledError",
    "RunChangedError",
    "RunExistsError",
    "RunHeldError",
    "RunInfo",
    "RunLog",
    "RunLostError",
    "RunResult",
    "RunTimeoutError",
    "Runner",
    "SqliteCache",
    "SqliteStore",
    "StoreError",
    "StoreVersionError",
    "StoredError",
    "SyncRunner",
    "TimeoutPolicy",
    "UnknownGraphError",
    "UnknownInputError",
    "UnknownNodeError",
    "UnknownOutputError",
    "UnknownPriceError",
    "UnknownQuestionError",
    "UnknownRunError",
    "Usage",
    "add_usage",
    "default_retry_on",
    "heartbeat",
    "interrupt",
    "node",
)

__version__ = "0.1.0"

_HOMES = {
    "RetryPolicy": "piecework.core.policy",
    "TimeoutPolicy": "piecework.core.policy",
    "CachePolicy": "piecework.core.policy",
    "default_retry_on": "piecework.core.transient",
    "Limit": "piecework.core.quota.concurrency",
    "RateLimit": "piecework.core.quota.rate",
    "Budget": "piecework.core.budget",
    "Price": "piecework.core.budget",
    "Usage": "piecework.core.usage",
    "add_usage": "piecework.core.signs",
    "heartbeat": "piecework.core.signs",
    "Cache": "piecework.core.ports",
    "MemoryCache": "piecework.stores.caches",
    "SqliteCache": "piecework.stores.sqlite_cache",
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
