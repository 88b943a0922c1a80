"""Which files a report reads, and their text.

Folders are walked in a fixed order that no file system decides. A file that cannot be quoted from is no
error: it is skipped, and the skip is told.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from piecework.report.errors import MissingSourceError
from piecework.report.formats import is_prose_name

__all__ = ("Skipped", "SourceText", "read_sources")

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w:.-]{2,40})""", re.IGNORECASE)
_HEAD = 4096
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_LINE_END = re.compile(r"\r\n?")
_WRONG_KIND = "is not a text, Markdown or HTML file"
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class SourceText:
    """One file that could be read."""

    name: str
    """The file as the user named it, or as found below the folder the user named."""
    text: str
    """What it holds, lines ended by a line feed."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """One file that is not quoted from."""

    name: str
    """The file, named as in `SourceText`."""
    reason: str
    """Why, as the end of a sentence that begins with the name."""

    def __str__(self) -> str:
        """Return the whole sentence, without a full stop."""
        return f"{self.name} {self.reason}"


def read_sources(
    paths: Sequence[str | os.PathLike[str]], *, leave_out: Collection[Path] = ()
) -> tuple[tuple[SourceText, ...], tuple[Skipped, ...]]:
    """Read the files at `paths` and, for folders, all text files below them, hidden ones left out.

    Args:
        paths: Files and folders. A file reached twice is read once.
        leave_out: Files not to read, such as the one the report goes to.

    Returns:
        The files that were read, and those that were skipped.

    Raises:
        MissingSourceError: There are no `paths`, or one does not exist.
    """
    if not paths:
        raise MissingSourceError(None)
    named = {Path(path) for path in paths}
    texts: list[SourceText] = []
    skipped: list[Skipped] = []
    seen = {path.resolve() for path in leave_out}
    for path in _files([Path(path) for path in paths]):
        resolved = path.resolve()
        if resolved in seen:
            continue
        seen.add(resolved)
        # A file that the user names is read whatever it is called.
        readable = is_prose_name(path.name) or path in named
        read = _read(path) if readable else Skipped(_printable(path.as_posix()), _WRONG_KIND)
        if isinstance(read, Skipped):
            skipped.append(read)
        else:
            texts.append(read)
    return tuple(texts), tuple(skipped)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise MissingSourceError(path)
    for path in paths:
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=_natural)
        for name in sorted((name for name in files if not name.startswith(".")), key=_natural):
            yield Path(here) / name


def _natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sort "2-data" before "10-limits", and equal names in a fixed order."""
    parts = _DIGITS.split(name.casefold())
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts if part], name


def _read(path: Path) -> SourceText | Skipped:
    name = _printable(path.as_posix())
    if not path.is_file():
        return Skipped(name, "is not a regular file")
    try:
        data = path.read_bytes()
    except OSError as error:
        return Skipped(name, f"cannot be read ({error.strerror or type(error).__name__})")
    if not data.strip():
        return Skipped(name, "is empty")
    text = _decode(data)
    if text is None:
        return Skipped(name, "is not text")
    return SourceText(name, _LINE_END.sub("\n", text))


def _printable(name: str) -> str:
    readable = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in readable)


def _decode(data: bytes) -> str | None:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _try(data, encoding)
    declared = _DECLARED.search(data[:_HEAD])
    for encoding in ("utf-8", declared[1].decode("ascii") if declared else "cp1252", "cp1252", "latin-1"):
        text = _try(data, encoding)
        if text is not None:
            return text
    return None


def _try(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None
    return None if _CONTROL.search(text) else text
