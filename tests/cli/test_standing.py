"""The fold of a run's events, whatever the order they come in, and the lines that tell what changed."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from piecework import AsyncRunner, Budget, Failure, MemoryStore, SyncRunner, add_usage
from piecework.cli.standing import Entry, Retry, Standing, broken_off, duration, fold, news, totals
from piecework.cli.streams import printable
from piecework.observe import CallFinished, CallStarted, Event, Failed, RunFinished
from piecework.report import Section, Writer, WrittenSection, report_generator
from piecework.report.document import render
from tests.cli.told import Memory, Pace, paced, tell

OVER = {"done", "empty", "failed", "interrupted"}

PACES = st.lists(
    st.builds(Pace, st.text(max_size=8), st.integers(0, 4), st.sampled_from(["done", "done", "empty", "failed"])),
    min_size=1,
    max_size=6,
)


def standings(events: Iterable[Event]) -> list[Standing]:
    """How far the report is before the first event, and after each; a second passes between two."""
    numbered = enumerate(events, start=1)
    return list(accumulate(numbered, lambda was, one: fold(was, one[1], float(one[0])), initial=Standing(began=0.0)))


def lines(seen: list[Standing]) -> list[str]:
    return [line for before, after in pairwise(seen) for line in news(before, after)]


def check_step(before: Standing, after: Standing) -> None:
    """Hold what is true of any step of any run."""
    assert after.counts.total() == len(after.entries)
    assert after.ended is None or after.counts["writing"] == 0
    for old, new in zip(before.entries, after.entries, strict=False):
        assert new == old or old.state not in OVER
        assert (new.began is None) == (new.state == "waiting")
        assert (new.ended is None) == (new.state not in OVER)
        assert (new.elapsed(100.0) or 0) >= 0


@given(PACES, st.integers(1, 4))
def test_counts_are_right_at_every_step_and_agree_with_the_report(paces: list[Pace], concurrency: int) -> None:
    told = tell(paces, concurrency=concurrency)
    seen = standings(told.events)
    for before, after in pairwise(seen):
        check_step(before, after)
        assert after.counts["writing"] <= concurrency
    last = seen[-1]
    assert [entry.state for entry in last.entries] == [pace.ending for pace in paces]
    assert last.stage == ("failed" if told.report is None else "done")
    if told.report is not None:
        assert last.counts["done"] == len(told.report.sections)
        assert [entry.reason for entry in last.entries if entry.reason] == [
            printable(gap.reason) for gap in told.report.gaps
        ]


@given(PACES, st.integers(1, 4), st.integers(0, 40))
def test_a_run_can_be_interrupted_anywhere(paces: list[Pace], concurrency: int, heard: int) -> None:
    events = [*tell(paces, concurrency=concurrency).events[:-1][:heard], RunFinished("", None)]
    seen = standings(events)
    for before, after in pairwise(seen):
        check_step(before, after)
    assert seen[-1].stage == "interrupted"
    assert seen[-1].counts["interrupted"] == seen[-2].counts["writing"]


@given(PACES, st.integers(1, 4))
def test_lines_tell_every_section_once_as_it_begins_and_once_as_it_ends(paces: list[Pace], concurrency: int) -> None:
    told = lines(standings(tell(paces, concurrency=concurrency).events))
    kinds = [line.partition(":")[0] for line in told[1:]]
    assert kinds.count("writing") == len(paces)
    assert kinds.count("done") == sum(pace.ending == "done" for pace in paces)
    assert kinds.count("empty") == sum(pace.ending == "empty" for pace in paces)
    assert told[0].startswith("plan: ")
    assert all(line == printable(line) for line in told)


def test_lines_tell_a_run_as_it_goes() -> None:
    told = tell([Pace("A"), Pace("B", ending="failed"), Pace("C", ending="empty")], concurrency=1)
    assert lines(standings(told.events)) == [
        "plan: 3 sections: A; B; C",
        "writing: A",
        "done: A (1.0 s, 6 words)",
        "writing: B",
        "failed: B (1.0 s): OSError: no ink, and no[31m pen",
        "writing: C",
        "empty: C (1.0 s)",
        "joining",
        "1 of 3 sections, 13.0 s",
    ]


def test_lines_tell_what_an_interrupted_run_leaves() -> None:
    events = tell([Pace("A", turns=9), Pace("B", turns=9), Pace("C")], concurrency=2).events
    seen = standings([*events[:6], RunFinished("", None)])
    assert lines(seen)[-3:] == [
        "interrupted: A (2.0 s)",
        "interrupted: B (1.0 s)",
        "interrupted: 0 of 3 sections, 7.0 s",
    ]


def test_a_plan_without_sections_is_told() -> None:
    assert lines(standings(tell([]).events))[0] == "plan: no sections"


def test_planning_that_fails_is_told_without_its_reason() -> None:
    seen = standings([RunFinished("", Failed(OSError("no idea")))])
    assert lines(seen) == ["planning failed, 1.0 s"]


def test_a_section_without_a_title_is_called_by_its_number() -> None:
    assert [entry.title for entry in standings(tell([Pace("A"), Pace(" \x1b")]).events)[-1].entries] == [
        "A",
        "section 2",
    ]


def test_nothing_changes_after_the_end() -> None:
    told = tell([Pace("A")])
    over = broken_off(Standing(began=0.0), "interrupted", 2.0)
    assert [fold(over, event, 3.0) for event in told.events] == [over] * len(told.events)
    assert broken_off(over, "failed", 3.0) == over


def test_events_of_sections_that_no_plan_has_change_nothing() -> None:
    events = [event for event in tell([Pace("A")]).events if not _of_the_plan(event)]
    seen = standings(events)
    assert all(not standing.entries for standing in seen)


def _of_the_plan(event: Event) -> bool:
    call = getattr(event, "call", None)
    return call is not None and call.target.name == "orchestrator"


def test_words_of_scripts_without_spaces_are_counted() -> None:
    told = tell([Pace("A", text="损失函数 and scaling")])
    assert standings(told.events)[-1].entries[0].words == 4 + 2 + 3


@pytest.mark.parametrize(
    ("standing", "line"),
    [
        (Standing(0.0), "planning, 12.3 s"),
        (Standing(0.0, "interrupted", None, (), 3.0), "planning interrupted, 3.0 s"),
        (Standing(0.0, "writing", 1.0, (Entry("A", "done"), Entry("B", "writing"))), "1 of 2 sections, 12.3 s"),
        (Standing(0.0, "joining", 1.0, (Entry("A", "done"), Entry("B", "failed"))), "joining 1 section, 12.3 s"),
        (Standing(0.0, "done", 1.0, (Entry("A", "done"),), 9.0), "1 of 1 section, 9.0 s"),
        (Standing(0.0, "failed", 1.0, (Entry("A", "failed"),), 9.0), "failed: 0 of 1 section, 9.0 s"),
    ],
)
def test_a_whole_run_is_told_in_one_line(standing: Standing, line: str) -> None:
    assert totals(standing, 12.34) == line


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "0.0 s"),
        (3.24, "3.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125.4, "2 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7380.0, "2 h 03 min"),
    ],
)
def test_a_time_is_told_as_one_reads_it(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [bold]markup[/bold]", "plain [bold]markup[/bold]"),
        ("two\r\nlines\tand\xa0a tab", "two lines and a tab"),
        ("\x1b]0;title\x07\x1b[2J\x9b31mred\x00", "]0;title[2J31mred"),
        ("turned \u202eround\u2066", "turned round"),
        ("half \ud800", "half"),
        (
            "损失函数 of \U0001f469\u200d\U0001f4bb \u2764\ufe0f \U0001f44d\U0001f3fd",
            "损失函数 of \U0001f469\U0001f4bb \u2764 \U0001f44d",
        ),
        ("Schro\u0308dinger", "Schro\u0308dinger"),
    ],
)
def test_nothing_reaches_the_terminal_that_it_would_obey(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_what_is_shown_is_one_line_of_printable_characters(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


def test_sections_that_are_on_record_are_done_without_having_begun() -> None:
    store, memory = MemoryStore(), Memory()
    inputs = {"topic": "x", "section_count": 3}
    first = paced([Pace("A"), Pace("B", ending="empty"), Pace("C", ending="failed")])
    SyncRunner(store=store).run(report_generator(first), inputs, run_id="x")
    second = paced([Pace("A"), Pace("B"), Pace("C")])
    SyncRunner(store=store, observers=[memory]).fork("x", report_generator(second))
    seen = standings(memory.events)
    assert [entry.state for entry in seen[-1].entries] == ["done", "empty", "done"]
    assert [entry.elapsed(9.0) is None for entry in seen[-1].entries] == [True, True, False]
    assert seen[-1].stage == "done"
    told = lines(seen)
    assert "done: A (before, 6 words)" in told
    assert "empty: B" in told
    assert "writing: C" in told


class Faltering:
    """A writer whose calls fail some times before they go well."""

    def __init__(self, **times: int) -> None:
        self._times = times

    def _falter(self, name: str) -> None:
        if self._times.get(name, 0):
            self._times[name] -= 1
            raise TimeoutError(f"no {name}\x1b[2J yet")

    async def plan(self, topic: str, section_count: int) -> list[Section]:
        self._falter("plan")
        return [Section(str(number), f"S{number}", topic) for number in range(section_count)]

    async def write(self, section: Section) -> WrittenSection:
        self._falter(section.title)
        return WrittenSection(section.id, section.title, ("Two words.",))

    def join(self, topic: str, sections: Sequence[Section], content: Sequence[WrittenSection | Failure]) -> str:
        self._falter("join")
        return render(topic, sections, content)


async def told_of(writer: Writer, **options: Any) -> list[Event]:
    """What is told of a run of two sections, on a clock that jumps."""
    memory = Memory()
    graph = report_generator(writer)
    await AsyncRunner(observers=[memory], **options).run(graph, topic="x", section_count=2)
    return memory.events


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits before another attempt are told, and pass at once."""
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds, *result: sleep(0, *result))


@pytest.mark.usefixtures("no_waits")
async def test_each_attempt_that_failed_is_told_with_how_long_is_waited_and_why() -> None:
    seen = standings(await told_of(Faltering(plan=1, S1=2, join=1)))
    told = [re.sub(r"in \d\.\d s", "in 0.0 s", line) for line in lines(seen)]
    assert told[:2] == [
        "retrying in 0.0 s: TimeoutError: no plan[2J yet",
        "plan: 2 sections: S0; S1",
    ]
    assert [line for line in told if "S1" in line][1:-1] == [
        "writing: S1",
        "retrying in 0.0 s: S1: TimeoutError: no S1[2J yet",
        "retrying in 0.0 s: S1: TimeoutError: no S1[2J yet",
    ]
    assert told[-3:-1] == ["joining", "retrying in 0.0 s: TimeoutError: no join[2J yet"]
    assert seen[-1].stage == "done"
    assert [(entry.state, entry.retry) for entry in seen[-1].entries] == [("done", None)] * 2


def test_a_run_that_waits_to_try_again_says_when() -> None:
    retry = Retry(1, 3.0, 5.0, "busy")
    assert totals(Standing(0.0, retry=retry), 2.5) == "planning, retry in 2.5 s, 2.5 s"
    assert totals(Standing(0.0, retry=retry), 5.0) == "planning, 5.0 s"
    joining = Standing(0.0, "joining", 1.0, (Entry("A", "done"),), retry=retry)
    assert totals(joining, 4.0) == "joining 1 section, retry in 1.0 s, 4.0 s"


@pytest.mark.usefixtures("no_waits")
async def test_a_run_whose_budget_is_spent_is_stopped_and_what_was_not_written_waits() -> None:
    class Spending(Faltering):
        async def plan(self, topic: str, section_count: int) -> list[Section]:
            return await super().plan(topic, section_count)

        async def write(self, section: Section) -> WrittenSection:
            if section.id == "0":
                add_usage(output_tokens=9)
            return await super().write(section)

    events = await told_of(Spending(S1=1), budget=Budget(max_tokens=5))
    seen = standings(events)
    assert seen[-1].stage == "stopped"
    assert [entry.state for entry in seen[-1].entries] == ["done", "waiting"]
    assert lines(seen)[-1].startswith("stopped: 1 of 2 sections, ")


@pytest.mark.usefixtures("no_waits")
async def test_planning_whose_budget_is_spent_is_told() -> None:
    class Spending(Faltering):
        async def plan(self, topic: str, section_count: int) -> list[Section]:
            add_usage(output_tokens=9)
            return await super().plan(topic, section_count)

    seen = standings(await told_of(Spending(plan=1), budget=Budget(max_tokens=5)))
    assert lines(seen)[-1].startswith("planning stopped, ")


def test_a_section_out_of_a_cache_is_done_without_having_begun() -> None:
    events = tell([Pace("A")]).events
    cached = [
        structs.replace(event, cached=True) if isinstance(event, CallFinished) else event
        for event in events
        if not isinstance(event, CallStarted)
    ]
    told = lines(standings(cached))
    assert "done: A (before, 6 words)" in told
    assert "writing: A" not in told
