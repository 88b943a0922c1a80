"""What the documents show is what is there: printed text, the table of modules, the list of examples."""

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.house.offline_run import run_offline
from tests.house.source import REPOSITORY, python_files

RUN_BLOCKS = Path(__file__).parent / "house" / "run_blocks.py"

EXAMPLES = REPOSITORY / "examples"

DESIGN = REPOSITORY / "docs" / "design.md"


def _shown(document: Path) -> list[str]:
    """Return the blocks of a document that show what its Python blocks print."""
    tokens = MarkdownIt().parse(document.read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "fence" and token.info == "text"]


DOCUMENTS = [
    document
    for document in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    if _shown(document)
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_what_a_document_shows_as_printed_is_printed(tmp_path: Path, document: Path) -> None:
    printed = run_offline(RUN_BLOCKS, str(document), folder=tmp_path).stdout
    place = 0
    for text in _shown(document):
        found = printed.find(text, place)
        assert found >= 0, f"not printed, or not in this order:\n{text}\nprinted:\n{printed}"
        place = found + len(text)


@pytest.mark.parametrize("example", python_files(EXAMPLES), ids=lambda path: path.name)
def test_an_example_is_listed_with_what_it_prints(tmp_path: Path, example: Path) -> None:
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert f"]({example.relative_to(EXAMPLES).as_posix()})" in index
    assert run_offline(example, folder=tmp_path).stdout.strip()


def test_the_table_of_modules_is_that_of_the_code() -> None:
    package = REPOSITORY / "src" / "piecework"
    listed = re.findall(
        r"^\| `((?:core|dataflow|stores|executors)/(?:\w+/)*\w+\.py|\w+\.py)` \|", DESIGN.read_text("utf-8"), re.M
    )
    assert len(listed) == len(set(listed))
    files = {path.relative_to(package).as_posix() for path in python_files(package)}
    assert sorted(set(listed) - files) == [], "modules that are not there"
    engine = {name for name in files if name.startswith(("core/", "dataflow/")) and "__init__" not in name}
    assert sorted(engine - set(listed)) == [], "modules that the table leaves out"
