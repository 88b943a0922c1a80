"""`piecework draw` and `piecework run`: a graph of the user's own, named as `module:graph`."""

from __future__ import annotations

from typing import Annotated

import typer

from piecework import RunResult
from piecework.cli.inputs import read_inputs
from piecework.cli.keeping import NoStore, StoreUrl, keeping
from piecework.cli.naming import new_run_id
from piecework.cli.reference import find_graph
from piecework.cli.running import perform, selected
from piecework.cli.streams import print_result
from piecework.observe import Observer

__all__ = ("Debug", "Given", "Quiet", "draw", "run")

Reference = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:GRAPH",
        help="A graph in a module: package.module:graph, or path/to/file.py:graph.",
        show_default=False,
    ),
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="NAME=VALUE",
        help="An input: JSON, or text where it is no JSON; @FILE takes it from a file. May be repeated.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Do not tell how much was run.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def draw(graph: Reference, _debug: Debug = False) -> None:
    """Print a graph as a Mermaid flowchart."""
    print_result(f"{find_graph(graph).to_mermaid()}\n")


def run(
    graph: Reference,
    given: Given = None,
    select: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Print this output alone, and run only what it needs.", show_default=False),
    ] = None,
    store: StoreUrl = None,
    no_store: NoStore = False,
    quiet: Quiet = False,
    _debug: Debug = False,
) -> None:
    """Run a graph and print its outputs as JSON.

    What its nodes print goes to standard error. Exit code 1 if a node or an item failed. The run is kept, call by call:
    if it is interrupted or fails, 'piecework resume' runs only what is missing.
    """
    chosen = selected(find_graph(graph), select)
    inputs = read_inputs(chosen, given or [])
    labels = {"command": "run", "reference": graph} | ({} if select is None else {"select": select})
    with keeping(store, nothing=no_store) as kept:
        run_id = None if kept.store is None else new_run_id(kept.store, chosen.name or graph.rpartition(":")[2])

        def start(observer: Observer) -> RunResult:
            return kept.runner(observers=[observer], labels=labels).run(chosen, inputs, run_id=run_id)

        perform(start, kept, run_id, (graph,), select=select, quiet=quiet)
