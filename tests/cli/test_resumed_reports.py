"""Reports that are interrupted, and resumed in a fresh process: only what is missing is asked for."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, environment, error_line, resume_line, run
from tests.provider.script import Asked, Hang, Refuse, Reply, Structured, Text
from tests.provider.server import Provider

PLAN = {"sections": [{"name": f"Section {number}", "description": f"About {number}."} for number in range(1, 6)]}
FIVE = ("--model", "openai:x", "--sections", "5")


class Scripted:
    """Plans five sections and writes them, but for some that hang or are refused as long as they are listed."""

    def __init__(self) -> None:
        self.hanging: set[str] = set()
        self.refused: set[str] = set()
        self.written: list[str] = []

    def __call__(self, asked: Asked) -> Reply:
        if asked.wanted is not None:
            self.written.append("plan")
            return Structured(PLAN)
        found = re.search(r"Your section: (\d)", asked.text)
        assert found is not None
        if found[1] in self.hanging:
            return Hang("And so ")
        if found[1] in self.refused:
            return Refuse(400, "no such luck")
        self.written.append(found[1])
        return Text(f"Fine {found[1]}.")


@pytest.fixture
def script() -> Scripted:
    return Scripted()


def here(provider: Provider) -> dict[str, str]:
    return {**provider.environment(), "PIECEWORK_STORE": ""}


def kept(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run("runs", "--json", folder=folder).stdout)
    return found


def kill_when_done(process: subprocess.Popen[str], folder: Path, *, done: int) -> None:
    """End a report by force once so many calls are recorded."""
    deadline = time.monotonic() + 30
    while kept(folder)[0]["done"] != done:
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.kill()
    process.wait()


def test_a_killed_report_is_finished_from_another_folder(tmp_path: Path, script: Scripted) -> None:
    script.hanging = {"3", "4", "5"}
    store = tmp_path / ".piecework" / "runs.db"
    command = [*COMMAND, "report", "tides", *FIVE, "-o", "report.md", "-q"]
    with Provider(script, patience=30) as provider:
        with subprocess.Popen(command, cwd=tmp_path, env=environment(here(provider)), text=True) as process:
            provider.wait_for(6)
            kill_when_done(process, tmp_path, done=3)
        assert sorted(script.written) == ["1", "2", "plan"]
        assert kept(tmp_path)[0]["status"] == "interrupted"
        script.hanging, script.written = set(), []
        other = tmp_path / "other"
        other.mkdir()
        done = run("resume", "report", "--store", store, given=provider.environment(), folder=other)
        assert (done.returncode, done.stdout) == (0, "")
        assert sorted(script.written) == ["3", "4", "5"]
    text = (tmp_path / "report.md").read_text()
    assert [text.count(f"Fine {number}.") for number in range(1, 6)] == [1] * 5
    lines = done.stderr.splitlines()
    assert "piecework: done: Section 1 (before, 2 words)" in lines
    assert "piecework: writing: Section 1" not in lines
    assert any(line.startswith("piecework: 5 of 5 sections, ") for line in lines)
    assert not list(other.iterdir())


def test_a_finished_report_is_printed_again_without_key_sources_or_provider(tmp_path: Path, script: Scripted) -> None:
    source = tmp_path / "tides.md"
    source.write_text("# Tides\n\nThe moon pulls the sea. It does so twice a day.\n")
    with Provider(script) as provider:
        first = run("report", "tides", *FIVE, "--source", "tides.md", given=here(provider), folder=tmp_path)
    source.unlink()
    done = run("resume", "report", "-q", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, first.stdout)
    assert "writes" not in done.stderr
    assert len(kept(tmp_path)) == 1


def test_gaps_alone_are_written_and_the_report_is_joined_again(tmp_path: Path, script: Scripted) -> None:
    script.refused = {"2", "4"}
    with Provider(script) as provider:
        first = run("report", "tides", *FIVE, given=here(provider), folder=tmp_path)
        assert (first.returncode, len(provider.asked)) == (1, 6)
        words = resume_line(first.stderr).split()
        script.refused, script.written = {"4"}, []
        second = run("resume", *words, given=here(provider), folder=tmp_path)
        assert (second.returncode, len(provider.asked)) == (1, 8)
        assert script.written == ["2"]
        assert "has completed with gaps: only these are written" in second.stderr
        assert resume_line(second.stderr).split() == words
        script.refused, script.written = set(), []
        third = run("resume", *words, given=here(provider), folder=tmp_path)
        assert (third.returncode, script.written, len(provider.asked)) == (0, ["4"], 9)
        again = run("resume", *words, given=here(provider), folder=tmp_path)
        assert (again.returncode, script.written, len(provider.asked)) == (0, ["4"], 9)
    assert [third.stdout.count(f"Fine {number}.") for number in range(1, 6)] == [1] * 5
    assert again.stdout == third.stdout
    assert "missing" not in third.stdout
    assert [(one["status"], one["failed"]) for one in kept(tmp_path)] == [("completed", 0)]


def test_gaps_whose_writing_is_interrupted_are_still_gone_on_with(tmp_path: Path, script: Scripted) -> None:
    script.refused = {"2", "4"}
    with Provider(script, patience=30) as provider:
        run("report", "tides", *FIVE, given=here(provider), folder=tmp_path)
        script.refused, script.hanging = set(), {"4"}
        command = [*COMMAND, "resume", "report", "-q"]
        with subprocess.Popen(command, cwd=tmp_path, env=environment(here(provider)), text=True) as process:
            provider.wait_for(8)
            kill_when_done(process, tmp_path, done=6)  # The first join included.
        script.hanging, script.written = set(), []
        done = run("resume", "report", given=here(provider), folder=tmp_path)
    assert (done.returncode, script.written) == (0, ["4"])
    assert [done.stdout.count(f"Fine {number}.") for number in range(1, 6)] == [1] * 5


def test_an_interrupted_report_is_written_on_by_another_model_into_another_file(
    tmp_path: Path, script: Scripted
) -> None:
    script.refused = {"1", "2", "3", "4", "5"}
    with Provider(script) as provider:
        failed = run("report", "tides", *FIVE, given=here(provider), folder=tmp_path)
        assert failed.returncode == 1
        script.refused, script.written = set(), []
        words = [*resume_line(failed.stderr).split(), "--model", "anthropic:y", "-o", "r.md"]
        done = run("resume", *words, given=here(provider), folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, "")
        assert provider.asked[-1].model == "y"
    assert "piecework: anthropic:y writes" in done.stderr
    assert (tmp_path / "r.md").read_text().count("Fine") == 5


def test_sources_are_called_as_before_and_must_hold_what_they_held(tmp_path: Path, script: Scripted) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "tides.md").write_text("# Tides\n\nThe moon pulls the sea. It does so twice a day.\n")
    script.refused = {"1", "2", "3", "4", "5"}
    store = tmp_path / ".piecework" / "runs.db"
    with Provider(script) as provider:
        run("report", "tides", *FIVE, "--source", "notes", given=here(provider), folder=tmp_path)
        script.refused = set()
        resume = ("resume", "report", "--store", store)
        (notes / "tides.md").write_text("# Tides\n\nThe wind pushes the sea. It does so all day.\n")
        changed = run(*resume, given=here(provider), folder=notes)
        assert changed.returncode == 2
        assert "are not what they were" in error_line(changed)
        (notes / "tides.md").rename(tmp_path / "moved.md")
        gone = run(*resume, given=here(provider), folder=notes)
        assert gone.returncode == 2
        (tmp_path / "moved.md").write_text("# Tides\n\nThe moon pulls the sea. It does so twice a day.\n")
        done = run(*resume, "--source", tmp_path / "moved.md", given=here(provider), folder=notes)
        assert done.returncode == 0


def test_a_quoted_report_is_not_gone_on_with_by_a_model(tmp_path: Path, script: Scripted) -> None:
    (tmp_path / "tides.md").write_text("# Tides\n\nThe moon pulls the sea. It does so twice a day.\n")
    script.refused = {"1", "2", "3", "4", "5"}
    with Provider(script) as provider:
        run("report", "tides", *FIVE, "--source", "tides.md", given=here(provider), folder=tmp_path)
        done = run("resume", "report", "--model", "extractive", given=here(provider), folder=tmp_path)
    assert done.returncode == 2
    assert "cannot be gone on with in another way" in error_line(done)


def test_no_key_is_kept(tmp_path: Path, script: Scripted) -> None:
    with Provider(script) as provider:
        given = here(provider)
        run("report", "tides", *FIVE, given=given, folder=tmp_path)
    everything = b"".join(path.read_bytes() for path in (tmp_path / ".piecework").iterdir())
    assert b"tides" in everything
    for name, value in given.items():
        assert not value or value.encode() not in everything, name


@pytest.mark.parametrize(("option", "value"), [("--answer", "yes"), ("-i", "topic=x")])
def test_a_report_takes_no_option_of_graphs(tmp_path: Path, script: Scripted, option: str, value: str) -> None:
    with Provider(script) as provider:
        run("report", "tides", *FIVE, given=here(provider), folder=tmp_path)
    done = run("resume", "report", option, value, folder=tmp_path)
    assert done.returncode == 2
    assert f"is a report: it takes no {option}" in error_line(done)


def test_a_topic_without_words_leaves_nothing_to_resume(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Loss\n\nThe loss of a model falls with its size.\n")
    done = run("report", "", "--source", "a.md", folder=tmp_path)
    assert done.returncode == 2
    assert "resume with" not in done.stderr
