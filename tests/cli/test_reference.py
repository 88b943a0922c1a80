"""`module:attribute`: the way to a graph, and where it may end."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from piecework.cli.errors import MisuseError
from piecework.cli.reference import find_graph

FLOW = """
from dataclasses import dataclass
from piecework import Graph, node

@dataclass
class Section:
    title: "str"

@node(output_name="doubled")
def double(x: int) -> int:
    return 2 * x

def make() -> Graph:
    return Graph([double], name="made")

class Holder:
    kept = Graph([double], name="kept")

graph = Graph([double], name="doubling")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, and no trace of what is imported from it afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        paths = [str(path) for path in getattr(sys.modules[name], "__path__", [])]
        if any(str(tmp_path) in place for place in [file or "", *paths]):
            del sys.modules[name]


def plant(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def complaint(reference: str) -> str:
    with pytest.raises(MisuseError) as caught:
        find_graph(reference)
    return str(caught.value)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("flow_a:graph", "doubling"),
        ("flow_a:Holder.kept", "kept"),
        ("flow_a.py:graph", "doubling"),
        ("inside/flow_b.py:graph", "doubling"),
        ("inside.flow_b:graph", "doubling"),
        ("./inside/flow-c.py:graph", "doubling"),
        ("{folder}/inside/flow_b.py:graph", "doubling"),
        ("pack.sub.flow_d:graph", "doubling"),
        ("pack/sub/flow_d.py:graph", "doubling"),
        ("pack/__init__.py:graph", "doubling"),
        ("json.py:graph", "doubling"),
    ],
)
def test_a_graph_is_found_by_module_or_path(folder: Path, reference: str, name: str) -> None:
    plant(
        folder,
        {
            "flow_a.py": FLOW,
            "inside/flow_b.py": f"from neighbour import ONE\n{FLOW}",
            "inside/neighbour.py": "ONE = 1",
            "inside/flow-c.py": FLOW,
            "pack/__init__.py": "from pack.flow_e import graph",
            "pack/flow_e.py": FLOW,
            "pack/sub/__init__.py": "",
            "pack/sub/flow_d.py": "from ..flow_e import graph",
            "json.py": FLOW,
        },
    )
    if reference.startswith("inside."):
        sys.path.insert(0, str(folder / "inside"))
    assert find_graph(reference.format(folder=folder)).name == name


def test_a_file_called_like_a_module_in_use_does_not_take_its_place(folder: Path) -> None:
    before = sys.modules["json"]
    plant(folder, {"json.py": FLOW})
    find_graph("json.py:graph")
    assert sys.modules["json"] is before


def test_what_a_module_prints_goes_to_standard_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant(folder, {"loud.py": f"print('hello')\n{FLOW}"})
    find_graph("loud:graph")
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize("reference", ["graph", ":graph", "flow_a:", ":", ""])
def test_a_reference_has_two_parts(reference: str) -> None:
    assert "Write module:graph or path/to/file.py:graph" in complaint(reference)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (
            "flow_x:graph",
            "there is no module 'flow_x', neither in the current folder nor installed. Did you mean 'flow_a'",
        ),
        ("nosuch.part:graph", "there is no module 'nosuch.part' (there is no 'nosuch')"),
        ("pack.part:graph", "there is no module 'pack.part'"),
        ("flow_a.part:graph", "there is no module 'flow_a.part'"),
        ("a..b:graph", "'a..b' is no name of a module"),
        ("flow_x.py:graph", "file 'flow_x.py' does not exist"),
        ("pack.py:graph", "file 'pack.py' is a folder"),
        ("./flow_a:graph", "'flow_a' is not the path of a .py file. Did you mean 'flow_a.py'"),
        ("pack/flow.txt:graph", "'pack/flow.txt' is not the path of a .py file. Write path/to/file.py:graph"),
    ],
)
def test_a_module_that_is_not_there_is_told(folder: Path, reference: str, told: str) -> None:
    plant(folder, {"flow_a.py": FLOW, "pack/__init__.py": "", "pack.py/nothing": ""})
    assert told in complaint(reference)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found' (flow.py, line 1)."),
        ("from piecework import Grap", "ImportError: cannot import name 'Grap'"),
        ("\ndef f(:\n", "'flow' cannot be imported: invalid syntax (flow.py, line 2)."),
        ("x = 1\nraise ValueError('no\\nkey')", "ValueError: no\nkey (flow.py, line 2)."),
        ("import sys\nsys.exit(3)", "if __name__ == '__main__'"),
        ("import faulty", "ZeroDivisionError: division by zero (faulty.py, line 1)."),
        (f"{FLOW}\nGraph([double, double])", "2 nodes are called 'double'."),
        ("\x00", "'flow' cannot be imported"),
    ],
)
@pytest.mark.parametrize("source", ["flow", "flow.py"])
def test_a_module_that_cannot_be_imported_is_told_with_the_place(
    folder: Path, text: str, told: str, source: str
) -> None:
    plant(folder, {"flow.py": text, "faulty.py": "1 / 0"})
    message = complaint(f"{source}:graph")
    assert told.replace("'flow'", f"'{source}'") in message
    assert "cli/reference.py" not in message
    assert "dataflow/graph.py" not in message
    assert "flow" not in sys.modules


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("grap", "module 'flow' has no attribute 'grap'. Did you mean 'graph'? The module's graph is 'graph'."),
        ("Holder.kep", "'Holder' in 'flow' has no attribute 'kep'. Did you mean 'kept'?"),
        ("double", "is the node 'double', no graph. Put it into one: graph = Graph(nodes=[double], name='...')."),
        (
            "make",
            "is a function, no graph. If it makes a graph, give the graph a name in the module: graph = make(...)",
        ),
        ("Section", "is the class 'Section', no graph. The module's graph is 'graph'."),
        ("graph.nodes", "is of type tuple, no graph."),
        ("dataclass", "is a function, no graph."),
        ("sys", "is a module, no graph."),
    ],
)
def test_what_is_no_graph_is_told_with_what_to_do(folder: Path, path: str, told: str) -> None:
    plant(folder, {"flow.py": f"import sys\n{FLOW}"})
    assert told in complaint(f"flow:{path}")


def test_a_module_without_graphs_says_so_and_one_with_several_names_them(folder: Path) -> None:
    plant(folder, {"none.py": "x = 1", "two.py": f"{FLOW}\nother = make()"})
    assert complaint("none:graph").endswith("has no attribute 'graph'. The module has no graph.")
    assert complaint("two:x").endswith("The module's graphs are 'graph', 'other'.")
