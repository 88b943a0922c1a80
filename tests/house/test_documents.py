"""Every Python block in the documents runs, and so does every example, offline and with no key."""

from pathlib import Path

import pytest

from tests.house.offline_run import run_offline
from tests.house.source import REPOSITORY, python_files

RUN_BLOCKS = Path(__file__).parent / "run_blocks.py"

README = REPOSITORY / "README.md"

DOCUMENTS = [*([README] if README.exists() else []), *sorted((REPOSITORY / "docs").rglob("*.md"))]

EXAMPLES = python_files(REPOSITORY / "examples")


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_the_python_blocks_of_a_document_run(tmp_path: Path, document: Path) -> None:
    done = run_offline(RUN_BLOCKS, str(document), folder=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_an_example_runs_offline(tmp_path: Path, example: Path) -> None:
    done = run_offline(example, folder=tmp_path)
    assert done.returncode == 0, done.stdout


def test_blocks_share_a_namespace_and_a_loop_and_may_await(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        """# Page
```python
import asyncio, inspect, typing
class Item: ...
async def work(item: "Item") -> int:
    return 1
loop = None
async def here():
    return asyncio.get_running_loop()
loop = await here()
```
- in a list:
  ```python title="second"
  assert await work(Item()) == 1
  assert typing.get_type_hints(work)["item"] is Item
  assert inspect.getsource(work).startswith("async def work")
  assert await here() is loop
  ```
```pycon
>>> not_run()
```
""",
        encoding="utf-8",
    )
    done = run_offline(RUN_BLOCKS, str(document), folder=tmp_path)
    assert (done.stdout, done.returncode) == ("2 blocks\n", 0)


def test_a_failing_block_is_shown_with_its_line_in_the_document(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("Text.\n\n```python\nx = 1\nassert x == 2\n```\n", encoding="utf-8")
    done = run_offline(RUN_BLOCKS, str(document), folder=tmp_path)
    assert done.returncode == 1
    assert f'File "{document}", line 5' in done.stdout
    assert "assert x == 2" in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import sys\nsys.exit(3)", ""),
        ("import warnings\nwarnings.warn('old')", "UserWarning: old"),
        ("import socket\nsocket.create_connection(('192.0.2.1', 80))", "no network here"),
        ("import urllib.request as r\nr.urlopen('http://example.invalid')", "no network here"),
        ("import os\nos.environ['OPENAI_API_KEY']", "KeyError"),
    ],
)
def test_an_example_that_fails_warns_or_needs_more_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not a key")
    example = tmp_path / "example.py"
    example.write_text(text, encoding="utf-8")
    done = run_offline(example, folder=tmp_path)
    assert done.returncode != 0
    assert words in done.stdout


def test_an_example_may_serve_itself_on_this_machine(tmp_path: Path) -> None:
    example = tmp_path / "example.py"
    example.write_text(
        "import socket\nwith socket.create_server(('127.0.0.1', 0)) as s:\n"
        "    socket.create_connection(s.getsockname()).close()\n    s.accept()[0].close()",
        encoding="utf-8",
    )
    done = run_offline(example, folder=tmp_path)
    assert (done.stdout, done.returncode) == ("", 0)
