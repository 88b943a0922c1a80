"""The citation gate: what a model wrote as `[n]` becomes a citation of passage n, or is taken out and counted.

The model's writer passes every section through it. After it no number in brackets claims a passage that the model was
not given; whether a passage supports what is said is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from piecework.report.models.blocks import read_blocks
from piecework.report.models.markers import runs
from piecework.report.models.paragraph import Paragraph
from piecework.report.models.spans import row_spans, spans
from piecework.report.models.tidy import tidy
from piecework.report.writer import Citation

__all__ = ("Checked", "check_citations")


@dataclass(frozen=True, slots=True)
class Checked:
    """A section with its citations checked."""

    body: tuple[str | Citation, ...]
    """Markdown, and between it the citations, each where its marker stood; empty where nothing is left."""
    removed: int
    """How many numbers and ranges in markers named no passage."""


def check_citations(text: str, known: Sequence[Citation], *, title: str = "") -> Checked:
    """Tidy one section and make its markers citations.

    A marker's number n means the n-th of `known`. Any other number is taken out and counted, `[0]` and years such as
    `[2020]` too; a range counts once for all in it that names nothing, and cites nothing if it has over 20 numbers. In
    markers that stand side by side each passage is cited once. Numbers in code and formulas stay.

    Args:
        text: What the model wrote, without its thinking.
        known: What its numbers mean.
        title: The section's title, which the text need not repeat.

    Raises:
        MissingExtraError: markdown-it-py is not installed.
    """
    page = read_blocks(tidy(text, title=title))
    pieces: list[str | Citation] = []
    removed = 0
    for kind, start, end in page.stretches():
        lines = "\n".join(page.lines[start:end])
        if kind in {"verbatim", "definition"} or not lines:
            pieces.append(f"{lines}\n")
            continue
        paragraph = Paragraph(lines, known)
        replaced = paragraph.replaced(runs(lines, tuple(row_spans(lines) if kind == "row" else spans(lines))))
        removed += paragraph.removed
        # A line less could make what comes next the underline of what came before.
        following = page.lines[end].strip() if end < len(page.lines) else ""
        is_parting = bool(following) and set(following) <= {"-", "="}
        pieces += [*replaced, "\n"] if replaced or is_parting else []
    return Checked(tuple(_merged(pieces)), removed)


def _merged(pieces: Sequence[str | Citation]) -> Iterator[str | Citation]:
    """Yield `pieces` with texts that stand side by side as one, and no line breaks around all of them."""
    whole = [
        piece
        for is_text, group in groupby(pieces, lambda piece: isinstance(piece, str))
        for piece in (["".join(map(str, group))] if is_text else group)
    ]
    for place, piece in enumerate(whole):
        if isinstance(piece, Citation):
            yield piece
            continue
        text = piece.lstrip("\n") if place == 0 else piece
        text = text.rstrip() if place == len(whole) - 1 else text
        if text:
            yield text
