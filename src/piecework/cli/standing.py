"""How far a report is: what happened in its run, folded into one value.

`Progress` folds every event that it is told; the displays read what comes of it. Nothing here knows a terminal, a
thread or a clock: times are given, in seconds of any clock that does not jump.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

from piecework.cli.streams import printable
from piecework.observe import (
    AttemptFailed,
    CallFinished,
    CallStarted,
    Done,
    Event,
    Failed,
    Outcome,
    Paused,
    RunFinished,
)
from piecework.report import Section, WrittenSection
from piecework.report.gaps import brief_reason_of, reason_of
from piecework.report.words import spread_ideographs

__all__ = (
    "Entry",
    "Retry",
    "Stage",
    "Standing",
    "State",
    "broken_off",
    "counted",
    "duration",
    "fold",
    "news",
    "retry_in",
    "totals",
)

State: TypeAlias = Literal["waiting", "writing", "done", "empty", "failed", "interrupted"]
"""How far one section is; empty is one that there was nothing to write for."""

Stage: TypeAlias = Literal["planning", "writing", "joining", "done", "failed", "interrupted", "stopped"]
"""How far the run is; stopped is one whose budget is spent."""

_MINUTE = 60
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Retry:
    """What failed, and is about to be tried again."""

    number: int
    """Which retry it is, from 1."""
    wait: float
    """Seconds until then."""
    at: float
    """When that is."""
    reason: str
    """Why it failed, in one line fit to be shown."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One section of the plan, and how far it is."""

    title: str
    """Its heading, fit to be shown."""
    state: State = "waiting"
    """How far it is."""
    began: float | None = None
    """When its writing began."""
    ended: float | None = None
    """When it ended."""
    words: int = 0
    """How many words were written."""
    reason: str = ""
    """Why it failed, in one line fit to be shown."""
    retry: Retry | None = None
    """Its last failure, after which it was or will be tried again; None once it has ended."""

    def waits(self, now: float) -> Retry | None:
        """Return what it waits for until it is tried again, if it does."""
        return self.retry if self.retry is not None and now < self.retry.at else None

    def elapsed(self, now: float) -> float | None:
        """Return for how many seconds it has been written or was; None if that has not begun."""
        return None if self.began is None else (now if self.ended is None else self.ended) - self.began


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a report is."""

    began: float
    """When the run began."""
    stage: Stage = "planning"
    """How far the run is."""
    planned: float | None = None
    """When the plan was there."""
    entries: tuple[Entry, ...] = ()
    """The sections of the plan, in its order."""
    ended: float | None = None
    """When the run ended."""
    retry: Retry | None = None
    """The last failure of planning or joining, after which that was or will be tried again."""

    @property
    def counts(self) -> Counter[State]:
        """How many sections are in each state."""
        return Counter(entry.state for entry in self.entries)


def fold(standing: Standing, event: Event, now: float) -> Standing:
    """Return how far the report is once `event` has happened; after the run's end nothing changes any more."""
    if standing.ended is not None:
        return standing
    if isinstance(event, CallStarted):
        return _started(standing, event, now)
    if isinstance(event, AttemptFailed):
        return _failed_once(standing, event, now)
    if isinstance(event, CallFinished):
        return _finished(standing, event, now)
    if isinstance(event, RunFinished):
        return _over(standing, _last_stage(event.outcome), now)
    return standing


def broken_off(standing: Standing, stage: Literal["failed", "interrupted"], now: float) -> Standing:
    """Return how far the report is if nothing more will happen, though the run's end was not told."""
    return standing if standing.ended is not None else _over(standing, stage, now)


def news(before: Standing, after: Standing) -> list[str]:
    """Return what changed from one standing to a later one, a line for each thing."""
    lines = _retrying(before.retry, after.retry)
    if before.planned is None and after.planned is not None:
        titles = "; ".join(entry.title for entry in after.entries)
        lines.append(f"plan: {counted(len(after.entries), 'section')}: {titles}" if titles else "plan: no sections")
    for old, new in zip(before.entries, after.entries, strict=False):  # There are none before the plan.
        lines += _retrying(old.retry, new.retry, f"{new.title}: ")
        if new.state != old.state:
            lines.append(_told(new))
    if after.stage == "joining" != before.stage:
        lines.append("joining")
    if before.ended is None and after.ended is not None:
        lines.append(totals(after, after.ended))
    return lines


def totals(standing: Standing, now: float) -> str:
    """Return the whole run in one line, such as `4 of 6 sections, 12.3 s`."""
    elapsed = duration((now if standing.ended is None else standing.ended) - standing.began)
    waits = standing.retry is not None and now < standing.retry.at
    again = f"{retry_in(standing.retry, now)}, " if standing.retry is not None and waits else ""
    if standing.planned is None:
        what = "planning" if standing.ended is None else f"planning {standing.stage}"
        return f"{what}, {again}{elapsed}"
    written = standing.counts["done"]
    if standing.stage == "joining":
        return f"joining {counted(written, 'section')}, {again}{elapsed}"
    manner = f"{standing.stage}: " if standing.stage in {"failed", "interrupted", "stopped"} else ""
    return f"{manner}{written} of {counted(len(standing.entries), 'section')}, {elapsed}"


def retry_in(retry: Retry, now: float) -> str:
    """Return when something is tried again: `retry in 3.0 s`."""
    return f"retry in {duration(retry.at - now)}"


def counted(count: int, what: str) -> str:
    """Return how many there are of something: `1 section`, `1,240 words`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def duration(seconds: float) -> str:
    """Return a time as one reads it: `3.2 s`, `2 min 05 s`, `1 h 02 min`."""
    tenths = round(seconds, 1)
    if tenths < _MINUTE:
        return f"{tenths:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"


def _started(standing: Standing, event: CallStarted, now: float) -> Standing:
    name = event.call.target.name
    if name == "synthesizer":
        return replace(standing, stage="joining")
    index = _index(standing, event)
    if index is None or standing.entries[index].state != "waiting":
        return standing
    return _with_entry(standing, index, replace(standing.entries[index], state="writing", began=now))


def _failed_once(standing: Standing, event: AttemptFailed, now: float) -> Standing:
    reason = printable(brief_reason_of(event.error))
    name = event.call.target.name
    if name in {"orchestrator", "synthesizer"}:
        before = standing.retry
        return replace(standing, retry=Retry(_next(before), event.wait, now + event.wait, reason))
    index = _index(standing, event)
    if index is None or standing.entries[index].state != "writing":
        return standing
    entry = standing.entries[index]
    retry = Retry(_next(entry.retry), event.wait, now + event.wait, reason)
    return _with_entry(standing, index, replace(entry, retry=retry))


def _next(retry: Retry | None) -> int:
    return 1 if retry is None else retry.number + 1


def _finished(standing: Standing, event: CallFinished, now: float) -> Standing:
    outcome = event.outcome
    if event.call.target.name == "orchestrator" and isinstance(outcome, Done):
        titles = [printable(section.title) for section in cast("Sequence[Section]", outcome.value)]
        entries = tuple(Entry(title or f"section {number}") for number, title in enumerate(titles, start=1))
        return replace(standing, stage="writing", planned=now, entries=entries, retry=None)
    index = _index(standing, event)
    # What is on record from before, or in a cache, was not started in this run.
    expected: State = "waiting" if event.recorded or event.cached else "writing"
    if index is None or standing.entries[index].state != expected:
        return standing
    return _with_entry(standing, index, _entry_ended(standing.entries[index], outcome, now))


def _index(standing: Standing, event: CallStarted | AttemptFailed | CallFinished) -> int | None:
    """Return which entry an event is about, if it is about one."""
    index = event.call.item
    if event.call.target.name != "write_section" or not isinstance(index, int) or index >= len(standing.entries):
        return None
    return index


def _with_entry(standing: Standing, index: int, entry: Entry) -> Standing:
    return replace(standing, entries=(*standing.entries[:index], entry, *standing.entries[index + 1 :]))


def _entry_ended(entry: Entry, outcome: Outcome, now: float) -> Entry:
    entry = replace(entry, retry=None)
    if isinstance(outcome, Paused) and outcome.stopped:
        return replace(entry, state="waiting", began=None)  # It was to be tried again.
    if isinstance(outcome, Failed):
        return replace(entry, state="failed", ended=now, reason=printable(reason_of(outcome.error)))
    if not isinstance(outcome, Done):
        return replace(entry, state="interrupted", ended=now)
    body = cast("WrittenSection", outcome.value).body
    words = sum(_word_count(piece) for piece in body if isinstance(piece, str))
    return replace(entry, state="done" if body else "empty", ended=now, words=words)


def _word_count(text: str) -> int:
    return sum(any(one.isalnum() for one in word) for word in spread_ideographs(text).split())


def _last_stage(outcome: Outcome | None) -> Stage:
    if isinstance(outcome, Done):
        return "done"
    if isinstance(outcome, Paused) and outcome.stopped:
        return "stopped"
    return "failed" if isinstance(outcome, Failed) else "interrupted"


def _over(standing: Standing, stage: Stage, now: float) -> Standing:
    entries = tuple(
        replace(entry, state="interrupted", ended=now, retry=None) if entry.state == "writing" else entry
        for entry in standing.entries
    )
    return replace(standing, stage=stage, entries=entries, ended=now, retry=None)


def _told(entry: Entry) -> str:
    """Return the line that tells an entry's new state."""
    elapsed = "" if entry.began is None or entry.ended is None else duration(entry.ended - entry.began)
    if entry.state == "done":
        return f"done: {entry.title} ({elapsed or 'before'}, {counted(entry.words, 'word')})"
    if entry.state == "failed":
        return f"failed: {entry.title} ({elapsed}): {entry.reason}"
    return f"{entry.state}: {entry.title} ({elapsed})" if elapsed else f"{entry.state}: {entry.title}"


def _retrying(before: Retry | None, after: Retry | None, what: str = "") -> list[str]:
    """Return the line that tells a new failure after which `what` is tried again, if there is one."""
    if after is None or after == before:
        return []
    return [f"retrying in {duration(after.wait)}: {what}{after.reason}"]
