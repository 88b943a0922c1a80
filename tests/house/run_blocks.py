"""Runs the Python blocks of one Markdown file, in order, in one namespace: `run_blocks.py FILE`.

A script of its own, started by the tests in a process of its own. The blocks share one module and one event
loop, and may `await` at the top, as a notebook may; a traceback shows the Markdown file's own lines.
"""

import ast
import asyncio
import inspect
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

from markdown_it import MarkdownIt


def blocks(text: str) -> Iterator[str]:
    """Yield the blocks tagged `python`, each moved down to the line where it stands in the file."""
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.info.split()[:1] == ["python"] and token.map:
            yield "\n" * (token.map[0] + 1) + token.content


def run(path: Path) -> int:
    """Run a file's blocks and return how many there were."""
    module = ModuleType("document")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    text = path.read_text(encoding="utf-8")
    linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
    count = 0
    with asyncio.Runner() as runner:
        for count, block in enumerate(blocks(text), start=1):  # noqa: B007
            code = compile(block, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = FunctionType(code, module.__dict__)()
            if inspect.iscoroutine(result):
                runner.run(result)
    return count


if __name__ == "__main__":
    sys.stdout.write(f"{run(Path(sys.argv[1]))} blocks\n")
