"""Progress where it is shown: on a real terminal, in a pipe, and what is left when it is over."""

import contextlib
import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from piecework.cli.progress import choose_style, progress, tokens_line
from piecework.report import write_report

pytest.importorskip("termios", reason="needs pseudo-terminals")

from tests.cli.command import COMMAND, SECONDS, environment
from tests.cli.scripted_run import ScriptedRun
from tests.cli.terminal import PATIENCE, Screen, Terminal
from tests.cli.told import Pace, paced
from tests.provider.script import Asked, Refuse, Reply, report
from tests.provider.server import Provider

TITLES = ("Power laws", "Compute", "Data")
ON_ITS_TERMINAL = (
    "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from piecework.cli.app import main; main()"
)
"""The command, which hears the Ctrl-C of the terminal that it is started on."""
NO_THREADS = "threads left: []"
INTERRUPTED = 130


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with contextlib.closing(Terminal()) as made:
        yield made


def timeless(lines: Sequence[str]) -> list[str]:
    """The lines with each time that was measured replaced by another of the same length."""
    return [re.sub(r"\d\.\d s", "0.0 s", line) for line in lines]


def shows(text: str, times: int = 1) -> Callable[[Screen], bool]:
    return lambda screen: sum(text in line for line in screen.shown) == times


def ended(run: ScriptedRun, terminal: Terminal) -> list[str]:
    """Everything that the terminal has shown when the run is over; it must be as sane as it was before."""
    terminal.read_to_end()
    run.process.wait(PATIENCE)
    assert terminal.screen.cursor_visible
    assert terminal.screen.cursor[1] == 0
    assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l") >= 0
    return timeless(terminal.screen.all)


def test_a_board_follows_a_run_and_its_last_state_stays(terminal: Terminal) -> None:
    with ScriptedRun(TITLES, terminal=terminal, concurrency=2) as run:
        terminal.wait_for(shows("planning, "))
        run.tell("plan done")
        terminal.wait_for(shows("writing", 2))
        assert timeless(terminal.screen.shown)[2][2:] == "Compute      0.0 s  writing"
        assert timeless(terminal.screen.shown)[3] == "· Data                waiting"
        run.tell("write 1 done")
        terminal.wait_for(shows("2 words"))
        run.tell("write 0 fail", "write 2 nothing")
        terminal.wait_for(shows("joining 1 section"))
        run.tell("join done")
        assert ended(run, terminal) == [
            "✓ plan of 3 sections, 0.0 s",
            "✗ Power laws   0.0 s  failed",
            "  OSError: no ink[2J left",
            "✓ Compute      0.0 s  2 words",
            "- Data         0.0 s  empty",
            "✓ 1 of 3 sections, 0.0 s",
            "1 written",
            NO_THREADS,
        ]
        assert run.process.returncode == 0


def test_ctrl_c_says_what_was_interrupted_and_leaves_the_terminal_sane(terminal: Terminal) -> None:
    with ScriptedRun(TITLES, terminal=terminal, concurrency=2) as run:
        run.tell("plan done", "write 0 done")
        run.reach("write 1", "write 2")
        terminal.wait_for(shows("writing", 2))
        terminal.press("\x03")
        assert ended(run, terminal) == [
            "✓ plan of 3 sections, 0.0 s",
            "✓ Power laws   0.0 s  2 words",
            "! Compute      0.0 s  interrupted",
            "! Data         0.0 s  interrupted",
            "! interrupted: 1 of 3 sections, 0.0 s",
            NO_THREADS,
        ]
        assert run.process.returncode == INTERRUPTED


def test_ctrl_c_while_planning(terminal: Terminal) -> None:
    with ScriptedRun(TITLES, terminal=terminal) as run:
        run.reach("plan")
        terminal.press("\x03")
        assert ended(run, terminal) == ["! planning interrupted, 0.0 s", NO_THREADS]


def test_a_second_ctrl_c_does_not_wait_for_a_section_that_does_not_give_up(terminal: Terminal) -> None:
    with ScriptedRun(["Stubborn"], terminal=terminal) as run:
        run.tell("plan done")
        run.reach("write 0")
        terminal.wait_for(shows("writing"))
        terminal.press("\x03")
        run.reach("give up 0")
        terminal.press("\x03")
        assert ended(run, terminal) == [
            "✓ plan of 1 section, 0.0 s",
            "! Stubborn   0.0 s  interrupted",
            "! interrupted: 0 of 1 section, 0.0 s",
            NO_THREADS,
        ]


def test_planning_that_fails_is_shown(terminal: Terminal) -> None:
    with ScriptedRun(TITLES, terminal=terminal) as run:
        run.tell("plan fail")
        assert ended(run, terminal) == ["✗ planning failed, 0.0 s", "no idea", NO_THREADS]


def test_titles_of_all_kinds_in_a_narrow_terminal() -> None:
    titles = [
        "[bold]markup[/bold] stays as it is",
        "损失函数与计算量的关系是什么以及为什么",
        "\x1b[2Jbell\x07\r\n\U0001f4c8 up",
    ]
    with contextlib.closing(Terminal(columns=40)) as terminal, ScriptedRun(titles, terminal=terminal) as run:
        run.tell("plan done", "write 0 done", "write 1 done", "write 2 done", "join done")
        assert ended(run, terminal)[:5] == [
            "✓ plan of 3 sections, 0.0 s",
            "✓ [bold]markup[/bol…   0.0 s  2 words",
            "✓ 损失函数与计算量…    0.0 s  2 words",
            "✓ [2Jbell \U0001f4c8 up        0.0 s  2 words",
            "✓ 3 of 3 sections, 0.0 s",
        ]


def test_more_sections_than_the_terminal_has_lines() -> None:
    titles = [f"Section {number:02}" for number in range(30)]
    with (
        contextlib.closing(Terminal(lines=12)) as terminal,
        ScriptedRun(titles, terminal=terminal, concurrency=3) as run,
    ):
        run.tell("plan done", *(f"write {number} done" for number in range(20)))
        run.reach("write 22")
        terminal.wait_for(shows("and 22 others: 2 waiting, 20 done"))
        assert timeless(terminal.screen.shown)[1][2:] == "Section 20   0.0 s  writing"
        assert terminal.screen.scrolled == []
        run.tell(*(f"write {number} done" for number in range(20, 30)), "join done")
        assert ended(run, terminal) == [
            "✓ plan of 30 sections, 0.0 s",
            *(f"✓ {title}   0.0 s  2 words" for title in titles),
            "✓ 30 of 30 sections, 0.0 s",
            "30 written",
            NO_THREADS,
        ]


def test_what_others_write_to_standard_error_stands_above_the_board(terminal: Terminal) -> None:
    with ScriptedRun(["A"], terminal=terminal) as run:
        run.tell("plan done")
        terminal.wait_for(shows("writing"))
        run.tell("write 0 note", "join done")
        assert ended(run, terminal)[:2] == ["a note", "✓ plan of 1 section, 0.0 s"]


def test_no_color_is_respected(terminal: Terminal) -> None:
    with ScriptedRun(["A"], terminal=terminal, environment={"NO_COLOR": "1"}) as run:
        run.tell("plan done", "write 0 done", "join done")
        assert "✓ A   0.0 s  2 words" in ended(run, terminal)
        assert re.search(r"\x1b\[[\d;]*(3\d|9\d)", terminal.raw) is None


def test_a_terminal_without_unicode_is_drawn_in_ascii(terminal: Terminal) -> None:
    with ScriptedRun(["A 损"], terminal=terminal, environment={"PYTHONIOENCODING": "ascii"}) as run:
        run.tell("plan done", "write 0 fail")
        terminal.wait_for(shows("failed"))
        run.process.kill()
        terminal.read_to_end()
        assert "x A ?   0.0 s  failed" in timeless(terminal.screen.all)
        assert terminal.raw.isascii()


def test_a_dumb_terminal_gets_lines(terminal: Terminal) -> None:
    with ScriptedRun(["A"], terminal=terminal, environment={"TERM": "dumb"}) as run:
        run.tell("plan done", "write 0 done", "join done")
        terminal.read_to_end()
        assert timeless(terminal.screen.all)[:3] == [
            "piecework: planning",
            "piecework: plan: 1 section: A",
            "piecework: writing: A",
        ]
        assert "\x1b" not in terminal.raw


def test_standard_output_is_left_alone(terminal: Terminal) -> None:
    with ScriptedRun(["A"], terminal=terminal, stdout=subprocess.PIPE) as run:
        run.tell("plan done", "write 0 done", "join done")
        ended(run, terminal)
        assert run.process.stdout is not None
        assert run.process.stdout.read().decode() == f"1 written\n{NO_THREADS}\n"


def test_a_pipe_gets_plain_lines() -> None:
    with ScriptedRun(
        TITLES, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, concurrency=1, environment={"FORCE_COLOR": "1"}
    ) as run:
        run.tell("plan done", "write 0 done", "write 1 fail", "write 2 nothing", "join done")
        _, told = run.process.communicate(timeout=PATIENCE)
    assert timeless(told.decode().splitlines()) == [
        "piecework: planning",
        "piecework: plan: 3 sections: Power laws; Compute; Data",
        "piecework: writing: Power laws",
        "piecework: done: Power laws (0.0 s, 2 words)",
        "piecework: writing: Compute",
        "piecework: failed: Compute (0.0 s): OSError: no ink[2J left",
        "piecework: writing: Data",
        "piecework: empty: Data (0.0 s)",
        "piecework: joining",
        "piecework: 1 of 3 sections, 0.0 s",
    ]
    assert b"\r" not in told
    assert b"\x1b" not in told


def test_a_pipe_that_nobody_empties_does_not_hold_up_the_run() -> None:
    with ScriptedRun(["A" * 99_000], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        run.tell("plan done", "write 0 done")
        run.reach("join")
        run.tell("join done")
        _, told = run.process.communicate(timeout=PATIENCE)
    assert told.decode().splitlines()[-1].startswith("piecework: 1 of 1 section, ")


def test_a_pipe_that_is_closed_does_not_end_the_run() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as closed, ScriptedRun(["A"], stdout=subprocess.PIPE, stderr=closed) as run:
        run.tell("plan done", "write 0 done", "join done")
        assert run.process.stdout is not None
        assert run.process.stdout.read().decode() == f"1 written\n{NO_THREADS}\n"


def test_lines_are_all_told_when_the_display_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("lines") as shown:
        write_report("x", paced([Pace("A"), Pace("B", ending="failed")]), observers=[shown], max_concurrency=1)
    assert timeless(capsys.readouterr().err.splitlines())[-3:] == [
        "piecework: failed: B (0.0 s): OSError: no ink, and no[31m pen",
        "piecework: joining",
        "piecework: 1 of 2 sections, 0.0 s",
    ]
    assert "piecework-lines" not in {thread.name for thread in threading.enumerate()}


def test_an_error_before_the_run_ends_the_display(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="before"), progress("lines"):
        raise ValueError("before")
    assert timeless(capsys.readouterr().err.splitlines()) == [
        "piecework: planning",
        "piecework: planning failed, 0.0 s",
    ]


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(choose_style(quiet=True)) as shown:
        write_report("x", paced([Pace("A")]), observers=[shown])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({"TERM": "xterm-256color"}, "live"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "live"),
        ({"TERM": "dumb"}, "lines"),
        ({"TERM": "unknown"}, "lines"),
        ({"TERM": "xterm", "TTY_COMPATIBLE": "0"}, "lines"),
        ({"TERM": "xterm", "TTY_INTERACTIVE": "0"}, "lines"),
    ],
)
def test_the_style_is_that_of_the_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], chosen: str
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with open(os.dup(terminal.end), "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        assert choose_style() == chosen
        assert choose_style(quiet=True) == "none"


def test_the_style_of_anything_else_is_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert choose_style() == "lines"
    assert choose_style(quiet=True) == "none"


def test_tokens_are_told_with_separators() -> None:
    assert tokens_line(12345, 2345) == "tokens: 12,345 in, 2,345 out"


def test_the_screen_of_these_tests_wraps_and_scrolls() -> None:
    screen = Screen(columns=4, lines=2)
    screen.feed("abcd\r\n损失 x\x1b[")
    screen.feed("1A\r\x1b[2Ky")
    assert (screen.scrolled, screen.shown, screen.cursor) == (["abcd"], ["y", " x"], (0, 1))


def test_the_command_shows_a_board_and_then_its_report_on_one_terminal() -> None:
    with Provider(report(3, together=3)) as provider, contextlib.closing(Terminal(patience=SECONDS)) as terminal:
        process = subprocess.Popen(
            [*COMMAND, "report", "tides", "--model", "openai:gpt-5-mini", "--sections", "3"],
            stdin=terminal.end,
            stdout=terminal.end,
            stderr=terminal.end,
            env=environment(provider.environment()) | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
        )
        terminal.read_to_end()
        assert process.wait(SECONDS) == 0
    assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l") >= 0
    lines = timeless(terminal.screen.all)
    assert lines[0] == "piecework: openai:gpt-5-mini writes"
    assert lines[1] == "\u2713 plan of 3 sections, 0.0 s"
    for number in (1, 2, 3):
        assert lines[1 + number].startswith(f"\u2713 Section {number} ")
        assert lines[1 + number].endswith(" words")
    assert lines[5] == "\u2713 3 of 3 sections, 0.0 s"
    assert lines[6] == "piecework: tokens: 44 in, 28 out"
    assert lines[7:10] == ["# Tides", "", "## Section 1"]


def test_ctrl_c_on_a_terminal_does_not_wait_for_the_next_attempt(tmp_path: Path) -> None:
    plan = report(2)

    def answer(asked: Asked) -> Reply:
        refuses = asked.wanted is None and "Your section: 2." in asked.text
        return Refuse(429, "slow down", {"retry-after": "40"}) if refuses else plan(asked)

    with Provider(answer) as provider, contextlib.closing(Terminal(patience=SECONDS)) as terminal:
        given = {**provider.environment(), "PIECEWORK_STORE": "", "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        with subprocess.Popen(
            [sys.executable, "-c", ON_ITS_TERMINAL, "report", "tides", "--model", "openai:x", "--sections", "2"],
            cwd=tmp_path,
            stdin=terminal.end,
            stdout=terminal.end,
            stderr=terminal.end,
            start_new_session=True,
            env=environment(given),
        ) as process:
            terminal.wait_for(shows("retry in "))
            assert shows("openai limits how much may be asked (429: slow down)")(terminal.screen)
            began = time.monotonic()
            terminal.press("\x03")
            terminal.read_to_end()
            assert process.wait(SECONDS) == INTERRUPTED
            assert time.monotonic() - began < PATIENCE
        assert len(provider.asked) == 3
    lines = timeless(terminal.screen.all)
    assert lines[1].endswith(" plan of 2 sections, 0.0 s")
    assert lines[3].startswith("! Section 2 ")
    assert lines[4] == "! interrupted: 1 of 2 sections, 0.0 s"
    assert lines[-1].startswith("piecework: resume with: piecework resume report-")
