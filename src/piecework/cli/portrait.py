"""How one run looks: its header, the tree of its calls, one call; as lines and as plain data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from rich.text import Text

from piecework import RunInfo, Usage
from piecework.cli.amounts import age, moment, size, used
from piecework.cli.pages import aligned, cell, word
from piecework.cli.runs import as_data, progress_of
from piecework.cli.standing import counted, duration
from piecework.cli.telling import brief, error_line, peeked, plain, told
from piecework.core.fact import Fact
from piecework.core.recorded import Recorded
from piecework.observe.tree import Place, PlaceState
from piecework.stores.owner import described

__all__ = ("Portrait", "call_data", "call_lines", "header_lines", "outcome_of", "place_data", "run_data", "tree_lines")

_MICROSECONDS: Final = 1_000_000
_MILLISECONDS: Final = 1000

_MOST_FAILED = 10
"""How many failed items of a fan-out are listed."""

_MOST_QUESTIONS = 20
"""How many questions are told one by one."""

_LISTED: Final[tuple[PlaceState, ...]] = ("failed", "paused", "stopped", "cancelled")
"""States of items that are worth a line."""

_COUNTED: Final[tuple[PlaceState, ...]] = (
    "done",
    "failed",
    "paused",
    "stopped",
    "cancelled",
    "skipped",
    "begun",
    "waiting",
)

_WIDE: Final = 100

_TREE_FIELDS: Final = ("attempts", "took", "ended", "usage", "error")


@dataclass(frozen=True, slots=True)
class Portrait:
    """A run, read."""

    info: RunInfo
    """How it stands."""
    recorded: Recorded
    """Its log, folded."""
    tree: Place
    """Its calls."""
    usage: Usage | None
    """What its calls have used up, all attempts counted; None where nothing was told."""


def header_lines(portrait: Portrait) -> list[Text]:
    """Return what is to be said of a run as a whole, with the questions it waits for, and a blank line."""
    rows: list[list[Text]] = [[Text(f"{name}:", "bold"), text] for name, text in _header(portrait)]
    return [*aligned(rows), *_question_lines(portrait.recorded.open_questions()), Text()]


def tree_lines(tree: Place, *, everything: bool = False) -> list[Text]:
    """Return the tree of a run's calls.

    Args:
        tree: The tree, or one place in it.
        everything: Whether to show each item of a fan-out, and not only those that failed or wait.
    """
    rows = [
        [Text("  " * depth).append_text(cell(name)), state, detail]
        for depth, name, state, detail in _rows(tree, tree.name, 0, everything=everything)
    ]
    return aligned(rows)


def call_lines(fact: Fact, recorded: Recorded) -> list[Text]:
    """Return all that is known of one call, with the questions that it waits for."""
    rows = (
        ("status", word(fact.status)),
        ("attempts", Text(str(fact.attempts) if fact.attempts else "none: from the cache")),
        ("took", Text(_took(fact))),
        ("ended", Text(moment(fact.ended / _MILLISECONDS))),
        *((("used", Text(used(fact.usage))),) if fact.usage is not None else ()),
    )
    lines = [cell(fact.address, "bold"), *aligned([[Text(f"{name}:", "bold"), text] for name, text in rows])]
    given = None if fact.given is None else peeked(fact.given)
    lines += _block("input", None if given is None else told(given), "not kept: it is too large")
    if fact.status == "failed":
        return [*lines, *_block("error", _error_told(fact), "not kept")]
    if fact.status == "paused":
        return [*lines, *_question_lines(_asked_in(fact, recorded))]
    value = None if fact.value is None else told(peeked(fact.value))
    return [*lines, *_block("output", value, "none" if fact.status != "done" else "not kept: record=False")]


def run_data(portrait: Portrait) -> dict[str, Any]:
    """Return a run and the tree of its calls as plain data."""
    info, recorded = portrait.info, portrait.recorded
    error = _error(recorded.end) if info.status == "failed" else None
    questions = _question_data(recorded.open_questions())
    usage = None if portrait.usage is None else _usage_data(portrait.usage)
    told = {"error": error, "usage": usage, "questions": questions, "tree": place_data(portrait.tree)}
    return {**as_data(info), **told}


def call_data(fact: Fact, recorded: Recorded) -> dict[str, Any]:
    """Return all that is known of one call as plain data, with the questions that it waits for."""
    questions = _question_data(_asked_in(fact, recorded)) if fact.status == "paused" else []
    return {**_call_data(fact), "questions": questions}


def place_data(place: Place) -> dict[str, Any]:
    """Return a place in a run's tree, and all inside of it, as plain data."""
    data: dict[str, Any] = {"address": place.address, "name": place.name, "kind": place.kind, "state": place.state}
    if place.fact is not None:
        data |= {name: part for name, part in _call_data(place.fact).items() if name in _TREE_FIELDS}
    if place.kind == "fan-out":
        data |= {"size": place.size, "counts": {state: count for state, count in place.counts.items() if count}}
    if place.inner:
        data["inner"] = [place_data(inner) for inner in place.inner]
    return data


def _call_data(fact: Fact) -> dict[str, Any]:
    return {
        "address": fact.address,
        "status": fact.status,
        "attempts": fact.attempts,
        "took": fact.took / _MICROSECONDS,
        "ended": fact.ended / _MILLISECONDS,
        "usage": None if fact.usage is None else _usage_data(fact.usage),
        "input": None if fact.given is None else plain(peeked(fact.given)),
        "output": None if fact.value is None or fact.status == "failed" else plain(peeked(fact.value)),
        "error": _error(fact) if fact.status == "failed" else None,
    }


def _usage_data(usage: Usage) -> dict[str, Any]:
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "cost": usage.cost}


def outcome_of(fact: Fact) -> str:
    """Return how a call ended beyond its status: how long it took, how often it was tried, what it used, its error."""
    parts = [_took(fact)] if fact.status != "paused" else []
    if fact.attempts != 1:
        parts.append(counted(fact.attempts, "attempt") if fact.attempts else "from the cache")
    if fact.usage is not None:
        parts.append(used(fact.usage))
    error = _error(fact) if fact.status == "failed" else None
    return ": ".join(filter(None, (", ".join(parts), error)))


def _header(portrait: Portrait) -> Iterator[tuple[str, Text]]:
    info, recorded = portrait.info, portrait.recorded
    yield "run", cell(info.run_id)
    yield "name", cell(info.name)
    status = word(info.status)
    if info.owner is not None:
        status.append(f", by {described(info.owner)}", "dim")
    yield "status", status
    yield "progress", Text(progress_of(info))
    yield "started", Text(f"{moment(info.created)}, {age(time.time() - info.created)} ago")
    yield ("so far" if info.status == "running" else "took"), Text(duration(info.updated - info.created))
    if portrait.usage is not None:
        yield "used", Text(used(portrait.usage))
    yield "size", Text(f"{size(info.size)}, {counted(info.facts, 'fact')}")
    if info.start.thread_id is not None:
        yield "thread", cell(info.start.thread_id)
    if info.start.parent is not None:
        yield "from", cell(f"{info.start.parent}, at fact {info.start.position}")
    yield from _pairs(recorded.input, info.start.labels)
    error = _error(recorded.end) if recorded.end is not None and info.status == "failed" else None
    if error:
        yield "error", cell(error, "red")


def _pairs(given: Fact | None, labels: Mapping[str, str]) -> Iterator[tuple[str, Text]]:
    """Yield labels and inputs, shortened."""
    for name, label in labels.items():
        if label:
            yield f"label {name}", cell(label if len(label) <= _WIDE else f"{label[: _WIDE - 3]}...")
    read = None if given is None or given.value is None else peeked(given.value)
    inputs = cast("dict[str, object]", read).get("given") if isinstance(read, dict) else None
    if isinstance(inputs, dict):
        for name, value in cast("dict[str, object]", inputs).items():
            yield f"input {name}", cell(brief(value, _WIDE))


def _rows(place: Place, name: str, depth: int, *, everything: bool) -> Iterator[tuple[int, str, Text, Text]]:
    if place.kind == "fan-out":
        yield from _fan_out_rows(place, name, depth, everything=everything)
        return
    fact = place.fact
    state = Text() if place.kind == "run" or (place.kind == "graph" and place.state == "begun") else word(place.state)
    detail = Text() if fact is None else cell(outcome_of(fact), "" if fact.status == "failed" else "dim")
    yield depth, name, state, detail
    for inner in place.inner:
        yield from _rows(inner, inner.name, depth + 1, everything=everything)


def _fan_out_rows(place: Place, name: str, depth: int, *, everything: bool) -> Iterator[tuple[int, str, Text, Text]]:
    tail = place.tail
    yield depth, f"{name}/{tail}" if tail else name, Text(), Text(_counted(place))
    shown = [inner for inner in place.inner if everything or inner.state in _LISTED]
    most = len(shown) if everything else _MOST_FAILED
    for inner in shown[:most]:
        own = inner.name.partition("/")[0] if tail else inner.name
        yield from _rows(inner, own, depth + 1, everything=everything)
    if len(shown) > most:
        yield depth + 1, f"and {len(shown) - most:,} more: --all", Text(), Text()


def _counted(place: Place) -> str:
    """How many items a fan-out has, and how many of them are in each state."""
    counts = place.counts
    states = [f"{counts[state]:,} {word(state).plain}" for state in _COUNTED if counts[state]]
    return counted(counts.total(), "item") + (f": {', '.join(states)}" if states else "")


def _took(fact: Fact) -> str:
    seconds = fact.took / _MICROSECONDS
    return duration(seconds) if seconds >= 1 else f"{seconds * _MILLISECONDS:.3g} ms"


def _error(fact: Fact | None) -> str | None:
    return None if fact is None or fact.value is None else error_line(peeked(fact.value))


def _error_told(fact: Fact) -> list[str] | None:
    if fact.value is None:
        return None
    error = peeked(fact.value)
    lines = told(error_line(error))
    if isinstance(error, BaseException):
        trace = vars(error).get("__stored_traceback__")
        lines += told(str(trace).rstrip()) if isinstance(trace, str) else []
        lines += [line for note in getattr(error, "__notes__", []) for line in told(str(note))]
    return lines


def _asked_in(fact: Fact, recorded: Recorded) -> list[Fact]:
    """The open questions of a call, and of the children that it started."""
    inside = (f"{fact.address}?", f"{fact.address}/")
    return [question for question in recorded.open_questions() if question.address.startswith(inside)]


def _question_lines(questions: Sequence[Fact]) -> Iterator[Text]:
    """Yield each question whole, in the order in which they were asked."""
    if questions:
        yield Text("waits for:", "bold")
    for fact in questions[:_MOST_QUESTIONS]:
        head = f"  {cell(fact.address).plain}:"
        lines = told(_asked(fact))
        if len(lines) == 1:
            yield Text(f"{head} {lines[0]}", "magenta")
        else:
            yield Text(head, "magenta")
            yield from (Text(f"    {line}".rstrip(), "magenta") for line in lines)
    if len(questions) > _MOST_QUESTIONS:
        yield Text(f"  and {len(questions) - _MOST_QUESTIONS:,} more: --json tells them all")


def _question_data(questions: Sequence[Fact]) -> list[dict[str, Any]]:
    return [{"id": fact.address, "asked": plain(_asked(fact))} for fact in questions]


def _asked(fact: Fact) -> object:
    return None if fact.value is None else peeked(fact.value)


def _block(name: str, lines: list[str] | None, absent: str) -> list[Text]:
    if lines is None:
        return [Text.assemble((f"{name}: ", "bold"), (absent, "dim"))]
    return [Text(f"{name}:", "bold"), *(Text(f"  {line}".rstrip()) for line in lines)]
