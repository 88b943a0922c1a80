"""`piecework report`: a cited report on a topic."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from piecework import MemoryStore, RunResult
from piecework.cli.budget import MaxCost, MaxTokens, PriceOption, read_allowance, stopping
from piecework.cli.keeping import Keeping, NoStore, StoreUrl, keeping
from piecework.cli.naming import new_run_id
from piecework.cli.orders import EXTRACTIVE, ReportOrder
from piecework.cli.reporting import (
    Authorship,
    check_output,
    deliver,
    hush_libraries,
    model_name,
    open_writer,
    write,
)
from piecework.cli.streams import say
from piecework.observe import Observer
from piecework.report import DEFAULT_SECTION_COUNT, concurrency_of, joined, models, report_generator

__all__ = ("report",)

_FAILED = 1


def report(
    topic: Annotated[str, typer.Argument(help='What the report is about, such as "LLM scaling laws".')],
    source: Annotated[
        list[Path] | None,
        typer.Option(help="A .txt, .md or .html file, or a folder of such files; may be repeated."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Who writes: anthropic:NAME, openai:NAME, ollama:NAME, or extractive for no model at all. By default "
            "the provider whose key is in the environment, else extractive.",
        ),
    ] = None,
    sections: Annotated[int, typer.Option(min=1, help="How many sections to write.")] = DEFAULT_SECTION_COUNT,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; standard output if left out.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds a model may be silent before its request counts as hung.")
    ] = models.DEFAULT_TIMEOUT,
    max_tokens: MaxTokens = None,
    max_cost: MaxCost = None,
    price: PriceOption = None,
    store: StoreUrl = None,
    no_store: NoStore = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only warnings and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Write a cited report on a topic: from local sources, or from what a language model knows.

    The run is kept, section by section: if it is interrupted, fails, or its budget is spent, 'piecework resume' writes
    only what is missing.
    """
    check_output(output)
    allowance = read_allowance(max_tokens, max_cost, price)
    name = model_name(model)
    if not debug:
        hush_libraries()
    who = open_writer(name, source or [], leave_out=[output] if output else [], timeout=timeout)
    for skip in who.skipped:
        say(f"warning: skipped {skip}")
    order = ReportOrder(
        topic=topic,
        model=EXTRACTIVE if name is None else str(name),
        sources=tuple(map(str, source or ())),
        folder=str(Path.cwd()),
        fingerprint=who.fingerprint,
        sections=sections,
        output=_place(output),
        timeout=timeout,
        allowance=allowance,
    )
    with keeping(store, nothing=no_store) as kept:
        if not quiet:
            say(str(who) + ("" if name is None or model is not None else _why_this_one(name)))
        _write(kept, order, who, output, quiet=quiet)


def _write(kept: Keeping, order: ReportOrder, who: Authorship, output: Path | None, *, quiet: bool) -> None:
    run_id = None if kept.store is None else new_run_id(kept.store, "report")
    inputs: Mapping[str, object] = {"topic": order.topic, "section_count": order.sections}

    if kept.store is None and order.allowance.budget() is not None:
        kept = Keeping(MemoryStore())  # For the join, should the last section spend the budget.

    def perform(observer: Observer) -> RunResult:
        graph = report_generator(who.writer)
        runner = kept.runner(
            observers=[observer],
            labels=order.labels(),
            max_concurrency=concurrency_of(who.writer),
            budget=order.allowance.budget(),
        )
        return joined(runner.run(graph, inputs, run_id=run_id), graph, kept.store)

    with kept.advised(run_id), stopping(kept, run_id, order.allowance, who.writer):
        written = write(perform, who, wanted=order.sections, has_sources=bool(order.sources), quiet=quiet)
        deliver(written.text, output)
    if written.gaps:
        if run_id is not None:
            say(kept.advice(run_id))
        raise typer.Exit(_FAILED)


def _place(output: Path | None) -> str | None:
    """Where the report goes, if that is a place where it could be written again: a pipe or a device is none."""
    return os.path.abspath(output) if output is not None and (output.is_file() or not output.exists()) else None


def _why_this_one(name: models.ModelName) -> str:
    return f", since {name.provider.key} is set; --model names another"
