"""No tracked file is tied to one machine or names a package index."""

import subprocess
from pathlib import Path

import pytest

from tests.house.source import REPOSITORY
from tests.house.tracked_rules import tracked_faults, tracked_files


def test_tracked_files_belong_to_no_machine() -> None:
    try:
        files = tracked_files(REPOSITORY)
    except FileNotFoundError:
        pytest.skip("there is no git here to say what is tracked")
    except subprocess.CalledProcessError:
        pytest.skip("this is not a git work tree: nothing is tracked")
    faults = tracked_faults(REPOSITORY, files, [REPOSITORY, Path.home()])
    assert not faults, "\n".join(faults)


def test_only_tracked_files_are_looked_at(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)  # noqa: S607
    (tmp_path / "kept.txt").touch()
    (tmp_path / "stray.txt").touch()
    subprocess.run(["git", "add", "kept.txt"], cwd=tmp_path, check=True)  # noqa: S607
    assert tracked_files(tmp_path) == [tmp_path / "kept.txt"]


@pytest.mark.parametrize(
    ("name", "parts", "fault"),
    [
        ("uv.lock", (), "uv.lock: a lock file carries the addresses of an index"),
        ("a.md", ("see https://", "py", "pi.org/project/x"), "a.md:1 names a package index"),
        ("a.toml", ("\nurl = 'http://mirror.example/", "simple/'"), "a.toml:2 names a package index"),
        ("a.txt", ("--extra", "-index-url x"), "a.txt:1 names a package index"),
        ("a.py", ('"/', "home/someone/x'"), "a.py:1 names a path of one machine"),
        ("a.sh", ("cd /", "work/main"), "a.sh:1 names a path of one machine"),
        ("a.sh", ("cd C:", "\\Users\\someone"), "a.sh:1 names a path of one machine"),
        ("a.sh", ("cd /odd/", "place/checkout/src"), "a.sh:1 names a path of one machine"),
    ],
)
def test_a_tie_to_a_machine_is_named(tmp_path: Path, name: str, parts: tuple[str, ...], fault: str) -> None:
    path = tmp_path / name
    path.write_text("".join(parts), encoding="utf-8")
    assert tracked_faults(tmp_path, [path], [Path("/odd/place/checkout")]) == [fault]


def test_plain_text_and_other_addresses_pass(tmp_path: Path) -> None:
    text, image = tmp_path / "a.md", tmp_path / "a.png"
    text.write_text("https://example.org/home/x, ~/work/x, ./opt/x, /tmp/x, {root}/home/x", encoding="utf-8")
    image.write_bytes(b"\x89PNG\xff")
    assert tracked_faults(tmp_path, [text, image], [Path("/")]) == []
