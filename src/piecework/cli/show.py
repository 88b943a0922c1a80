"""`piecework show`: one run, with the tree of its calls, one of its calls, or the calls as they end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated

import typer

from piecework import RunInfo
from piecework.cli.amounts import used_in
from piecework.cli.errors import MisuseError
from piecework.cli.following import follow
from piecework.cli.graphs import Debug
from piecework.cli.keeping import StoreUrl, reading
from piecework.cli.naming import find_run
from piecework.cli.pages import print_json, print_lines
from piecework.cli.portrait import (
    Portrait,
    call_data,
    call_lines,
    header_lines,
    place_data,
    run_data,
    tree_lines,
)
from piecework.cli.resume import RunId
from piecework.cli.runs import AsJson
from piecework.core.fact import Fact
from piecework.core.portal import run_blocking
from piecework.core.ports import RunLog
from piecework.core.recorded import Recorded
from piecework.observe.tree import Place, node_path, read_tree
from piecework.wording import listed

__all__ = ("show",)

_KEY = re.compile(r"\[[^\[\]/]*\]")

_READ_FOR_HEADERS = frozenset({"plan", "question", "end", "input"})


def show(
    run: RunId,
    call: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Show one call: what it was given and what it made.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every item of each fan-out.")] = False,
    following: Annotated[
        bool, typer.Option("--follow", "-f", help="Print each call as it ends, until the run has ended.")
    ] = False,
    as_json: AsJson = False,
    store: StoreUrl = None,
    _debug: Debug = False,
) -> None:
    """Show a run: how it stands, and the tree of its calls."""
    if following and (call is not None or as_json or everything):
        raise MisuseError("--follow goes with no other way to show a run. Leave --call, --all and --json out.")
    with reading(store) as kept:
        assert kept.store is not None
        info = find_run(kept.store, run)
        if following:
            follow(kept.store, info)
            return
        facts = _facts(kept.store, info.run_id, values=call is not None)
    recorded = Recorded(facts)
    tree = read_tree(info.start, recorded)
    if call is not None:
        _show_call(info, recorded, tree, call, everything=everything, as_json=as_json)
        return
    portrait = Portrait(info, recorded, tree, used_in(facts))
    if as_json:
        print_json(run_data(portrait))
    else:
        print_lines([*header_lines(portrait), *tree_lines(tree, everything=everything)])


def _facts(store: RunLog, run_id: str, *, values: bool) -> Sequence[Fact]:
    """A run's facts; large values only where something of them is shown."""
    facts = run_blocking(store.read(run_id, values=values))
    if any(_lacks(fact) for fact in facts):
        facts = run_blocking(store.read(run_id))
    return facts


def _lacks(fact: Fact) -> bool:
    shown = fact.status == "failed" or fact.kind in _READ_FOR_HEADERS
    return shown and fact.value is None and fact.ref is not None


def _show_call(info: RunInfo, recorded: Recorded, tree: Place, typed: str, *, everything: bool, as_json: bool) -> None:
    address = _address(info, recorded, tree, typed)
    fact = recorded.calls.get(address)
    if fact is not None and as_json:
        print_json(call_data(fact, recorded))
    elif fact is not None:
        print_lines(call_lines(fact, recorded))
    else:
        place = next(place for place in tree.walk() if place.address == address)
        if as_json:
            print_json(place_data(place))
        else:
            print_lines(tree_lines(place, everything=everything))


def _address(info: RunInfo, recorded: Recorded, tree: Place, typed: str) -> str:
    """The address that is meant, with or without the workflow's name before it."""
    known = _known(recorded, tree)
    for address in (typed, f"{info.name}/{typed}"):
        if address in known:
            return known[address]
    frame = f"{info.name}/"
    near = [f"{frame}{one}" for one in _near(typed.removeprefix(frame), [one.removeprefix(frame) for one in known])]
    told = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"It has {listed(list(known))}."
    raise MisuseError(f"run {info.run_id!r} has no call {typed!r}. {told}")


def _known(recorded: Recorded, tree: Place) -> dict[str, str]:
    """The address of each place by all that it may be called: its address, what the tree shows, its questions."""
    known = {address: address for address in (*recorded.calls, *(place.address for place in tree.walk()))}
    for place in tree.walk():
        called = place.address
        if place is not tree:
            for _ in range(place.name.count("/")):  # Of graphs of one node, only the node has an address.
                called = called.rpartition("/")[0]
                known.setdefault(called, place.address)
        if place.kind == "fan-out" and place.tail:
            known.setdefault(f"{place.address}/{place.tail}", place.address)
    for question in recorded.questions:
        known.setdefault(question, question.rpartition("?")[0])
    return known


def _near(typed: str, known: Sequence[str]) -> list[str]:
    """What may have been meant: rather another node or place of the item than another item of the node."""
    names, keys = node_path(f"/{typed}"), _KEY.findall(typed)
    same_keys = [one for one in known if _KEY.findall(one) == keys]
    same = [one for one in same_keys if node_path(f"/{one}") == names]
    close = same or (get_close_matches(typed, same_keys, n=3) if keys else [])
    around = [one for one in known if "[" not in one and node_path(f"/{one}") == names]
    return close[:3] or around[:1] or get_close_matches(typed, known, n=3)
