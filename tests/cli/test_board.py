"""The board as a picture: at any width and height, with any titles, and the one in the documents."""

import runpy
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from piecework.cli.board import ASCII, UNICODE, Marks, draw
from piecework.cli.standing import Entry, Retry, Standing
from piecework.cli.streams import printable
from tests.house.source import REPOSITORY

PICTURES = REPOSITORY / "docs" / "pictures"

MID_WORK = Standing(
    began=0.0,
    stage="writing",
    planned=2.0,
    entries=(
        Entry("Power laws of [bold]loss[/bold]", "done", 2.0, 5.2, words=1240),
        Entry("损失函数 and compute", "writing", 2.0),
        Entry("Optimal models", "failed", 2.0, 3.0, reason="TimeoutError: no answer came within the time there is"),
        Entry("Schro\u0308dinger's data \U0001f4c8", "empty", 3.0, 4.0),
        Entry("Limits", "waiting"),
    ),
)

ENTRIES = st.builds(
    Entry,
    st.text(max_size=60).map(printable),
    st.sampled_from(["waiting", "writing", "done", "empty", "failed", "interrupted"]),
    st.just(2.0),
    st.sampled_from([None, 3.0, 80.0, 9000.0]),
    words=st.integers(0, 10**6),
    reason=st.text(max_size=200).map(printable),
    retry=st.none() | st.builds(Retry, st.just(1), st.just(3.0), st.sampled_from([10.0, 17.0]), st.just("busy")),
)
STANDINGS = st.builds(
    Standing,
    st.just(0.0),
    st.sampled_from(["planning", "writing", "joining", "done", "failed", "interrupted", "stopped"]),
    st.sampled_from([None, 2.0]),
    st.lists(ENTRIES, max_size=40).map(tuple),
    st.sampled_from([None, 9100.0]),
)


def drawn(standing: Standing, *, width: int, height: int | None = None, marks: Marks = UNICODE) -> list[str]:
    """The lines of a board 14.2 seconds after its run began."""
    return [line.rstrip() for line in draw(standing, 14.2, width=width, height=height, marks=marks).plain.split("\n")]


def test_a_board_shows_planning_first() -> None:
    assert drawn(Standing(began=2.0), width=80) == ["⠹ planning, 12.2 s"]


def test_a_board_shows_each_section_and_the_whole_run() -> None:
    assert drawn(MID_WORK, width=80) == [
        "✓ plan of 5 sections, 2.0 s",
        "✓ Power laws of [bold]loss[/bold]   3.2 s  1,240 words",
        "⠹ 损失函数 and compute             12.2 s  writing",
        "✗ Optimal models                    1.0 s  failed",
        "  TimeoutError: no answer came within the time there is",
        "- Schro\u0308dinger's data \U0001f4c8             1.0 s  empty",
        "· Limits                                   waiting",
        "⠹ 1 of 5 sections, 14.2 s",
    ]


def test_a_section_that_waits_to_be_tried_again_says_why_and_when() -> None:
    retry = Retry(1, 3.0, 16.5, "openai limits how much may be asked (429: slow down)")
    entries = (Entry("Power laws", "writing", 2.0, retry=retry), Entry("Limits", "waiting"))
    standing = Standing(began=0.0, stage="writing", planned=2.0, entries=entries)
    assert drawn(standing, width=60) == [
        "✓ plan of 2 sections, 2.0 s",
        "~ Power laws  12.2 s  retry in 2.3 s",
        "  openai limits how much may be asked (429: slow down)",
        "· Limits              waiting",
        "⠹ 0 of 2 sections, 14.2 s",
    ]
    again = replace(standing, entries=(replace(entries[0], retry=replace(retry, at=14.0)), entries[1]))
    assert drawn(again, width=60)[1:3] == ["⠹ Power laws  12.2 s  writing", "· Limits              waiting"]


def test_a_stopped_run_is_marked() -> None:
    standing = Standing(began=0.0, stage="stopped", planned=2.0, entries=(Entry("A", "waiting"),), ended=9.0)
    assert drawn(standing, width=60)[-1] == "! stopped: 0 of 1 section, 9.0 s"


def test_a_narrow_board_cuts_titles_and_reasons() -> None:
    assert drawn(MID_WORK, width=40) == [
        "✓ plan of 5 sections, 2.0 s",
        "✓ Power laws of […   3.2 s  1,240 words",
        "⠹ 损失函数 and co…  12.2 s  writing",
        "✗ Optimal models     1.0 s  failed",
        "  TimeoutError: no answer came within…",
        "- Schro\u0308dinger's d…   1.0 s  empty",
        "· Limits                    waiting",
        "⠹ 1 of 5 sections, 14.2 s",
    ]


def test_a_very_narrow_board_leaves_columns_out() -> None:
    assert drawn(MID_WORK, width=24)[1:3] == ["✓ Power laws o…   3.2 s", "⠹ 损失函数 and…  12.2 s"]
    assert drawn(MID_WORK, width=16)[1:3] == ["✓ Power laws o…", "⠹ 损失函数 and…"]


def test_a_wide_board_is_no_wider_than_what_it_shows() -> None:
    assert drawn(MID_WORK, width=200) == drawn(MID_WORK, width=80)


def test_a_low_board_shows_what_matters_most_and_counts_the_others() -> None:
    assert drawn(MID_WORK, width=80, height=8)[1:-1] == drawn(MID_WORK, width=80)[1:4] + drawn(MID_WORK, width=80)[5:7]
    assert drawn(MID_WORK, width=80, height=6) == [
        "✓ plan of 5 sections, 2.0 s",
        "⠹ 损失函数 and compute             12.2 s  writing",
        "✗ Optimal models                    1.0 s  failed",
        "  and 3 others: 1 waiting, 1 done, 1 empty",
        "⠹ 1 of 5 sections, 14.2 s",
    ]
    assert drawn(MID_WORK, width=80, height=3) == ["⠹ 1 of 5 sections, 14.2 s"]


def test_a_board_can_be_drawn_in_ascii() -> None:
    lines = drawn(MID_WORK, width=40, marks=ASCII)
    assert lines[:3] == [
        "+ plan of 5 sections, 2.0 s",
        "+ Power laws of...   3.2 s  1,240 words",
        "- ???? and compute  12.2 s  writing",
    ]
    assert all(line.isascii() for line in lines)


def test_the_end_is_shown() -> None:
    over = replace(MID_WORK, stage="done", ended=15.0)
    assert drawn(over, width=80)[-1] == "✓ 1 of 5 sections, 15.0 s"
    assert drawn(replace(over, stage="interrupted"), width=80)[-1] == "! interrupted: 1 of 5 sections, 15.0 s"
    assert drawn(Standing(0.0, "failed", ended=1.0), width=80) == ["✗ planning failed, 1.0 s"]


@given(STANDINGS, st.integers(0, 220), st.none() | st.integers(1, 60), st.sampled_from([UNICODE, ASCII]))
def test_a_board_fits_into_any_terminal(standing: Standing, width: int, height: int | None, marks: Marks) -> None:
    lines = draw(standing, 9200.0, width=width, height=height, marks=marks).plain.split("\n")
    assert all(cell_len(line) <= max(width - 1, 0) for line in lines)
    assert len(lines) <= max((height or 10**6) - 1, 1)
    assert all(line.isprintable() for line in lines)
    assert cell_len(lines[-1]) <= max(width - 5, 1)


@given(STANDINGS, st.integers(4, 60))
def test_a_low_board_counts_every_section_that_it_does_not_show(standing: Standing, height: int) -> None:
    entries = tuple(replace(entry, title="A", reason="why") for entry in standing.entries)
    lines = drawn(replace(standing, planned=2.0, entries=entries), width=220, height=height)
    others = [int(line.split()[1]) for line in lines if line.startswith("  and ")]
    shown = sum(not line.startswith("  ") for line in lines[1:-1])
    assert shown + sum(others) == len(standing.entries)


def test_the_columns_stay_where_they_are_when_a_section_ends() -> None:
    states = [MID_WORK.entries[1], replace(MID_WORK.entries[1], state="done", ended=9.9, words=240)]
    rows = [drawn(replace(MID_WORK, entries=(entry,)), width=40)[1] for entry in states]
    assert rows == ["⠹ 损失函数 and comp…  12.2 s  writing", "✓ 损失函数 and comp…   7.9 s  240 words"]


@pytest.mark.parametrize("name", sorted(path.name for path in PICTURES.glob("*.svg")))
def test_the_pictures_of_the_documents_are_what_is_drawn_now(name: str) -> None:
    made = runpy.run_path(str(PICTURES / "make.py"))["PICTURES"][name]()
    assert (PICTURES / name).read_text(encoding="utf-8") == made


def test_the_pictures_fetch_nothing() -> None:
    for path in PICTURES.glob("*.svg"):
        text = path.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "http" not in text
        assert "url(#" in text
        assert text.count("url(") == text.count("url(#")


def test_the_spinner_turns() -> None:
    drawings = [draw(Standing(0.0), now / 10, width=40).plain[0] for now in range(11)]
    assert all(before != after for before, after in pairwise(drawings))
    assert drawings[0] == drawings[10]
