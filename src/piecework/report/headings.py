"""What the headings of a source say: its title, and which of its parts are no text of its own.

`library` and `excerpts` follow the headings of a page with these; nothing here knows what becomes of the text below.
"""

from __future__ import annotations

import re

from piecework.report.prose import Heading, Page

__all__ = ("furniture_level", "own_title", "without_number")

_FURNITURE = re.compile(
    r"(?:references|bibliography|sources?|citations?|works cited|see also|further reading|external links"
    r"|footnotes|index|acknowledge?ments?|licen[cs]e|copyright|change ?log"
    r"|contributors?|navigation|related (?:pages|articles|posts)|links|notes and references)",
    re.IGNORECASE,
)
_CONTENTS = re.compile(r"(?:table of )?contents|toc", re.IGNORECASE)
_ENUMERATION = re.compile(
    r"^(?:(?:\d{1,2}(?:\.\d{1,2})*[.):]?|[IVX]{1,4}[.)]|(?:chapter|section|part|step) \d{1,2}[.:]?)\s+)(?=\S)",
    re.IGNORECASE,
)

_DEEPER_THAN_ALL = 7
"""Below the deepest heading there is: any heading ends a table of contents, as often it stands above its chapters."""
_TOP = 3
"""How many blocks from the start a heading may stand and still be the title of its file."""


def own_title(page: Page) -> tuple[str, Heading | None]:
    """Return the title that a file gives itself, empty where it gives none, and the heading that it is, if it is one.

    A single outermost heading near the top names the file. Otherwise the title may stand apart from the headings.
    """
    headings = [block for block in page.blocks if isinstance(block, Heading)]
    top = headings[0] if headings and headings[0] in page.blocks[:_TOP] else None
    if top is not None and all(other.level > top.level for other in headings[1:]):
        return without_number(top.text), top
    # The title of a web page often goes on with the name of the site.
    named = (one for one in headings if page.title and page.title.casefold().startswith(one.text.casefold()))
    own = next(named, None)
    return (without_number(own.text) if own else page.title), own


def furniture_level(heading: Heading, current: int | None) -> int | None:
    """Return whether `heading` begins, or stands in, a part without text of its own, such as a list of references.

    Args:
        heading: The next heading.
        current: What this function returned for the heading before it.

    Returns:
        The level that headings in that part are deeper than; None where `heading` is in no such part.
    """
    if current is not None and heading.level > current:
        return current
    words = without_number(heading.text).strip(" :.")
    if _CONTENTS.fullmatch(words):
        return _DEEPER_THAN_ALL
    return heading.level if _FURNITURE.fullmatch(words) else None


def without_number(heading: str) -> str:
    """Return the words of a heading without the number before them."""
    return _ENUMERATION.sub("", heading, count=1).strip().rstrip(".:;,#").strip() or heading
