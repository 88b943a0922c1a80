"""The source tree as the house rules see it: modules by name, with their syntax trees and their imports.

The checkers of this folder take a root folder and read it through here; nothing is executed.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ("REPOSITORY", "Import", "Module", "functions", "imports", "modules", "python_files")

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Module:
    """One file of a package."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether the file is a package's `__init__`."""
        return self.path.name == "__init__.py"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module."""

    target: str
    line: int
    where: Literal["module", "function"]


def python_files(folder: Path) -> list[Path]:
    """Return the Python files under a folder, in order; none if the folder isn't there."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def modules(root: Path) -> dict[str, Module]:
    """Read every module under `root`, the folder that holds the packages."""
    found: dict[str, Module] = {}
    for path in python_files(root):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    return found


def imports(module: Module, known: dict[str, Module]) -> Iterator[Import]:
    """Yield what a module imports, typing-only too; `from a import b` means `a.b` where that is a module."""
    in_functions = {id(inner) for function in functions(module.tree) for inner in ast.walk(function)}
    for statement in ast.walk(module.tree):
        where: Literal["module", "function"] = "function" if id(statement) in in_functions else "module"
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield Import(alias.name, statement.lineno, where)
        elif isinstance(statement, ast.ImportFrom):
            base = _base(module, statement)
            targets = {f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in statement.names}
            for target in sorted(targets):
                yield Import(target, statement.lineno, where)


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function in a tree, methods and inner ones too."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _base(module: Module, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    package = module.name.split(".")
    up = statement.level - 1 if module.is_package else statement.level
    return ".".join([*package[: len(package) - up], *([statement.module] if statement.module else [])])
