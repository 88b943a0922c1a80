"""The library: all that a report can quote, cut into passages, with the chapters they stand in and an index.

Built once from the files and shared by orchestrator and workers, who only read it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from piecework.report.errors import NothingReadableError
from piecework.report.formats import read_page
from piecework.report.headings import furniture_level, own_title, without_number
from piecework.report.index import PassageIndex
from piecework.report.passages import Passage, PassageCutter
from piecework.report.prose import Heading, Page, Paragraph
from piecework.report.sources import Skipped, SourceText, read_sources
from piecework.report.words import content_stems

__all__ = ("Chapter", "Library", "Source", "read_library")


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the library."""

    name: str
    """The file as the user named it."""
    root: int
    """The number of the chapter that is the whole file."""
    titled: bool
    """Whether the title is the source's own; otherwise it is made from the file's name."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading with what stands under it, or a whole file."""

    number: int
    """Its place in the library, from 0."""
    title: str
    """The heading, without its number."""
    parent: int | None
    """The number of the chapter it is part of; None for a whole file."""
    passages: range
    """The passages in it, those of its sub-chapters included."""


@dataclass(frozen=True, slots=True)
class Library:
    """Sources, chapters and passages, each numbered from 0 in the order of the sources."""

    sources: tuple[Source, ...]
    """The files that can be quoted from."""
    chapters: tuple[Chapter, ...]
    """Their headings."""
    passages: tuple[Passage, ...]
    """What can be quoted."""
    index: PassageIndex
    """Search over the passages."""
    skipped: tuple[Skipped, ...]
    """The files that are not quoted from, and why."""

    def children(self, chapter: int) -> list[Chapter]:
        """Return the chapters directly inside `chapter`, in order."""
        return [candidate for candidate in self.chapters if candidate.parent == chapter]

    def trail(self, chapter: int) -> list[Chapter]:
        """Return the chapters that `chapter` is in, the outermost first, itself last."""
        return _trail(self.chapters, chapter)


def read_library(paths: Sequence[str | os.PathLike[str]], *, leave_out: Collection[Path] = ()) -> Library:
    """Read files and folders into a library.

    Args:
        paths: Text, Markdown and HTML files, and folders of such files.
        leave_out: Files not to read, such as the one the report goes to.

    Returns:
        The library. Files that hold nothing to quote are listed as skipped.

    Raises:
        MissingSourceError: There are no `paths`, or one does not exist.
        NothingReadableError: No file holds a passage that could be quoted.
        MissingExtraError: The package that reads one of the files is not installed.
    """
    texts, skipped = read_sources(paths, leave_out=leave_out)
    shelf = _Shelf()
    unquotable = [Skipped(text.name, "holds no whole sentences in paragraphs") for text in texts if not shelf.add(text)]
    all_skipped = tuple(sorted((*skipped, *unquotable), key=lambda skip: skip.name))
    if not shelf.passages:
        names, reasons = [os.fspath(path) for path in paths], [str(skip) for skip in all_skipped]
        raise NothingReadableError(names, reasons, purpose="quote")
    return shelf.library(all_skipped)


class _Shelf:
    """Sources, chapters and passages while they are being read."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self._sources: list[Source] = []
        self._chapters: list[_OpenChapter] = []

    def add(self, text: SourceText) -> bool:
        """Add one file; return whether it holds anything to quote."""
        page = read_page(text.name, text.text)
        before = len(self._chapters)
        title, titled, own_heading = _title_of(page, text.name)
        count = self._read_blocks(page, title, own_heading)
        if not count:
            del self._chapters[before:]
            return False
        self._sources.append(Source(text.name, before, titled))
        return True

    def library(self, skipped: tuple[Skipped, ...]) -> Library:
        """Return all that was added."""
        chapters = tuple(
            Chapter(number, chapter.title, chapter.parent, range(chapter.start, chapter.end))
            for number, chapter in enumerate(self._chapters)
        )
        entries = (
            (
                passage.number,
                " ".join(above.title for above in _trail(chapters, passage.chapter)),
                passage.text,
            )
            for passage in self.passages
        )
        return Library(tuple(self._sources), chapters, tuple(self.passages), PassageIndex(entries), skipped)

    def _read_blocks(self, page: Page, title: str, own_heading: Heading | None) -> int:
        first = len(self.passages)
        open_chapters = [self._open(title, 0, None)]
        cutter = PassageCutter(len(self._sources), first)
        level_left_out: int | None = None
        for block in page.blocks:
            if isinstance(block, Heading):
                cutter.heading()
                if block is own_heading:
                    self._leave(open_chapters, 1)
                    continue
                level_left_out = furniture_level(block, level_left_out)
                if level_left_out is None:
                    self._enter(block, open_chapters)
            elif not isinstance(block, Paragraph):
                cutter.gap()
            elif level_left_out is None:
                self.passages.extend(cutter.cut(block, open_chapters[-1]))
        self._leave(open_chapters, 0)
        return len(self.passages) - first

    def _open(self, title: str, level: int, parent: int | None) -> int:
        self._chapters.append(_OpenChapter(title, level, parent, len(self.passages)))
        return len(self._chapters) - 1

    def _enter(self, heading: Heading, open_chapters: list[int]) -> None:
        self._leave(open_chapters, heading.level)
        open_chapters.append(self._open(without_number(heading.text), heading.level, open_chapters[-1]))

    def _leave(self, open_chapters: list[int], level: int) -> None:
        while open_chapters and self._chapters[open_chapters[-1]].level >= level:
            self._chapters[open_chapters.pop()].end = len(self.passages)


@dataclass(slots=True)
class _OpenChapter:
    title: str
    level: int
    parent: int | None
    start: int
    end: int = 0


def _trail(chapters: Sequence[Chapter], chapter: int) -> list[Chapter]:
    trail: list[Chapter] = []
    number: int | None = chapter
    while number is not None:
        trail.append(chapters[number])
        number = chapters[number].parent
    return trail[::-1]


def _title_of(page: Page, name: str) -> tuple[str, bool, Heading | None]:
    """Return a file's title, whether it is its own, and the heading that gives it.

    A title that is not its own is made from the file's name.
    """
    title, heading = own_title(page)
    return (title, True, heading) if title else (_humanized(name, page), False, None)


def _humanized(name: str, page: Page) -> str:
    spoken = without_number(re.sub(r"[\W_]+", " ", PurePath(name).stem).strip())
    stems = content_stems(spoken)
    text = " ".join(block.text for block in page.blocks if isinstance(block, Paragraph))
    return spoken[:1].upper() + spoken[1:] if stems and stems <= content_stems(text) else ""
