"""`piecework run`, as a process of its own: what goes where, and with which exit code."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, SECONDS, environment, error_line, resume_line

FLOW = """
import asyncio
import subprocess
import sys
from dataclasses import dataclass

from piecework import Graph, node


@dataclass(frozen=True)
class Section:
    title: str
    number: int


print("imported")


@node(output_name="sections")
def orchestrator(topic: str, count: int = 3) -> list[Section]:
    print("planning", topic)
    return [Section(f"{topic} {number}", number) for number in range(count)]


@node(output_name="content")
async def write_section(section: Section, broken: list[int] = []) -> str:
    if section.number in broken:
        raise ValueError(f"nothing to say\\nabout {section.title}")
    return section.title.upper()


@node(output_name="final_report")
def synthesizer(content: list[str]) -> str:
    return "\\n".join(map(str, content))


def report(on_error):
    writers = Graph([write_section], name="section_writer").as_node().with_inputs(section="sections")
    return Graph([orchestrator, writers.map_over("sections", on_error=on_error), synthesizer], name="report_generator")


graph = report("raise")
keeping = report("keep")


@node(output_name="never")
def leave(code: int) -> None:
    sys.exit(code)


@node(output_name="never")
async def wait(topic: str) -> None:
    print("waiting", flush=True)
    await asyncio.sleep(600)


@node(output_name="code")
def delegate(words: str) -> int:
    print("before")
    return subprocess.run([sys.executable, "-c", f"print({words!r})"]).returncode


leaving = Graph([leave])
delegating = Graph([delegate])
waiting = Graph([wait])
"""


@pytest.fixture(autouse=True)
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "flow.py"
    path.write_text(FLOW)
    return path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "run", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=folder,
        env=environment(),
    )


def test_all_outputs_go_to_standard_output_as_json_and_what_nodes_print_does_not(tmp_path: Path) -> None:
    done = run(tmp_path, "flow.py:graph", "-i", "topic=2024", "-i", "count=2")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "sections": [{"title": "2024 0", "number": 0}, {"title": "2024 1", "number": 1}],
        "content": ["2024 0", "2024 1"],
        "final_report": "2024 0\n2024 1",
    }
    assert list(json.loads(done.stdout)) == ["sections", "content", "final_report"]
    assert done.stdout.startswith('{\n  "sections": [\n')
    said = done.stderr.splitlines()
    assert said[:2] == ["imported", "planning 2024"]
    assert said[2].startswith("piecework: 4 calls, ")
    assert len(said) == 3


def test_what_a_process_started_by_a_node_prints_is_not_in_the_result(tmp_path: Path) -> None:
    done = run(tmp_path, "flow:delegating", "-i", "words=aside", "-q")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"code": 0})
    assert sorted(done.stderr.split()) == ["aside", "before", "imported"]


def test_a_selected_text_stands_alone_and_quiet_says_nothing_about_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, "flow:graph", "--input", "topic=ice", "--select", "final_report", "--quiet")
    assert (done.returncode, done.stdout) == (0, "ICE 0\nICE 1\nICE 2\n")
    assert done.stderr == "imported\nplanning ice\n"


def test_only_what_a_selected_output_needs_is_run(tmp_path: Path) -> None:
    done = run(tmp_path, "flow:graph", "-i", "topic=ice", "-i", "count=1", "--select", "sections")
    assert json.loads(done.stdout) == [{"title": "ice 0", "number": 0}]
    assert "piecework: 1 call, " in done.stderr


def test_failed_items_are_in_the_result_and_told_a_line_each(tmp_path: Path) -> None:
    done = run(tmp_path, "flow:keeping", "-i", "topic=ice", "-i", "broken=[0, 2]", "--select", "content")
    assert done.returncode == 1
    assert json.loads(done.stdout) == [
        {"error": "ValueError: nothing to say\nabout ice 0", "item": 0, "attempts": 1},
        "ICE 1",
        {"error": "ValueError: nothing to say\nabout ice 2", "item": 2, "attempts": 1},
    ]
    said = done.stderr.splitlines()
    assert said[-3].startswith("piecework: 4 calls, 2 failed, ")
    assert said[-2:] == [
        "piecework: error: content[0] failed: ValueError: nothing to say about ice 0",
        "piecework: error: content[2] failed: ValueError: nothing to say about ice 2",
    ]


def test_of_many_failed_items_some_are_told_one_by_one(tmp_path: Path) -> None:
    many = json.dumps(list(range(50)))
    done = run(tmp_path, "flow:keeping", "-i", "topic=ice", "-i", "count=50", "-i", f"broken={many}", "-q")
    assert done.returncode == 1
    assert done.stderr.count(" failed: ") == 20
    assert done.stderr.splitlines()[-1] == "piecework: error: 30 more items failed"


def test_a_failed_node_is_told_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "flow:graph", "-i", "topic=ice", "-i", "broken=[1]")
    assert (done.returncode, done.stdout) == (1, "")
    assert error_line(done) == (
        "node 'write_section' failed at report_generator/section_writer[1]/write_section: "
        "ValueError: nothing to say about ice 1"
    )


def test_debug_shows_the_traceback_of_a_failed_node(tmp_path: Path) -> None:
    done = run(tmp_path, "flow:graph", "-i", "topic=ice", "-i", "broken=[1]", "--debug")
    assert done.returncode == 1
    assert "in write_section\n    raise ValueError" in done.stderr
    assert "StoppedError" not in done.stderr
    assert done.stderr.splitlines()[-2].startswith("piecework: error: node 'write_section' failed")


def test_a_node_that_exits_does_not_choose_the_exit_code(tmp_path: Path) -> None:
    done = run(tmp_path, "flow:leaving", "-i", "code=0")
    assert (done.returncode, done.stdout) == (1, "")
    assert error_line(done) == "node 'leave' failed at graph/leave: SystemExit: 0"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["flow"], "Write module:graph"),
        (["flow:grap"], "Did you mean 'graph'?"),
        (["nosuch:graph"], "there is no module 'nosuch'"),
        (["flow:graph"], "node 'orchestrator' needs 'topic': give it with -i topic=VALUE."),
        (["flow:graph", "-i", "topik=x"], "Did you mean -i topic=...?"),
        (["flow:graph", "-i", "topic"], "Write -i name=value."),
        (["flow:graph", "-i", "topic=x", "-i", "count=many"], "does not fit int, which node 'orchestrator' takes"),
        (["flow:graph", "-i", "topic=x", "--select", "report"], "has no output 'report'"),
        ([], "MODULE:GRAPH"),
    ],
)
def test_wrong_use_is_told_in_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in error_line(done)
    assert done.stderr.replace("imported\n", "").count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_cancels_the_run_and_says_how_to_go_on(tmp_path: Path) -> None:
    command = [*COMMAND, "run", "flow:waiting", "-i", "topic=ice"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment()
    ) as process:
        assert process.stderr is not None
        assert [process.stderr.readline() for _ in range(2)] == ["imported\n", "waiting\n"]
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=SECONDS)
    assert (process.returncode, printed, said.count("\n")) == (130, "", 1)
    assert " flow:waiting --store " in resume_line(said)


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "run", "flow:graph", "-i", "topic=ice"],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=False,
            cwd=tmp_path,
            env=environment(),
        )
    finally:
        os.close(writing)
    assert done.returncode == 141
    assert "error" not in done.stderr
    assert "Traceback" not in done.stderr
