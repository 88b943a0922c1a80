"""`module:attribute`: finding the graph that a command names.

The module is a dotted name, with the current folder importable, or the path of a .py file; the attribute may be dotted.
Whatever does not lead to a graph is a `MisuseError` that says where the way ended. What the module prints goes to
standard error, so that standard output holds a command's result and nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import piecework
from piecework import Graph
from piecework.cli.aside import printing_aside
from piecework.cli.errors import MisuseError
from piecework.dataflow import Node
from piecework.wording import did_you_mean, listed

__all__ = ("find_graph",)

_PACKAGE = Path(piecework.__file__).parent


def find_graph(reference: str) -> Graph:
    """Return the graph that `module:attribute` names.

    Raises:
        MisuseError: There is none: no such module or attribute, a module that cannot be imported, no graph.
    """
    source, colon, path = reference.rpartition(":")
    if not colon or not source or not path:
        raise MisuseError(
            f"{reference!r} names no graph. Write module:graph or path/to/file.py:graph, the name of the graph after "
            "the colon."
        )
    module = _load(source)
    found: object = module
    seen: list[str] = []
    for part in path.split("."):
        owner, seen = found, [*seen, part]
        try:
            found = getattr(owner, part)
        except AttributeError:
            raise MisuseError(_no_attribute(source, seen, owner, module)) from None
    if not isinstance(found, Graph):
        raise MisuseError(f"{reference!r} is {_advice(found, path)}{_graphs_of(module)}")
    return found


def _no_attribute(source: str, path: list[str], owner: object, module: ModuleType) -> str:
    where = f"module {source!r}" if owner is module else f"{'.'.join(path[:-1])!r} in {source!r}"
    names = [name for name in dir(owner) if not name.startswith("_")]
    return f"{where} has no attribute {path[-1]!r}.{did_you_mean(path[-1], names)}{_graphs_of(module)}"


def _advice(found: object, path: str) -> str:
    """What something is that is no graph, and what to do about it."""
    if isinstance(found, Node):
        return f"the node {found.name!r}, no graph. Put it into one: graph = Graph(nodes=[{path}], name='...')."
    if isinstance(found, ModuleType):
        return "a module, no graph. Name the graph in it."
    if isinstance(found, type):
        return f"the class {found.__name__!r}, no graph."
    if callable(found):
        return (
            "a function, no graph. If it makes a graph, give the graph a name in the module: graph = "
            f"{path}(...). If it is to be a node, put @node(output_name=...) over it and make a Graph of it."
        )
    return f"of type {type(found).__name__}, no graph."


def _graphs_of(module: ModuleType) -> str:
    graphs = [name for name, value in vars(module).items() if isinstance(value, Graph)]
    if not graphs:
        return " The module has no graph."
    return f" The module's {'graph is' if len(graphs) == 1 else 'graphs are'} {listed(graphs)}."


def _load(source: str) -> ModuleType:
    as_path = source.endswith(".py") or "/" in source or os.sep in source
    load = _file_loader(Path(source)) if as_path else _module_loader(source)
    try:
        with printing_aside():
            return load()
    except ModuleNotFoundError as error:
        if not as_path and error.name is not None and f"{source}.".startswith(f"{error.name}."):
            raise MisuseError(_no_module(source, error.name)) from None
        raise MisuseError(_broken(source, error)) from error
    except (Exception, SystemExit) as error:
        raise MisuseError(_broken(source, error)) from error


def _module_loader(name: str) -> Callable[[], ModuleType]:
    if not all(name.split(".")):
        raise MisuseError(f"{name!r} is no name of a module. Write package.module:graph, or path/to/file.py:graph.")
    _importable(Path.cwd())
    return lambda: importlib.import_module(name)


def _file_loader(path: Path) -> Callable[[], ModuleType]:
    if path.suffix != ".py":
        known = path.with_suffix(".py").is_file()
        advice = f"Did you mean {path.with_suffix('.py').as_posix()!r}?" if known else "Write path/to/file.py:graph."
        raise MisuseError(f"{path.as_posix()!r} is not the path of a .py file. {advice}")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise MisuseError(f"file {path.as_posix()!r} {what}.")
    path = path.resolve()
    folder, parts = path.parent, [path.stem]
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder, parts = folder.parent, [folder.name, *parts]
    _importable(folder)
    if len(parts) > 1:  # Imported as what it is, a part of its package, so that its relative imports work.
        return lambda: importlib.import_module(".".join(parts).removesuffix(".__init__"))
    return lambda: _run_file(path)


def _run_file(path: Path) -> ModuleType:
    name = path.stem
    while name in sys.modules:  # A file may be called like a module that is in use.
        name += "_"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _importable(folder: Path) -> None:
    if str(folder) not in sys.path[:1]:
        sys.path.insert(0, str(folder))


def _no_module(source: str, missing: str) -> str:
    near = did_you_mean(source, [path.stem for path in Path.cwd().glob("*.py")])
    part = f" (there is no {missing!r})" if missing != source else ""
    return (
        f"there is no module {source!r}{part}, neither in the current folder nor installed.{near} "
        "A file can be named by its path: path/to/file.py:graph."
    )


def _broken(source: str, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return (
            f"{source!r} ends the program when it is imported. Put what is to run only when it is the program under "
            "if __name__ == '__main__'."
        )
    if isinstance(error, SyntaxError):
        return f"{source!r} cannot be imported: {error.msg} ({_place(error.filename or source, error.lineno)})."
    what = f"{type(error).__name__}: {error}".rstrip(".")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _ours(frame.filename)]
    where = f" ({_place(frames[-1].filename, frames[-1].lineno)})" if frames else ""
    return f"{source!r} cannot be imported: {what}{where}."


def _ours(filename: str) -> bool:
    """Whether a line of a traceback is about importing modules or checking graphs, not about the user's own."""
    return filename == importlib.__file__ or filename.startswith("<frozen") or Path(filename).is_relative_to(_PACKAGE)


def _place(filename: str, line: int | None) -> str:
    path = Path(filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown.as_posix()}, line {line}"
