"""The material: all that the sources say, cut into excerpts, with an index.

What `library` is for a writer that quotes, this is for one that reads: nothing is left out for being no prose. Built
once from the files and shared by orchestrator and workers, who only read it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from piecework.report.errors import NothingReadableError
from piecework.report.excerpts import Excerpt, cut
from piecework.report.formats import read_page
from piecework.report.index import PassageIndex
from piecework.report.sources import Skipped, read_sources

__all__ = ("Material", "read_material")


@dataclass(frozen=True, slots=True)
class Material:
    """All text of the sources, in excerpts numbered from 0 in the order of the sources."""

    excerpts: tuple[Excerpt, ...]
    """The excerpts."""
    index: PassageIndex
    """Search over the excerpts."""
    sources: tuple[str, ...]
    """The files that hold text, as the user named them."""
    skipped: tuple[Skipped, ...]
    """The files that are not read, and why."""


def read_material(paths: Sequence[str | os.PathLike[str]], *, leave_out: Collection[Path] = ()) -> Material:
    """Read all that files and folders say, lists, tables and code included.

    Args:
        paths: Text, Markdown and HTML files, and folders of such files.
        leave_out: Files not to read, such as the one the report goes to.

    Returns:
        The material. Files without text of their own, such as a mere list of references, are listed as skipped.

    Raises:
        MissingSourceError: There are no `paths`, or one does not exist.
        NothingReadableError: No file holds any text.
        MissingExtraError: The package that reads one of the files is not installed.
    """
    texts, skipped = read_sources(paths, leave_out=leave_out)
    excerpts: list[Excerpt] = []
    sources: list[str] = []
    empty: list[Skipped] = []
    for text in texts:
        before = len(excerpts)
        excerpts.extend(cut(read_page(text.name, text.text), text.name, before))
        if len(excerpts) > before:
            sources.append(text.name)
        else:
            empty.append(Skipped(text.name, "holds no text to read"))
    all_skipped = tuple(sorted((*skipped, *empty), key=lambda skip: skip.name))
    if not excerpts:
        names, reasons = [os.fspath(path) for path in paths], [str(skip) for skip in all_skipped]
        raise NothingReadableError(names, reasons, purpose="read")
    index = PassageIndex((one.number, " ".join(one.trail), one.text) for one in excerpts)
    return Material(tuple(excerpts), index, tuple(sources), all_skipped)
