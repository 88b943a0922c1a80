"""Every exception a user may catch, and `Failure`, the mark a failed item leaves behind.

Each class is one condition; its message says what was wrong, where, and what to do, and its fields carry the
facts, so that nobody has to read the text to decide. Every module raises these; they import none of
them. All of them survive pickling with their fields and notes.
"""

from piecework.errors.called import (
    CacheKeyError,
    Failure,
    InputChangedError,
    LimitConflictError,
    NoCacheError,
    NodeCancelledError,
    NodeTimeoutError,
    OutputMismatchError,
    OutsideRunError,
    PolicyFunctionError,
    RunTimeoutError,
    UnknownPriceError,
)
from piecework.errors.declared import (
    GraphError,
    InputConflictError,
    ItemKeyError,
    MappingError,
    MissingInputError,
    NodeDefinitionError,
    RenameError,
    UnknownInputError,
    UnknownNodeError,
    UnknownOutputError,
)
from piecework.errors.kept import (
    CodecError,
    NoStoreError,
    RunCancelledError,
    RunChangedError,
    RunExistsError,
    RunHeldError,
    RunLostError,
    StoredError,
    StoreError,
    StoreVersionError,
    UnknownGraphError,
    UnknownQuestionError,
    UnknownRunError,
)
from piecework.errors.root import Fault, InternalError, PieceworkError

__all__ = (
    "CacheKeyError",
    "CodecError",
    "Failure",
    "Fault",
    "GraphError",
    "InputChangedError",
    "InputConflictError",
    "InternalError",
    "ItemKeyError",
    "LimitConflictError",
    "MappingError",
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
    "RenameError",
    "RunCancelledError",
    "RunChangedError",
    "RunExistsError",
    "RunHeldError",
    "RunLostError",
    "RunTimeoutError",
    "StoreError",
    "StoreVersionError",
    "StoredError",
    "UnknownGraphError",
    "UnknownInputError",
    "UnknownNodeError",
    "UnknownOutputError",
    "UnknownPriceError",
    "UnknownQuestionError",
    "UnknownRunError",
)

for _name in __all__:
    globals()[_name].__module__ = __name__  # Users, pickles and logs know them by this name.
