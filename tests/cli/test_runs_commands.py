"""`runs`, `show`, `cancel`, `rm` and `prune`, as processes of their own over a store with a few runs."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import COMMAND, SECONDS, environment, error_line, resume_line, run

FLOW = """
import asyncio
from dataclasses import dataclass

from piecework import Graph, node


@dataclass(frozen=True)
class Piece:
    title: str
    number: int


@node(output_name="pieces")
def cut(count: int) -> list[Piece]:
    return [Piece(f"piece {number}\\x1b[2J", number) for number in range(count)]


@node(output_name="text")
async def write(piece: Piece, broken: list[int] = [], long: int = 0) -> str:
    if piece.number in broken:
        raise ValueError(f"nothing to say\\nabout {piece.number}")
    return "a line\\n" * 2 + "x" * long


@node(output_name="all")
def join(text: list[str]) -> str:
    return " ".join(map(str, text))


@node(output_name="waited")
async def wait(pieces: list[Piece]) -> int:
    await asyncio.sleep(600)


writer = Graph([write], name="writer").as_node().with_inputs(piece="pieces").map_over("pieces", on_error="keep")
graph = Graph([cut, writer, join], name="book")
waiting = Graph([cut, wait], name="endless")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.py").write_text(FLOW)
    return tmp_path


@pytest.fixture
def book(folder: Path) -> str:
    """A run that has completed with two failed items; returns its id."""
    run("run", "flow:graph", "-i", "count=30", "-i", "broken=[3, 17]", "-q", folder=folder)
    return str(listed(folder)[0]["id"])


@pytest.fixture
def endless(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process whose run waits for ever."""
    with subprocess.Popen(
        [*COMMAND, "run", "flow:waiting", "-i", "count=2"],
        cwd=folder, env=environment({"PIECEWORK_STORE": ""}), stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while not (folder / ".piecework" / "runs.db").exists() or not any(one["done"] for one in listed(folder)):
            assert time.monotonic() < deadline
        yield process
        if process.poll() is None:
            process.kill()
        process.communicate()


def listed(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("runs", "--json", folder=folder).stdout)
    return found


def test_runs_are_a_table_that_stays_plain_in_a_pipe(folder: Path, book: str) -> None:
    run("run", "flow:graph", "-i", "count=1", "-q", folder=folder)
    done = run("runs", folder=folder, given={"FORCE_COLOR": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    heads, *rows = done.stdout.splitlines()
    assert heads.split() == ["id", "name", "status", "progress", "age", "size"]
    assert rows[1].startswith(f"{book}  book  completed  30/32, 2 failed  ")
    assert rows[0].startswith("book-")
    assert "  3/3 " in rows[0]
    assert "\x1b" not in done.stdout
    assert len({len(line) for line in (heads, *rows)}) == 1


def test_runs_can_be_chosen_and_are_limited(folder: Path, book: str) -> None:
    run("run", "flow:graph", "-i", "count=1", "-q", folder=folder)
    done = run("runs", "--limit", "1", folder=folder)
    assert done.stdout.count("\n") == 2
    assert book not in done.stdout
    assert "--limit 5" in done.stderr
    nothing = run("runs", "--status", "paused", folder=folder)
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "piecework: no runs are paused\n")
    assert run("runs", "--status", "odd", folder=folder).returncode == 2


def test_a_run_is_shown_with_its_tree_and_what_failed(folder: Path, book: str) -> None:
    done = run("show", book[:8], folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    header, _, tree = done.stdout.partition("\n\n")
    assert f"run:              {book}\n" in header
    assert "status:           completed\n" in header
    assert "label reference:  flow:graph\n" in header
    assert "input broken:     [3, 17]" in header
    lines = [" ".join(line.split()) for line in tree.splitlines()]
    assert lines[0] == "book"
    assert lines[1].startswith("cut done ")
    assert lines[2] == "writer/write 30 items: 28 done, 2 failed"
    assert lines[3].startswith("writer[3] failed ")
    assert lines[3].endswith(" ms: ValueError: nothing to say about 3")
    assert lines[4].startswith("writer[17] failed ")
    assert lines[5].startswith("join done ")
    assert len(lines) == 6
    everything = run("show", book, "--all", folder=folder).stdout
    assert everything.count("writer[") == 30


def test_of_many_failed_items_some_are_listed(folder: Path) -> None:
    many = json.dumps(list(range(25)))
    run("run", "flow:graph", "-i", "count=25", "-i", f"broken={many}", "-q", folder=folder)
    tree = run("show", "book", folder=folder).stdout
    assert tree.count("writer[") == 10
    assert "and 15 more: --all" in tree


def test_a_run_is_one_json_document(folder: Path, book: str) -> None:
    shown = json.loads(run("show", "book", "--json", folder=folder).stdout)
    assert shown["id"] == book
    assert (shown["done"], shown["failed"], shown["error"], shown["questions"]) == (30, 2, None, [])
    kinds = [(place["name"], place["kind"], place["state"]) for place in shown["tree"]["inner"]]
    assert kinds == [("cut", "call", "done"), ("writer", "fan-out", "failed"), ("join", "call", "done")]
    writer = shown["tree"]["inner"][1]
    assert (writer["size"], writer["counts"]) == (30, {"done": 28, "failed": 2})
    assert writer["inner"][3]["error"] == "ValueError: nothing to say\nabout 3"


def test_a_call_is_shown_with_what_it_was_given_and_made(folder: Path, book: str) -> None:
    del book
    done = run("show", "book", "--call", "writer[5]/write", folder=folder)
    lines = done.stdout.splitlines()
    assert lines[0] == "book/writer[5]/write"
    assert lines[1].split() == ["status:", "done"]
    assert lines[5:] == [
        "input:", "  piece:", "    title: piece 5\ufffd[2J", "    number: 5", "output:", "  a line", "  a line", "",
    ]  # fmt: skip
    failed = run("show", "book", "--call", "book/writer[3]/write", folder=folder).stdout
    assert "error:\n  ValueError: nothing to say\n  about 3\n" in failed
    assert "in write\n" in failed
    plain = json.loads(run("show", "book", "--call", "cut", "--json", folder=folder).stdout)
    assert plain["input"] == {"count": 30}
    assert plain["output"][1] == {"title": "piece 1\x1b[2J", "number": 1}


def test_a_place_is_found_by_what_the_tree_shows_of_it(folder: Path, book: str) -> None:
    del book
    for name in ("writer", "writer/write", "book/writer/write"):
        lines = run("show", "book", "--call", name, folder=folder).stdout.splitlines()
        assert " ".join(lines[0].split()) == "writer/write 30 items: 28 done, 2 failed"
        assert len(lines) == 3
    assert run("show", "book", "--call", "writer[5]", folder=folder).stdout.startswith("book/writer[5]/write\n")
    place = json.loads(run("show", "book", "--call", "writer", "--json", folder=folder).stdout)
    assert (place["kind"], place["counts"]) == ("fan-out", {"done": 28, "failed": 2})


def test_a_large_output_is_read_for_the_call_that_is_shown(folder: Path) -> None:
    run("run", "flow:graph", "-i", "count=1", "-i", "long=100000", "-q", folder=folder)
    assert "x" * 100_000 in run("show", "book", "--call", "writer[0]/write", folder=folder).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "book", "--call", "writer[5]/wite"], "Did you mean 'book/writer[5]/write'"),
        (["show", "book", "--call", "writer/write[5]"], "Did you mean 'book/writer[5]"),
        (["show", "book", "--call", "writer[99]"], "Did you mean 'book/writer'?"),
        (["show", "book", "--call", "zzz"], "has no call 'zzz'. It has 'book"),
        (["show", "boook"], "there is no run 'boook'. Did you mean 'book-"),
        (["show", "book", "--follow", "--all"], "--follow goes with no other"),
        (["cancel", "nope"], "there is no run 'nope'"),
        (["rm", "book", "nope"], "there is no run 'nope'"),
        (["prune"], "--older-than or --keep"),
        (["prune", "--older-than", "soon"], "'soon' is no span of time"),
        (["prune", "--keep", "-1"], "--keep"),
        (["runs", "--limit", "0"], "--limit"),
        (["runs", "--limit", "9" * 20], "--limit"),
        (["runs", "--store", "nope.db"], "there is no store 'nope.db'"),
        (["runs", "--store", "mysql://x"], "there is no store for mysql://"),
    ],
)
def test_wrong_use_is_told_in_one_line(folder: Path, book: str, arguments: list[str], told: str) -> None:
    done = run(*arguments, folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in error_line(done)
    assert [one["id"] for one in listed(folder)] == [book]
    assert not (folder / "nope.db").exists()


def test_where_no_runs_are_kept_is_told_and_stays_so(tmp_path: Path) -> None:
    done = run("runs", folder=tmp_path)
    assert done.returncode == 2
    assert "there is no .piecework/runs.db in the current folder" in error_line(done)
    assert not list(tmp_path.iterdir())


def test_runs_are_removed_by_name(folder: Path, book: str) -> None:
    run("run", "flow:graph", "-i", "count=1", "-q", folder=folder)
    done = run("rm", book, book[:9], folder=folder)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("piecework: removed 1 run, ")
    assert [one["id"] for one in listed(folder)] != [book]


def test_old_runs_are_removed_and_told(folder: Path, book: str) -> None:
    for _ in range(2):
        run("run", "flow:graph", "-i", "count=1", "-q", folder=folder)
    newest = [one["id"] for one in listed(folder)][:2]
    assert "removed 0 runs, 0 B" in run("prune", "--older-than", "1h", folder=folder).stderr
    tried = run("prune", "--keep", "2", "--dry-run", folder=folder)
    assert f"piecework: {book}: completed, " in tried.stderr
    assert "would remove 1 run, " in tried.stderr
    assert len(listed(folder)) == 3
    done = run("prune", "--keep", "2", folder=folder)
    assert f"piecework: {book}: completed, " in done.stderr
    assert done.stderr.splitlines()[-1] == tried.stderr.splitlines()[-1].replace("would remove", "removed")
    assert [one["id"] for one in listed(folder)] == newest


def test_a_run_is_cancelled_from_outside_and_followed_to_its_end(folder: Path, endless: subprocess.Popen[str]) -> None:
    follower = subprocess.Popen(
        [*COMMAND, "show", "endless", "--follow"],
        cwd=folder, env=environment({"PIECEWORK_STORE": ""}), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with follower:
        assert follower.stdout is not None
        assert follower.stdout.readline().startswith("done  endless/cut  ")
        held = run("rm", "endless", folder=folder)
        assert held.returncode == 1
        assert f"is held by process {endless.pid}" in error_line(held)
        assert f"running, by process {endless.pid}" in run("show", "endless", folder=folder).stdout
        done = run("cancel", "endless", folder=folder)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr.endswith(": cancelled\n")
        assert follower.stdout.read().endswith(" cancelled, 1/1\n")
    assert follower.returncode == 0
    _, said = endless.communicate(timeout=SECONDS)
    assert endless.returncode == 1
    assert "was cancelled from outside" in said
    assert resume_line(said).endswith(" flow:waiting")
    again = run("cancel", "endless", folder=folder)
    assert (again.returncode, again.stderr.endswith("has ended already: cancelled\n")) == (0, True)


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_leaves_a_followed_run_alone(folder: Path, endless: subprocess.Popen[str]) -> None:
    command = [*COMMAND, "show", "endless", "-f"]
    with subprocess.Popen(
        command, cwd=folder, env=environment({"PIECEWORK_STORE": ""}), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as follower:
        assert follower.stdout is not None
        follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        _, said = follower.communicate(timeout=SECONDS)
    assert (follower.returncode, said) == (130, b"")
    assert endless.poll() is None
