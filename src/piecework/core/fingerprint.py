"""What stands for a function in a cache: 16 bytes that change when the function does.

`Caching` asks for them. They are the same in every process, and differ where the source, a default or a closure
variable does. What a function reaches by a global name does not count. Nothing is called here, and nothing is kept but
what was read of source files.
"""

from __future__ import annotations

import ast
import copy
import functools
import linecache
import os
import sys
from collections.abc import Callable, Mapping
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Final, TypeAlias, cast, get_args, get_origin
from weakref import WeakKeyDictionary

import msgspec

from piecework.core.codec import Codec, digest_of
from piecework.errors import CacheKeyError

__all__ = ("fingerprint",)

Parts: TypeAlias = object
"""What is told of something: texts, bytes, numbers, and lists of them."""

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_BUILTIN: Final = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType, MethodWrapperType)

_REMEMBERING: Final = type(functools.lru_cache(len))

_pack = msgspec.msgpack.Encoder().encode

_CONSTANTS: Final = Codec()

_READ: WeakKeyDictionary[FunctionType, tuple[CodeType, bytes]] = WeakKeyDictionary()
"""For a function the code that was read, and what stands for it: not its variables, which may change."""


def fingerprint(function: Callable[..., object], codec: Codec, *, node: str = "") -> bytes:
    """16 bytes that stand for a function, seen through `partial`, `wraps`, bound methods and callable objects.

    Args:
        function: The function.
        codec: Says what stands for the values that it keeps.
        node: The name of the node that it belongs to, for errors.

    Raises:
        CacheKeyError: It keeps something that cannot be told from other things in another process.
    """
    try:
        return digest_of(_pack(_Reading(codec, node).of(function, "the function")))
    except RecursionError as error:
        raise CacheKeyError(
            f"node {node!r} cannot be cached: what its function keeps is nested too deeply. Make it an input of the "
            "node, or a global of the module, since globals do not count.",
            node=node,
        ) from error


class _Reading:
    """One function being looked at, with all that it keeps."""

    def __init__(self, codec: Codec, node: str) -> None:
        self._codec = codec
        self._node = node
        self._seen: dict[int, tuple[int, object]] = {}  # With what it is, so that no other thing gets its id.

    def of(self, value: object, place: str) -> Parts:
        """What is told of a function, or of a value that one keeps; `place` says where it was found."""
        if isinstance(value, type):
            return ["class", _module(value), value.__qualname__]
        if isinstance(value, ModuleType):
            return ["module", value.__name__]
        origin = get_origin(value)
        if origin is not None:  # `list[int]`, `int | None`.
            return ["alias", self.of(origin, place), [self.of(part, place) for part in get_args(value)]]
        if callable(value):
            return self._callable(value, place)
        return self._plain(value, place)

    def _callable(self, value: Callable[..., object], place: str) -> Parts:
        if getattr(value, "__piecework_standin__", None) is True:
            return self.of(cast("Any", value).__wrapped__, place)
        if isinstance(value, FunctionType):
            return self._once(value) or self._function(value)
        if isinstance(value, functools.partial):
            made = cast("functools.partial[object]", value)
            arguments = [self.of(item, f"argument {number} of {place}") for number, item in enumerate(made.args)]
            return ["partial", self.of(made.func, place), arguments, self._named(made.keywords, "argument", place)]
        if isinstance(value, MethodType):
            return ["method", self.of(value.__func__, place), self.of(value.__self__, f"the object of {place}")]
        return self._builtin(value, place) if isinstance(value, _BUILTIN) else self._object(value, place)

    def _function(self, function: FunctionType) -> Parts:
        name = function.__qualname__
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        wrapped = function.__dict__.get("__wrapped__")
        return [
            "function",
            _module(function),
            name,
            _read(function),
            [self.of(value, f"a default of {name}") for value in function.__defaults__ or ()],
            self._named(function.__kwdefaults__ or {}, "the default of", name),
            [[variable, self._cell(cell, f"variable {variable!r} of {name}")] for variable, cell in cells.items()],
            None if wrapped is None else self.of(wrapped, f"what {name} wraps"),
        ]

    def _cell(self, cell: Any, place: str) -> Parts:
        try:
            value = cell.cell_contents
        except ValueError:  # It has no value yet.
            return None
        return self.of(value, place)

    def _builtin(self, value: Any, place: str) -> Parts:
        owner = getattr(value, "__self__", None)
        where = getattr(value, "__objclass__", value)
        bound = None if owner is None or isinstance(owner, ModuleType) else self.of(owner, f"the object of {place}")
        return ["builtin", getattr(where, "__module__", None), value.__qualname__, bound]

    def _object(self, value: Callable[..., object], place: str) -> Parts:
        kind = type(value)
        if kind is _REMEMBERING:
            return ["remembering", self.of(cast("Any", value).__wrapped__, place)]
        held = getattr(value, "func", None)
        if callable(held) and kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
            return self.of(held, place)  # A node, which is its function; the rest of it is how it is wired.
        call = kind.__call__
        digest = self._codec.digest(value)
        if digest is None or not isinstance(call, FunctionType):
            raise self._refused(value, place)
        return ["object", self.of(kind, place), self.of(call, place), digest]

    def _plain(self, value: object, place: str) -> Parts:
        digest = self._codec.digest(value)
        if digest is not None:
            return digest
        kind = type(value)
        if kind in {list, tuple}:  # It may hold functions.
            items = enumerate(cast("list[object]", value))
            return self._once(value) or [kind.__name__, [self.of(item, f"item {at} of {place}") for at, item in items]]
        if kind is dict:
            return self._once(value) or ["dict", self._named(cast("dict[object, object]", value), "item", place)]
        raise self._refused(value, place)

    def _named(self, values: Mapping[Any, object], what: str, place: str) -> Parts:
        """What is told of a mapping, in whatever order it was filled."""
        keys = [(self._plain(key, f"a key of {place}"), key) for key in values]
        keys.sort(key=lambda key: _pack(key[0]))
        return [[told, self.of(values[key], f"{what} {key!r} of {place}")] for told, key in keys]

    def _once(self, value: object) -> Parts | None:
        """What stands for a thing that was met before, which may be inside of itself."""
        met = self._seen.get(id(value))
        if met is not None:
            return ["again", met[0]]
        self._seen[id(value)] = len(self._seen), value
        return None

    def _refused(self, value: object, place: str) -> CacheKeyError:
        kind = type(value)
        return CacheKeyError(
            f"node {self._node!r} cannot be cached: {place} is of type {kind.__module__}.{kind.__qualname__}, and "
            "nothing stands for its value in another process. Make it an input of the node, or a global of the "
            "module, since globals do not count; or let an annotation of a node name its type, where that is a "
            "dataclass, NamedTuple, Struct, enum or pydantic model.",
            node=self._node,
        )


def _module(value: Any) -> str | None:
    """The module that something was made in; a script by its file, since all of them are called `__main__`."""
    name: str | None = value.__module__
    if name == "__main__":
        return f"__main__ {os.path.basename(getattr(sys.modules[name], '__file__', None) or '')}"
    return name


def _read(function: FunctionType) -> bytes:
    """What stands for what a function does: its source, or its code where the source is not surely its own."""
    code = function.__code__
    read = _READ.get(function)
    if read is None or read[0] is not code:
        source = _source(function)
        read = _READ[function] = code, digest_of(_pack(_compiled(code) if source is None else source))
    return read[1]


def _source(function: FunctionType) -> str | None:
    """The definition without comments and decorators; None for a lambda, and where there is no source.

    The file may have been changed since the function was made, and what an old function makes must not be kept for the
    new one: the definition counts only if it compiles to the very code of the function.
    """
    code = function.__code__
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    codes, definitions = _parsed(text)
    definition = definitions.get((code.co_name, code.co_firstlineno))
    if definition is None or code not in codes:
        return None
    bare = copy.copy(definition)
    bare.decorator_list = []  # What a decorator makes of the function is seen in what it makes.
    return ast.unparse(bare)


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> tuple[frozenset[CodeType], Mapping[tuple[str, int], Definition]]:
    """All code of a file, and its definitions by name and first line."""
    try:
        tree = ast.parse(text)
        codes = frozenset(_codes(compile(tree, "", "exec", dont_inherit=True)))
    except (SyntaxError, ValueError):
        return frozenset(), {}
    definitions: dict[tuple[str, int], Definition] = {}
    for found in ast.walk(tree):
        if isinstance(found, Definition):
            first = found.decorator_list[0] if found.decorator_list else found
            definitions[found.name, first.lineno] = found
    return codes, definitions


def _codes(code: CodeType) -> list[CodeType]:
    """A code object and all that are in it."""
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _codes(constant)
    return found


def _compiled(code: CodeType) -> Parts:
    """What a code object does; not where it stands."""
    return [
        code.co_name,
        code.co_code,
        [code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount],
        [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars],
        getattr(code, "co_exceptiontable", b""),
        [_constant(value) for value in code.co_consts],
    ]


def _constant(value: object) -> Parts:
    if isinstance(value, CodeType):
        return _compiled(value)
    return _CONSTANTS.digest(value) or repr(value)
