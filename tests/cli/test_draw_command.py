"""`piecework draw`, as a process of its own."""

import subprocess
from pathlib import Path

from tests.cli.command import COMMAND, SECONDS, environment, error_line, run

PICTURE = """flowchart TD
    notes([notes]) --> orchestrator
    orchestrator[orchestrator] --> |sections| write_section
    write_section[write_section - map_over section] --> |content| synthesizer
    synthesizer[synthesizer] --> |final_report| END([END])
"""


def test_a_graph_is_printed_as_mermaid() -> None:
    done = run("draw", "examples/orchestrator_worker.py:report_generator")
    assert (done.returncode, done.stdout, done.stderr) == (0, PICTURE, "")


def test_names_in_any_script_are_printed_whatever_the_terminal_speaks(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(
        "from piecework import Graph, node\n"
        "print('loud')\n"
        "graph = Graph([node(lambda größe: größe, output_name='繊維', name='maß')])\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [*COMMAND, "draw", "flow:graph"],
        capture_output=True,
        timeout=SECONDS,
        check=False,
        cwd=tmp_path,
        env=environment({"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}),
    )
    assert (done.returncode, done.stderr) == (0, b"loud\n")
    assert done.stdout.decode().splitlines()[1:] == [
        '    gr_e(["größe"]) --> ma_',
        '    ma_["maß"] --> |"繊維"| END([END])',
    ]


def test_what_is_no_graph_is_told_in_one_line() -> None:
    done = run("draw", "examples/orchestrator_worker.py:orchestrator")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is the node 'orchestrator', no graph." in error_line(done)


def test_debug_shows_where_the_import_failed(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text("import nowhere_to_be_found\n")
    done = run("draw", f"{tmp_path}/flow.py:graph", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("piecework: error: ")
