"""Finds files and functions that have grown too long; ruff holds complexity."""

import ast
from pathlib import Path
from typing import Final

from tests.house.source import functions, python_files

__all__ = ("FILE_LINES", "FUNCTION_LINES", "size_faults")

FILE_LINES: Final = 500

FUNCTION_LINES: Final = 80


def size_faults(root: Path) -> list[str]:
    """Return the files under `root` over 500 lines and the functions over 80, decorators counted."""
    faults: list[str] = []
    for path in python_files(root):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(root).as_posix()
        lines = len(text.splitlines())
        if lines > FILE_LINES:
            faults.append(f"{name}: {lines} lines, {FILE_LINES} at most")
        for function in functions(ast.parse(text, filename=str(path))):
            first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
            size = (function.end_lineno or first) - first + 1
            if size > FUNCTION_LINES:
                faults.append(f"{name}:{first} {function.name}: {size} lines, {FUNCTION_LINES} at most")
    return faults
