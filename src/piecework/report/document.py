"""The report as a Markdown document: title, introduction, sections, and the list of what is quoted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from piecework.report.writer import Quotation, WrittenSection

__all__ = ("escape", "render")

_PROTECTED = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)|(?<![\w$])\$[^\s$](?:[^$]*[^\s$])?\$(?![\w$])")
_SPECIAL = re.compile(
    r"[\\`]|~(?=~)|(?<=~)~"
    r"|\](?=[(\[:])"
    r"|(?<!\s)\*|\*(?!\s)"  # an asterisk between spaces is only an asterisk
    r"|(?<![^\W_])_|_(?![^\W_])"  # an underscore inside a word is only an underscore
    r"|<(?=[A-Za-z/!?])"
    r"|&(?=#?\w{1,32};)"
)
_LINE_START = re.compile(r"^(?:(>|(?:#{1,6}|[-+]|={2,}|-{2,})(?=\s|$))|(\d{1,9})([.)])(?=\s|$))")
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")


def render(topic: str, sections: Sequence[WrittenSection]) -> str:
    """Return the report; sections without a paragraph are left out.

    Quotations are numbered in the order they appear in; the same lines of the same file have one number.
    """
    written = [section for section in sections if section.paragraphs]
    numbers: dict[tuple[str, tuple[int, int]], int] = {}
    blocks: list[str] = []
    for section in written:
        blocks.append(f"## {_heading(section.title)}")
        blocks.extend(_paragraph(paragraph, numbers) for paragraph in section.paragraphs)
    title = " ".join(topic.split())
    head = [f"# {_heading(title[:1].upper() + title[1:])}", _introduction(title, written, numbers)]
    entries = [f"{number}. {escape(name)}, {_lines(lines)}" for (name, lines), number in numbers.items()]
    return "\n\n".join([*head, *blocks, "## Sources", "\n".join(entries)]) + "\n"


def escape(text: str) -> str:
    """Return plain `text` as Markdown that shows it as it is; code spans and formulas stay as they are."""
    pieces: list[str] = []
    end = 0
    for match in _PROTECTED.finditer(text):
        pieces += [_SPECIAL.sub(r"\\\g<0>", text[end : match.start()]), match[0]]
        end = match.end()
    pieces.append(_SPECIAL.sub(r"\\\g<0>", text[end:]))
    return _LINE_START.sub(_escaped_start, "".join(pieces))


def _escaped_start(match: re.Match[str]) -> str:
    return f"{match[2]}\\{match[3]}" if match[2] else f"\\{match[1]}"


def _heading(text: str) -> str:
    # Hashes at the end would be taken for the closing mark of the heading.
    return re.sub(r"#+$", lambda match: "\\#" * len(match[0]), escape(text))


def _paragraph(quotations: Sequence[Quotation], numbers: dict[tuple[str, tuple[int, int]], int]) -> str:
    cited: list[str] = []
    for quotation in quotations:
        number = numbers.setdefault((quotation.source, quotation.lines), len(numbers) + 1)
        cited.append(f"{escape(quotation.text)} [{number}]")
    return " ".join(cited)


def _lines(lines: tuple[int, int]) -> str:
    first, last = lines
    return f"line {first}" if first == last else f"lines {first}-{last}"


def _introduction(
    topic: str, sections: Sequence[WrittenSection], numbers: dict[tuple[str, tuple[int, int]], int]
) -> str:
    files = len({name for name, _ in numbers})
    titles = _listed([f"*{escape(section.title)}*" for section in sections])
    parts = "one section" if len(sections) == 1 else f"{_count(len(sections))} sections"
    return (
        f"This report is a digest of what {_count(files)} source{'s' if files > 1 else ''} "
        f"{'say' if files > 1 else 'says'} about {escape(topic)}, in {parts}: {titles}. "
        "All sentences below are quoted from the sources as they stand; "
        "each bracketed number points to the file and the lines in the list at the end."
    )


def _count(number: int) -> str:
    return _COUNTS[number] if number < len(_COUNTS) else str(number)


def _listed(items: Sequence[str]) -> str:
    if len(items) <= 2:  # noqa: PLR2004 - two need no comma
        return " and ".join(items)
    return f"{', '.join(items[:-1])}, and {items[-1]}"
