"""What the README tells to type is what CI runs, and what CI installs is pinned."""

import re
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.source import REPOSITORY
from tests.house.table import PACKAGE

TESTS = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e '.[dev]' && .venv/bin/pytest -q"

CONSTRAINTS = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert TESTS in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    readme = REPOSITORY / "README.md"
    if not readme.exists():
        pytest.skip("README.md is not written yet")
    assert TESTS in readme.read_text(encoding="utf-8")


def test_constraints_are_plain_exact_versions_in_order() -> None:
    assert [line for line in CONSTRAINTS if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    names = [canonicalize_name(line.partition("==")[0]) for line in CONSTRAINTS]
    assert names == sorted(set(names))


def test_everything_ci_installs_is_pinned() -> None:
    pinned = {canonicalize_name(line.partition("==")[0]) for line in CONSTRAINTS}
    assert _installed_by(PACKAGE, "dev") - pinned - {PACKAGE, "setuptools"} == set()


def _installed_by(name: str, *extras: str) -> set[str]:
    """Return the names of all that a requirement brings here, itself included."""
    seen: set[str] = set()
    waiting = [(name, extra) for extra in ("", *extras)]
    done: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        if wanted in done:
            continue
        done.add(wanted)
        seen.add(canonicalize_name(wanted[0]))
        for text in distribution(wanted[0]).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted[1]}):
                waiting += [(requirement.name, extra) for extra in ("", *requirement.extras)]
    return seen
