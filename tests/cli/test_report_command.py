"""The command line, as a process of its own: exit codes, and what goes to which stream."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import piecework
from tests.cli.command import COMMAND, SECONDS, SOURCES, environment, error_line, run


def test_a_report_goes_to_standard_output_and_notes_to_standard_error() -> None:
    done = run("report", "LLM scaling laws", "--source", SOURCES)
    assert done.returncode == 0
    assert done.stdout.startswith("# LLM scaling laws\n\n")
    assert done.stdout.count("\n## ") == 7
    lines = done.stderr.splitlines()
    assert "no language model" in lines[0]
    assert lines[-1].startswith("piecework: 6 of 6 sections, ")
    assert all(line.startswith("piecework: ") for line in lines)
    assert "\x1b" not in done.stderr


def test_the_sample_report_is_what_the_command_writes() -> None:
    done = run("report", "LLM scaling laws", "--source", SOURCES, "--model", "extractive", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == Path("docs/sample-report.md").read_text(encoding="utf-8")


def test_a_report_can_be_written_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    done = run("report", "LLM scaling laws", "--source", SOURCES, "--sections", "2", "-o", path)
    assert (done.returncode, done.stdout) == (0, "")
    assert path.read_text(encoding="utf-8").count("\n## ") == 3
    assert [one.name for one in tmp_path.iterdir()] == ["report.md"]


def test_two_runs_in_a_folder_give_the_same_report(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Loss\n\nThe loss of a model falls with its size.\n")
    path = tmp_path / "report.md"
    run("report", "loss", "--source", tmp_path, "-o", path)
    first = path.read_bytes()
    assert run("report", "loss", "--source", tmp_path, "-o", path).returncode == 0
    assert path.read_bytes() == first


def test_several_sources_can_be_named_and_skipped_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "blob.md").write_bytes(b"\x00\x01")
    done = run("report", "scaling", "--source", f"{SOURCES}/01-power-laws.md", "--source", tmp_path, "--sections", "1")
    assert done.returncode == 0
    assert f"warning: skipped {tmp_path.as_posix()}/blob.md is not text\n" in done.stderr


def test_fewer_sections_than_asked_for_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Loss\n\nThe loss of a model falls with its size.\n")
    done = run("report", "loss", "--source", tmp_path)
    assert "warning: the plan has 1 of 6 sections on this topic" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["report", "", "--source", SOURCES], "the topic has no words"),
        (["report", "scaling"], "--source"),
        (["report", "scaling", "--source", "no/such/place"], "'no/such/place' does not exist"),
        (["report", "scaling", "--source", "{folder}"], "nothing to quote in"),
        (["report", "zebra husbandry", "--source", SOURCES], "zebra husbandry"),
        (["report", "scaling", "--source", SOURCES, "--sections", "0"], "--sections"),
        (["report", "scaling", "--source", SOURCES, "--sections", "many"], "--sections"),
        (["report", "scaling", "--source", SOURCES, "-o", "{folder}"], "is a folder"),
        (["report", "scaling", "--source", SOURCES, "-o", "{folder}/no/r.md"], "does not exist"),
        (["report"], "topic"),
        (["frobnicate"], "frobnicate"),
        (["--bogus"], "--bogus"),
    ],
)
def test_wrong_use_is_told_in_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = run(*(argument.replace("{folder}", str(tmp_path)) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert told in error_line(done)


def test_a_failure_is_told_in_one_line_and_keeps_the_old_file(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("needs a device that is full")
        done = run("report", "scaling", "--source", SOURCES, "-o", full)
    else:
        (tmp_path / "r.md").write_text("old")
        tmp_path.chmod(0o500)
        done = run("report", "scaling", "--source", SOURCES, "-o", tmp_path / "r.md")
        tmp_path.chmod(0o700)
        assert (tmp_path / "r.md").read_text() == "old"
    assert done.returncode == 1
    assert error_line(done)
    assert done.stdout.startswith("# ")


def test_debug_shows_the_traceback() -> None:
    done = run("report", "", "--source", SOURCES, "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("piecework: error: ")


def test_a_closed_pipe_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "report", "scaling", "--source", SOURCES],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
            env=environment(),
        )
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert "error" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_ctrl_c_while_the_report_is_written_ends_quietly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Nobody reads the pipe, so the command waits for a reader once the report is there.
    command = [*COMMAND, "report", "scaling", "--source", SOURCES, "-o", str(pipe)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stderr is not None
        assert "no language model" in process.stderr.readline()
        started = time.monotonic()
        # A signal that comes just before the wait begins is seen after it only, so it is sent until it is heard.
        while process.poll() is None and time.monotonic() < started + 30:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
        _, told = process.communicate(timeout=30)
    # One more that comes while Python itself ends is what ends it; a shell shows 130 for both.
    assert process.returncode in {130, -signal.SIGINT}
    assert "Traceback" not in told
    assert "error" not in told


def test_the_version_is_shown() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"piecework {piecework.__version__}\n")


def test_help_names_the_commands() -> None:
    for arguments in ([], ["--help"]):
        done = run(*arguments)
        assert done.returncode == 0
        assert "report" in done.stdout


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('typer', name='typer')\n")
    done = run("--version", given={"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])})
    assert done.returncode == 1
    assert done.stderr == "piecework: error: the command line needs an extra: pip install 'piecework[cli]'\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize(
    ("redirected", "code", "told"),
    [
        ("-o {file} 2>&-", 0, ""),
        ("-o {file} 2>/dev/full", 0, ""),
        ("-o {file} >&-", 0, ""),
        (">&- 2>{errors}", 1, "standard output is closed"),
    ],
)
def test_a_closed_stream_costs_nothing_but_itself(tmp_path: Path, redirected: str, code: int, told: str) -> None:
    file, errors = tmp_path / "report.md", tmp_path / "errors"
    command = shlex.join([*COMMAND, "report", "scaling", "--source", SOURCES, "--sections", "1"])
    line = f"{command} {redirected.format(file=file, errors=errors)}"
    done = subprocess.run(["/bin/sh", "-c", line], timeout=SECONDS, check=False, env=environment())
    assert done.returncode == code
    assert ("## Sources" in file.read_text()) if code == 0 else told in errors.read_text()
