"""Imports run one way: the tree against the table, and the checker against small made-up trees."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.house.import_rules import cycle_faults, import_faults
from tests.house.source import REPOSITORY
from tests.house.trees import plant


def test_every_import_runs_down_the_table() -> None:
    faults = import_faults(REPOSITORY / "src")
    assert not faults, "\n".join(faults)


def test_no_imports_run_in_a_circle() -> None:
    faults = cycle_faults(REPOSITORY / "src")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"runner.py": "from piecework.core.scheduler import x", "core/scheduler.py": ""}, id="down"),
        pytest.param(
            {"dataflow/plan.py": "from piecework.dataflow import node", "dataflow/node.py": ""},
            id="own package",
        ),
        pytest.param({"cli.py": "import typer\nfrom piecework.report import x", "report/__init__.py": ""}, id="report"),
        pytest.param({"stores/postgres.py": "def f():\n    import psycopg"}, id="an adapter's own package"),
        pytest.param({"core/codec.py": "import msgspec, json"}, id="core dependency"),
        pytest.param({"langgraph.py": "from piecework.stategraph import START as S", "stategraph.py": ""}, id="again"),
    ],
)
def test_what_the_table_allows_passes(tmp_path: Path, files: Mapping[str, str]) -> None:
    assert import_faults(plant(tmp_path, files)) == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param(
            {"core/journal.py": "from piecework.core import scheduler", "core/scheduler.py": ""},
            "piecework.core.journal:1 imports piecework.core.scheduler: a row sees only the rows below it",
            id="up",
        ),
        pytest.param(
            {
                "core/plan.py": "import typing\nif typing.TYPE_CHECKING:\n    from ..runner import R",
                "runner.py": "",
            },
            "piecework.core.plan:3 imports piecework.runner: a row sees only",
            id="up for typing only, relative",
        ),
        pytest.param({"errors.py": "import piecework"}, "imports piecework: a row sees only", id="the face"),
        pytest.param(
            {"functional.py": "import piecework.dataflow.node", "dataflow/node.py": ""},
            "imports piecework.dataflow.node: these siblings never import one another",
            id="siblings",
        ),
        pytest.param(
            {"report/run.py": "from piecework.core import plan", "core/plan.py": ""},
            "imports piecework.core.plan: report.* never does",
            id="past the face",
        ),
        pytest.param(
            {"core/fresh.py": "x = 1"},
            "module piecework.core.fresh has no place in the table",
            id="a new module",
        ),
        pytest.param(
            {"runner.py": "def f():\n    from piecework import errors", "errors.py": ""},
            "imports piecework.errors: an import of ours stands at the top",
            id="inside a function",
        ),
        pytest.param({"runner.py": "def f():\n    import json"}, "is for optional packages", id="standard, inside"),
        pytest.param({"runner.py": "import rich"}, "imports rich: only cli.*, observe.* may", id="another's extra"),
        pytest.param({"runner.py": "import requests"}, "no extra brings it", id="unknown package"),
        pytest.param({"langgraph.py": "class Saver: ..."}, "it only re-exports", id="a definition"),
    ],
)
def test_what_the_table_forbids_is_named(tmp_path: Path, files: Mapping[str, str], words: str) -> None:
    faults = import_faults(plant(tmp_path, files))
    assert len(faults) == 1
    assert words in faults[0]


def test_a_cycle_is_shown_once_as_a_path(tmp_path: Path) -> None:
    files = {
        "dataflow/node.py": "from piecework.dataflow.graph import Graph",
        "dataflow/graph.py": "if TYPE_CHECKING:\n    from piecework.dataflow.plan import Plan",
        "dataflow/plan.py": "from piecework.dataflow.node import Node",
    }
    path = [f"piecework.dataflow.{name}" for name in ("graph", "plan", "node", "graph")]
    assert cycle_faults(plant(tmp_path, files)) == [f"import cycle: {' > '.join(path)}"]
