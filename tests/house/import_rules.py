"""Holds a source tree against the import table."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.source import Import, Module, imports, modules
from tests.house.table import INSTALLED, NEVER, OPTIONAL, PACKAGE, RE_EXPORTS_ONLY, ROWS, Row

__all__ = ("cycle_faults", "import_faults", "place")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a module stands."""

    name: str
    row: int
    entry: str


def import_faults(root: Path, rows: tuple[Row, ...] = ROWS) -> list[str]:
    """Return every import that the table does not allow, and every module without a place in it."""
    known = modules(root)
    faults: list[str] = []
    for module in known.values():
        if module.is_package and not module.tree.body:
            continue
        here = place(module.name, rows)
        if here is None:
            faults.append(f"module {module.name} has no place in the table: give it one (tests/house/table.py)")
            continue
        faults += _re_export_faults(module, here)
        for wanted in imports(module, known):
            fault = _fault(here, wanted, rows)
            if fault is not None:
                faults.append(f"{module.name}:{wanted.line} imports {wanted.target}: {fault}")
    return faults


def cycle_faults(root: Path) -> list[str]:
    """Return the import cycles of the tree, typing-only imports counted, each as a path back to its start."""
    known = modules(root)
    edges = {
        name: sorted({wanted.target for wanted in imports(module, known)} & known.keys() - {name})
        for name, module in known.items()
    }
    found: dict[frozenset[str], str] = {}
    for start in sorted(edges):
        path = _way_back(start, edges)
        if path:
            found.setdefault(frozenset(path), " > ".join([*path, start]))
    return [f"import cycle: {path}" for path in found.values()]


def place(name: str, rows: tuple[Row, ...] = ROWS) -> Place | None:
    """Return where a module stands in the table; the longest entry that covers it counts."""
    short = name.removeprefix(f"{PACKAGE}.")
    found = [
        Place(short, number, entry) for number, row in enumerate(rows) for entry in row.entries if _covers(entry, short)
    ]
    return max(found, key=lambda place: len(place.entry), default=None)


def _covers(entry: str, short: str) -> bool:
    if not entry.endswith(".*"):
        return entry == short
    return short == entry[:-2] or short.startswith(entry[:-1])


def _fault(here: Place, wanted: Import, rows: tuple[Row, ...]) -> str | None:
    top = wanted.target.partition(".")[0]
    if top == PACKAGE:
        if wanted.where == "function":
            return "an import of ours stands at the top of the module"
        return _row_fault(here, wanted.target, rows)
    if top in OPTIONAL:
        adapters = OPTIONAL[top]
        allowed = any(_covers(entry, here.name) for entry in adapters)
        return None if allowed else f"only {', '.join(adapters)} may"
    if top in INSTALLED or top in sys.stdlib_module_names:
        return "an import inside a function is for optional packages" if wanted.where == "function" else None
    return "no extra brings it; tests/house/table.py lists those that do"


def _row_fault(here: Place, target: str, rows: tuple[Row, ...]) -> str | None:
    there = place(target, rows)
    if there is None:
        return "it has no place in the table"
    short = target.removeprefix(f"{PACKAGE}.")
    if any(_covers(entry, short) for entry in NEVER.get(here.entry, ())):
        return f"{here.entry} never does"
    if there.row > here.row or there.entry == here.entry:
        return None
    if there.row < here.row:
        return "a row sees only the rows below it"
    return None if rows[here.row].siblings == "together" else "these siblings never import one another"


def _re_export_faults(module: Module, here: Place) -> Iterator[str]:
    if here.entry not in RE_EXPORTS_ONLY:
        return
    for statement in ast.walk(module.tree):
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield f"{module.name}:{statement.lineno} defines something: it only re-exports"


def _way_back(start: str, edges: dict[str, list[str]]) -> list[str]:
    """Return the shortest way from a module over its imports back to itself."""
    ways: dict[str, list[str]] = {start: [start]}
    waiting = [start]
    while waiting:
        name = waiting.pop(0)
        for target in edges[name]:
            if target == start:
                return ways[name]
            if target not in ways:
                ways[target] = [*ways[name], target]
                waiting.append(target)
    return []
