"""The kinds of file a report can quote from, and which reader takes which.

`read_page` is what the rest of the package calls; each reader turns text into blocks and knows nothing else.
"""

from __future__ import annotations

from pathlib import PurePath

from piecework.report.formats.hypertext import read_html
from piecework.report.formats.markdown import read_markdown
from piecework.report.formats.plaintext import read_plain_text
from piecework.report.prose import Page

__all__ = ("is_prose_name", "read_page")

_MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".mkd"})
_HTML = frozenset({".html", ".htm", ".xhtml"})
_PLAIN = frozenset({"", ".txt", ".text"})


def is_prose_name(name: str) -> bool:
    """Return whether a file of this `name` is of a kind that is read when its folder is."""
    return PurePath(name).suffix.lower() in _MARKDOWN | _HTML | _PLAIN


def read_page(name: str, text: str) -> Page:
    """Return the blocks of `text`, read as what the file's `name` says it is.

    A name that says nothing is taken for plain text.

    Raises:
        MissingExtraError: The package that reads this kind of file is not installed.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix in _MARKDOWN:
        return read_markdown(text)
    if suffix in _HTML:
        return read_html(text)
    return read_plain_text(text)
