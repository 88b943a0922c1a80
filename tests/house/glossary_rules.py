"""Looks for words that the glossary replaces by another, among the names the code defines."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.house.source import modules

__all__ = ("avoided_words", "glossary_faults")


def avoided_words(glossary: str) -> dict[str, str]:
    """Return the words to avoid, each with the word to use, from the `word` and `instead of` columns."""
    words: dict[str, str] = {}
    columns: list[str] = []
    for header, cells in _rows(MarkdownIt().enable("table").parse(glossary)):
        if header:
            columns = [cell.lower() for cell in cells]
        elif {"word", "instead of"} <= set(columns):
            row = dict(zip(columns, cells, strict=True))
            for word in re.split(r"[,;]", re.sub(r"\(.*?\)", "", row["instead of"])):
                if word.strip(" `*-"):
                    words[_plain(word)] = row["word"].strip("`*")
    return words


def glossary_faults(root: Path, words: dict[str, str]) -> list[str]:
    """Return the names defined below `root` that are a word to avoid, in any case, plural too."""
    faults: list[str] = []
    for module in modules(root).values():
        for name, line in _defined(module.tree):
            plain = _plain(name)
            word = words.get(plain) or words.get(plain.removesuffix("s"))
            if word is not None:
                faults.append(f"{module.name}:{line} {name}: the word is {word}")
    return faults


def _rows(tokens: list[Token]) -> Iterator[tuple[bool, list[str]]]:
    """Yield every table row as whether it is a header, and its cells."""
    header, cells = False, list[str]()
    for place, token in enumerate(tokens):
        if token.type == "tr_open":
            header, cells = False, []
        elif token.type in {"th_open", "td_open"}:
            header = token.type == "th_open"
            cells.append(tokens[place + 1].content.strip())
        elif token.type == "tr_close":
            yield header, cells


def _defined(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())
