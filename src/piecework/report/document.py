"""The report as a Markdown document: title, sections in the order of the plan, and one list of what they cite.

Every writer joins its sections here, so numbering, gaps and the list of sources are the same for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from piecework import Failure
from piecework.report.errors import NothingWrittenError
from piecework.report.gaps import Gap, gaps_in
from piecework.report.writer import Citation, Section, WrittenSection

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


def render(
    topic: str,
    sections: Sequence[Section],
    content: Sequence[WrittenSection | Failure],
    *,
    opening: str = "",
    closing: str = "",
) -> str:
    """Return the report: its title, its sections in the order of the plan, and one list of what they cite.

    Citations are numbered in the order they appear in; the same lines of the same file have one number. A section that
    failed is a marked gap, one that is empty is left out.

    Args:
        topic: What the report is about; its title.
        sections: The plan.
        content: What became of each section, in whatever order.
        opening: Markdown to stand before the first section.
        closing: Markdown to stand at the end.

    Raises:
        NothingWrittenError: There are sections, and all of them failed.
    """
    gaps = gaps_in(sections, content)
    if gaps and len(gaps) == len(sections):
        raise NothingWrittenError(len(gaps), gaps[0].reason)
    missing = {gap.id: gap for gap in gaps}
    written = {one.id: one for one in content if isinstance(one, WrittenSection) and one.body}
    numbers: dict[Citation, int] = {}
    blocks = [f"# {_heading(_capitalized(topic))}", opening]
    for section in sections:
        if section.id in written:
            blocks += [f"## {_heading(section.title)}", _numbered(written[section.id].body, numbers)]
        elif section.id in missing:
            blocks += [f"## {_heading(section.title)}", _marked_gap(missing[section.id])]
    if numbers:
        entries = [f"{number}. {escape(one.source)}, {_lines(one.lines)}" for one, number in numbers.items()]
        blocks += ["## Sources", "\n".join(entries)]
    return "\n\n".join(block for block in [*blocks, closing] if block) + "\n"


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


def _capitalized(topic: str) -> str:
    line = " ".join(topic.split())
    return line[:1].upper() + line[1:]


def _numbered(body: Sequence[str | Citation], numbers: dict[Citation, int]) -> str:
    pieces: list[str] = []
    after_citation = False
    for piece in body:
        if isinstance(piece, Citation):
            pieces.append(f"[{numbers.setdefault(piece, len(numbers) + 1)}]")
        else:
            # A colon after a number in brackets could define a link for every such number in the document.
            pieces.append(f"\\{piece}" if after_citation and piece.startswith(":") else piece)
        after_citation = isinstance(piece, Citation)
    return "".join(pieces).strip("\n")


def _marked_gap(gap: Gap) -> str:
    return f"> **This section is missing.** It could not be written: {escape(gap.reason)}"


def _lines(lines: tuple[int, int]) -> str:
    first, last = lines
    return f"line {first}" if first == last else f"lines {first}-{last}"
