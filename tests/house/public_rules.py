"""Holds the public names to their promise: there, documented, fully typed, and named where they live.

Public is what a package's `__init__` names in its `__all__`. Everything is read, nothing is imported.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from tests.house.source import Module, modules

__all__ = ("public_faults", "public_names")

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

BARE: Final = (
    "dict",
    "Dict",
    "Mapping",
    "MutableMapping",
    "list",
    "List",
    "tuple",
    "Tuple",
    "set",
    "Callable",
)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a name is defined: by one statement, or by several where there are overloads."""

    module: Module
    statements: tuple[ast.stmt, ...]


def public_names(root: Path) -> dict[str, tuple[str, ...]]:
    """Return what each package names in its `__all__`."""
    found = {name: _all_of(module) for name, module in modules(root).items() if module.is_package}
    return {name: names for name, names in found.items() if names}


def public_faults(root: Path) -> list[str]:
    """Return what is wrong with the public names of the packages under `root`, each fault once."""
    known = modules(root)
    faults: dict[str, None] = {}
    for module in known.values():
        if module.is_package:
            faults.update(dict.fromkeys(_package_faults(module, known)))
    return list(faults)


def _package_faults(package: Module, known: dict[str, Module]) -> Iterator[str]:
    body = package.tree.body
    places = [number for number, statement in enumerate(body) if "__all__" in _targets(statement)]
    if not places:
        return
    if not _all_of(package):
        yield f"{package.name}: __all__ is a tuple of plain strings"
    if any(isinstance(statement, ast.ClassDef | Function) for statement in body[: places[0]]):
        yield f"{package.name}: __all__ stands at the top"
    for name in _all_of(package):
        if f"{package.name}.{name}" in known:
            continue
        found = _find(name, package, known)
        if found is None:
            yield f"{package.name}.{name} does not exist"
            continue
        if name not in _all_of(found.module) and not name.startswith("__"):
            yield f"{found.module.name}: __all__ does not name {name}, which {package.name} makes public"
        yield from _definition_faults(f"{found.module.name}.{name}", found.statements)


def _definition_faults(where: str, statements: Sequence[ast.stmt]) -> Iterator[str]:
    last = statements[-1]
    if not isinstance(last, ast.ClassDef | Function):
        return
    if not ast.get_docstring(last):
        yield f"{where} has no docstring"
    yield from _signature_faults(where, statements, method=False)
    if isinstance(last, ast.ClassDef):
        for name in {method.name: None for method in last.body if isinstance(method, Function)}:
            if name == "__init__" or not name.startswith("_"):
                yield from _signature_faults(f"{where}.{name}", _named(name, last.body), method=True)


def _signature_faults(where: str, statements: Sequence[ast.stmt], *, method: bool) -> Iterator[str]:
    """Look at the signatures a caller sees: the overloads where there are some, else the function's own."""
    written = [statement for statement in statements if isinstance(statement, Function)]
    for function in [one for one in written if "overload" in _decorators(one)] or written:
        arguments = function.args
        positional = [*arguments.posonlyargs, *arguments.args]
        if method and "staticmethod" not in _decorators(function):
            positional = positional[1:]
        rest = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
        for argument in [*positional, *arguments.kwonlyargs, *rest]:
            yield from _annotation_faults(f"{where}: {argument.arg}", argument.annotation)
        if function.name != "__init__":
            yield from _annotation_faults(f"{where}: the result", function.returns)


def _annotation_faults(where: str, annotation: ast.expr | None) -> Iterator[str]:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    if annotation is None:
        yield f"{where} has no type"
        return
    if any(_last(member) == "Any" for member in _members(annotation)):
        yield f"{where} is a bare Any"
    subscripted = {id(node.value) for node in ast.walk(annotation) if isinstance(node, ast.Subscript)}
    for node in ast.walk(annotation):
        if _last(node) in BARE and id(node) not in subscripted:
            yield f"{where} is a bare {_last(node)}"


def _members(annotation: ast.expr) -> Iterator[ast.expr]:
    """Yield the members of a union, however it is spelled, or the type itself."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from _members(annotation.left)
        yield from _members(annotation.right)
    elif isinstance(annotation, ast.Subscript) and _last(annotation.value) in {"Union", "Optional"}:
        inner = annotation.slice
        for member in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
            yield from _members(member)
    else:
        yield annotation


def _find(name: str, module: Module, known: dict[str, Module]) -> Found | None:
    """Follow a name over the imports of the tree to where it is defined."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module in known and node.module != module.name:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _find(alias.name, known[node.module], known)
    statements = _named(name, module.tree.body)
    return Found(module, statements) if statements else None


def _named(name: str, body: Sequence[ast.stmt]) -> tuple[ast.stmt, ...]:
    """Return the statements of a body that define a name, those under an `if` too."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.If):
            found += _named(name, [*statement.body, *statement.orelse])
        elif getattr(statement, "name", None) == name or name in _targets(statement):
            found.append(statement)
    return tuple(found)


def _targets(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def _all_of(module: Module) -> tuple[str, ...]:
    """Return a module's `__all__`, empty unless it is a tuple of plain strings."""
    for statement in module.tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and "__all__" in _targets(statement):
            elements = statement.value.elts if isinstance(statement.value, ast.Tuple) else []
            return tuple(str(element.value) for element in elements if isinstance(element, ast.Constant))
    return ()


def _decorators(function: Function) -> set[str]:
    return {_last(decorator) for decorator in function.decorator_list}


def _last(node: ast.AST) -> str:
    """Return the last part of a dotted name, empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
