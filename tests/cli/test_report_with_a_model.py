"""`piecework report` with a language model: real clients in a real process, a provider of ours on loopback."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.cli.command import COMMAND, SECONDS, SOURCES, environment, error_line, run
from tests.provider.script import Asked, Garbage, Hang, Refuse, Reply, Structured, Text, report
from tests.provider.server import Provider

MODELS = ["anthropic:claude-x", "openai:gpt-x", "ollama:qwen-x"]
SOON = {"retry-after": "0.05"}
PLAN = {"sections": [{"name": f"Section {number}", "description": f"About {number}."} for number in (1, 2, 3)]}


def planned(write: Callable[[Asked], Reply]) -> Callable[[Asked], Reply]:
    """Return a script that plans three sections and lets `write` answer all else."""
    return lambda asked: Structured(PLAN) if asked.wanted is not None else write(asked)


def of_section(asked: Asked, number: int) -> bool:
    return f"Your section: {number}." in asked.text


@pytest.mark.parametrize("model", MODELS)
def test_four_sections_take_five_requests_and_are_written_at_once(model: str) -> None:
    with Provider(report(4, together=4)) as provider:
        done = run("report", "scaling", "--model", model, "--sections", "4", given=provider.environment())
        assert len(provider.asked) == 5
        assert provider.most_in_flight == 4
    assert (done.returncode, done.stderr.count("error")) == (0, 0)
    headings = [line for line in done.stdout.splitlines() if line.startswith("#")]
    assert headings == ["# Scaling", "## Section 1", "## Section 2", "## Section 3", "## Section 4"]
    for number in (1, 2, 3, 4):
        assert f"## Section {number}\n\nThis paragraph is about Section {number}.\n" in done.stdout


def test_without_sources_the_last_line_says_so() -> None:
    with Provider() as provider:
        done = run("report", "scaling", "--model", "openai:gpt-x", given=provider.environment())
    last = done.stdout.splitlines()[-1]
    assert "openai:gpt-x" in last
    assert "without sources" in last


def test_progress_tells_the_model_the_plan_each_section_and_the_tokens() -> None:
    with Provider() as provider:
        done = run("report", "scaling", "--model", "openai:gpt-x", given=provider.environment())
    lines = done.stderr.splitlines()
    assert lines[0] == "piecework: openai:gpt-x writes"
    assert any("plan: 4 sections: Section 1; Section 2; Section 3; Section 4" in line for line in lines)
    assert sum("done: Section" in line for line in lines) == 4
    assert lines[-1] == "piecework: tokens: 55 in, 35 out"
    assert "\x1b" not in done.stderr


def test_quiet_tells_nothing() -> None:
    with Provider() as provider:
        done = run("report", "x", "--model", "openai:x", "--sections", "4", "--quiet", given=provider.environment())
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("kept", "model"), [("ANTHROPIC", "anthropic:"), ("OPENAI", "openai:")])
def test_without_a_model_the_provider_whose_key_is_there_writes(kept: str, model: str) -> None:
    with Provider() as provider:
        given = {name: value for name, value in provider.environment().items() if name.startswith(kept)}
        done = run("report", "scaling", "--source", SOURCES, given=given)
    assert done.returncode == 0
    first = done.stderr.splitlines()[0]
    assert first.startswith(f"piecework: {model}")
    assert f"since {kept}_API_KEY is set" in first


def test_extractive_uses_no_model_though_there_is_a_key() -> None:
    with Provider() as provider:
        done = run("report", "scaling", "--source", SOURCES, "--model", "extractive", given=provider.environment())
        assert provider.asked == ()
    assert done.returncode == 0


def test_citations_are_checked_and_the_sources_are_listed_once(tmp_path: Path) -> None:
    (tmp_path / "tides.md").write_text("# Tides\n\nThe moon pulls the sea.\n")
    (tmp_path / "blob.md").write_bytes(b"\x00\x01")
    answers = {1: "It pulls [1].", 2: "It pulls [1] and pushes [7].", 3: "Nothing is known."}

    def write(asked: Asked) -> Reply:
        return Text(next(text for number, text in answers.items() if of_section(asked, number)))

    with Provider(planned(write)) as provider:
        done = run(
            "report", "tides", "--source", tmp_path, "--sections", "3", "--model", "openai:x",
            given=provider.environment(),
        )  # fmt: skip
        assert "The moon pulls the sea." in provider.asked[0].text
        assert all("[1] " in asked.text and "The moon pulls the sea." in asked.text for asked in provider.asked[1:])
        assert all("3. Section 3: About 3." in asked.text for asked in provider.asked[1:])
    assert done.returncode == 0
    assert "It pulls [1] and pushes.\n" in done.stdout
    assert done.stdout.endswith(f"## Sources\n\n1. {tmp_path.as_posix()}/tides.md, line 3\n")
    assert f"warning: skipped {tmp_path.as_posix()}/blob.md is not text\n" in done.stderr
    assert "warning: section 'Section 2': took out 1 citation that names no passage given to it" in done.stderr
    assert "warning: section 'Section 3' cites nothing from the sources" in done.stderr


def test_a_failed_section_is_a_gap_and_the_exit_code_says_so(tmp_path: Path) -> None:
    def write(asked: Asked) -> Reply:
        return Refuse(400, "no such luck") if of_section(asked, 2) else Text("Fine.")

    path = tmp_path / "report.md"
    with Provider(planned(write)) as provider:
        done = run(
            "report", "tides", "--model", "anthropic:x", "--sections", "3", "-o", path, given=provider.environment()
        )
    assert (done.returncode, done.stdout) == (1, "")
    text = path.read_text(encoding="utf-8")
    assert text.count("Fine.") == 2
    assert "## Section 2\n\n> **This section is missing.**" in text
    assert "no such luck" in text
    assert "warning: section 'Section 2' is missing: anthropic refuses the request (400: no such luck)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("model", "reply", "told"),
    [
        ("anthropic:x", Refuse(401, "bad key"), "refuses the key (401: bad key). Check ANTHROPIC_API_KEY"),
        ("openai:x", Refuse(401, "bad key"), "refuses the key (401: bad key). Check OPENAI_API_KEY"),
        ("anthropic:x", Refuse(404, "no x"), "does not know the model 'x' (404: no x). Check its name"),
        (
            "ollama:x",
            Refuse(404, "no x"),
            "does not know the model 'x' (404: no x). Check its name or fetch it: ollama",
        ),
        ("openai:x", Refuse(429, "slow down", SOON), "limits how much may be asked (429: slow down), also after"),
        ("anthropic:x", Refuse(500, "oh", SOON), "fails (500: oh), also when asked again. Try later"),
        ("openai:x", Hang(), "gave no sign of life for 0.3 s. Try again, or wait longer with --timeout"),
        ("anthropic:x", Garbage(b'{"content": ['), "cannot be read"),
    ],
)
def test_a_failing_provider_is_told_in_one_line_and_an_old_file_is_kept(
    tmp_path: Path, model: str, reply: Reply, told: str
) -> None:
    path = tmp_path / "report.md"
    path.write_text("old")
    with Provider(lambda _: reply) as provider:
        done = run("report", "tides", "--model", model, "--timeout", "0.3", "-o", path, given=provider.environment())
    assert done.returncode == 1
    assert told in error_line(done)
    assert error_line(done).startswith(model.partition(":")[0])
    assert path.read_text() == "old"


def test_a_provider_that_is_not_there_is_told_with_what_to_do() -> None:
    with Provider() as provider:
        given = provider.environment()
    for model, told in (("ollama:x", "Start it with 'ollama serve'"), ("openai:x", "OPENAI_BASE_URL")):
        done = run("report", "tides", "--model", model, given=given)
        assert done.returncode == 1
        assert f"{model.partition(':')[0]} cannot be reached" in error_line(done)
        assert told in error_line(done)


def test_a_plan_without_sections_is_told_after_a_second_try() -> None:
    with Provider(lambda asked: Structured({"sections": []}) if asked.wanted else Text("No idea.")) as provider:
        done = run("report", "tides", "--model", "openai:x", given=provider.environment())
        assert len(provider.asked) == 2
    assert done.returncode == 1
    assert "openai:x made no plan, also when asked again: " in error_line(done)


def test_an_empty_plan_is_mended_by_the_second_try() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.wanted is not None:
            return Structured({"sections": []})
        return Text(f"Sorry! {json.dumps(PLAN)}") if "plan I can read" in asked.text else Text("Fine.")

    with Provider(answer) as provider:
        done = run("report", "tides", "--model", "anthropic:x", "--sections", "3", given=provider.environment())
    assert (done.returncode, done.stdout.count("Fine.")) == (0, 3)


def test_debug_shows_the_traceback() -> None:
    with Provider(lambda _: Refuse(401, "bad key")) as provider:
        done = run("report", "tides", "--model", "openai:x", "--debug", given=provider.environment())
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "StoppedError" not in done.stderr
    assert done.stderr.splitlines()[-2].startswith("piecework: error: openai refuses the key")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "gpt-4o"], "'gpt-4o' names no model. Write anthropic:NAME, openai:NAME, ollama:NAME"),
        (["--model", "antropic:x"], "Did you mean 'anthropic'?"),
        (["--model", "ollama"], "Write ollama:NAME"),
        (["--model", "anthropic:x"], "set ANTHROPIC_API_KEY"),
        (["--model", "extractive"], "no sources and no model"),
        ([], "no sources and no model"),
        (["--model", "openai:x", "--timeout", "0"], "--timeout"),
    ],
)
def test_wrong_use_of_models_is_told_in_one_line(arguments: list[str], told: str) -> None:
    done = run("report", "tides", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert told in error_line(done)


@pytest.mark.parametrize("stage", ["plan", "sections"])
def test_ctrl_c_stops_a_waiting_report_at_once_and_keeps_the_old_file(tmp_path: Path, stage: str) -> None:
    path = tmp_path / "report.md"
    path.write_text("old")
    script = planned(lambda _: Hang("And so ")) if stage == "sections" else lambda _: Hang()
    command = [*COMMAND, "report", "tides", "--model", "openai:x", "--sections", "3", "-o", str(path)]
    with (
        Provider(script, patience=30) as provider,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(provider.environment()),
        ) as process,
    ):
        provider.wait_for(4 if stage == "sections" else 1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert path.read_text() == "old"


def test_retries_are_told_and_each_is_one_request() -> None:
    def write(asked: Asked) -> Reply:
        refused = of_section(asked, 2) and asked.repeats < 2
        return Refuse(429, "slow down", {"retry-after": "0.2"}) if refused else Text("Fine.")

    with Provider(planned(write)) as provider:
        done = run("report", "tides", "--model", "openai:x", "--sections", "3", given=provider.environment())
        assert len(provider.asked) == 1 + 3 + 2
    line = "piecework: retrying in 0.2 s: Section 2: openai limits how much may be asked (429: slow down)"
    assert done.stderr.splitlines().count(line) == 2
    assert (done.returncode, "missing" in done.stdout) == (0, False)


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_does_not_wait_for_the_next_attempt(tmp_path: Path, signals: int) -> None:
    def write(asked: Asked) -> Reply:
        return Refuse(503, "busy", {"retry-after": "40"}) if of_section(asked, 2) else Text("Fine.")

    command = [*COMMAND, "report", "tides", "--model", "anthropic:x", "--sections", "3"]
    with (
        Provider(planned(write)) as provider,
        subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment({**provider.environment(), "PIECEWORK_STORE": ""}),
        ) as process,
    ):
        assert process.stderr is not None
        told = list(iter_until(process.stderr, "retrying in 4"))
        began = time.monotonic()
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=SECONDS)
        assert time.monotonic() - began < 5
        assert (process.returncode, out, len(provider.asked)) == (130, "", 4)
    assert "Traceback" not in rest
    assert any("Section 2: anthropic fails (503: busy)" in line for line in told)
    if signals == 1:
        assert rest.splitlines()[-1].startswith("piecework: resume with: piecework resume report-")
        shown = run("show", "report", folder=tmp_path)
        assert "2 done" in shown.stdout


def iter_until(stream: IO[str], seen: str) -> Iterator[str]:
    for line in stream:
        yield line
        if seen in line:
            return
