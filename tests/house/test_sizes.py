"""No file over 500 lines, no function over 80."""

from pathlib import Path

import pytest

from tests.house.size_rules import size_faults
from tests.house.source import REPOSITORY


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks", "examples"])
def test_files_and_functions_stay_short(folder: str) -> None:
    faults = size_faults(REPOSITORY / folder)
    assert not faults, "\n".join(faults)


def test_files_and_functions_at_the_limit_pass(tmp_path: Path) -> None:
    (tmp_path / "full.py").write_text("x = 1\n" * 420 + "def f():\n" + "    y = 1\n" * 79, encoding="utf-8")
    assert size_faults(tmp_path) == []


def test_a_long_file_and_a_long_method_are_named(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("x = 1\n" * 501, encoding="utf-8")
    (tmp_path / "deep.py").write_text(
        "class A:\n    @d\n    async def f(self):\n" + "        y = 1\n" * 79, encoding="utf-8"
    )
    assert size_faults(tmp_path) == ["deep.py:2 f: 81 lines, 80 at most", "long.py: 501 lines, 500 at most"]
