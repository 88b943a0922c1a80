"""Where commands keep their runs."""

import os
import stat
from pathlib import Path

import pytest

from tests.cli.command import error_line, run

FLOW = """
from piecework import Graph, node


@node(output_name="out")
def double(n: int) -> int:
    return 2 * n


graph = Graph([double], name="g")
"""

DOUBLE = ("run", "flow:graph", "-i", "n=21", "--select", "out", "-q")


@pytest.fixture(autouse=True)
def flow(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(FLOW)


def test_the_default_place_is_for_the_user_alone_and_not_for_version_control(tmp_path: Path) -> None:
    done = run(*DOUBLE, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")
    folder = tmp_path / ".piecework"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    assert (folder / "runs.db").is_file()


@pytest.mark.parametrize("named", ["mine.db", "sqlite:///mine.db"])
def test_a_store_can_be_named_by_option_or_variable(tmp_path: Path, named: str) -> None:
    assert run(*DOUBLE, "--store", named, folder=tmp_path).returncode == 0
    assert run(*DOUBLE, folder=tmp_path, given={"PIECEWORK_STORE": named}).returncode == 0
    assert run("runs", "--store", named, folder=tmp_path).stdout.count("\ng-") == 2
    assert run("runs", folder=tmp_path, given={"PIECEWORK_STORE": named}).stdout.count("\ng-") == 2
    assert not (tmp_path / ".piecework").exists()


def test_nothing_is_kept_if_so_asked(tmp_path: Path) -> None:
    done = run(*DOUBLE, "--no-store", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")
    assert not (tmp_path / ".piecework").exists()


def test_without_a_store_nothing_is_said_about_resuming(tmp_path: Path) -> None:
    failed = run("run", "flow:graph", "-i", 'n="x"', "--no-store", folder=tmp_path)
    assert "resume" not in failed.stderr


@pytest.mark.parametrize("obstacle", ["file", "folder", "garbage"])
def test_a_default_place_that_cannot_be_used_costs_a_warning(tmp_path: Path, obstacle: str) -> None:
    place = tmp_path / ".piecework"
    if obstacle == "file":
        place.write_text("x")
    elif obstacle == "folder":
        (place / "runs.db").mkdir(parents=True)
    else:
        place.mkdir()
        (place / "runs.db").write_text("no database " * 100)
    done = run(*DOUBLE, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "42\n")
    assert done.stderr.startswith("piecework: warning: the run is not kept, so it cannot be resumed: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a folder that cannot be written")
def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        done = run(*DOUBLE, folder=tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert (done.returncode, done.stdout) == (0, "42\n")
    assert "warning: the run is not kept" in done.stderr


@pytest.mark.parametrize(
    ("named", "code", "told"),
    [
        ("mysql://x/y", 2, "there is no store for mysql://"),
        ("sqlite://x", 2, "names no file"),
        ("no/such/folder/x.db", 1, "there is no folder"),
        ("flow.py", 1, "is no SQLite database"),
        ("postgresql://me:hidden@127.0.0.1:1/x", 1, "cannot be reached"),
    ],
)
@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_named_store_must_work(tmp_path: Path, named: str, code: int, told: str, by: str) -> None:
    words, given = (("--store", named), {}) if by == "option" else ((), {"PIECEWORK_STORE": named})
    done = run(*DOUBLE, *words, folder=tmp_path, given=given)
    assert (done.returncode, done.stdout) == (code, "")
    assert told in error_line(done)
    assert "hidden" not in done.stderr


def test_two_ways_to_keep_a_run_are_one_too_many(tmp_path: Path) -> None:
    done = run(*DOUBLE, "--store", "x.db", "--no-store", folder=tmp_path)
    assert done.returncode == 2
    assert "--store and --no-store are both given" in error_line(done)
