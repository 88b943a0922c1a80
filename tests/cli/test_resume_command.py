"""`piecework resume`, in a fresh process each time: what was done before is not done again."""

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, SECONDS, environment, error_line, resume_line, run

FLOW = """
import asyncio
import os
from pathlib import Path

from piecework import Graph, interrupt, node


@node(output_name="numbers")
def plan(count: int) -> list[int]:
    note("plan")
    return list(range(count))


@node(output_name="squares")
async def square(number: int) -> int:
    if number >= int(os.environ.get("STOP", "100")):
        if os.environ.get("HOW") == "raise":
            raise ValueError(f"no {number}")
        note("stuck")
        await asyncio.sleep(600)
    note(f"square {number}")
    return number * number


@node(output_name="total")
def add(squares: list[int]) -> int:
    note("add")
    return sum(squares)


@node(output_name="word")
def ask(question: str) -> str:
    return interrupt(f"{question}?")


@node(output_name="other")
def ask_more(question: str) -> str:
    return interrupt({"more": question})


@node(output_name="items")
def items(count: int) -> list[int]:
    return list(range(count))


@node(output_name="answers")
def ask_item(item: int) -> str:
    return interrupt({"item": item, "weight": 0.5, "text": "x" * 300})


@node(output_name="ten")
def lambdas(question: str) -> object:
    return lambda: question


def note(line: str) -> None:
    with Path("noted").open("a") as file:
        file.write(f"{line}\\n")


squares = square.with_inputs(number="numbers").map_over("numbers")
graph = Graph([plan, squares, add], name="sums")
renamed = Graph([plan, squares, add.with_name("add_up")], name="sums")
asking = Graph([ask], name="asking")
asking_items = Graph([items, ask_item.with_inputs(item="items").map_over("items")], name="asking_items")
unkept = Graph([lambdas], name="unkept")
asking_twice = Graph([ask, ask_more], name="asking_twice")
"""

COUNT = ("-i", "count=5", "--select", "total")


@pytest.fixture(autouse=True)
def flow(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(FLOW)


def noted(folder: Path) -> Counter[str]:
    return Counter((folder / "noted").read_text().splitlines())


def begun(folder: Path, how: str) -> subprocess.CompletedProcess[str]:
    """A run of five squares that comes no further than the third."""
    return run("run", "flow.py:graph", *COUNT, folder=folder, given={"STOP": "3", "HOW": how})


def killed(folder: Path) -> str:
    """The id of such a run whose process was killed while it waited for the last two."""
    given = {"STOP": "3", "PIECEWORK_STORE": ""}
    with subprocess.Popen(
        [*COMMAND, "run", "flow.py:graph", *COUNT], cwd=folder, env=environment(given), stdout=subprocess.PIPE
    ) as process:
        with (folder / "noted").open("a+") as file:
            while file.read().count("stuck") < 2:
                assert process.poll() is None
                file.seek(0)
        # The facts of what has ended are on their way to the store: they are there once they can be read.
        while json.loads(run("runs", "--json", folder=folder).stdout)[0]["done"] < 4:
            assert process.poll() is None
        process.kill()
    return str(json.loads(run("runs", "--json", folder=folder).stdout)[0]["id"])


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_after_a_kill_only_what_is_missing_runs(tmp_path: Path) -> None:
    run_id = killed(tmp_path)
    assert run_id.startswith("sums-")
    assert "interrupted" in run("runs", folder=tmp_path).stdout
    done = run("resume", "sums", "flow:graph", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "30\n")
    assert done.stderr.startswith("piecework: 3 calls, 4 on record, ")
    assert noted(tmp_path) == {"plan": 1, "stuck": 2, "add": 1, **{f"square {number}": 1 for number in range(5)}}


def test_a_failed_run_says_how_to_go_on_and_does(tmp_path: Path) -> None:
    failed = begun(tmp_path, "raise")
    assert failed.returncode == 1
    assert "ValueError: no 3" in error_line(failed)
    words = resume_line(failed.stderr).split()
    assert words[1:] == ["flow.py:graph"]
    assert run("resume", *words, folder=tmp_path).stdout == "30\n"
    assert noted(tmp_path)["plan"] == noted(tmp_path)["square 1"] == 1


def test_a_completed_run_gives_its_result_again_and_runs_nothing(tmp_path: Path) -> None:
    run("run", "flow:graph", *COUNT, folder=tmp_path)
    before = noted(tmp_path)
    done = run("resume", "sums", "flow:graph", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "30\n")
    assert done.stderr.startswith("piecework: 0 calls, 7 on record, ")
    assert noted(tmp_path) == before


def test_what_is_stored_never_chooses_what_is_imported(tmp_path: Path) -> None:
    begun(tmp_path, "raise")
    (tmp_path / "flow.py").write_text("raise SystemExit('imported')")
    done = run("resume", "sums", folder=tmp_path)
    assert done.returncode == 2
    assert error_line(done).endswith(" flow.py:graph")
    assert "piecework resume sums-" in error_line(done)
    assert "imported" not in done.stderr


def test_the_store_option_is_a_part_of_what_is_to_be_typed(tmp_path: Path) -> None:
    given = {"STOP": "3", "HOW": "raise"}
    failed = run("run", "flow:graph", "-i", "count=5", "--store", "my runs.db", folder=tmp_path, given=given)
    assert resume_line(failed.stderr).endswith(" flow:graph --store 'my runs.db'")
    assert not (tmp_path / ".piecework").exists()


def test_a_changed_graph_is_told_and_can_be_gone_on_with(tmp_path: Path) -> None:
    begun(tmp_path, "raise")
    done = run("resume", "sums", "flow:renamed", folder=tmp_path)
    assert done.returncode == 2
    assert "another graph" in error_line(done)
    assert "node 'add' was removed; node 'add_up' was added" in error_line(done)
    assert "--on-change continue" in error_line(done)
    assert run("resume", "sums", "flow:renamed", "--on-change", "continue", folder=tmp_path).stdout == "30\n"
    assert noted(tmp_path)["plan"] == 1


def test_another_input_is_told(tmp_path: Path) -> None:
    begun(tmp_path, "raise")
    done = run("resume", "sums", "flow:graph", "-i", "count=6", folder=tmp_path)
    assert done.returncode == 2
    assert "another input 'count'" in error_line(done)


def test_a_question_is_told_and_answered(tmp_path: Path) -> None:
    paused = run("run", "flow:asking", "-i", "question=Really", folder=tmp_path)
    assert (paused.returncode, paused.stdout) == (1, "")
    assert "waits for an answer to asking/ask?1: Really?" in paused.stderr
    words = resume_line(paused.stderr).split()
    assert words[1:] == ["flow:asking", "--answer", "VALUE"]
    assert "asking/ask?1: Really?" in run("show", "asking", folder=tmp_path).stdout
    done = run("resume", "asking", "flow:asking", "--answer", "yes, really", folder=tmp_path)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"word": "yes, really"})


def test_of_several_questions_the_one_that_is_answered_is_named(tmp_path: Path) -> None:
    graph = ("asking", "flow:asking_twice")
    paused = run("run", graph[1], "-i", "question=x", folder=tmp_path)
    assert resume_line(paused.stderr).endswith("--answer ID=VALUE")
    unnamed = run("resume", *graph, "--answer", "yes", folder=tmp_path)
    assert unnamed.returncode == 2
    for question in ("'asking_twice/ask?1'", "'asking_twice/ask_more?1'", "Say which one"):
        assert question in error_line(unnamed)  # In the order in which two threads asked.
    mistyped = run("resume", *graph, "--answer", "asking_twice/aks?1=yes", folder=tmp_path)
    assert mistyped.returncode == 2
    assert "Did you mean 'asking_twice/ask?1'?" in error_line(mistyped)
    twice = ("--answer", "asking_twice/ask?1=a=b", "--answer", "asking_twice/ask_more?1=[1]")
    assert json.loads(run("resume", *graph, *twice, folder=tmp_path).stdout) == {"word": "a=b", "other": [1]}
    late = run("resume", *graph, "--answer", "yes", folder=tmp_path)
    assert late.returncode == 2
    assert "waits for no answer" in error_line(late)


def test_the_printed_line_is_refused_until_the_answer_is_filled_in(tmp_path: Path) -> None:
    paused = run("run", "flow:asking", "-i", "question=Really", folder=tmp_path)
    pasted = run("resume", *resume_line(paused.stderr).split(), folder=tmp_path)
    assert pasted.returncode == 2
    assert "Write the answer to asking/ask?1 in place of VALUE" in error_line(pasted)
    named = run("resume", "asking", "flow:asking", "--answer", "asking/ask?1=VALUE", folder=tmp_path)
    assert named.returncode == 2
    done = run("resume", "asking", "flow:asking", "--answer", '"VALUE"', folder=tmp_path)
    assert json.loads(done.stdout) == {"word": "VALUE"}


def test_a_question_can_be_read_whole(tmp_path: Path) -> None:
    run("run", "flow:asking", "-i", f"question={'why ' * 100}\n\x1b[2Jnow", folder=tmp_path)
    shown = run("show", "asking", folder=tmp_path).stdout
    assert f"waits for:\n  asking/ask?1:\n    {'why ' * 100}".rstrip() + "\n    \ufffd[2Jnow?\n\n" in shown
    for name in ("ask", "asking/ask?1"):
        told = run("show", "asking", "--call", name, folder=tmp_path).stdout
        assert told.endswith("\n    \ufffd[2Jnow?\n")
    plain = json.loads(run("show", "asking", "--call", "ask", "--json", folder=tmp_path).stdout)
    assert plain["questions"] == [{"id": "asking/ask?1", "asked": f"{'why ' * 100}\n\x1b[2Jnow?"}]


def test_of_many_questions_some_are_told_and_json_has_all(tmp_path: Path) -> None:
    paused = run("run", "flow:asking_items", "-i", "count=25", folder=tmp_path)
    lines = [line for line in paused.stderr.splitlines() if "waits for" in line]
    assert len(lines) == 21
    assert lines[0].endswith("...")
    assert lines[-1] == "piecework: the run waits for 5 more answers"
    shown = run("show", "asking_items", folder=tmp_path).stdout
    assert shown.count(f"    text: {'x' * 300}\n") == 20
    assert "\n  and 5 more: --json tells them all\n\n" in shown
    again = run("show", "asking_items", folder=tmp_path).stdout
    assert shown.partition("question")[2] == again.partition("question")[2]  # Before it stands how long ago that was.
    questions = json.loads(run("show", "asking_items", "--json", folder=tmp_path).stdout)["questions"]
    assert sorted(question["asked"]["item"] for question in questions) == list(range(25))
    assert questions[0]["asked"]["weight"] == 0.5


def test_a_value_that_cannot_be_kept_is_no_reason_to_resume(tmp_path: Path) -> None:
    failed = run("run", "flow:unkept", "-i", "question=x", folder=tmp_path)
    assert failed.returncode == 1
    assert "resume with" not in failed.stderr
    assert error_line(failed).endswith("Or run it without keeping anything: --no-store.")
    assert run("run", "flow:unkept", "-i", "question=x", "--no-store", folder=tmp_path).returncode == 0
    again = run("resume", "unkept", "flow:unkept", folder=tmp_path)
    assert again.returncode == 1
    assert "resume with" not in again.stderr


def test_a_store_that_the_variable_named_is_a_part_of_what_is_to_be_typed(tmp_path: Path) -> None:
    given = {"STOP": "3", "HOW": "raise", "PIECEWORK_STORE": "mine.db"}
    failed = run("run", "flow.py:graph", *COUNT, folder=tmp_path, given=given)
    words = resume_line(failed.stderr).split()
    assert words[1:] == ["flow.py:graph", "--store", "mine.db"]
    assert run("resume", *words, folder=tmp_path).stdout == "30\n"


def test_a_changed_graph_is_a_part_of_what_is_to_be_typed(tmp_path: Path) -> None:
    begun(tmp_path, "raise")
    given = {"STOP": "3", "HOW": "raise"}
    failed = run("resume", "sums", "flow:renamed", "--on-change", "continue", folder=tmp_path, given=given)
    words = resume_line(failed.stderr).split()
    assert words[1:] == ["flow:renamed", "--on-change", "continue"]
    assert run("resume", *words, folder=tmp_path).stdout == "30\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sums-nope", "flow:graph"], "there is no run 'sums-nope'. Did you mean 'sums-"),
        (["", "flow:graph"], "there is no run ''"),
        (["sums", "flow:nope"], "has no attribute 'nope'"),
        (["sums", "flow:graph", "-o", "x.md"], "is resumed with a graph: it takes no -o"),
        (["sums", "flow:graph", "--answer", "x"], "waits for no answer"),
        (["sums", "flow:graph", "--on-change", "maybe"], "--on-change"),
        ([], "RUN"),
    ],
)
def test_wrong_use_is_told_in_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    run("run", "flow:graph", "-i", "count=1", "-q", folder=tmp_path)
    done = run("resume", *arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in error_line(done)


def test_an_ambiguous_beginning_of_an_id_names_the_runs(tmp_path: Path) -> None:
    for _ in range(2):
        run("run", "flow:graph", "-i", "count=1", "-q", folder=tmp_path)
    done = run("resume", "sums", "flow:graph", folder=tmp_path)
    assert done.returncode == 2
    assert "'sums' is the beginning of 2 runs: 'sums-" in error_line(done)


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_says_how_to_go_on_and_a_run_that_goes_on_is_held(tmp_path: Path) -> None:
    given = {"STOP": "3", "PIECEWORK_STORE": ""}
    with subprocess.Popen(
        [*COMMAND, "run", "flow:graph", *COUNT],
        cwd=tmp_path, env=environment(given), stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        with (tmp_path / "noted").open("a+") as file:
            while file.read().count("stuck") < 2:
                file.seek(0)
        held = run("resume", "sums", "flow:graph", folder=tmp_path)
        assert held.returncode == 1
        assert f"is held by process {process.pid}" in error_line(held)
        assert "resume with" not in held.stderr
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert run("resume", *resume_line(said).split(), folder=tmp_path).stdout == "30\n"
