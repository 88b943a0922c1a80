"""Public names exist, are documented and fully typed: the tree, and the checker on small made-up packages."""

import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.house.public_rules import public_faults, public_names
from tests.house.source import REPOSITORY
from tests.house.trees import plant

WORKER = '''
from typing import overload
__all__ = ("work",)
@overload
def work(item: str) -> str: ...
@overload
def work(item: int) -> int: ...
def work(item):
    """Work."""
'''


def test_public_names_are_documented_and_typed() -> None:
    faults = public_faults(REPOSITORY / "src")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("package", public_names(REPOSITORY / "src"))
def test_public_names_can_be_imported(package: str) -> None:
    module = importlib.import_module(package)
    missing = [name for name in public_names(REPOSITORY / "src")[package] if not hasattr(module, name)]
    assert missing == []


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"__init__.py": ""}, id="no public names"),
        pytest.param({"__init__.py": '__all__ = ("END",)\nEND = "end"'}, id="a constant"),
        pytest.param(
            {
                "__init__.py": 'from piecework.run import work\n__all__ = ("__v__", "work")\n__v__ = 1',
                "run.py": WORKER,
            },
            id="overloads",
        ),
        pytest.param(
            {"__init__.py": '__all__ = ("A",)\nclass A:\n    """A."""\n    def _f(self, x): ...'},
            id="private",
        ),
        pytest.param(
            {"__init__.py": '__all__ = ("f",)\ndef f(x: "dict[str, Any]", *a: A) -> None:\n    """F."""'},
            id="what Any is in",
        ),
    ],
)
def test_names_as_promised_pass(tmp_path: Path, files: Mapping[str, str]) -> None:
    assert public_faults(plant(tmp_path, files)) == []


@pytest.mark.parametrize(
    ("face", "fault"),
    [
        ('__all__ = ["f"]', "piecework: __all__ is a tuple of plain strings"),
        ('__all__ = ("f",)', "piecework.f does not exist"),
        ('def f() -> None:\n    """F."""\n__all__ = ("f",)', "piecework: __all__ stands at the top"),
        ('__all__ = ("f",)\ndef f() -> None: ...', "piecework.f has no docstring"),
        ('__all__ = ("f",)\ndef f(x) -> None:\n    """F."""', "piecework.f: x has no type"),
        ('__all__ = ("f",)\ndef f(*, x: int):\n    """F."""', "piecework.f: the result has no type"),
        ('__all__ = ("f",)\ndef f(**x: Any) -> None:\n    """F."""', "piecework.f: x is a bare Any"),
        ('__all__ = ("f",)\ndef f() -> "Any | None":\n    """F."""', "piecework.f: the result is a bare Any"),
        (
            '__all__ = ("f",)\nasync def f(x: list[dict]) -> int:\n    """F."""',
            "piecework.f: x is a bare dict",
        ),
        (
            '__all__ = ("A",)\nclass A:\n    """A."""\n    def __init__(self, x: t.Any):\n        pass',
            "piecework.A.__init__: x is a bare Any",
        ),
    ],
)
def test_a_broken_promise_is_named(tmp_path: Path, face: str, fault: str) -> None:
    assert public_faults(plant(tmp_path, {"__init__.py": face})) == [fault]


def test_a_public_name_stands_in_the_all_of_its_own_module(tmp_path: Path) -> None:
    files = {
        "__init__.py": 'from piecework.run import work\n__all__ = ("work",)',
        "run.py": WORKER.replace('"work",', ""),
    }
    fault = "piecework.run: __all__ does not name work, which piecework makes public"
    assert public_faults(plant(tmp_path, files)) == [fault]
